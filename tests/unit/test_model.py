"""A quick look at what `tests/integration/test_model.py` goes through in full."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from gpconnect_messaging.steps.poll import Poller
from tests.model.effects import Ending, Watched
from tests.model.scenarios import SCENARIOS, disturbed, result
from tests.model.stories import tell
from tests.model.take_outs import TAKE_OUTS, DoesNotFitError, Replacement
from tests.model.world import BrokenError, World, composed_once


def test_a_sender_that_dies_between_any_two_effects_leaves_what_an_undisturbed_one_does() -> None:
    (upload,) = (scenario for scenario in SCENARIOS if scenario.name == "an upload")
    undisturbed, *rest = (result(world) for world in disturbed(upload, Ending.DIES, Watched()))
    assert len(rest) > 5
    assert all(outcome == undisturbed for outcome in rest)


def test_no_short_story_breaks_what_must_hold() -> None:
    with composed_once():
        tell(1, stories=5, steps=12)


def _copied(world: World) -> None:
    world.drop("one")
    world.deliver_intake(world.process("builder"))
    world.copy(0)
    world.deliver_intake(world.process("builder"))


def _late(world: World) -> None:
    world.drop("one", document_late=True)
    world.deliver_intake(world.process("builder"))
    world.clock.advance(timedelta(minutes=9))
    world.late_documents_come()


@pytest.mark.parametrize(("name", "story"), [("copies", _copied), ("late documents", _late)])
def test_the_invariants_hold_of_copies_and_late_documents_and_see_a_product_without(
    name: str, story: Callable[[World], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with composed_once():
        world = World()
        story(world)
        world.settle()
        assert len(world.mesh.uploads) == 1
        [take_out] = [candidate for candidate in TAKE_OUTS if candidate.name == name]
        for replacement in take_out.replacements:
            monkeypatch.setattr(replacement.owner, replacement.name, replacement.by)
        world = World()
        story(world)
        with pytest.raises(BrokenError):
            world.settle()


def test_the_product_has_what_each_take_out_replaces() -> None:
    assert {take_out.row for take_out in TAKE_OUTS} >= {1, 2, 3, 4, 5, 7, 10}
    for take_out in TAKE_OUTS:
        for replacement in take_out.replacements:
            replacement.require_fit()


@pytest.mark.parametrize(("name", "by"), [("_renamed", lambda: None), ("_original", lambda: None), ("_original", 1)])
def test_a_take_out_that_fits_the_product_no_more_is_an_error(name: str, by: object) -> None:
    with pytest.raises(DoesNotFitError, match=name):
        Replacement(Poller, name, by).require_fit()
