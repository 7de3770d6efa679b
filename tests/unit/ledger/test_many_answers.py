"""However many answers come to one message, a notification stays short and deriving the status stays quick."""

import sys
from collections.abc import Sequence
from types import FrameType
from typing import Any

import pytest

from gpconnect_messaging.itk3.response_codes import Level, Verdict
from gpconnect_messaging.ledger import events as ledger_events
from gpconnect_messaging.ledger.deadlines import due_at
from gpconnect_messaging.ledger.events import LedgerEvent
from gpconnect_messaging.ledger.history import MessageHistory
from gpconnect_messaging.ledger.notification_rules import explanation, occasions_due
from gpconnect_messaging.ledger.stored_names import EventType, NotificationType
from tests.fakes.product import TIMEOUTS, Product

MANY = 3_000
PRACTICE, STRANGER = "A20047OT001", "B86071OT001"


def an_answer(product: Product, number: int, mailbox: str) -> LedgerEvent:
    return ledger_events.response(
        at=product.clock(), mesh_message_id=f"20261120221415123456_{number:06}", from_mailbox=mailbox,
        from_organisation=None, code="20013", level=Level.INFRASTRUCTURE, verdict=Verdict.POSITIVE,
    )  # fmt: skip


def answered(mailbox: str, *, sent: bool = True) -> MessageHistory:
    product = Product(hold_window_seconds=0)
    message_id = product.asks().message_id
    if sent:
        product.works()
    history = product.row(message_id).history
    went = ledger_events.routed(at=product.clock(), mesh_message_id="OUT000001", mailbox=PRACTICE)
    return MessageHistory((*history.events, went, *(an_answer(product, number, mailbox) for number in range(MANY))))


CASES = {
    "from a stranger": lambda: answered(STRANGER),
    "from the practice": lambda: answered(PRACTICE),
    "before anything was sent": lambda: answered(PRACTICE, sent=False),
}


def lines_of(events: Sequence[LedgerEvent]) -> int:
    """Count the lines that run while a history of these events is judged: time, on a machine that is never busy."""
    lines = 0

    def count(_frame: FrameType, kind: str, _argument: object) -> Any:
        nonlocal lines
        lines += kind == "line"
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        history = MessageHistory(tuple(events))
        judged = len(history.suspicious) + len(history.responses)
        occasions_due(history)
        due_at(history, TIMEOUTS)
    finally:
        sys.settrace(before)
    assert judged == len(history.of(EventType.RESPONSE))
    return lines


@pytest.mark.parametrize("case", CASES)
def test_twice_as_many_answers_take_twice_the_work(case: str) -> None:
    events = CASES[case]().events
    lines, twice = lines_of(events[: MANY // 2]), lines_of(events)
    assert lines > MANY
    assert twice < 2.2 * lines


def test_a_notification_of_an_answer_that_does_not_count_names_that_answer_alone() -> None:
    history = answered(STRANGER)
    due = [occasion for kind, occasion in occasions_due(history) if kind is NotificationType.SUSPICIOUS]
    assert len(due) == MANY
    for occasion in due[:3]:
        assert explanation(history, NotificationType.SUSPICIOUS, occasion) == {
            "response": f"{occasion} from mailbox {STRANGER}, organisation not given"
        }


@pytest.mark.parametrize(
    "kind", [NotificationType.REJECTED, NotificationType.CONTRADICTION, NotificationType.UNKNOWN_CODE]
)
def test_a_notification_names_every_code_that_counts_once(kind: NotificationType) -> None:
    assert explanation(answered(PRACTICE), kind, "") == {"codes": "20013"}
    assert explanation(answered(STRANGER), kind, "") == {"codes": ""}
