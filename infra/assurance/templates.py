"""Hold the synthesized templates to CloudFormation's linter, and to checkov, whose findings docs/security.md answers.

`python -m infra.assurance.templates cdk.out…` ends with status 0 if cfn-lint finds nothing, and checkov exactly what is
answered: a new finding needs a change or an answer, and an answer without a finding goes.
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
"""A function's dependency on its role, which CDK spells out although the reference implies it."""


@dataclass(frozen=True, order=True)
class Finding:
    """One of checkov's checks that fails, and the type of the resource that it fails for (`AWS::S3::Bucket`)."""

    check: str
    resource: str


def answered(document: str) -> set[Finding]:
    """Read the answered findings: a table's rows of check, resource types (in code marks) and answer."""
    return {
        Finding(row["check"], resource)
        for row in _ROW.finditer(document)
        for resource in re.findall(r"`(AWS::[\w:]+)`", row["where"])
    }


def found(report: str) -> set[Finding]:
    """Read the failed checks of checkov's JSON report, for one template or several.

    Raises:
        ValueError: the report is of no template at all, or of one that could not be read.
    """
    results = json.loads(report)
    summary = results["summary"]
    if summary["parsing_errors"] or not summary["passed"]:
        raise ValueError("checkov read no template, or not all of one")
    return {
        Finding(check["check_id"], check["resource"].rsplit(".", 1)[0]) for check in results["results"]["failed_checks"]
    }


def lint(templates: Iterable[Path]) -> str:
    """Give what cfn-lint says: nothing, if all is well."""
    # 2, 4, 8 and their sums: errors, warnings, remarks.
    return run(
        "cfn-lint",
        *("cfn-lint", "--regions", "eu-west-2", "--ignore-checks", _CDK_WRITES_IT, "--format", "parseable"),
        "--",
        *map(str, templates),
        good=tuple(range(0, 16, 2)),
    )


def scan(templates: Sequence[Path]) -> set[Finding]:
    """Give the findings of checkov in templates; it reads them without any network."""
    files = [argument for template in templates for argument in ("--file", str(template))]
    report = run(
        "checkov",
        *("checkov", "--framework", "cloudformation", "--quiet", "--compact", "--output", "json", "--soft-fail"),
        *("--skip-download", *files),
    )
    return found(report)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run both, and say what is not as expected."""
    parser = argparse.ArgumentParser(prog="python -m infra.assurance.templates", description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path, help="folders that a synthesis wrote")
    folders = parser.parse_args(arguments).folders
    templates = [template.resolve() for folder in folders for template in sorted(folder.glob("*.template.json"))]
    if not templates:
        parser.error("there is no template in there")
    said = lint(templates)
    expected, actual = answered(ANSWERS.read_text(encoding="utf-8")), scan(templates)
    for finding in sorted(actual - expected):
        said += f"{finding.check} fails for {finding.resource}: mend it, or answer it in docs/security.md\n"
    for finding in sorted(expected - actual):
        said += f"{finding.check} no longer fails for {finding.resource}: take its answer out of docs/security.md\n"
    sys.stderr.write(said)
    if not said:
        sys.stdout.write(f"cfn-lint is content; checkov finds what is answered: {len(actual)} findings.\n")
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
