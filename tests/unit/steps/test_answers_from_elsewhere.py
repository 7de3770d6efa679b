"""A response from another mailbox or organisation than the message went to, through the poller's own steps."""

from typing import Any, cast

import pytest

from gpconnect_messaging.itk3.response_codes import Level, Verdict
from gpconnect_messaging.itk3.responses import Outcome
from gpconnect_messaging.ledger import events as ledger_events
from gpconnect_messaging.ledger.events import LedgerEvent
from gpconnect_messaging.ledger.history import MOST_ROUTING_QUESTIONS
from gpconnect_messaging.ledger.stored_names import EventType, Status
from gpconnect_messaging.mesh.errors import MeshError, NotFound, Refused
from gpconnect_messaging.mesh.models import ReceivedMessage
from gpconnect_messaging.steps.operator_actions import NotPossibleError
from tests.fakes.mesh import Mood
from tests.fakes.product import WORKFLOW, Product

GOOD = [("20013", Level.INFRASTRUCTURE, Verdict.POSITIVE), ("30001", Level.BUSINESS, Verdict.POSITIVE)]
ANSWERED_ON = "GPCONNECT_SEND_DOCUMENT_ACK"
VOID = ("20014", Level.INFRASTRUCTURE, Verdict.NEGATIVE)


def answers(
    product: Product,
    message_id: str,
    *outcomes: tuple[str, Level, Verdict],
    organisation: str,
    name: str = "R",
    mailbox: str | None = None,
    went_to: str | None = "A20047OT001",
) -> None:
    """One MESH message with these outcomes comes from an organisation; MESH says that the message went to a mailbox."""
    for mesh_message_id in product.row(message_id).history.mesh_message_ids if went_to else ():
        went = ledger_events.routed(at=product.clock(), mesh_message_id=mesh_message_id, mailbox=went_to)
        product.ledger.record(message_id, went)
    given = tuple(Outcome(level=level, verdict=verdict, code=code) for code, level, verdict in outcomes)
    response = type("Response", (), {"outcomes": given, "sender_ods_code": organisation})
    received = ReceivedMessage(message_id=name, sender=mailbox or f"{organisation}OT001")
    events = product.poller._responses(received, cast("Any", response), (), "")
    product.poller._record(product.mailbox.mailbox, name, "key", (product.row(message_id), events))


def sent(product: Product) -> str:
    message_id = product.asks().message_id
    product.works()
    return message_id


def test_it_is_kept_does_not_complete_the_message_and_is_told() -> None:
    product = Product(hold_window_seconds=0)
    message_id = sent(product)
    answers(product, message_id, *GOOD, organisation="B86071")
    assert product.row(message_id).status is Status.SENT
    assert [event.details["from_mailbox"] for event in product.row(message_id).history.of(EventType.RESPONSE)] == [
        "B86071OT001", "B86071OT001",
    ]  # fmt: skip
    assert product.notified() == ["An answer came from somewhere else"]
    assert "B86071" in product.topic.published[0]
    answers(product, message_id, *GOOD, organisation="A20047", name="R2")
    assert product.row(message_id).status is Status.DELIVERED, "the right one still lands"


def test_every_answer_that_does_not_count_is_notified_once() -> None:
    product = Product(hold_window_seconds=0)
    message_id = sent(product)
    for name in ("R1", "R1", "R2", "R3"):
        answers(product, message_id, *GOOD, organisation="B86071", name=name)
    assert product.notified() == ["An answer came from somewhere else"] * 3


def test_what_an_answer_says_of_its_sender_is_not_repeated_where_it_is_no_code() -> None:
    product = Product(hold_window_seconds=0)
    answers(product, sent(product), GOOD[0], organisation="Mr Garth WRIGHT")
    assert "WRIGHT" not in product.topic.published[0]


def test_the_practice_that_the_request_does_not_name_is_not_held_against_the_mailbox_that_mesh_names() -> None:
    product = Product(hold_window_seconds=0)
    message_id = product.asks(registered_practice=None).message_id
    product.works()
    answers(product, message_id, *GOOD, organisation="B86071", went_to="B86071OT001")
    assert product.row(message_id).status is Status.DELIVERED


@pytest.mark.parametrize("practice", [{}, {"registered_practice": None}])
def test_an_answer_to_a_message_that_went_nobody_knows_where_decides_nothing_until_a_person_does(
    practice: dict[str, None],
) -> None:
    product = Product(hold_window_seconds=0)
    message_id = product.asks(**practice).message_id
    product.works()
    answers(product, message_id, *GOOD, organisation="A20047", went_to=None)
    assert product.row(message_id).status is Status.SENT
    assert product.notified() == ["An answer came from somewhere else"]
    assert product.operator_actions.accept_response(message_id, "R", "operator-7") is Status.DELIVERED


@pytest.mark.requirement("1.5:GPCM-SD-035")
def test_it_voids_nothing_until_a_person_accepts_it() -> None:
    product = Product(hold_window_seconds=0)
    first, second = sent(product), sent(product)
    answers(product, second, VOID, organisation="B86071")
    assert [product.row(message_id).status for message_id in (first, second)] == [Status.SENT, Status.SENT]
    with pytest.raises(NotPossibleError):
        product.operator_actions.accept_response(first, "R", "operator-7")
    assert product.operator_actions.accept_response(second, "R", "operator-7") is Status.REJECTED
    assert product.row(first).status is Status.REJECTED
    (event,) = product.row(second).history.of(EventType.RESPONSE_ACCEPTED)
    assert event.details["actor"] == "operator-7"


def routes(product: Product, message_id: str) -> list[LedgerEvent]:
    """What the poller finds out of where a message went."""
    mesh = product.connections.to(product.mailbox.mailbox)
    return product.poller._routes(mesh, product.row(message_id), ANSWERED_ON)


