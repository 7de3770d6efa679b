"""The notifications that a message's history calls for."""

from typing import Any

from gpconnect_messaging.itk3.response_codes import Verdict
from gpconnect_messaging.ledger.events import LedgerEvent
from gpconnect_messaging.ledger.history import MessageHistory
from gpconnect_messaging.ledger.status_rules import NOT_LEFT, NOTIFIED_ON_ENTERING, status_of
from gpconnect_messaging.ledger.stored_names import EventType, NotificationType, Status
from gpconnect_messaging.quoting import mailbox_id, ods_code, quoted
from gpconnect_messaging.scan_results import ScanResult

ATTEMPTS_BEFORE_TOLD = 5
"""How many uploads may fail for temporary reasons before a person is notified."""

OFFERS_BEFORE_TOLD = 3
"""How often a held request may be offered to the builder, or a message to the sender, before a person is notified."""


def notifications_due(history: MessageHistory) -> frozenset[NotificationType]:
    """Return the notifications that the events call for (GPCM-SD-044, GPCM-SD-045); none is sent twice."""
    status = status_of(history)
    called_for = {NOTIFIED_ON_ENTERING[status]} if status in NOTIFIED_ON_ENTERING else set()
    if status is Status.REFUSED and history.unresolved:
        called_for = {NotificationType.UNRESOLVED}
    if scans := {scan for event in history.of(EventType.REQUEST_REFUSED) for scan in event.details.get("scans", ())}:
        called_for = {NotificationType.MALWARE if ScanResult.THREATS_FOUND in scans else NotificationType.NOT_SCANNED}
    if history.void:
        called_for = called_for - ({NotificationType.REJECTED} if not history.negative else set()) | {
            NotificationType.VOIDED
        }
    if history.contradictory:
        called_for.add(NotificationType.CONTRADICTION)
    if any(verdict == Verdict.UNKNOWN for _, verdict in history.verdicts):
        called_for.add(NotificationType.UNKNOWN_CODE)
    if status is Status.HELD and history.waits_for_a_person:
        undecided = history.undecided_differences
        again = NotificationType.DIFFERS_MORE if undecided != history.differences else NotificationType.DIFFERS
        called_for.add(again if undecided else NotificationType.WAITING)
    offered = len(history.of(EventType.QUEUED_AGAIN))
    if status in {Status.HELD, Status.RELEASING} and offered >= OFFERS_BEFORE_TOLD:
        called_for.add(NotificationType.NOT_RELEASED)
    if status is Status.BUILT and offered >= OFFERS_BEFORE_TOLD:
        # Perhaps no upload was tried: the message waits for an earlier version, or the stored bytes are missing.
        called_for.add(NotificationType.STUCK)
    if history.sent_again_in_vain:
        called_for.add(NotificationType.SENT_AGAIN_IN_VAIN)
    if history.of(EventType.RUNNING_LATE) and status in NOT_LEFT:
        called_for.add(NOT_LEFT[status])
    if any(not (event.details["stopped"] or event.details["sent"]) for event in history.of(EventType.WITHDRAWAL)):
        called_for.add(NotificationType.NOTHING_WITHDRAWN)
    if history.of(EventType.WITHDRAWN) and history.reached_mesh:
        called_for.add(NotificationType.SENT_ALTHOUGH_WITHDRAWN)
    if history.of(EventType.SUPERSEDED) and history.reached_mesh:
        called_for.add(NotificationType.SENT_ALTHOUGH_GIVEN_UP)
    if any(event.details.get("arrived_later") for event in history.of(EventType.SUPERSEDED)):
        called_for.add(NotificationType.LATER_SUPERSEDED)
    if history.suspicious:
        called_for.add(NotificationType.SUSPICIOUS)
    if history.attempts >= ATTEMPTS_BEFORE_TOLD and not history.mesh_message_ids:
        called_for.add(NotificationType.STUCK)
    return frozenset(called_for)


