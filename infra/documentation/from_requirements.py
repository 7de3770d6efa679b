"""The pages that map the supplier's conformance list to checks and tests, and the conditions to their requirements."""

import ast
from collections import Counter
from functools import cache
from pathlib import Path

from gpconnect_messaging.conformance.checks import CHECKS
from gpconnect_messaging.conformance.checks.check import Level
from gpconnect_messaging.specification import Version
from infra.assurance.tools import PROJECT
from infra.documentation.requirements import (
    MEANINGS,
    Condition,
    Kind,
    Requirement,
    Standing,
    because,
    conditions,
    requirements,
)
from infra.documentation.tables import NEW_LINE, code, page, table

_SUPPLIER_TESTS = {
    "GPCM-SD-TST-03": ("028", "032"),
    "GPCM-SD-TST-04": ("094",),
    "GPCM-SD-TST-05": ("095",),
    "GPCM-SD-TST-06": ("083",),
    "GPCM-SD-TST-07": ("096",),
    "GPCM-SD-TST-08": ("098", "123", "128", "129"),
    "GPCM-SD-TST-13": ("111",),
    "covered by others": ("056",),
    "none": ("084",),
}
"""Tests of the supplier's list, with the requirements of 2.0 that they cover. The first test covers all others."""
_FIRST = "GPCM-SD-TST-01"
_MOST = 3
"""Number of tests that a row names; the evidence names all."""


def conformance_page() -> str:
    """Return the page of all requirements of 2.0, and of those of 1.5 by kind."""
    current = [requirement for requirement in requirements() if requirement.version is Version.V2_0]
    earlier = [requirement for requirement in requirements() if requirement.version is Version.V1_5]
    others = [requirement for requirement in requirements() if requirement.version is None]
    checked = Counter(requirement.id.rsplit("-", 1)[0] for requirement in earlier if requirement.kind is Kind.CHECK)
    return page(
        "Conformance",
        "`infra/documentation/requirements.py`, the checks, and the tests that cite requirements",
        "NHS England's requirements of a supplier, by the numbers of the published lists, and the proof that this "
        "product meets them. The wording here is a summary; the specification decides. Conformance testing itself is "
        "between you and NHS England.",
        "`make conformance` writes the whole evidence, with the outcome of every test, to "
        "`.build/reports/conformance.html` and `.json`. It fails if no test covers a requirement that binds the "
        "product. `make validate FILE=…` checks any message against the requirements. A *mutant* proves a check: a "
        "valid message that is broken on purpose, and must be caught.",
        "## How many are met",
        _headline(),
        "Every line presumes that what a request says is true: the product cannot know the patient's name better than "
        "the sending system. What it needs beyond that is a condition, and [a duty of the "
        "deployer](safety/conditions.md).",
        "## Send Document 2.0.2",
        table(
            ("supplier's test", "requirement", "level", "summary", "shown by"),
            sorted(
                ((_supplier_test(requirement), *_row(requirement)) for requirement in current),
                key=lambda row: (not row[0].startswith("GPCM"), row[0]),
            ),
        ),
        "## 1.5: requirements on conduct",
        "A single message cannot show these.",
        table(_HEAD, (_row(requirement) for requirement in earlier if requirement.kind is Kind.CONDUCT)),
        "## 1.5: requirements on a message",
        f"{checked.total()} requirements. Every one has a check, which runs on any message.",
        table(
            ("family", "requirements", "shown by"),
            ((code(f"{family}-…"), str(count), "a check for every requirement, and a mutant of every MUST")
             for family, count in sorted(checked.items())),
        ),
        "A SHOULD that a message breaks is a warning on the message's record. Of some a warning says "
        "only what is there and wrong, since no message shows what the sending system knows. These are not met always "
        "for another reason, or are not this product's to meet:",
        table(
            _HEAD,
            (_row(requirement) for requirement in earlier
             if requirement.kind is Kind.CHECK and requirement.standing is not Standing.ALWAYS
             and [condition.name for condition in requirement.conditions] not in (["advice"], ["known"])),
        ),
        "## 1.5: requirements that do not bind a sender of this kind",
        table(
            _HEAD,
            (_row(requirement) for requirement in earlier
             if requirement.kind in (Kind.RECEIVER, Kind.NOT_APPLICABLE)),
        ),
        "## ITK3, FHIR and profiles",
        table(_HEAD, (_row(requirement) for requirement in others)),
    )  # fmt: skip


def conditions_page() -> str:
    """Return the page of the deployer's duties on which requirements depend."""
    return page(
        "Conditions of conformance",
        "`infra/documentation/standings.txt`",
        "Requirements that the product meets only if a person outside it sees to something, and who that is. See to "
        "every one, or write into your safety case why not. [Conformance](../conformance.md) has the requirements, and "
        "how they are shown; [Responsibilities](responsibilities.md) has your other duties.",
        table(
            ("who", "sees to it that", "settings, and fields of a request", "requirements"),
            (
                (one.who, one.words, NEW_LINE.join(map(code, one.about)), _depending(one))
                for one in conditions().values()
            ),
        ),
    )


def _depending(condition: Condition) -> str:
    """Name the requirements that depend on a condition."""
    if condition.name == "advice":
        return "every other SHOULD with a check"
    return ", ".join(code(one.key) for one in requirements() if condition in one.conditions)


def _headline() -> str:
    """Count the requirements by standing and level."""
    counts = Counter((one.standing, one.level) for one in requirements())
    return table(
        ("", *Level, "what that means"),
        ((standing, *(str(counts[standing, level]) for level in Level), MEANINGS[standing]) for standing in Standing),
    )


_HEAD = ("requirement", "level", "summary", "shown by")


def _supplier_test(requirement: Requirement) -> str:
    number = requirement.id.rpartition("-")[2]
    if requirement.id.startswith("GPCM-C-"):
        return "covered by others"
    return next((test for test, numbers in _SUPPLIER_TESTS.items() if number in numbers), _FIRST)


def _row(requirement: Requirement) -> tuple[str, str, str, str]:
    return (code(requirement.id), requirement.level, requirement.title, _shown_by(requirement))


def _shown_by(requirement: Requirement) -> str:
    words = because(requirement)
    if requirement.standing in (Standing.RECEIVER, Standing.NOT_APPLICABLE):
        return words
    tests = [*_citing().get(requirement.key, ()), *_citing().get(requirement.id, ())]
    shown = [f"**{'Deviation: ' * (requirement.standing is Standing.DEVIATION)}{words}.**"] if words else []
    shown += [f"check of {code(check.looks_at)}, and the mutants" for check in CHECKS if check.key == requirement.key]
    shown += [code(test) for test in tests[:_MOST]]
    if len(tests) > _MOST:
        shown.append("and others")
    return NEW_LINE.join(shown)


@cache
def _citing() -> dict[str, list[str]]:
    """Map requirement ids to the tests that cite them, read from the test files."""
    tests: dict[str, list[str]] = {}
    for folder in ("unit", "conformance"):
        for file in sorted((PROJECT / "tests" / folder).rglob("test_*.py")):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                    for name in _cited(node):
                        tests.setdefault(name, []).append(f"{_named(file)}::{node.name}")
    return tests


def _named(file: Path) -> str:
    return file.relative_to(PROJECT).as_posix()


def _cited(test: ast.FunctionDef) -> list[str]:
    calls = [decorator for decorator in test.decorator_list if isinstance(decorator, ast.Call)]
    return [
        str(argument.value)
        for call in calls
        if isinstance(call.func, ast.Attribute) and call.func.attr == "requirement"
        for argument in call.args
        if isinstance(argument, ast.Constant)
    ]
