"""Which of two requests for one encounter is the newer."""

import hashlib
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpconnect_messaging.ledger.precedence import (
    CLOCKS_DIFFER,
    SURELY_LATER,
    Precedence,
    RequestTimes,
    object_of,
    put_before,
)
from tests.unit.ledger.events import at

NEWER, OLDER, LATER_BUT_OLDER = Precedence
START_OF_A_SECOND = at(10).replace(microsecond=0)
OBJECT = object_of("drop", "folder/request.json")


def asked(stated: float, arrived: float, sequencer: str = "") -> RequestTimes:
    return RequestTimes(
        stated=at(stated), arrived=at(arrived), s3_object=OBJECT if sequencer else "", sequencer=sequencer
    )


@pytest.mark.parametrize(
    ("newest", "request_", "expected"),
    [
        (asked(10, 11), asked(12, 13), NEWER),
        (asked(10, 11), asked(12, 10.5), NEWER),
        (asked(10, 11), asked(9, 10), OLDER),
        (asked(10, 11), asked(10, 12), NEWER),
        (asked(10, 11), asked(10, 11), NEWER),
        (asked(10, 11), asked(10, 10), OLDER),
        (asked(10, 11), asked(9, 11), OLDER),
        (asked(10, 11), asked(9.5, 71), NEWER),
        (asked(10, 11), asked(5, 71), NEWER),
        (asked(10, 11), asked(4.9, 71), LATER_BUT_OLDER),
        (asked(10, 11), asked(9.5, 11.5), LATER_BUT_OLDER),
        (asked(10, 11), asked(9.5, 12), LATER_BUT_OLDER),
        (asked(10, 11, "0A"), asked(10, 11, "0B"), NEWER),
        (asked(10, 11, "0B"), asked(10, 11, "0A"), OLDER),
        (asked(10, 11, "0B"), asked(10, 11, "0B"), NEWER),
        (asked(10, 11, "0B"), asked(12, 13, "0A"), OLDER),
        (asked(10, 11, "0a"), asked(8, 9, "0B"), NEWER),
        (asked(10, 11, "0A5"), asked(10, 11, "0A"), OLDER),
        (asked(10, 11, "0A"), asked(10, 11, "0A0"), NEWER),
    ],
)
def test_of_two_requests_one_is_the_newer(newest: RequestTimes, request_: RequestTimes, expected: Precedence) -> None:
    assert request_.beside(newest) is expected


def test_the_first_request_of_an_encounter_is_the_newest() -> None:
    assert asked(1, 1).beside(None) is NEWER


def test_sequencers_of_two_objects_are_not_compared() -> None:
    other = RequestTimes(
        stated=at(9), arrived=at(10), s3_object=object_of("drop", "other/request.json"), sequencer="0B"
    )
    assert other.beside(asked(10, 11, "0A")) is OLDER


@pytest.mark.parametrize(("seconds", "expected"), [(-1, OLDER), (-0.9, NEWER), (1, NEWER)])
def test_of_two_puts_of_one_object_the_later_second_decides_where_one_was_not_announced(
    seconds: float, expected: Precedence
) -> None:
    """Whatever they state of themselves; of one second the stated times decide."""
    announced = RequestTimes(
        stated=at(0), arrived=START_OF_A_SECOND + timedelta(seconds=0.9), s3_object=OBJECT, sequencer="0B"
    )
    found = RequestTimes(
        stated=at(0) + (CLOCKS_DIFFER if expected is OLDER or seconds < 0 else -CLOCKS_DIFFER * 2),
        arrived=announced.arrived + timedelta(seconds=seconds),
        s3_object=OBJECT,
    )
    assert found.beside(announced) is expected
    other = replace(found, s3_object=object_of("drop", "other/request.json"))
    assert seconds == -0.9 or other.beside(announced) is not expected, "it is about one object"


def test_a_sequencer_that_is_not_known_leaves_it_to_the_times() -> None:
    backfilled = RequestTimes(stated=at(10), arrived=at(12), s3_object=OBJECT)
    assert backfilled.beside(asked(10, 11, "0B")) is NEWER
    assert asked(9, 10, "0B").beside(backfilled) is OLDER


def test_a_request_of_the_queue_is_no_version_of_an_object() -> None:
    queued = RequestTimes.at(at(10))
    assert (queued.stated, queued.arrived, queued.s3_object, queued.sequencer) == (at(10), at(10), "", "")


def test_a_newer_version_that_arrived_earlier_does_not_turn_the_times_back() -> None:
    newest = asked(8, 9, "0B").after(asked(10, 11, "0A"))
    assert (newest.stated, newest.arrived, newest.sequencer) == (at(10), at(11), "0B")


def test_a_slow_clock_does_not_make_the_next_request_look_newer() -> None:
    """The correction with the slow clock is the newest; what was stated before the first report stays older."""
    newest = asked(9.5, 71).after(asked(10, 11))
    assert newest.stated == at(10)
    assert newest.arrived == at(71)
    assert asked(9.7, 60).beside(newest) is OLDER


def test_a_slow_clock_is_known_as_one_whichever_of_the_two_comes_first() -> None:
    correction, first = asked(9.5, 71.5), asked(10, 11)
    assert correction.beside(first) is NEWER
    assert first.beside(correction) is OLDER


