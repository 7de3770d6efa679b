"""The mapping to the supplier's conformance list: which requirement is shown by which check and which tests."""

import ast
from collections import Counter
from functools import cache
from pathlib import Path

from gpconnect_messaging.conformance.catalogue import Kind, Requirement, requirements
from gpconnect_messaging.conformance.checks import CHECKS
from gpconnect_messaging.specification import Version
from infra.assurance.tools import PROJECT
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
"""Which test of the supplier's list each requirement of 2.0 belongs to; those that are not named: the first."""
_FIRST = "GPCM-SD-TST-01"
_MOST = 3
"""How many tests are named; the evidence names all."""


def conformance_page() -> str:
    """Every requirement of 2.0, what 1.5 asks of conduct, and where all the evidence is."""
    current = [each for each in requirements() if each.version is Version.V2_0]
    earlier = [each for each in requirements() if each.version is Version.V1_5]
    others = [each for each in requirements() if each.version is None]
    checked = Counter(each.id.rsplit("-", 1)[0] for each in earlier if each.kind is Kind.CHECK)
    return page(
        "Conformance",
        "`gpconnect_messaging/conformance` and the tests that cite requirements",
        "What NHS England asks of a supplier, by the numbers of its own lists, and what shows that this product does "
        "it. The words are ours; the specification's decide. Conformance testing itself is between you and NHS "
        "England.",
        "`make conformance` writes the whole evidence, with each test's outcome, to `.build/reports/conformance.html` "
        "and `.json`, and fails where a requirement that binds the product is met by no test. `make validate FILE=…` "
        "holds any message against the checks. A check is proven by a *mutant*: a valid message that is broken on "
        "purpose, and must be caught.",
        "## Send Document 2.0.2",
        table(
            ("supplier's test", "requirement", "level", "in our words", "shown by"),
            sorted(
                ((_supplier_test(each), *_row(each)) for each in current),
                key=lambda row: (not row[0].startswith("GPCM"), row[0]),
            ),
        ),
        "## 1.5: what a sender does",
        "What no single message can show.",
        table(_HEAD, (_row(each) for each in earlier if each.kind is Kind.CONDUCT)),
        "## 1.5: what a message shows",
        f"{checked.total()} requirements, each with a check that any message can be held against.",
        table(
            ("family", "requirements", "each shown by"),
            ((code(f"{family}-…"), str(count), "its check, and a mutant of every MUST")
             for family, count in sorted(checked.items())),
        ),
        "## 1.5: what does not bind a sender of this kind",
        table(
            _HEAD,
            (_row(each) for each in earlier if each.kind in (Kind.RECEIVER, Kind.NOT_APPLICABLE)),
        ),
        "## ITK3, FHIR and profiles",
        table(_HEAD, (_row(each) for each in others)),
    )  # fmt: skip


_HEAD = ("requirement", "level", "in our words", "shown by")


def _supplier_test(requirement: Requirement) -> str:
    number = requirement.id.rpartition("-")[2]
    if requirement.id.startswith("GPCM-C-"):
        return "covered by others"
    return next((test for test, numbers in _SUPPLIER_TESTS.items() if number in numbers), _FIRST)


def _row(requirement: Requirement) -> tuple[str, str, str, str]:
    return (code(requirement.id), requirement.level, requirement.title, _shown_by(requirement))


def _shown_by(requirement: Requirement) -> str:
    if requirement.kind is Kind.RECEIVER:
        return "binds the receiving system"
    if requirement.kind is Kind.NOT_APPLICABLE:
        return requirement.reason
    tests = [*_citing().get(requirement.key, ()), *_citing().get(requirement.id, ())]
    shown = [f"check of {code(each.looks_at)}, and its mutants" for each in CHECKS if each.key == requirement.key]
    shown += [code(each) for each in tests[:_MOST]]
    if len(tests) > _MOST:
        shown.append("and others")
    return NEW_LINE.join(shown)


@cache
def _citing() -> dict[str, list[str]]:
    """Which tests cite which requirement, by reading them."""
    found: dict[str, list[str]] = {}
    for folder in ("unit", "conformance"):
        for file in sorted((PROJECT / "tests" / folder).rglob("test_*.py")):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                    for name in _cited(node):
                        found.setdefault(name, []).append(f"{_named(file)}::{node.name}")
    return found


def _named(file: Path) -> str:
    return file.relative_to(PROJECT).as_posix()


def _cited(test: ast.FunctionDef) -> list[str]:
    calls = [each for each in test.decorator_list if isinstance(each, ast.Call)]
    return [
        str(argument.value)
        for call in calls
        if isinstance(call.func, ast.Attribute) and call.func.attr == "requirement"
        for argument in call.args
        if isinstance(argument, ast.Constant)
    ]
