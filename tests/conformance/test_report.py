import ast
import dataclasses
import json
import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any, get_args

import pytest

from gpconnect_messaging.conformance.checks import CHECKS
from gpconnect_messaging.conformance.checks.check import Scope
from gpconnect_messaging.requests.models import Request
from infra.configuration import Configuration, MailboxSettings
from infra.documentation.conformance_report import RequirementStatus, as_html, gather, main, musts_without_mutant
from infra.documentation.requirements import Kind, Standing, conditions, requirements, standings
from tests.conformance.mutants import MUTANTS
from tests.examples import ROOT, SPEC

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
        RequirementStatus.DEVIATION,
        RequirementStatus.NOT_APPLICABLE,
    }


def test_what_does_not_apply_says_why() -> None:
    unexplained = (Standing.NOT_APPLICABLE, Standing.DEVIATION)
    assert all(requirement.reason for requirement in requirements() if requirement.standing in unexplained)


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
    assert [item.requirement.key for item in checks if item.status is RequirementStatus.OPEN] == []


def test_the_page_names_every_requirement_and_says_its_standing_in_words() -> None:
    page = as_html(gather(MUTANT_OUTCOMES))
    rows = re.findall(r"<tr><th scope='row'>(\S+?)</th><td>(?:MUST|SHOULD)</td>.*?</tr>", page)
    assert len(rows) == len(requirements())
    assert page.count("<th scope='col'>") == 3 + 3 * 5
    assert "<script" not in page


BY_KEY = {requirement.key: requirement for requirement in requirements()}


@pytest.mark.parametrize(
    ("key", "standing"),
    [
        ("1.5:GPCM-SD-CS-006", Standing.DEVIATION),  # contradicts the wording of the subject
        ("2.0:GPCM-SD-107", Standing.DEVIATION),  # STU3 forbids it
        ("1.5:GPCM-SD-CS-063", Standing.NOT_APPLICABLE),  # a control file
        ("2.0:GPCM-SD-062", Standing.NOT_APPLICABLE),
        ("1.5:GPCM-SD-042", Standing.RECEIVER),  # a response
        ("1.5:GPCM-SD-GE-285", Standing.RECEIVER),
        ("1.5:GPCM-SD-CS-018", Standing.ALWAYS),
        ("2.0:GPCM-SD-049", Standing.ALWAYS),
        ("1.5:GPCM-SD-006", Standing.ALWAYS),
        ("1.5:GPCM-SD-OC-036", Standing.CONDITIONAL),  # a SHOULD, which is warned of
    ],
)
def test_the_standing_of_a_requirement(key: str, standing: Standing) -> None:
    assert BY_KEY[key].standing is standing


@pytest.mark.parametrize(
    ("condition", "keys"),
    [
        ("pds", ["1.5:GPCM-SD-CS-072", "2.0:GPCM-SD-084"]),
        ("rendered", [f"1.5:GPCM-SD-CS-{number:03}" for number in range(1, 17) if number not in (3, 4, 6, 7)]),
        ("rendered", ["2.0:GPCM-SD-086", "2.0:GPCM-SD-087", "2.0:GPCM-SD-090", "2.0:GPCM-SD-091"]),
        ("sds", ["1.5:GPCM-SD-CS-036", "1.5:GPCM-SD-OC-025", "1.5:GPCM-SD-GE-025"]),
    ],
)
def test_what_a_requirement_depends_on(condition: str, keys: list[str]) -> None:
    assert [key for key in keys if conditions()[condition] not in BY_KEY[key].conditions] == []


def test_no_requirement_of_a_pdf_is_met_always_since_no_check_reads_one() -> None:
    always = [one.key for one in requirements() if "PDF" in one.title and one.standing is Standing.ALWAYS]
    assert always == []


def test_control_files_and_responses_count_as_neither_met_nor_open() -> None:
    scopes = {check.key: check.scope for check in CHECKS if check.scope in (Scope.CONTROL_FILE, Scope.RESPONSE)}
    assert Counter(scopes.values()) == {Scope.CONTROL_FILE: 16, Scope.RESPONSE: 22}
    standing = {Scope.CONTROL_FILE: Standing.NOT_APPLICABLE, Scope.RESPONSE: Standing.RECEIVER}
    assert [key for key, scope in scopes.items() if BY_KEY[key].standing is not standing[scope]] == []


def test_every_standing_is_of_a_requirement_and_every_condition_is_used() -> None:
    assert standings().keys() <= BY_KEY.keys()
    assert {condition for one in requirements() for condition in one.conditions} == set(conditions().values())
    assert all(one.conditions for one in requirements() if one.standing is Standing.CONDITIONAL)


def _fields(holder: Any) -> dict[str, Any]:
    """The fields of a model or dataclass by name, with the model that each holds, if any."""
    if not hasattr(holder, "model_fields"):
        return dict.fromkeys(field.name for field in dataclasses.fields(holder))
    models = {name: field.annotation for name, field in holder.model_fields.items()}
    return {
        name: next((inner for inner in (get_args(model) or (model,)) if hasattr(inner, "model_fields")), None)
        for name, model in models.items()
    }


@pytest.mark.parametrize("name", sorted({name for condition in conditions().values() for name in condition.about}))
def test_what_a_condition_is_about_exists(name: str) -> None:
    holder, *path = name.split(".")
    within: Any = {"mailbox": MailboxSettings, "environment": Configuration, "request": Request}[holder]
    for field in path:
        assert field in _fields(within)
        within = _fields(within)[field]


@pytest.mark.skipif(not (SPEC / "requirements").exists(), reason=f"{SPEC} is not here")
@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("send-document-core-and-consultation", "1.5"),
        ("online-consultation", "1.5"),
        ("generic", "1.5"),
        ("user-stories-consultation", "1.5"),
        ("user-stories-online-consultation", "1.5"),
        ("send-document-2.0.2", "2.0"),
    ],
)
def test_no_id_of_the_published_lists_is_lost(name: str, version: str) -> None:
    text = (SPEC / "requirements" / f"{name}.yml").read_text(encoding="utf-8")
    listed = {f"{version}:{found}" for found in re.findall(r"""^\s*- id:\s*"?(GPC[\w-]+)""", text, re.MULTILINE)}
    assert listed
    assert listed - BY_KEY.keys() == set()
