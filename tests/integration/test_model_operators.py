"""An operator's command may end anywhere and be given twice: nothing is lost, done twice or said untruly for that.

The scenarios are `tests.model.operators`', the invariants `tests.model.world.World`'s.
"""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.model.effects import Ending, Watched
from tests.model.operators import DECIDED, SENT_AGAIN
from tests.model.scenarios import Scenario, an_hour, another, disturbed, result
from tests.model.world import BrokenError, composed_once, few_shards

every_scenario = pytest.mark.parametrize("scenario", SENT_AGAIN + DECIDED, ids=lambda scenario: scenario.name)


@pytest.fixture(autouse=True)
def _quick_steps() -> Iterator[None]:
    with composed_once(), few_shards():
        yield


@every_scenario
@pytest.mark.parametrize("ending", [Ending.DIES, Ending.FAILS])
def test_a_command_that_ends_half_way_and_is_given_again_comes_to_what_it_comes_to_once(
    scenario: Scenario, ending: Ending
) -> None:
    undisturbed, *rest = (result(world) for world in disturbed(scenario, ending, Watched()))
    assert len(rest) >= 3
    assert all(other == undisturbed for other in rest)


@every_scenario
def test_it_makes_a_difference(scenario: Scenario) -> None:
    """Only the operator does this, except for work that the sweep finds."""
    without = replace(scenario, act=lambda _world, _process: None)
    found_by_the_sweep = scenario.name in {"a message that its queue lost", "a held request whose time has come"}
    assert (_outcome(scenario) == _outcome(without)) is found_by_the_sweep


def _outcome(scenario: Scenario) -> object:
    try:
        world = next(disturbed(scenario, Ending.DIES, Watched()))
    except BrokenError as broken:
        return str(broken)
    return result(world), len(world.mesh.uploads)


@every_scenario
def test_two_operators_at_once_come_to_what_one_comes_to(scenario: Scenario) -> None:
    worlds = disturbed(scenario, Ending.PAUSES, Watched(), another(scenario))
    undisturbed, *rest = ((result(world), len(world.mesh.uploads)) for world in worlds)
    assert all(other == undisturbed for other in rest)


@every_scenario
def test_an_operator_who_goes_on_an_hour_later_breaks_nothing(scenario: Scenario) -> None:
    for world in disturbed(scenario, Ending.PAUSES, Watched(), an_hour):
        world.check()
