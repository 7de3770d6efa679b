"""A few thousand of the bodies of `make fuzz`, under the poller's memory limit; a million take a quarter of an hour."""

from itertools import islice
from pathlib import Path

import pytest

from tests.fuzz.__main__ import Result, fuzz, try_bodies
from tests.hostile_responses import HOSTILE, mutants, responses

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the machine does not say what is used")


def test_hostile_and_mutated_bodies_neither_kill_the_poller_nor_hold_it_up() -> None:
    result = fuzz(seed=2, count=2_500, whole_every=10, show=False)
    assert result.errors == []
    assert result.kills == 0
    assert result.bodies == 2_500
    assert result.whole == 250
    assert len(result.outcomes) > 10


def test_a_poller_that_takes_too_much_memory_is_killed_and_that_is_said() -> None:
    result = fuzz(seed=2, count=2_500, whole_every=0, megabytes=40, show=False)
    assert result.kills == 1
    assert not result.well


def test_the_same_seed_gives_the_same_bodies() -> None:
    sources = responses()
    assert list(islice(mutants(3, sources), 200)) == list(islice(mutants(3, sources), 200))
    assert list(islice(mutants(3, sources), 200)) != list(islice(mutants(4, sources), 200))


@pytest.mark.parametrize("name", ["1.2 million empty elements in 5 kB", "a value of a megabyte"])
def test_a_hostile_body_is_kept_and_a_person_is_notified(name: str) -> None:
    (result,) = try_bodies(iter([HOSTILE[name]()]), 1, Result())
    assert result.outcomes == {"whole step: unmatched": 1}
    assert result.errors == []