def says(product: Product, recipient: str | MeshError) -> None:
    """MESH says that it took all messages of ours there, or does not answer that."""
    product.mesh.failures.pop("tracking", None)
    if isinstance(recipient, MeshError):
        product.mesh.failures["tracking"] = recipient
    else:
        product.mesh.recipient = recipient


@pytest.mark.parametrize(
    "said",
    ["", "GPPROVIDER_9658218865_19331114_WRIGHT", NotFound("tracking", "20"), Refused("tracking", "no", status=400)],
)
def test_mesh_is_asked_again_where_it_does_not_say_and_its_silence_is_not_remembered(said: str | MeshError) -> None:
    product = Product(hold_window_seconds=0)
    message_id = product.asks(registered_practice=None).message_id
    product.works()
    says(product, said)
    for _ in range(2):
        (event,) = routes(product, message_id)
        assert event.details == {"mesh_message_id": "OUT000001", "mailbox": None}
        product.ledger.record(message_id, event)
        assert product.row(message_id).history.destination_open
    says(product, "A20047OT001")
    (event,) = routes(product, message_id)
    product.ledger.record(message_id, event)
    assert product.row(message_id).history.destinations == {"A20047OT001"}
    says(product, "never")
    assert routes(product, message_id) == []


def test_mesh_is_asked_a_bounded_number_of_times() -> None:
    product = Product(hold_window_seconds=0)
    message_id = product.asks(registered_practice=None).message_id
    product.works()
    says(product, "")
    for _ in range(MOST_ROUTING_QUESTIONS):
        (event,) = routes(product, message_id)
        product.ledger.record(message_id, event)
    says(product, "never")
    assert routes(product, message_id) == []
    assert not product.row(message_id).history.destination_open


def test_an_answer_that_was_doubted_counts_when_mesh_says_that_the_message_went_there() -> None:
    product = Product(hold_window_seconds=0)
    message_id = product.asks(registered_practice=None).message_id
    product.works()
    answers(product, message_id, GOOD[0], organisation="A20047", went_to=None)
    assert product.row(message_id).status is Status.SENT
    says(product, "A20047OT001")
    (event,) = routes(product, message_id)
    change = product.ledger.record(message_id, event)
    assert change is not None
    assert change.record.status is Status.ACKNOWLEDGED


def lost_sight_of(product: Product, **changes: Any) -> str:
    """MESH may have the message under an unknown id: the answer to the upload was lost."""
    product.mesh.mood = Mood.LOSES_UNHEARD
    message_id = product.asks(**changes).message_id
    product.works()
    product.mesh.mood = Mood.TAKES
    assert product.row(message_id).status is Status.UNCERTAIN
    return message_id


def lists(product: Product, listed: tuple[str, ...] | MeshError) -> None:
    """MESH's directory lists these mailboxes for the practice, or does not answer that."""
    if isinstance(listed, MeshError):
        product.mesh.failures["endpoint_lookup"] = listed
    else:
        product.mesh.directory["A20047"] = listed


def test_an_answer_to_a_copy_that_nobody_knows_the_id_of_counts_from_the_listed_mailbox_alone() -> None:
    product = Product(hold_window_seconds=0)
    message_id = lost_sight_of(product)
    lists(product, ("A20047OT001",))
    (event,) = routes(product, message_id)
    assert event.details == {"mesh_message_id": None, "mailbox": "A20047OT001"}
    product.ledger.record(message_id, event)
    assert routes(product, message_id) == [], "once it is known"
    assert product.mesh.looked_up == [("A20047", WORKFLOW)]
    answers(product, message_id, *GOOD, organisation="A20047", name="forged", mailbox="B86071OT001")
    assert product.row(message_id).status is Status.UNCERTAIN
    assert product.notified() == ["An answer came from somewhere else"]
    answers(product, message_id, *GOOD, organisation="A20047", name="R2")
    assert product.row(message_id).status is Status.DELIVERED


@pytest.mark.parametrize(
    "listed",
    [
        (),
        ("A20047OT001", "A20047OT002"),
        ("GPPROVIDER_9658218865_19331114_WRIGHT",),
        Refused("endpoint lookup", "no", status=400),
    ],
)  # fmt: skip
def test_what_the_directory_does_not_say_is_asked_again_and_then_a_person_decides(
    listed: tuple[str, ...] | MeshError,
) -> None:
    product = Product(hold_window_seconds=0)
    message_id = lost_sight_of(product)
    lists(product, listed)
    for _ in range(MOST_ROUTING_QUESTIONS):
        (event,) = routes(product, message_id)
        assert event.details == {"mesh_message_id": None, "mailbox": None}
        product.ledger.record(message_id, event)
    assert routes(product, message_id) == []
    answers(product, message_id, *GOOD, organisation="A20047")
    assert product.row(message_id).status is Status.UNCERTAIN
    assert product.notified() == ["An answer came from somewhere else"]


def test_nobody_is_looked_up_where_the_request_names_no_practice_or_mesh_has_nothing() -> None:
    product = Product(hold_window_seconds=0)
    unnamed = lost_sight_of(product, registered_practice=None)
    waiting = product.asks().message_id
    lists(product, ("never",))
    assert [routes(product, message) for message in (unnamed, waiting)] == [[], []]


def test_a_copy_that_was_looked_up_is_not_asked_about() -> None:
    product = Product(hold_window_seconds=0)
    message_id = sent(product)
    again = ledger_events.upload_accepted(
        at=product.clock(), attempt=2, mesh_message_id="MESH2", resolved_mailbox="A20047OT001"
    )  # fmt: skip
    product.ledger.record(message_id, again)
    assert product.row(message_id).history.unrouted == ()
