"""A quick look at what `tests/integration/test_model.py` goes through in full."""

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model.effects import Ending, Watched
from tests.model.machine import Messaging
from tests.model.scenarios import SCENARIOS, disturbed, result
from tests.model.world import composed_once


def test_a_sender_that_dies_between_any_two_effects_leaves_what_an_undisturbed_one_does() -> None:
    (upload,) = (scenario for scenario in SCENARIOS if scenario.name == "an upload")
    undisturbed, *rest = (result(world) for world in disturbed(upload, Ending.DIES, Watched()))
    assert len(rest) > 5
    assert all(each == undisturbed for each in rest)


def test_no_short_story_breaks_what_must_hold() -> None:
    few = settings(max_examples=5, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck))
    with composed_once():
        run_state_machine_as_test(Messaging, settings=few)
