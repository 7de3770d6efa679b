"""What `gpcm doctor` and the console say of what can stop requests without an error."""

from datetime import timedelta
from typing import Any

import pytest

from infra.operations.examining import Finding, flow_examined
from tests.unit.operations.a_place import PlaceInMemory

DEAD = "https://queues/intake-dead"


@pytest.fixture
def place() -> PlaceInMemory:
    place = PlaceInMemory()
    canary(place)
    return place


def canary(place: PlaceInMemory) -> None:
    """Have a canary come through."""
    canary_id = place.canaries.start(place.now(), place.canaries.state())
    assert canary_id is not None
    assert place.canaries.built(canary_id, place.now())
    assert place.canaries.through(canary_id, place.now())


def found(place: PlaceInMemory) -> dict[str, Finding]:
    return {finding.what: finding for finding in flow_examined(place)}


def test_a_place_where_all_is_in_order_has_nothing_to_say(place: PlaceInMemory) -> None:
    assert [finding for finding in found(place).values() if not finding.well] == []


@pytest.mark.parametrize(
    ("part", "state", "what"),
    [
        ("requests-dropped", "DISABLED", "rule of dropped requests"),
        ("sender-mapping", "Disabled", "event source mappings"),
        ("intake-key", "PendingDeletion", "keys"),
    ],
)
def test_what_is_switched_off_is_named(place: PlaceInMemory, part: str, state: str, what: str) -> None:
    place.switches.states[part] = state
    wrong = [finding for finding in found(place).values() if not finding.well]
    assert [finding.what for finding in wrong] == [what]
    assert part in wrong[0].words
    assert "enable it" in wrong[0].words


def test_a_canary_that_does_not_come_through_is_named_with_how_long(place: PlaceInMemory) -> None:
    place.clock.advance(timedelta(minutes=44))
    assert found(place)["canary"].well
    place.clock.advance(timedelta(minutes=2))
    finding = found(place)["canary"]
    assert not finding.well
    assert "46 minutes" in finding.words


def test_a_place_that_never_started_a_canary_is_not_in_order() -> None:
    finding = found(PlaceInMemory())["canary"]
    assert not finding.well
    assert "ever started" in finding.words


def test_dead_letters_are_told_with_the_age_of_the_oldest_and_how_many_are_new(place: PlaceInMemory) -> None:
    def letter(number: int, hours: float) -> dict[str, Any]:
        sent = int((place.now() - timedelta(hours=hours)).timestamp() * 1000)
        return {
            "MessageId": str(number), "ReceiptHandle": str(number), "Body": "{}",
            "Attributes": {"SentTimestamp": str(sent), "ApproximateReceiveCount": "6"},
        }  # fmt: skip

    place.queue_depths.depths[DEAD] = (3, 0)
    place.queue_depths.letters[DEAD] = [letter(1, 30.1), letter(2, 0.5), letter(3, 0.2)]
    finding = found(place)["queues"]
    assert not finding.well
    assert "3 in intake dead letters (the oldest 30 h old, 2 of the last hour)" in finding.words
