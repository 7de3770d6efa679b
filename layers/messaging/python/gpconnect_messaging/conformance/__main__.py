"""The command `python -m gpconnect_messaging.conformance`: check one file against the requirements."""

import argparse
import json
import sys
from pathlib import Path

from gpconnect_messaging.conformance.headers import UnreadableEnvelopeError, read_headers
from gpconnect_messaging.conformance.message_under_test import MessageUnderTest
from gpconnect_messaging.conformance.tree import UnreadableMessageError
from gpconnect_messaging.conformance.validation import Finding, Verdict, validate_bytes
from gpconnect_messaging.specification import UseCase, Version

EXIT_CONFORMANT, EXIT_BROKEN, EXIT_UNREADABLE = 0, 1, 2
_EXAMPLE = """\
example:
  python -m gpconnect_messaging.conformance message.xml --envelope headers.json

exit status: 0 if every MUST holds, 1 if a MUST is broken, 2 if a file cannot be read.
The output contains no patient data.
"""


def main(arguments: list[str] | None = None) -> int:
    """Validate a file; see --help."""
    parser = argparse.ArgumentParser(
        prog="python -m gpconnect_messaging.conformance",
        description="Check a GP Connect Send Document message, another ITK3 message or a response, rule by rule.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the message or response: XML or JSON, gzip'd or not")
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    parser.add_argument(
        "--specification", type=Version, choices=list(Version), metavar="{1.5,2.0}",
        help="the Send Document version to check against (default: detected from the message)",
    )  # fmt: skip
    parser.add_argument(
        "--use-case", type=UseCase, choices=list(UseCase), metavar="NAME",
        help=f"{', '.join(UseCase)} (default: detected from the message)",
    )  # fmt: skip
    parser.add_argument(
        "--envelope", type=Path, metavar="FILE",
        help="the MESH headers of the message: JSON, lines such as `Mex-To: …`, or a .CTL file of the MESH client",
    )  # fmt: skip
    parser.add_argument("--all", action="store_true", help="also list the requirements that hold or do not apply")
    options = parser.parse_args(arguments)
    try:
        headers = read_headers(options.envelope.read_bytes()) if options.envelope else None
        message, findings = validate_bytes(options.file.read_bytes(), headers, options.specification, options.use_case)
    except (UnreadableMessageError, UnreadableEnvelopeError) as unreadable:
        print(f"cannot be checked: {unreadable}", file=sys.stderr)
        return EXIT_UNREADABLE
    except OSError as error:
        print(f"cannot be read: {error.strerror}: {error.filename}", file=sys.stderr)
        return EXIT_UNREADABLE
    print(as_json(message, findings) if options.json else as_text(message, findings, everything=options.all))
    return EXIT_BROKEN if any(finding.is_broken_must for finding in findings) else EXIT_CONFORMANT


def _summary(findings: list[Finding]) -> dict[str, int]:
    broken = [finding for finding in findings if finding.verdict is Verdict.BROKEN]
    return {
        "broken MUST": len({(finding.specification, finding.id) for finding in broken if finding.is_broken_must}),
        "broken SHOULD": len({(finding.specification, finding.id) for finding in broken if not finding.is_broken_must}),
        "holds": sum(finding.verdict is Verdict.HOLDS for finding in findings),
        "not applicable": sum(finding.verdict is Verdict.NOT_APPLICABLE for finding in findings),
    }


def as_json(message: MessageUnderTest, findings: list[Finding]) -> str:
    """Format the findings as JSON."""
    report = {
        "kind": "response" if message.is_response else "message",
        "family": message.family.name or "unknown",
        "message_definition_version": message.family.version,
        "specification": message.specification if message.family.is_send_document else None,
        # From version 2.0 all use cases share one set of requirements, and a message does not name the use case.
        "use_case": message.use_case
        if message.family.is_send_document and message.specification is Version.V1_5
        else None,
        "conformant": not any(finding.is_broken_must for finding in findings),
        "summary": _summary(findings),
        "findings": [finding.as_dict() for finding in findings],
    }
    return json.dumps(report, indent=2, ensure_ascii=False)


def as_text(message: MessageUnderTest, findings: list[Finding], *, everything: bool) -> str:
    """Format the findings as text: the broken requirements, or `everything`."""
    lines = [_described(message), ""]
    groups = (
        ("Broken: MUST", [finding for finding in findings if finding.is_broken_must]),
        (
            "Broken: SHOULD",
            [finding for finding in findings if finding.verdict is Verdict.BROKEN and not finding.is_broken_must],
        ),
        ("Holds", [finding for finding in findings if finding.verdict is Verdict.HOLDS]),
        ("Not applicable", [finding for finding in findings if finding.verdict is Verdict.NOT_APPLICABLE]),
    )
    for title, group in groups[: 4 if everything else 2]:
        if group:
            lines += [title, *(line for finding in group for line in _finding_lines(finding)), ""]
    summary = _summary(findings)
    lines.append(", ".join(f"{count} {what}" for what, count in summary.items()))
    lines.append("Not conformant." if summary["broken MUST"] else "Conformant: no MUST is broken.")
    return "\n".join(lines)


def _described(message: MessageUnderTest) -> str:
    if message.is_response:
        return "ITK3 Response"
    if not message.family.is_send_document:
        return f"ITK3 {message.family}: checked against the rules of ITK3 and FHIR alone"
    use_case = f", {message.use_case.replace('_', ' ')}" if message.specification is Version.V1_5 else ""
    return f"Send Document message, checked against version {message.specification}{use_case}"


def _finding_lines(finding: Finding) -> list[str]:
    lines = [f"  {finding.id:<26} {finding.message}"]
    if finding.path:
        lines.append(f"{'':<29}{f'line {finding.line}: ' if finding.line else ''}{finding.path}")
    return lines


if __name__ == "__main__":
    sys.exit(main())
