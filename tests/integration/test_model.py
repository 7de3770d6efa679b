"""Nothing is lost, nothing untrue is said, whatever dies where, fails when, or happens at once.

The steps, the ledger's store and the adapters are the product's; the invariants are `tests.model.world.World`'s, which
holds them against what it asked and answered itself. `make model` tries more, for as long as it is told to.
"""

import json
import os
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from gpconnect_messaging.ledger.stored_names import EventType
from infra.local.environments import BUILD
from tests.model.effects import Ending, Watched
from tests.model.machine import Messaging
from tests.model.scenarios import SCENARIOS, Scenario, an_hour, another, died_again, disturbed, result, sweep
from tests.model.stories import tell
from tests.model.world import composed_once, few_shards

MINUTES = float(os.environ.get("MODEL_MINUTES", "0"))
"""How long the story-teller goes on; with any, every scenario is disturbed in every way."""

REPORT = BUILD / "reports" / "places.json"
TOGETHER = ("a request", "a replacement, a day late", "an upload", "an upload in chunks", "a rejection",
            "both acknowledgements, business first", "no acknowledgement", "a notification that nobody takes on",
            "a day on which a request was lost")  # fmt: skip

only_at_length = pytest.mark.skipif(not MINUTES, reason="tried by `make model`")


@pytest.fixture(autouse=True)
def _quick_steps() -> Iterator[None]:
    with composed_once(), few_shards():
        yield


def chosen(*names: str) -> list[Scenario]:
    return [scenario for scenario in SCENARIOS if MINUTES or not names or scenario.name in names]


def test_no_story_breaks_what_must_hold() -> None:
    """Runs first, because `make model` has a time limit for the random stories."""
    end = time.monotonic() + 60 * MINUTES
    rounds = 0
    while True:
        if MINUTES:
            tell(rounds, stories=20, steps=60)
        else:
            tell(1, stories=30, steps=25)
        rounds += 1
        if time.monotonic() >= end:
            break
    tried = {ending.name.lower(): len(places) for ending, places in Messaging.watched.tried.items()}
    print(f"{rounds} rounds of stories; places at which something happened to a process: {tried}")


def test_a_step_that_dies_between_any_two_effects_leaves_what_an_undisturbed_one_does() -> None:
    watched = Watched()
    worlds, undisturbed, scenarios = 0, {}, {scenario.name: scenario for scenario in chosen()}
    for scenario in scenarios.values():
        undisturbed[scenario.name], *rest = (result(world) for world in disturbed(scenario, Ending.DIES, watched))
        worlds += len(rest)
        if scenario.only_once:
            assert all(other == undisturbed[scenario.name] for other in rest), scenario.name
    died = watched.tried[Ending.DIES]
    once = len(died)
    while places := watched.seen - died:  # of processes that made up for a death: each dies there too
        scenario = scenarios[watched.first_seen[place := min(places)].scenario]
        came = result(died_again(scenario, place, watched))
        worlds += 1
        if scenario.only_once:
            assert came == undisturbed[scenario.name], f"{scenario.name}: {place}"
    print(f"{len(died) - once} places that only a process passes that makes up for a death")
    write_report(watched, worlds)


def write_report(watched: Watched, worlds: int) -> None:
    """Print and write the points that exist and that were tried."""
    died = watched.tried[Ending.DIES]
    steps = Counter(point.step for point in died)
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    report = {
        "scenarios": len(SCENARIOS),
        "processes that died": worlds,
        "places seen": len(watched.seen),
        "places tried": len(died),
        "by step": dict(sorted(steps.items())),
        "places": [f"{point.step}: {'after' if point.after else 'before'} {point.effect}, {point.path}"
                   for point in sorted(died)],
    }  # fmt: skip
    REPORT.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(f"{len(died)} of {len(watched.seen)} places, in {worlds} processes that died: {dict(sorted(steps.items()))}")


def test_two_at_once_on_the_same_work_come_to_what_one_comes_to() -> None:
    watched = Watched()
    for scenario in chosen(*TOGETHER):
        worlds = disturbed(scenario, Ending.PAUSES, watched, another(scenario), queued_twice=True)
        undisturbed, *rest = ((result(world), len(world.mesh.uploads)) for world in worlds)
        if scenario.only_once:
            assert all(other == undisturbed for other in rest), scenario.name
    steps = Counter(point.step for point in watched.tried[Ending.PAUSES])
    people = {"person"} if MINUTES else set()
    assert set(steps) == {"builder", "sender", "poller", "sweep", "escalate", "reconcile"} | people
    print(f"one of two held up at {sum(steps.values())} places: {dict(sorted(steps.items()))}")


def test_two_that_record_different_facts_of_one_message_lose_neither() -> None:
    watched = Watched()
    for scenario in (candidate for candidate in SCENARIOS if candidate.name == "a first answer that is late"):
        for world in disturbed(scenario, Ending.PAUSES, watched, sweep):
            (message,) = world.records()
            assert message.history.of(EventType.RESPONSE)
            assert message.history.of(EventType.ACKNOWLEDGEMENT_OVERDUE)


@only_at_length
def test_a_step_that_was_thought_dead_and_goes_on_an_hour_later_breaks_nothing() -> None:
    watched = Watched()
    for scenario in chosen():
        for world in disturbed(scenario, Ending.PAUSES, watched, an_hour):
            world.check()


@only_at_length
def test_a_call_that_fails_before_or_after_it_took_effect_leaves_what_an_undisturbed_one_does() -> None:
    watched = Watched()
    for scenario in chosen():
        undisturbed, *rest = (result(world) for world in disturbed(scenario, Ending.FAILS, watched))
        if scenario.only_once:
            assert all(other == undisturbed for other in rest), scenario.name
