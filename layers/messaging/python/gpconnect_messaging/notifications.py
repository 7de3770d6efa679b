"""Notifies people: one notification per failure, in plain words, with the next step (GPCM-SD-044, GPCM-SD-045).

A notification is raised in the same transaction as the event that calls for it, and delivered afterwards; the sweep
delivers notifications that a crash left undelivered. A notification names ids, statuses and codes, never a patient. The
SNS message attributes allow subscription filters by organisation: `route` is the mailbox and the delivery, first or
escalation, such as `Y90001OT001/first`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from gpconnect_messaging.ledger.notifications import NotificationStore
from gpconnect_messaging.ledger.records import Notification
from gpconnect_messaging.ledger.store import Ledger
from gpconnect_messaging.ledger.stored_names import NotificationType

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient

NO_MAILBOX = "-"
"""The mailbox attribute of a notification without a known mailbox."""


class Severity(StrEnum):
    """How severe a notification is, for subscription filters."""

    FAILURE = "failure"
    """A document did not arrive, or may not have; or a document arrived that was withdrawn."""
    ATTENTION = "attention"
    """A person must read something; no document is known to be missing."""


class Delivery(StrEnum):
    """The first delivery of a notification, or the escalation if it was not acknowledged in time."""

    FIRST = "first"
    ESCALATION = "escalation"


@dataclass(frozen=True, slots=True)
class NotificationText:
    """The text of a kind of notification: the subject, what happened, what to do, and the severity."""

    subject: str
    what: str
    todo: str
    severity: Severity = Severity.FAILURE


NOTIFICATION_TEXTS = {
    NotificationType.INVALID: NotificationText(
        "A request was refused",
        "A request was refused for the reasons below, and no message is made of it, unless a reason names one. The "
        "request is kept.",
        "Correct the request in the sending system and drop it again.",
    ),
    NotificationType.MALWARE: NotificationText(
        "Malware was found in a dropped object",
        "GuardDuty found malware in an object of a request, so no message was made of it. Nothing copies the object; "
        "it stays in the drop bucket, whose policy denies reading it.",
        "Treat it as a security incident of the sending system, and inform the people who run it. Once the object is "
        "clean there, have the whole request dropped again. Inform the practice another way meanwhile.",
    ),
    NotificationType.NOT_SCANNED: NotificationText(
        "A request could not be scanned for malware",
        "An object of a request has no verdict that it is clean, so no message was made of it. The request is kept.",
        "Depending on the reason below: have a file without a password dropped again; look at the permissions of "
        "GuardDuty's plan for the drop bucket; where GuardDuty was late or failed, have the object scanned again, then "
        "resubmit the request.",
    ),
    NotificationType.REFUSED: NotificationText(
        "MESH refused a message",
        "MESH did not take the message. It will not be sent again unchanged.",
        "Look at MESH's error below: most often the mailbox may not use the workflow, or the address is malformed. "
        "Inform the practice another way if it cannot be corrected in time.",
    ),
    NotificationType.UNRESOLVED: NotificationText(
        "A recipient has no single mailbox",
        "MESH names no mailbox, or more than one, for the care provider and such messages. Nothing was sent to it.",
        "Ask the care provider for the MESH mailbox and name that in a new request, or inform the provider another "
        "way. The copy to the registered practice is a separate message.",
    ),
    NotificationType.UNDELIVERED: NotificationText(
        "A message was not delivered",
        "MESH reports that the message did not reach a practice.",
        "Check the patient's details and registered practice with PDS, correct the request and drop it again, or "
        "inform the practice another way.",
    ),
    NotificationType.REJECTED: NotificationText(
        "A practice rejected a message",
        "The receiving practice answered with a negative code. The document is not in the patient's record.",
        "Look the code up, correct the fault, and send again, or inform the practice another way.",
    ),
    NotificationType.VOIDED: NotificationText(
        "A document is void",
        "A replacement of the document could not be processed (20014), so neither may be relied on, whatever the "
        "practice answered before.",
        "Send the document again as a new encounter, or inform the practice another way.",
    ),
    NotificationType.OVERDUE: NotificationText(
        "An acknowledgement is overdue",
        "The message was sent, but an expected acknowledgement has not come. It may not have been read.",
        "Ask the practice whether it has the document; a late acknowledgement will still be recorded.",
    ),
    NotificationType.STUCK: NotificationText(
        "A message cannot be sent",
        "The message repeatedly could not be uploaded to MESH, or the three hours since the consultation's last update "
        "are nearly over. Sending is still being tried.",
        "Check MESH's service status, the mailbox's credentials and certificate, the network, and the dead letters of "
        "both queues. The message may have an event of a newer release: deploy that again. It may wait for an earlier "
        "version of the encounter: if that one can never be sent, let this one skip it.",
    ),
    NotificationType.CONTRADICTION: NotificationText(
        "Responses to a message contradict one another",
        "The responses to the message cannot all be true. The status follows the worse one.",
        "Ask the practice what became of the document.",
    ),
    NotificationType.UNKNOWN_CODE: NotificationText(
        "A response has an unknown code",
        "A response to the message has no code, or one that is not in the table of ITK3 response codes.",
        "Read the response in the evidence store and decide; it does not change the message's status.",
        Severity.ATTENTION,
    ),
    NotificationType.WAITING: NotificationText(
        "A request waits for a person",
        "A request was checked and is held until a person releases it, as the organisation has chosen.",
        "Look at the request in the evidence store, then release it or have it withdrawn. A report must be sent within "
        "three hours of the consultation's last update.",
        Severity.ATTENTION,
    ),
    NotificationType.DIFFERS: NotificationText(
        "A patient's details differ from PDS",
        "The fields below differ between PDS and a request. It may be about another person, so it is held.",
        "Compare both values under their key in the evidence store. Correct the patient's record and drop the request "
        "again, or release it as it is. A report must be sent within three hours of the consultation's last update.",
    ),
    NotificationType.DIFFERS_MORE: NotificationText(
        "More of a patient's details differ from PDS",
        "Since a request was released as it is, more of the fields were found to differ from PDS. It is held again.",
        "Compare both values under their key in the evidence store, then decide once more: correct the patient's "
        "record and drop the request again, or release it as it is.",
    ),
    NotificationType.NOT_RELEASED: NotificationText(
        "A held request is not being sent",
        "The hold window is over, and the request cannot be built, PDS gives no answer about the patient, or no person "
        "has released it. Building is still being tried.",
        "Release it, where a person must. Otherwise look at the builder's log, at PDS's service status, and at the "
        "intake queue's dead letters. A report must be sent within three hours of the consultation's last update: "
        "inform the practice another way if it cannot be corrected in time.",
    ),
    NotificationType.LATER_SUPERSEDED: NotificationText(
        "A later request was not sent",
        "A request arrived after another one for the same encounter, and states an earlier update of the "
        "consultation. The one that states the later update stands; this one is kept and was not sent.",
        "Ask the people who run the sending system which of the two is right. If it is this one, have it dropped "
        "again with the time of the last update corrected. Clocks may differ by up to five minutes.",
    ),
    NotificationType.TELL_PRACTICE: NotificationText(
        "A consultation was deleted after the report was sent",
        "The practice has, or may have, the report of a consultation that was deleted since.",
        "Read the warning under the key below in the evidence store: it names the patient, the consultation and the "
        "practice. Tell the practice, and record that it was told.",
    ),
    NotificationType.NOTHING_WITHDRAWN: NotificationText(
        "A withdrawal stopped nothing",
        "A withdrawal of a consultation was received, and nothing was stopped: nothing of the consultation is held or "
        "was sent, or there is a newer request for it.",
        "Make sure that the withdrawal names the right mailbox and encounter. If it does, and the consultation was not "
        "taken up again after it was deleted, withdraw it once more; otherwise nothing is left to do.",
        Severity.ATTENTION,
    ),
    NotificationType.SENT_ALTHOUGH_WITHDRAWN: NotificationText(
        "A withdrawn message reached MESH",
        "A message was withdrawn while it was being sent, and MESH has it.",
        "Tell the practice that the consultation was deleted: the warning of the withdrawal names the practice.",
    ),
    NotificationType.SENT_ALTHOUGH_GIVEN_UP: NotificationText(
        "A version that was given up had reached MESH",
        "An earlier version of a document was given up so that a newer one could be sent, and MESH had taken the "
        "earlier one already. It was sent before the newer one.",
        "Nothing, if the newer one was delivered: it replaces this one.",
        Severity.ATTENTION,
    ),
    NotificationType.SUSPICIOUS: NotificationText(
        "An answer came from somewhere else",
        "A response to a message does not count: it came from another mailbox or organisation than the message went "
        "to, or MESH does not say where the message went, or it came while MESH could have no copy of the message. It "
        "is kept.",
        "Find out who responded: the patient may have moved to another practice. Record that the response is genuine, "
        "if it is; otherwise report a security incident, as for any response that came before MESH had the message.",
        Severity.ATTENTION,
    ),
    NotificationType.SENT_AGAIN_IN_VAIN: NotificationText(
        "A message was sent again in vain",
        "An operator had the message sent again, and MESH refused it or reported it once more.",
        "The cause is not corrected, or is in the message itself. Correct the request and drop it again, or inform the "
        "practice another way.",
    ),
    NotificationType.UNMATCHED: NotificationText(
        "Something came in that belongs to no message",
        "A MESH message came to a sending mailbox and matches no sent message. It is kept unchanged.",
        "Read it in the evidence store and decide what it is about.",
        Severity.ATTENTION,
    ),
    NotificationType.REQUESTS_UNANNOUNCED: NotificationText(
        "Dropped requests were not announced",
        "Requests lay in the drop bucket for an hour without an event from S3. They were submitted now, late.",
        "Find out what stopped the events: a rule that was switched off, or EventBridge itself. Look at the requests "
        "that came in within the last minutes: their reports may be late.",
    ),
    NotificationType.DOCUMENTS_WITHOUT_REQUEST: NotificationText(
        "Documents were dropped without a request",
        "Documents lie in the drop bucket that no request has named within an hour. Nothing of them was sent.",
        "Ask the people who run the sending system whether a request is missing. The day's balance lists the documents "
        "by hashes.",
    ),
    NotificationType.IMBALANCE: NotificationText(
        "The day's balance does not add up",
        "Not all requests and messages of a day are accounted for: something was lost, or waits and nothing will move "
        "it, or MESH answered no question about a mailbox's messages.",
        "Read the day's balance: it lists the requests and messages concerned. A request that made no message is still "
        "kept: find out why in the builder's log and in the intake's dead letters, and drop it again.",
    ),
}


UNRECOGNISED = NotificationText(
    "A notification of a newer release",
    "A newer release raised a notification for which this release has no text.",
    "Deploy the newer release again, or look at the message's events with the newer release's `gpcm`.",
)


def notification_text(kind: NotificationType) -> NotificationText:
    """Return the text of a kind of notification, or UNRECOGNISED for a kind of a newer release."""
    return NOTIFICATION_TEXTS.get(kind, UNRECOGNISED)


class Notifier:
    """Publishes notifications to the organisation's contacts through SNS."""

    def __init__(self, client: "SNSClient", topic_arn: str, ledger: Ledger) -> None:
        self._client = client
        self._topic_arn = topic_arn
        self._ledger = ledger
        self.store = NotificationStore(ledger)

    def raise_and_notify(self, notifications: Iterable[Notification]) -> None:
        """Raise and publish notifications about something that is not a message; none is raised twice."""
        for notification in notifications:
            self.notify(self._ledger.raise_notification(notification))

    def notify(self, notifications: Iterable[Notification], time_left: Callable[[], bool] = lambda: True) -> int:
        """Publish the notifications that no other process is publishing, while there is time; return how many.

        Delivery is at least once: a crash between publishing and recording causes a second copy. A notification that
        SNS refuses does not delay the others; the error is raised after them. If SNS cannot be reached, the rest are
        left for the next sweep.
        """
        published = 0
        failure: Exception | None = None
        for notification in notifications:
            if not time_left():
                break
            if self.store.take(notification):
                try:
                    self._publish(notification, Delivery.FIRST)
                except ClientError as error:
                    failure = error
                    continue
                except BotoCoreError as error:
                    failure = error
                    break
                self.store.told(notification)
                published += 1
        if failure is not None:
            raise failure
        return published

    def escalate(self, notification: Notification) -> None:
        """Publish a notification to the second contact."""
        self._publish(notification, Delivery.ESCALATION)

    def _publish(self, notification: Notification, telling: Delivery) -> None:
        subject, body = write(notification.kind, notification.details, notification_id=notification.id, telling=telling)
        attributes = {
            "mailbox": notification.mailbox or NO_MAILBOX,
            "kind": notification.kind.value,
            "severity": notification_text(notification.kind).severity.value,
            "telling": telling.value,
            "route": f"{notification.mailbox or NO_MAILBOX}/{telling.value}",
        }
        self._client.publish(
            TopicArn=self._topic_arn,
            Subject=subject,
            Message=body,
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
            },
        )


