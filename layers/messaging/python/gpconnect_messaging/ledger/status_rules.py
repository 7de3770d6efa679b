"""The status of a message: the first rule that holds for the history. Pure.

Every status has evidence, and its rule says what an operator does. `docs/lifecycle.md` is drawn from `RULES`.
"""

from collections.abc import Callable
from dataclasses import dataclass

from gpconnect_messaging.ledger.history import MessageHistory
from gpconnect_messaging.ledger.stored_names import EventType, NotificationType, Status


def _has(kind: EventType) -> Callable[[MessageHistory], bool]:
    return lambda history: bool(history.of(kind))


@dataclass(frozen=True, slots=True)
class Rule:
    """A status: when it holds, the meaning, the source of the rule, what an operator does, and what follows."""

    status: Status
    holds: Callable[[MessageHistory], bool]
    reason: str
    source: str
    """Requirement ids, or the design's rule."""
    action: str
    notifies: NotificationType | None = None
    """The notification that the status itself calls for."""
    notifies_late: NotificationType | None = None
    """The notification if a message or request runs late in the status; only statuses before the sending have one."""


RULES: tuple[Rule, ...] = (
    Rule(
        Status.INVALID,
        _has(EventType.REQUEST_REFUSED),
        "the request breaks a rule, or asks for something that the specification does not allow; the input is kept",
        "design: nothing wrong leaves; safety rule 7",
        "Correct the request in the sending system and drop it again. If it may not be sent, inform the practice "
        "another way.",
        notifies=NotificationType.INVALID,
    ),
    Rule(
        Status.NOT_REQUIRED,
        _has(EventType.NOT_REQUIRED),
        "the patient is registered with the sender, the request says that it is not clinically relevant, or it is a "
        "copy of a request that was received under the same key",
        "GPCM-SD-CS-071, GPCM-SD-CS-073, design: a copy is a repeat",
        "Nothing.",
    ),
    Rule(
        Status.REJECTED,
        lambda history: history.negative or history.void,
        "any negative response code, after which nothing follows; 20014 to a replacement of it",
        "GPCM-SD-044, GPCM-SD-035",
        "Look the code up, correct the fault that it names and send again, or inform the practice another way.",
        notifies=NotificationType.REJECTED,
    ),
    Rule(
        Status.DELIVERED,
        lambda history: history.infrastructure_positive and history.business_positive,
        "20013 and a positive business code, in any order",
        "design: DELIVERED needs both",
        "Nothing; a patient who is known to have died (30004) is flagged by the code.",
    ),
    Rule(
        Status.UNDELIVERED,
        lambda history: history.undelivered,
        "a MESH report: not routed, or not collected",
        "GPCM-SD-044, GPCM-SD-094",
        "Check the patient's details with PDS, correct the request and drop it again, or inform the practice "
        "another way.",
        notifies=NotificationType.UNDELIVERED,
    ),
    Rule(
        Status.OVERDUE,
        lambda history: bool(history.of(EventType.ACKNOWLEDGEMENT_OVERDUE)) and not history.sending_again,
        "an expected acknowledgement is late; a late one still lands",
        "GPCM-SD-045",
        "Ask the practice whether it has the document.",
        notifies=NotificationType.OVERDUE,
    ),
    Rule(
        Status.ACKNOWLEDGED,
        lambda history: history.infrastructure_positive,
        "20013 came, the business acknowledgement is still due",
        "design: half answered is not delivered",
        "Nothing yet: it becomes OVERDUE by itself.",
    ),
    Rule(
        Status.SENT,
        lambda history: (bool(history.mesh_message_ids) and not history.sending_again) or history.business_positive,
        "MESH took the message, or a receiver that can only have it from MESH responded",
        "design: ledger before upload",
        "Nothing yet: it becomes OVERDUE by itself.",
    ),
    Rule(
        Status.REFUSED,
        lambda history: (history.refused_by_mesh or history.unresolved) and not history.sending_again,
        "MESH refused it, or names no single mailbox for the recipient: never retried unchanged",
        "GPCM-SD-044, GPCM-SD-OC-159, GPCM-SD-GE-286",
        "Look at MESH's error: the workflow, the address or the mailbox; then drop a corrected request.",
        notifies=NotificationType.REFUSED,
    ),
    Rule(
        Status.SENDING,
        lambda history: history.attempts > 0 and history.last_outcome is None,
        "a sender holds the lease",
        "safety rule 2",
        "Nothing: it becomes UNCERTAIN when the lease ends.",
    ),
    Rule(
        Status.RELEASED,
        _has(EventType.RELEASED),
        "the held request became messages, which the event names and which have their own records",
        "GPCM-SD-CS-075",
        "Nothing: look at the messages.",
    ),
    Rule(
        Status.RELEASING,
        _has(EventType.RELEASE_STARTED),
        "the hold window is over and the version given; the messages are being built",
        "GPCM-SD-CS-075, design: every step is repeatable",
        "Nothing: the sweep offers it to the builder again.",
        notifies_late=NotificationType.NOT_RELEASED,
    ),
    Rule(
        Status.SUPERSEDED,
        _has(EventType.SUPERSEDED),
        "a newer request for the same encounter replaced it before it was sent, or an operator skipped it; kept with "
        "the evidence",
        "GPCM-SD-CS-076",
        "Nothing: look at the request that the event names.",
    ),
    Rule(
        Status.TELL_PRACTICE,
        lambda history: history.practice_to_tell,
        "a consultation was deleted whose report was sent: a warning is in the evidence store",
        "GPCM-SD-CS-077",
        "Read the warning, tell the practice, and record that it was told.",
        notifies=NotificationType.TELL_PRACTICE,
    ),
    Rule(
        Status.WITHDRAWN,
        lambda history: bool(history.of(EventType.WITHDRAWN, EventType.WITHDRAWAL)),
        "the consultation was deleted: a request or message, before it was known to be sent; a withdrawal, when "
        "everything that it asks for is done",
        "GPCM-SD-CS-077",
        "Nothing.",
    ),
    Rule(
        Status.HELD,
        _has(EventType.HELD),
        "checked, and waiting out the hold window, for a person to release it, or for PDS to answer",
        "GPCM-SD-CS-074, GPCM-SD-CS-075, GPCM-SD-CS-076",
        "Where a person must release it: release it, or have it withdrawn. Otherwise nothing.",
        notifies_late=NotificationType.NOT_RELEASED,
    ),
    Rule(
        Status.UNCERTAIN,
        lambda history: history.left_uncertain,
        "the upload may or may not have reached MESH",
        "safety rule 2",
        "Nothing: after a wait the identical bytes are sent again.",
        notifies_late=NotificationType.STUCK,
    ),
    Rule(
        Status.BUILT,
        lambda _history: True,
        "stored and queued",
        "design: one commit point per step",
        "Nothing: the sweep queues it again if no sender takes it.",
        notifies_late=NotificationType.STUCK,
    ),
)


def status_of(history: MessageHistory) -> Status:
    """Return the status: that of the first rule that holds."""
    return next(rule.status for rule in RULES if rule.holds(history))


def rule_of(status: Status) -> Rule:
    """Find the rule of a status."""
    return next(rule for rule in RULES if rule.status is status)


NOTIFIED_ON_ENTERING = {rule.status: rule.notifies for rule in RULES if rule.notifies}
"""The notification that a status itself calls for."""

NOT_LEFT = {rule.status: rule.notifies_late for rule in RULES if rule.notifies_late}
"""The statuses of a message or request that was not sent yet, and the notification if it runs late.

SENDING is not among them: an upload ends within minutes, and is judged then.
"""
