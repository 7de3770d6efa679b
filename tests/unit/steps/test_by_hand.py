"""What a person decides is recorded with who decided, and what follows from it is notified at once."""

from datetime import timedelta

import pytest

from gpconnect_messaging.itk3.response_codes import Level, Verdict
from gpconnect_messaging.ledger import events as ledger_events
from gpconnect_messaging.ledger.events import LedgerEvent
from gpconnect_messaging.ledger.stored_names import EventType, Status
from gpconnect_messaging.operators import ActorError, ReasonError
from gpconnect_messaging.steps.operator_actions import NotPossibleError
from tests.fakes.product import WINDOW, Product
from tests.identifiers import ids_of

MINUTE = timedelta(minutes=1)


def answered(product: Product, message_id: str, code: str, name: str, mailbox: str = "ELSEWHERE") -> None:
    level = Level.BUSINESS if code.startswith("3") else Level.INFRASTRUCTURE
    verdict = Verdict.POSITIVE if code in ("20013", "30001") else Verdict.NEGATIVE
    product.ledger.record(
        message_id,
        ledger_events.response(
            at=product.clock(), mesh_message_id=name, from_mailbox=mailbox, from_organisation=None, code=code,
            level=level, verdict=verdict,
        ),
    )  # fmt: skip


def sent(product: Product) -> str:
    message_id = product.asks().message_id
    product.works()
    return message_id


def test_an_accepted_rejection_is_notified_at_once() -> None:
    product = Product(hold_window_seconds=0)
    message_id = sent(product)
    answered(product, message_id, "30002", "R1")
    product.topic.published.clear()
    assert product.operator_actions.accept_response(message_id, "R1", "operator-7") is Status.REJECTED
    assert product.notified()[-1:] == ["A practice rejected a message"]
    (event,) = product.row(message_id).history.of(EventType.RESPONSE_ACCEPTED)
    assert event.details == {"mesh_message_id": "R1", "actor": "operator-7"}


def test_only_a_suspicious_response_of_the_message_can_be_accepted() -> None:
    product = Product(hold_window_seconds=0)
    message_id = sent(product)
    answered(product, message_id, "20013", "R1")
    for name in ("R2", ""):
        with pytest.raises(NotPossibleError, match=f"{message_id} has no such suspicious response"):
            product.operator_actions.accept_response(message_id, name, "operator-7")
    assert product.operator_actions.accept_response(message_id, "R1", "operator-7") is Status.ACKNOWLEDGED


@pytest.mark.requirement("1.5:GPCM-SD-035", "GPCM-SD-128")
def test_an_accepted_20014_voids_what_the_message_replaced_and_no_other_code_does() -> None:
    product = Product(hold_window_seconds=0)
    first, second = sent(product), sent(product)
    answered(product, second, "20014", "R1")
    answered(product, second, "20009", "R2")
    assert product.operator_actions.accept_response(second, "R2", "operator-7") is Status.REJECTED
    assert product.row(first).status is Status.SENT
    assert product.operator_actions.accept_response(second, "R1", "operator-7") is Status.REJECTED
    assert product.row(first).status is Status.REJECTED
    assert product.row(first).history.void


def test_a_request_is_released_with_what_was_known_to_differ_and_only_while_it_is_held() -> None:
    product = Product()
    held = product.asks()
    differs = ledger_events.differs(at=product.clock(), fields=["patient.surname"], comparison="comparisons/1")
    product.ledger.record(held.message_id, differs)
    assert product.operator_actions.release(held.message_id, "operator-7") is Status.HELD
    (event,) = product.row(held.message_id).history.of(EventType.RELEASED_BY_A_PERSON)
    assert event.details == {"actor": "operator-7", "despite": ["patient.surname"]}
    other = product.asks(encounter="another")
    product.withdraws(encounter="another")
    with pytest.raises(NotPossibleError, match="is not held"):
        product.operator_actions.release(other.message_id, "operator-7")
    with pytest.raises(NotPossibleError, match="is not held"):
        product.operator_actions.release("5f0e7f58-0000-5000-8000-000000000009", "operator-7")


def test_a_difference_that_is_found_while_the_operator_decides_needs_another_decision() -> None:
    product = Product()
    held = product.asks()
    record = product.ledger.record

    def found_meanwhile(row_id: str, event: LedgerEvent, **how: object) -> object:
        record(
            row_id, ledger_events.differs(at=product.clock(), fields=["patient.surname"], comparison="comparisons/1")
        )
        return record(row_id, event, **how)  # type: ignore[arg-type]

    product.ledger.record = found_meanwhile  # type: ignore[method-assign, assignment]
    with pytest.raises(NotPossibleError, match="found to differ from PDS just now"):
        product.operator_actions.release(held.message_id, "operator-7")


def test_what_waits_for_no_earlier_version_cannot_be_let_pass() -> None:
    product = Product(hold_window_seconds=0)
    with pytest.raises(NotPossibleError, match="waits for no earlier version"):
        product.operator_actions.skip_earlier_versions(sent(product), "operator-7", "damaged in store")


def test_a_message_is_let_pass_with_who_and_why() -> None:
    product = Product(hold_window_seconds=0)
    encounter = product.row(product.asks().message_id).encounter
    product.works()
    product.ledger.claim("lost", ids_of("Y90001OT001", encounter), (), product.clock())
    blocked = product.asks()
    product.later(MINUTE)
    assert product.status(blocked) is Status.BUILT
    for actor, reason, error in ((" ", "damaged", ActorError), ("operator-7", " ", ReasonError)):
        with pytest.raises(error):
            product.operator_actions.skip_earlier_versions(blocked.message_id, actor, reason)
    product.operator_actions.skip_earlier_versions(blocked.message_id, "operator-7", "damaged in store")
    (event,) = product.row(blocked.message_id).history.of(EventType.WAITS_NO_LONGER)
    assert (event.details["actor"], event.details["reason"]) == ("operator-7", "damaged in store")
    product.later(WINDOW)
    assert product.status(blocked) is Status.SENT
