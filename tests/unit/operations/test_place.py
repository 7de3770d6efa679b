"""The place where an operator works."""

from datetime import timedelta

import pytest

from gpconnect_messaging.ledger.lifecycle import Status
from gpconnect_messaging.operators import ActorError
from infra.operations.place import AmbiguousError, PlaceError, UnknownMessageError, Where, open_place
from infra.operations.revealing import REVEALED, Personal, reveal
from tests.unit.ledger.facts import BUILT, INVALID
from tests.unit.operations.a_place import ENCOUNTER, PlaceInMemory

FIRST, SECOND = (f"0000abcd-0000-5000-8000-00000000000{number}" for number in (1, 2))


@pytest.fixture
def place() -> PlaceInMemory:
    return PlaceInMemory()


def test_one_message_is_found_by_its_name(place: PlaceInMemory) -> None:
    place.have(FIRST, BUILT)
    assert place.find("0000abcd").message_id == FIRST


def test_a_name_of_nothing_is_answered_with_what_to_give_and_is_not_repeated(place: PlaceInMemory) -> None:
    with pytest.raises(UnknownMessageError, match="message id") as error:
        place.find("Garth Wright")
    assert "Wright" not in str(error.value)


def test_a_name_of_several_messages_is_answered_with_them(place: PlaceInMemory) -> None:
    place.have(FIRST, BUILT)
    place.have(SECOND, BUILT)
    with pytest.raises(AmbiguousError) as error:
        place.find("0000abcd")
    assert {each.message_id for each in error.value.found} == {FIRST, SECOND}


def test_counts_say_how_long_open_messages_stand(place: PlaceInMemory) -> None:
    place.have(FIRST, BUILT)
    place.have(SECOND, INVALID)
    first = place.find(FIRST)
    counts = {each.status: each for each in place.counts()}
    assert counts[Status.BUILT].count == 1
    assert counts[Status.BUILT].oldest == first.changed_at
    assert counts[Status.INVALID].oldest is None
    assert set(counts) == {Status.BUILT, Status.INVALID}


def test_what_is_revealed_is_recorded_before_it_is_read(place: PlaceInMemory) -> None:
    summary = place.find(place.have(FIRST, BUILT))

    def read() -> str:
        assert any(event.what == REVEALED for event in place.trail.of_message(FIRST))
        return place.message(summary, reveal_encounter=True).encounter

    revealed = reveal(place.trail, actor="j.doe", message_id=FIRST, what=Personal.ENCOUNTER, read=read)
    assert revealed == ENCOUNTER
    [event] = [event for event in place.trail.of_message(FIRST) if event.what == REVEALED]
    assert (event.actor, event.details) == ("j.doe", {"what": Personal.ENCOUNTER.value})
    assert ENCOUNTER not in str(event)


def test_nothing_is_revealed_to_nobody(place: PlaceInMemory) -> None:
    place.have(FIRST, BUILT)
    with pytest.raises(ActorError):
        reveal(place.trail, actor="", message_id=FIRST, what=Personal.ENCOUNTER, read=pytest.fail)


def test_queues_say_what_waits_in_them(place: PlaceInMemory) -> None:
    place.queue_depths.depths["https://queues/send-dead"] = (3, 1, 0)
    place.queue_depths.depths["https://queues/intake"] = (0, 0, 4)
    depths = {each.name: (each.waiting, each.in_work, each.put_back) for each in place.queues()}
    assert depths == {
        "intake": (0, 0, 4), "send": (0, 0, 0), "intake dead letters": (0, 0, 0), "send dead letters": (3, 1, 0),
    }  # fmt: skip


def test_a_senders_own_queue_is_among_them(place: PlaceInMemory) -> None:
    place.outputs = {**place.outputs, "IntakeQueueUrlOfHub": "https://queues/intake-of-hub"}
    place.queue_depths.depths["https://queues/intake-of-hub"] = (2, 1, 0)
    depths = {each.name: (each.waiting, each.in_work) for each in place.queues()}
    assert depths["intake of Hub"] == (2, 1)
    assert len(depths) == 5


@pytest.mark.parametrize(
    ("where", "sentence"),
    [
        (Where(local=True, environment="dev"), "not both"),
        (Where(environment="dev", stack="mine"), "not both"),
        (Where(environment="Production!"), "small letters"),
        (Where(local=True), "make demo KEEP=1"),
        (Where(), "make demo KEEP=1"),
        (Where(environment="dev", profile="there-is-no-such-profile"), "--profile"),
    ],
)
def test_a_place_that_cannot_be_opened_is_answered_with_what_to_do(where: Where, sentence: str) -> None:
    with pytest.raises(PlaceError, match=sentence):
        open_place(where, find_kept=lambda: None)


def test_an_age_is_never_below_nothing(place: PlaceInMemory) -> None:
    summary = place.find(place.have(FIRST, BUILT))
    place.clock.advance(-timedelta(hours=1))
    assert place.rows([summary])[0].age == timedelta(0)
