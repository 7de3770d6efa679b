import ast
import json
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from infra.documentation.conformance_report import RequirementStatus, as_html, gather, main, musts_without_mutant
from infra.documentation.requirements import Kind, requirements
from tests.conformance.mutants import MUTANTS
from tests.examples import ROOT

MUTANT_OUTCOMES = {mutant.key: {f"tests/conformance/test_mutants.py::{mutant.key}": "passed"} for mutant in MUTANTS}


@cache
def cited() -> dict[str, dict[str, str]]:
    """What the tests that `make conformance` runs cite, as if all of them had passed."""
    outcomes = {key: dict(tests) for key, tests in MUTANT_OUTCOMES.items()}
    for file in [*(ROOT / "tests" / "unit").rglob("*.py"), *(ROOT / "tests" / "conformance").rglob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "requirement":
                for argument in node.args:
                    if isinstance(argument, ast.Constant):
                        outcomes.setdefault(str(argument.value), {})[f"{file.name}:{node.lineno}"] = "passed"
    return outcomes


def test_no_requirement_that_binds_us_is_without_a_test_that_cites_it() -> None:
    assert {item.requirement.key for item in gather(cited()) if item.status is RequirementStatus.OPEN} == set()


def test_no_test_cites_what_is_no_requirement() -> None:
    known = {name for requirement in requirements() for name in (requirement.key, requirement.id)}
    assert set(cited()) - known == set()


def test_a_citation_without_version_is_of_an_id_that_only_one_version_has() -> None:
    times = Counter(requirement.id for requirement in requirements())
    assert {name for name in cited() if times[name] > 1} == set()


def test_the_command_fails_and_names_what_is_not_met(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outcomes = {requirement.key: {"a test": "passed"} for requirement in requirements()}

    def report() -> int:
        (tmp_path / "outcomes.json").write_text(json.dumps(outcomes), encoding="utf-8")
        return main([str(tmp_path / "outcomes.json"), str(tmp_path)])

    assert report() == 0
    del outcomes["2.0:GPCM-SD-038"]
    outcomes["FHIR-MR-01"] = {"a test": "failed"}
    assert report() == 1
    told = capsys.readouterr().err.splitlines()
    assert [line.split()[:3] for line in told] == [
        ["not", "shown:", "2.0:GPCM-SD-038"],
        ["failing:", "FHIR-MR-01", "Every"],
    ]
    assert {"conformance.html", "conformance.json"} <= {file.name for file in tmp_path.iterdir()}


def test_every_requirement_is_listed_once_per_version_in_our_own_words() -> None:
    times = Counter(requirement.key for requirement in requirements())
    assert [key for key, count in times.items() if count > 1] == []
    assert all(0 < len(requirement.title) <= 120 for requirement in requirements())


def test_nothing_is_met_without_a_test_that_cites_it() -> None:
    assert {item.status for item in gather({})} == {
        RequirementStatus.OPEN,
        RequirementStatus.RECEIVER,
        RequirementStatus.NOT_APPLICABLE,
    }


def test_what_does_not_apply_says_why() -> None:
    assert all(requirement.reason for requirement in requirements() if requirement.kind is Kind.NOT_APPLICABLE)


def test_an_id_that_both_versions_have_needs_a_citation_with_the_version() -> None:
    def statuses(cited: str) -> dict[str, RequirementStatus]:
        found = gather({cited: {"a test": "passed"}})
        return {item.requirement.key: item.status for item in found if item.requirement.id == "GPCM-SD-038"}

    assert set(statuses("GPCM-SD-038").values()) == {RequirementStatus.OPEN}
    assert statuses("1.5:GPCM-SD-038") == {
        "1.5:GPCM-SD-038": RequirementStatus.MET,
        "2.0:GPCM-SD-038": RequirementStatus.OPEN,
    }


def test_a_failing_test_is_not_outvoted_by_a_passing_one() -> None:
    (found,) = (
        item for item in gather({"GPCM-SD-CS-018": {"one": "passed", "two": "failed"}}) if item.tests
    )  # fmt: skip
    assert found.status is RequirementStatus.FAILING


def test_every_check_is_proven_by_a_mutant() -> None:
    evidence = gather(MUTANT_OUTCOMES)
    assert musts_without_mutant(evidence) == []
    checks = [item for item in evidence if item.requirement.kind is Kind.CHECK]
    assert [item.requirement.key for item in checks if item.status is not RequirementStatus.MET] == []


def test_the_page_names_every_requirement_and_says_its_standing_in_words() -> None:
    page = as_html(gather(MUTANT_OUTCOMES))
    rows = re.findall(r"<tr><th scope='row'>(\S+?)</th><td>(?:MUST|SHOULD)</td>.*?</tr>", page)
    assert len(rows) == len(requirements())
    assert page.count("<th scope='col'>") == 3 + 3 * 5
    assert "<script" not in page
