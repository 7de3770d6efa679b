"""Tells stories: rounds of random ones, each round with its number as the seed, so that it can be told again."""

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model.machine import Messaging

_ALL = tuple(Phase)
_UNTIL_ONE_FAILS = (Phase.generate,)


def tell(number: int, *, stories: int, steps: int, shorten: bool = True) -> None:
    """Tell so many stories of so many steps; the first that breaks what must hold is raised, shortened if wanted."""
    rules = settings(
        max_examples=stories, stateful_step_count=steps, deadline=None, suppress_health_check=list(HealthCheck),
        phases=_ALL if shorten else _UNTIL_ONE_FAILS, report_multiple_bugs=shorten, database=None,
    )  # fmt: skip
    run_state_machine_as_test(seed(number)(Messaging), settings=rules)
