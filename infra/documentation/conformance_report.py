"""The conformance evidence: every requirement id, and the tests that prove it.

    python -m infra.documentation.conformance_report REQUIREMENTS_JSON FOLDER

Reads which tests cite which requirement, with outcomes (every test run writes this file), and writes conformance.json
and conformance.html. A requirement is met only if a test that cites it passed; a check alone is not enough. What is
met always is counted apart from what is met on conditions.
The exit status is 1 if a requirement that binds this product is not met; stderr names the requirements.
"""

import argparse
import json
import sys
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from html import escape
from pathlib import Path

from gpconnect_messaging.conformance.checks import CHECKS
from infra.documentation.requirements import MEANINGS, Kind, Requirement, Standing, because, requirements

_VERSIONS = {"1.5": "Version 1.5", "2.0": "Version 2.0", "": "ITK3, FHIR and profiles"}


class RequirementStatus(StrEnum):
    """Whether a requirement is met: where a test shows it, the standing."""

    MET = Standing.ALWAYS.value
    CONDITIONAL = Standing.CONDITIONAL.value
    RECEIVER = Standing.RECEIVER.value
    DEVIATION = Standing.DEVIATION.value
    NOT_APPLICABLE = Standing.NOT_APPLICABLE.value
    FAILING = "failing"
    OPEN = "not shown"