def write(
    kind: NotificationType, facts: Mapping[str, str], *, notification_id: str = "", telling: Delivery = Delivery.FIRST
) -> tuple[str, str]:
    """Write a notification: a subject of at most 100 ASCII characters (SNS's limit), and a body in plain text."""
    text = notification_text(kind)
    details = [f"{name.replace('_', ' ')}: {value}" for name, value in sorted(facts.items()) if value]
    body = [
        text.what,
        "",
        "What to do:",
        text.todo,
        "",
        "Where to look:",
        *_locations(facts),
        "",
        "What is known:",
        *details,
    ]
    title = "GP Connect Messaging"
    if telling is Delivery.ESCALATION:
        title = f"{title}, escalated"
        body = ["This notification was not acknowledged in time, so it is escalated to you.", "", *body]
    if notification_id:
        body += [
            "",
            f"This notification: {notification_id}",
            "Acknowledge it when you deal with it; otherwise it is escalated.",
        ]
    return f"{title}: {text.subject}", "\n".join(body)


def _locations(facts: Mapping[str, str]) -> list[str]:
    """List where a person finds the details."""
    locations = []
    if message_id := facts.get("message_id"):
        locations.append(f"the ledger has every step under MESSAGE#{message_id}; the functions' logs name the same id")
    locations += [
        f"the evidence bucket has {what} as {key}"
        for what, key in (("it", facts.get("evidence_key")), ("the warning", facts.get("warning_key")))
        if key
    ]
    return locations or ["the poller's log"]
