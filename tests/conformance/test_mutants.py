from functools import cache

import pytest

from gpconnect_messaging.conformance.checks import CHECKS
from gpconnect_messaging.conformance.checks.check import Level
from gpconnect_messaging.conformance.validation import Verdict
from gpconnect_messaging.usecases import USE_CASES, UseCaseDefinition
from tests.conformance.mutants import MUTANTS, Mutant
from tests.conformance.samples import ROLES, Sample, sample

MUSTS = {check.key for check in CHECKS if check.level is Level.MUST}


def broken(checked: Sample) -> set[str]:
    return {
        f"{finding.specification}:{finding.id}" if finding.specification else finding.id
        for finding in checked.findings()
        if finding.verdict is Verdict.BROKEN
    }


@cache
def broken_when_valid(role: str, by_client: bool) -> set[str]:
    return broken(sample(role, by_client=by_client))


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("by_client", [False, True])
def test_a_valid_message_breaks_no_must_and_follows_all_advice(role: str, *, by_client: bool) -> None:
    assert broken(sample(role, by_client=by_client)) == set()


@pytest.mark.parametrize(
    "mutant", [pytest.param(mutant, id=mutant.key, marks=pytest.mark.requirement(mutant.key)) for mutant in MUTANTS]
)
def test_a_message_that_breaks_a_requirement_is_caught_by_its_check(mutant: Mutant) -> None:
    assert mutant.key not in broken_when_valid(mutant.role, mutant.by_client)
    assert mutant.key in broken(mutant.broken())


def test_nearly_every_must_that_a_message_can_show_has_a_mutant() -> None:
    mutated = {mutant.key for mutant in MUTANTS}
    assert mutated <= {check.key for check in CHECKS}
    assert len(mutated & MUSTS) >= 0.95 * len(MUSTS), sorted(MUSTS - mutated)


@pytest.mark.parametrize("use_case", USE_CASES.values(), ids=lambda use_case: use_case.name)
def test_a_use_case_has_requirements_of_its_own_and_mutants_that_break_them(use_case: UseCaseDefinition) -> None:
    musts = {check.key for check in CHECKS if check.use_case is use_case.name and check.level is Level.MUST}
    assert all(f"-{use_case.family}-" in key for key in musts)
    assert musts & {mutant.key for mutant in MUTANTS}, "it needs requirements in conformance/checks, and mutants"
