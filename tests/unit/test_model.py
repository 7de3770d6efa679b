"""A quick look at what `tests/integration/test_model.py` goes through in full."""

import pytest

from gpconnect_messaging.steps.poll import Poller
from tests.model.effects import Ending, Watched
from tests.model.scenarios import SCENARIOS, disturbed, result
from tests.model.stories import tell
from tests.model.take_outs import TAKE_OUTS, DoesNotFitError, Replacement
from tests.model.world import composed_once


def test_a_sender_that_dies_between_any_two_effects_leaves_what_an_undisturbed_one_does() -> None:
    (upload,) = (scenario for scenario in SCENARIOS if scenario.name == "an upload")
    undisturbed, *rest = (result(world) for world in disturbed(upload, Ending.DIES, Watched()))
    assert len(rest) > 5
    assert all(each == undisturbed for each in rest)


def test_no_short_story_breaks_what_must_hold() -> None:
    with composed_once():
        tell(1, stories=5, steps=12)


def test_the_product_has_what_each_take_out_replaces() -> None:
    assert {take_out.row for take_out in TAKE_OUTS} >= {1, 2, 3, 4, 5, 7, 10}
    for take_out in TAKE_OUTS:
        for replacement in take_out.replacements:
            replacement.require_fit()


@pytest.mark.parametrize(("name", "by"), [("_renamed", lambda: None), ("_original", lambda: None), ("_original", 1)])
def test_a_take_out_that_fits_the_product_no_more_is_an_error(name: str, by: object) -> None:
    with pytest.raises(DoesNotFitError, match=name):
        Replacement(Poller, name, by).require_fit()