def occasions_due(history: MessageHistory) -> frozenset[tuple[NotificationType, str]]:
    """Return the notifications due, with the occasion where the kind can repeat; "" where it cannot."""
    due: set[tuple[NotificationType, str]] = set()
    for kind in notifications_due(history):
        match kind:
            case NotificationType.SUSPICIOUS:
                due |= {(kind, event.details["mesh_message_id"]) for event in history.suspicious}
            case NotificationType.SENT_AGAIN_IN_VAIN:
                due |= {(kind, str(order)) for order in history.sent_again_in_vain}
            case NotificationType.OVERDUE:
                due |= {(kind, "" if order is None else str(order)) for order in history.orders_overdue}
            case _:
                due.add((kind, ""))
    return frozenset(due)


def explanation(history: MessageHistory, kind: NotificationType, occasion: str) -> dict[str, str]:
    """Pick the details that a notification of this kind needs; received messages cannot make them grow."""
    details: dict[str, Any] = {}
    match kind:
        case NotificationType.INVALID | NotificationType.MALWARE | NotificationType.NOT_SCANNED:
            details = {"reasons": "\n".join(history.of(EventType.REQUEST_REFUSED)[0].details["reasons"])}
        case NotificationType.REFUSED:
            details = dict(history.of(EventType.UPLOAD_REFUSED)[-1].details)
        case NotificationType.UNRESOLVED:
            details = dict(history.of(EventType.RECIPIENT_UNRESOLVED)[-1].details)
        case NotificationType.VOIDED:
            details = dict(history.of(EventType.VOIDED)[-1].details)
        case NotificationType.UNDELIVERED:
            details = dict(history.of(EventType.REPORT)[-1].details)
        case NotificationType.REJECTED | NotificationType.CONTRADICTION | NotificationType.UNKNOWN_CODE:
            details = {"codes": ", ".join(sorted({str(event.details["code"]) for event in history.responses}))}
        case NotificationType.OVERDUE:
            details = {"missing": " and ".join(history.missing_acknowledgements)}
        case NotificationType.DIFFERS | NotificationType.DIFFERS_MORE:
            differing = history.of(EventType.DIFFERS)[-1].details
            details = {"fields": ", ".join(differing["fields"]), "evidence_key": differing["comparison"]}
        case NotificationType.SENT_AGAIN_IN_VAIN:
            details = {"attempts": history.attempts, "actor": history.of(EventType.RESEND_ORDERED)[-1].details["actor"]}
        case NotificationType.STUCK:
            details = {"attempts": history.attempts}
        case NotificationType.WAITING:
            details = {"release_at": history.of(EventType.HELD)[0].details["release_at"]}
        case NotificationType.NOT_RELEASED:
            unanswered = [event.details["why"] for event in history.of(EventType.LOOKUP_UNANSWERED)]
            details = {"offered": len(history.of(EventType.QUEUED_AGAIN)), "reason": "".join(unanswered[-1:])}
        case NotificationType.LATER_SUPERSEDED:
            details = {"by_request_id": history.of(EventType.SUPERSEDED)[0].details["by_request_id"]}
        case NotificationType.TELL_PRACTICE:
            withdrawal_details = history.of(EventType.WITHDRAWAL)[0].details
            details = {
                "warning_key": withdrawal_details["warning_key"],
                "sent": ", ".join(withdrawal_details["sent"]),
            }
        case NotificationType.SENT_ALTHOUGH_WITHDRAWN:
            details = dict(history.of(EventType.WITHDRAWN)[0].details)
        case NotificationType.SUSPICIOUS:
            response = next(event for event in history.suspicious if event.details["mesh_message_id"] == occasion)
            details = {"response": _source(response)}
    return {name: str(value) for name, value in details.items()}


def _source(response: LedgerEvent) -> str:
    """Name the sender of a response; a value that is not a code is not repeated, since the sender chose the text."""
    mailbox, organisation = response.details["from_mailbox"], response.details["from_organisation"]
    return (
        f"{response.details['mesh_message_id']} from mailbox {quoted(mailbox_id(mailbox), mailbox)}, "
        f"organisation {quoted(ods_code(organisation), organisation)}"
    )


def practice(history: MessageHistory) -> dict[str, str]:
    """Name the practice that a person may have to ring, and say whether PDS records that the patient has died.

    Only the ODS code is given: the name comes from the request even where the code comes from PDS.
    """
    registration = history.registration
    code = ods_code(registration.get("ods_code"))
    if not code:
        return {}
    return {"practice": f"{code} (says {registration['source']})"} | (
        {"deceased": "PDS knows that the patient has died"} if registration.get("deceased") else {}
    )
