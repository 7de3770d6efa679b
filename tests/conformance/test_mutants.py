from dataclasses import replace
from functools import cache

import pytest

from gpconnect_messaging.conformance.checks import CHECKS
from gpconnect_messaging.conformance.checks.check import Level
from gpconnect_messaging.conformance.validation import MOST_WARNINGS, Verdict, warnings
from gpconnect_messaging.usecases import USE_CASES, UseCaseDefinition
from tests.conformance.mutants import MUTANTS, Mutant
from tests.conformance.samples import ROLES, Sample, sample

MUSTS = {check.key for check in CHECKS if check.level is Level.MUST}


def broken(checked: Sample, level: str = "") -> set[str]:
    return {
        f"{finding.specification}:{finding.id}" if finding.specification else finding.id
        for finding in checked.findings()
        if finding.verdict is Verdict.BROKEN and level in ("", finding.level)
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
    assert mutant.key in broken(mutant.broken(), mutant.half)


@pytest.mark.parametrize("mutant", [mutant for mutant in MUTANTS if mutant.key not in MUSTS], ids=lambda one: one.key)
def test_broken_advice_is_a_warning_by_the_requirements_id(mutant: Mutant) -> None:
    found = warnings(mutant.broken().findings())
    assert mutant.key.rpartition(":")[2] in {warning.partition(": ")[0] for warning in found}


def test_warnings_are_bounded_and_name_a_requirement_once() -> None:
    [one, *_] = [found for mutant in MUTANTS if mutant.key not in MUSTS for found in mutant.broken().findings()
                 if found.verdict is Verdict.BROKEN]  # fmt: skip
    many = [replace(one, id=f"GPCM-SD-{number}") for number in range(MOST_WARNINGS + 2) for _ in range(2)]
    assert len(warnings(many)) == MOST_WARNINGS + 1
    assert warnings(many)[-1] == "… and 2 more"


def test_nearly_every_must_that_a_message_can_show_has_a_mutant() -> None:
    mutated = {mutant.key for mutant in MUTANTS}
    assert mutated <= {check.key for check in CHECKS}
    assert len(mutated & MUSTS) >= 0.95 * len(MUSTS), sorted(MUSTS - mutated)


@pytest.mark.parametrize("use_case", USE_CASES.values(), ids=lambda use_case: use_case.name)
def test_a_use_case_has_requirements_of_its_own_and_mutants_that_break_them(use_case: UseCaseDefinition) -> None:
    musts = {check.key for check in CHECKS if check.use_case is use_case.name and check.level is Level.MUST}
    assert all(f"-{use_case.family}-" in key for key in musts)
    assert musts & {mutant.key for mutant in MUTANTS}, "it needs requirements in conformance/checks, and mutants"
