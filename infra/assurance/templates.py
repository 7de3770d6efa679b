"""Check synthesized templates with cfn-lint, and with checkov, whose findings docs/security.md answers.

`python -m infra.assurance.templates cdk.out…` ends with status 0 if cfn-lint has no findings and checkov's findings are
exactly the answered ones: a new finding needs a change or an answer, and an answer without a finding must go.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.assurance.tools import PROJECT, run

ANSWERS = PROJECT / "docs" / "security.md"
_ROW = re.compile(r"^\| `(?P<check>CKV\w+)` \| (?P<where>.+?) \| .{30,} \|$", re.MULTILINE)
_CDK_WRITES_IT = "W3005"
"""A function's dependency on its role: CDK writes it although the reference implies it."""


@dataclass(frozen=True, order=True)
class Finding:
    """A failed check of checkov, and the resource type that it fails for (`AWS::S3::Bucket`)."""

    check: str
    resource: str


def answered(document: str) -> set[Finding]:
    """Read the answered findings: table rows of check, resource types (as code) and answer."""
    return {
        Finding(row["check"], resource)
        for row in _ROW.finditer(document)
        for resource in re.findall(r"`(AWS::[\w:]+)`", row["where"])
    }


def found(report: str) -> set[Finding]:
    """Read the failed checks of checkov's JSON report, for one template or several.

    Raises:
        ValueError: the report covers no template, or one that could not be read.
    """
    results = json.loads(report)
    summary = results["summary"]
    if summary["parsing_errors"] or not summary["passed"]:
        raise ValueError("checkov could not read all templates")
    return {
        Finding(check["check_id"], check["resource"].rsplit(".", 1)[0]) for check in results["results"]["failed_checks"]
    }


def lint(templates: Iterable[Path]) -> str:
    """Return cfn-lint's findings; empty if there are none."""
    # 2, 4, 8 and their sums stand for errors, warnings and remarks.
    return run(
        "cfn-lint",
        *("cfn-lint", "--regions", "eu-west-2", "--ignore-checks", _CDK_WRITES_IT, "--format", "parseable"),
        "--",
        *map(str, templates),
        good=tuple(range(0, 16, 2)),
    )


def scan(templates: Sequence[Path]) -> set[Finding]:
    """Return checkov's findings in templates; it uses no network."""
    files = [argument for template in templates for argument in ("--file", str(template))]
    report = run(
        "checkov",
        *("checkov", "--framework", "cloudformation", "--quiet", "--compact", "--output", "json", "--soft-fail"),
        *("--skip-download", *files),
    )
    return found(report)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run both tools, and write every difference from the answers."""
    parser = argparse.ArgumentParser(prog="python -m infra.assurance.templates", description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path, help="folders that a synthesis wrote")
    folders = parser.parse_args(arguments).folders
    templates = [template.resolve() for folder in folders for template in sorted(folder.glob("*.template.json"))]
    if not templates:
        parser.error("the folders hold no template")
    report = lint(templates)
    expected, actual = answered(ANSWERS.read_text(encoding="utf-8")), scan(templates)
    for finding in sorted(actual - expected):
        report += f"{finding.check} fails for {finding.resource}: correct it, or answer it in docs/security.md\n"
    for finding in sorted(expected - actual):
        report += f"{finding.check} no longer fails for {finding.resource}: delete the answer in docs/security.md\n"
    sys.stderr.write(report)
    if not report:
        sys.stdout.write(f"cfn-lint finds nothing; checkov finds the {len(actual)} answered findings.\n")
    return 1 if report else 0


if __name__ == "__main__":
    sys.exit(main())
