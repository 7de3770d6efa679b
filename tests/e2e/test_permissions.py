"""Each permission that a role has is needed: it is used, and without it something fails.

What a role may do on AWS is asserted on the templates (`tests/infra/test_roles.py`), for every environment. Here it is
held against what the deployed functions do: `make mutate-permissions` takes away every single one, and this file a few.
"""

import random
from collections.abc import Iterator

import pytest

from infra.local.permissions import Permission
from infra.local.run import LocalRun
from tests.permissions.exceptions import EXCEPTIONS, excepted
from tests.permissions.mutation import CAUGHT, STARTED_SECONDS, Bench, in_words, spread
from tests.permissions.scenarios import SCENARIOS, function_of

FEW = 10


@pytest.fixture(scope="module")
def bench(local_run: LocalRun) -> Iterator[Bench]:
    local_run.redeliver_after(STARTED_SECONDS)
    bench = Bench(local_run)
    with bench.unnoticed():
        yield bench
    local_run.redeliver_after(8)


@pytest.fixture(scope="module")
def used(bench: Bench) -> frozenset[Permission]:
    """What a run of every scenario used, by functions that started anew."""
    return bench.use_all()


def test_every_granted_permission_is_used(bench: Bench, used: frozenset[Permission]) -> None:
    unused = {f"{function_of(permission.role)}: {in_words(permission)}" for permission in set(bench.granted()) - used}
    assert unused == set(), "nothing shows that it is needed: remove it, or add a scenario that does"


def test_nothing_is_excepted_that_the_emulator_could_show(bench: Bench, used: frozenset[Permission]) -> None:
    assert {in_words(permission) for permission in used if excepted(permission)} == set()
    of_roles = [excepted(permission) for permission in bench.roles.permissions()]
    assert set(EXCEPTIONS) <= set(of_roles), "an exception for which there is no permission any more"


def test_every_scenario_is_of_use(bench: Bench) -> None:
    granted = bench.granted()
    for scenario in SCENARIOS:
        for function, needs in scenario.needs.items():
            for need in needs:
                alone = type(scenario)(scenario.name, scenario.begin, {function: (need,)})
                assert any(map(alone.proves, granted)), f"{scenario.name}: no permission of the {function} is {need}"


def test_without_any_one_of_a_few_permissions_something_fails(bench: Bench, used: frozenset[Permission]) -> None:
    """A changing sample of permissions whose lack shows without a wait; `make mutate-permissions` tries all."""
    quick = [
        permission
        for permission in bench.granted()
        if any(scenario.proves(permission) and scenario.at_once for scenario in SCENARIOS)
    ]
    assert len(quick) > len(bench.granted()) / 2
    trials = [bench.without(permission) for permission in spread(random.sample(quick, FEW))]
    for trial in trials:
        print(f"{trial.function} without {trial.permission}: {trial.outcome}")
    assert [trial for trial in trials if trial.outcome not in CAUGHT] == []