_MEANINGS = {RequirementStatus(standing): words for standing, words in MEANINGS.items()} | {
    RequirementStatus.FAILING: "a test that cites it failed",
    RequirementStatus.OPEN: "no test that ran cites it",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One requirement with proof: the elements that a check covers, and the tests with outcomes."""

    requirement: Requirement
    status: RequirementStatus
    looks_at: str
    tests: dict[str, str]
    mutants: int
    """Number of tests that break a valid message and prove that the check detects it."""


def gather(outcomes: dict[str, dict[str, str]]) -> list[Evidence]:
    """Match requirements with checks and tests.

    `outcomes` maps requirement → test → outcome. A citation without a version counts for the version
    that has the id; where both have it, with different meanings, only a citation with the version counts.
    """
    looks_at = {check.key: check.looks_at for check in CHECKS}
    times = Counter(requirement.id for requirement in requirements())
    gathered = []
    for requirement in requirements():
        tests = dict(outcomes.get(requirement.key, {}))
        if times[requirement.id] == 1:
            tests |= outcomes.get(requirement.id, {})
        gathered.append(
            Evidence(
                requirement=requirement,
                status=_status(requirement, tests),
                looks_at=looks_at.get(requirement.key, ""),
                tests=dict(sorted(tests.items())),
                mutants=sum("test_mutants.py" in test for test in tests),
            )
        )
    return gathered


def _status(requirement: Requirement, tests: dict[str, str]) -> RequirementStatus:
    if "failed" in tests.values():
        return RequirementStatus.FAILING
    shown = "passed" in tests.values() or requirement.standing not in (Standing.ALWAYS, Standing.CONDITIONAL)
    return RequirementStatus(requirement.standing) if shown else RequirementStatus.OPEN


def musts_without_mutant(evidence: list[Evidence]) -> list[str]:
    """List the MUST requirements with a check that no mutant breaks."""
    return [
        item.requirement.key
        for item in evidence
        if item.requirement.kind is Kind.CHECK and item.requirement.level == "MUST" and not item.mutants
    ]


def as_json(evidence: list[Evidence]) -> str:
    """Write the evidence as JSON."""
    return json.dumps(
        {
            "summary": {status: sum(item.status is status for item in evidence) for status in RequirementStatus},
            "visible_musts_without_mutant": musts_without_mutant(evidence),
            "requirements": [
                {
                    "specification": item.requirement.version,
                    "id": item.requirement.id,
                    "level": item.requirement.level,
                    "title": item.requirement.title,
                    "standing": item.status,
                    "met_by_check": item.looks_at or None,
                    "tests": item.tests,
                    "reason": item.requirement.reason or None,
                    "conditions": [condition.words for condition in item.requirement.conditions],
                }
                for item in evidence
            ],
        },
        indent=2,
        ensure_ascii=False,
    )


# --- HTML -------------------------------------------------------------------------------------------------------------

_STYLE = """\
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem; color: #212b32; }
table { border-collapse: collapse; width: 100%; margin: 0 0 2rem; }
caption { text-align: left; font-weight: bold; padding: .5rem 0; }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem; border-bottom: 1px solid #d8dde0; }
thead th { border-bottom: 2px solid #212b32; position: sticky; top: 0; background: #fff; }
tbody th { font-weight: normal; font-family: ui-monospace, monospace; white-space: nowrap; }
code { font-size: .85em; overflow-wrap: anywhere; }
a { color: #005eb8; }
.failing, .open { font-weight: bold; }
"""


def as_html(evidence: list[Evidence]) -> str:
    """Write the evidence as one plain page, readable without colour or scripts."""
    counts = "".join(
        f"<tr><th scope='row'>{status}</th><td>{sum(item.status is status for item in evidence)}</td>"
        f"<td>{_MEANINGS[status]}</td></tr>"
        for status in RequirementStatus
    )
    tables = "".join(_table(evidence, version, title) for version, title in _VERSIONS.items())
    contents = "".join(f"<li><a href='#v{version or 'any'}'>{title}</a></li>" for version, title in _VERSIONS.items())
    without = musts_without_mutant(evidence)
    mutation = (
        f"<p>Without a mutant: {escape(', '.join(without))}.</p>"
        if without
        else "<p>Every MUST with a check has a mutant: a valid message, broken on purpose, that the check detects.</p>"
    )
    return (
        "<!DOCTYPE html>\n<html lang='en-GB'>\n<head>\n<meta charset='utf-8'>\n"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>\n"
        f"<title>Conformance evidence</title>\n<style>\n{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        "<h1>Conformance evidence</h1>\n"
        "<p>Every requirement of GP Connect Send Document and of ITK3, with the tests that prove it for this product. "
        "The titles are paraphrased; the specification is authoritative.</p>\n"
        f"<table>\n<caption>Status of the requirements</caption>\n<thead><tr><th scope='col'>Status</th>"
        f"<th scope='col'>How many</th><th scope='col'>Meaning</th></tr></thead>\n<tbody>{counts}</tbody>\n</table>\n"
        f"{mutation}\n<nav aria-label='Versions'><ul>{contents}</ul></nav>\n{tables}</main>\n</body>\n</html>\n"
    )


def _table(evidence: list[Evidence], version: str, title: str) -> str:
    rows = "".join(_row(item) for item in evidence if (item.requirement.version or "") == version)
    columns = "".join(
        f"<th scope='col'>{name}</th>"
        for name in ("Requirement", "Level", "Requirement in brief", "Status", "Shown by")
    )
    return (
        f"<h2 id='v{version or 'any'}'>{title}</h2>\n<table>\n<caption>{title}: requirement by requirement</caption>\n"
        f"<thead><tr>{columns}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n"
    )


def _row(item: Evidence) -> str:
    requirement = item.requirement
    shown = []
    if words := because(requirement):
        shown.append(escape(words))
    if item.looks_at:
        shown.append(f"check of <code>{escape(item.looks_at)}</code>")
    if item.tests:
        tests = "".join(f"<li><code>{escape(test)}</code>: {outcome}</li>" for test, outcome in item.tests.items())
        words = "1 test" if len(item.tests) == 1 else f"{len(item.tests)} tests"
        shown.append(f"<details><summary>{words}</summary><ul>{tests}</ul></details>")
    marker = {RequirementStatus.FAILING: " class='failing'", RequirementStatus.OPEN: " class='open'"}.get(
        item.status, ""
    )
    return (
        f"<tr><th scope='row'>{escape(requirement.id)}</th><td>{requirement.level}</td>"
        f"<td>{escape(requirement.title)}</td><td{marker}>{item.status}</td><td>{' '.join(shown)}</td></tr>\n"
    )


def main(arguments: list[str] | None = None) -> int:
    """Write the report; see --help."""
    parser = argparse.ArgumentParser(prog="make conformance", description="Write the conformance evidence.")
    parser.add_argument("outcomes", type=Path, help="which tests cite which requirement, as a test run wrote it")
    parser.add_argument("folder", type=Path, help="where conformance.html and conformance.json go")
    options = parser.parse_args(arguments)
    if not options.outcomes.exists():
        print(f"{options.outcomes} does not exist: run the tests first", file=sys.stderr)
        return 2
    evidence = gather(json.loads(options.outcomes.read_text(encoding="utf-8")))
    options.folder.mkdir(parents=True, exist_ok=True)
    (options.folder / "conformance.json").write_text(as_json(evidence) + "\n", encoding="utf-8")
    (options.folder / "conformance.html").write_text(as_html(evidence), encoding="utf-8")
    counts = Counter(item.status for item in evidence)
    print(", ".join(f"{counts[status]} {status}" for status in RequirementStatus))
    unmet = [item for item in evidence if item.status in (RequirementStatus.FAILING, RequirementStatus.OPEN)]
    for item in unmet:
        print(f"{item.status}: {item.requirement.key} {item.requirement.title}", file=sys.stderr)
    return 1 if unmet else 0


if __name__ == "__main__":
    sys.exit(main())
