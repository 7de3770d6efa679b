"""The place where an operator works."""

from datetime import timedelta

import pytest

import gpcm.environment
from gpcm.environment import (
    AmbiguousError,
    EnvironmentRef,
    OperatorEnvironmentError,
    UnknownMessageError,
    open_environment,
)
from gpcm.messages import status_counts
from gpcm.personal_data import REVEALED, Personal, reveal
from gpconnect_messaging.ledger.stored_names import Status
from gpconnect_messaging.operators import ActorError
from tests.unit.ledger.events import BUILT, INVALID
from tests.unit.operations.an_environment import ENCOUNTER, PlaceInMemory

FIRST, SECOND = (f"0000abcd-0000-5000-8000-00000000000{number}" for number in (1, 2))


@pytest.fixture
def environment() -> PlaceInMemory:
    return PlaceInMemory()


def test_one_message_is_found_by_its_name(environment: PlaceInMemory) -> None:
    environment.have(FIRST, BUILT)
    assert environment.find(f" {FIRST.upper()} ").message_id == FIRST
    with pytest.raises(UnknownMessageError):
        environment.find(FIRST[:8])


def test_a_name_of_nothing_is_answered_with_what_to_give_and_is_not_repeated(environment: PlaceInMemory) -> None:
    with pytest.raises(UnknownMessageError, match="message id") as error:
        environment.find("Garth Wright")
    assert "Wright" not in str(error.value)


def test_a_name_of_several_messages_is_answered_with_them(environment: PlaceInMemory) -> None:
    request_id, message_ids = environment.have_several()
    with pytest.raises(AmbiguousError) as error:
        environment.find(request_id)
    assert {summary.message_id for summary in error.value.found} == set(message_ids)


def test_counts_say_how_long_open_messages_stand(environment: PlaceInMemory) -> None:
    environment.have(FIRST, BUILT)
    environment.have(SECOND, INVALID)
    first = environment.find(FIRST)
    counts = {count.status: count for count in status_counts(environment.counted())}
    assert counts[Status.BUILT].count == 1
    assert counts[Status.BUILT].oldest == first.changed_at
    assert counts[Status.INVALID].oldest is None
    assert set(counts) == {Status.BUILT, Status.INVALID}


@pytest.mark.requirement("FHIR-DOC-02")
def test_what_is_revealed_is_recorded_before_it_is_read(environment: PlaceInMemory) -> None:
    summary = environment.find(environment.have(FIRST, BUILT))

    def read() -> str:
        assert any(event.what == REVEALED for event in environment.trail.of_message(FIRST))
        return environment.message(summary, reveal_encounter=True).encounter

    revealed = reveal(environment.trail, actor="j.doe", message_id=FIRST, what=Personal.ENCOUNTER, read=read)
    assert revealed == ENCOUNTER
    [event] = [event for event in environment.trail.of_message(FIRST) if event.what == REVEALED]
    assert (event.actor, event.details) == ("j.doe", {"what": Personal.ENCOUNTER.value})
    assert ENCOUNTER not in str(event)


def test_nothing_is_revealed_to_nobody(environment: PlaceInMemory) -> None:
    environment.have(FIRST, BUILT)
    with pytest.raises(ActorError):
        reveal(environment.trail, actor="", message_id=FIRST, what=Personal.ENCOUNTER, read=pytest.fail)


def test_queues_say_what_waits_in_them(environment: PlaceInMemory) -> None:
    environment.sqs.fill("https://queues/send-dead", 3, 1, 0)
    environment.sqs.fill("https://queues/intake", 0, 0, 4)
    depths = {depth.name: (depth.waiting, depth.in_work, depth.put_back) for depth in environment.queues()}
    assert depths == {
        "intake": (0, 0, 4), "send": (0, 0, 0), "intake dead letters": (0, 0, 0), "send dead letters": (3, 1, 0),
        "inbox": (0, 0, 0), "inbox dead letters": (0, 0, 0),
    }  # fmt: skip


def test_a_senders_own_queue_is_among_them(environment: PlaceInMemory) -> None:
    environment.outputs = {**environment.outputs, "IntakeQueueUrlOfHub": "https://queues/intake-of-hub"}
    environment.sqs.queues["https://queues/intake-of-hub"] = {}
    environment.sqs.fill("https://queues/intake-of-hub", 2, 1)
    depths = {depth.name: (depth.waiting, depth.in_work) for depth in environment.queues()}
    assert depths["intake of Hub"] == (2, 1)
    assert len(depths) == 7


@pytest.mark.parametrize(
    ("where", "sentence"),
    [
        (EnvironmentRef(local=True, environment="dev"), "only one of them"),
        (EnvironmentRef(environment="dev", stack="mine"), "not both"),
        (EnvironmentRef(environment="Production!"), "lower case"),
        (EnvironmentRef(local=True), "--environment dev"),
        (EnvironmentRef(), "--environment dev"),
        (EnvironmentRef(environment="dev", profile="there-is-no-such-profile"), "--profile"),
    ],
)
def test_a_place_that_cannot_be_opened_is_answered_with_what_to_do(
    where: EnvironmentRef, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpcm.environment, "_open_local_run", None)  # as it is installed
    with pytest.raises(OperatorEnvironmentError, match=sentence):
        open_environment(where)


def test_an_age_is_never_below_nothing(environment: PlaceInMemory) -> None:
    summary = environment.find(environment.have(FIRST, BUILT))
    environment.clock.advance(-timedelta(hours=1))
    assert environment.rows([summary])[0].age == timedelta(0)