def deletion(stated: float, arrived: float) -> RequestTimes:
    return replace(asked(stated, arrived), deletion=True)


@pytest.mark.requirement("GPCM-SD-CS-077")
@pytest.mark.parametrize(
    ("report", "deleted", "expected"),
    [
        (asked(2, 7), deletion(5, 5), LATER_BUT_OLDER),
        (asked(5, 7), deletion(5, 5), LATER_BUT_OLDER),
        (asked(2, 4), deletion(5, 5), OLDER),
        (asked(6, 7), deletion(5, 5), NEWER),
        (asked(7, 7), deletion(5, 5), NEWER),
        (asked(6, 7), deletion(5, 9), OLDER),
    ],
)
def test_a_report_never_outlives_the_deletion_of_its_consultation_for_a_slow_clock(
    report: RequestTimes, deleted: RequestTimes, expected: Precedence
) -> None:
    assert report.beside(deleted) is expected
    assert (deleted.beside(report) is NEWER) is (expected is not NEWER)


MINUTES = st.integers(0, 16).map(lambda half_minutes: half_minutes * 30)


@given(MINUTES, MINUTES, MINUTES, MINUTES, st.booleans())
def test_of_two_requests_no_more_than_one_is_the_newer_whichever_comes_first(
    stated: int, arrived: int, other_stated: int, other_arrived: int, deleted: bool
) -> None:
    one, other = asked(stated, arrived), replace(asked(other_stated, other_arrived), deletion=deleted)
    if one != other:
        assert [one.beside(other), other.beside(one)].count(NEWER) == 1


TIMES = st.integers(0, 20)


@given(TIMES, TIMES, TIMES, TIMES)
def test_what_arrived_later_is_never_superseded_in_silence(
    stated: int, arrived: int, newest_stated: int, newest_arrived: int
) -> None:
    request = asked(stated / 2, arrived / 2)
    if request.beside(asked(newest_stated / 2, newest_arrived / 2)) is OLDER:
        assert arrived <= newest_arrived


def test_the_tolerances_are_what_the_documents_say() -> None:
    assert (timedelta(minutes=5), timedelta(minutes=1)) == (CLOCKS_DIFFER, SURELY_LATER)


def deleted(stated: float, arrived: float) -> RequestTimes:
    return replace(asked(stated, arrived), deletion=True)


def undated(arrived: float) -> RequestTimes:
    return replace(asked(arrived, arrived), undated=True)


@pytest.mark.requirement("GPCM-SD-CS-077")
@pytest.mark.parametrize(
    ("report", "deletion", "deletion_wins"),
    [
        (undated(1_000), deleted(400, 1_600), True),
        (undated(1_000), deleted(400, 1_001), True),
        (undated(1_000), deleted(400, 1_000), True),
        (undated(1_000), deleted(400, 999), False),
        (asked(100, 100.1), deleted(96, 100.5), True),
        (asked(100, 100.1), deleted(96, 100), False),
        (asked(100, 100.1), deleted(94, 200), False),
    ],
)
def test_a_deletion_that_came_after_a_report_outlives_slow_clocks_and_the_time_of_an_export(
    report: RequestTimes, deletion: RequestTimes, deletion_wins: bool
) -> None:
    """In whatever order they are looked at: a report that states no time was made before it was exported."""
    assert (deletion.beside(report) is NEWER) is deletion_wins
    assert (report.beside(deletion) is NEWER) is not deletion_wins


def test_of_two_deletions_the_one_with_the_slow_clock_is_the_newer_only_where_it_surely_came_later() -> None:
    first = deleted(100, 100.1)
    assert deleted(96, 100.5).beside(first) is LATER_BUT_OLDER
    assert deleted(96, 200).beside(first) is NEWER


def test_the_newest_request_stands_for_its_encounter_with_its_own_times() -> None:
    first = asked(10, 11)
    assert first.after(None) is first
    assert first.after(asked(8, 9)) is first


def test_of_two_puts_of_one_object_in_one_second_the_times_decide_where_one_was_not_announced() -> None:
    announced = RequestTimes(
        stated=at(20), arrived=START_OF_A_SECOND + timedelta(seconds=0.9), s3_object=OBJECT, sequencer="0B"
    )
    found = RequestTimes(stated=at(0), arrived=START_OF_A_SECOND, s3_object=OBJECT)
    assert found.beside(announced) is OLDER
    assert replace(found, arrived=announced.arrived + timedelta(seconds=0.05)).beside(announced) is LATER_BUT_OLDER


@pytest.mark.parametrize(
    ("sequencer", "other", "before"),
    [("0A", "0B", True), ("0B", "0A", False), ("0A", "0A", False), ("", "0B", False), ("0A", "", False),
     ("", "", False), ("0a", "0B", True), ("0A", "0A5", True)],
)  # fmt: skip
def test_without_both_sequencers_no_put_is_known_to_come_first(sequencer: str, other: str, before: bool) -> None:
    assert put_before(sequencer, other) is before


def test_a_later_release_finds_an_object_under_the_hash_that_this_one_stored() -> None:
    assert hashlib.sha256(b"drop/folder/request.json").hexdigest() == OBJECT
