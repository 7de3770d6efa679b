"""The notifications that a message's history calls for."""

from gpconnect_messaging.itk3.response_codes import Verdict
from gpconnect_messaging.ledger.history import MessageHistory
from gpconnect_messaging.ledger.status_rules import NOT_LEFT, NOTIFIED_ON_ENTERING, status_of
from gpconnect_messaging.ledger.stored_names import EventType, NotificationType, Status
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
