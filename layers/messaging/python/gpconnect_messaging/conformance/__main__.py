"""The command `python -m gpconnect_messaging.conformance`: read one file and say what holds and what does not."""

import argparse
import json
import sys
from pathlib import Path

from gpconnect_messaging.conformance.headers import UnreadableEnvelopeError, read_headers
from gpconnect_messaging.conformance.message_under_test import MessageUnderTest, UseCase
from gpconnect_messaging.conformance.tree import UnreadableMessageError
from gpconnect_messaging.conformance.validation import Finding, Verdict, validate_bytes
from gpconnect_messaging.specification import Version

EXIT_CONFORMANT, EXIT_BROKEN, EXIT_UNREADABLE = 0, 1, 2
_EXAMPLE = """\
example:
  python -m gpconnect_messaging.conformance message.xml --envelope headers.json

exit status: 0 where every MUST holds, 1 where one is broken, 2 where a file cannot be read as what it should be.
Nothing that it prints repeats what the message says about a patient.
"""


def main(arguments: list[str] | None = None) -> int:
    """Validate a file; see --help."""
    parser = argparse.ArgumentParser(
        prog="python -m gpconnect_messaging.conformance",
        description="Check a GP Connect Send Document message or an ITK3 Response, requirement by requirement.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the message or response: XML or JSON, gzip'd or not")
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    parser.add_argument(
        "--specification", type=Version, choices=list(Version), metavar="{1.5,2.0}",
        help="the Send Document version to hold it to (default: the one that the message tells)",
    )  # fmt: skip
    parser.add_argument(
        "--use-case", type=UseCase, choices=list(UseCase), metavar="NAME",
        help=f"{', '.join(UseCase)} (default: the one that the message tells)",
    )  # fmt: skip
    parser.add_argument(
        "--envelope", type=Path, metavar="FILE",
        help="its MESH headers: JSON, lines such as `Mex-To: …`, or a .CTL file of the MESH client",
    )  # fmt: skip
    parser.add_argument("--all", action="store_true", help="also list what holds and what does not apply")
    given = parser.parse_args(arguments)
    try:
        headers = read_headers(given.envelope.read_bytes()) if given.envelope else None
        transmission, findings = validate_bytes(given.file.read_bytes(), headers, given.specification, given.use_case)
    except (UnreadableMessageError, UnreadableEnvelopeError) as unreadable:
        print(f"cannot be checked: {unreadable}", file=sys.stderr)
        return EXIT_UNREADABLE
    except OSError as error:
        print(f"cannot be read: {error.strerror}: {error.filename}", file=sys.stderr)
        return EXIT_UNREADABLE
    print(as_json(transmission, findings) if given.json else as_text(transmission, findings, everything=given.all))
    return EXIT_BROKEN if any(each.is_broken_must for each in findings) else EXIT_CONFORMANT


def _summary(findings: list[Finding]) -> dict[str, int]:
    broken = [each for each in findings if each.verdict is Verdict.BROKEN]
    return {
        "broken MUST": len({(each.specification, each.id) for each in broken if each.is_broken_must}),
        "broken SHOULD": len({(each.specification, each.id) for each in broken if not each.is_broken_must}),
        "holds": sum(each.verdict is Verdict.HOLDS for each in findings),
        "not applicable": sum(each.verdict is Verdict.NOT_APPLICABLE for each in findings),
    }


def as_json(transmission: MessageUnderTest, findings: list[Finding]) -> str:
    """Write what was found for a program."""
    report = {
        "kind": "response" if transmission.is_response else "message",
        "specification": transmission.specification,
        # From version 2.0 on all use cases have the same requirements, and a message does not tell which it is.
        "use_case": transmission.use_case if transmission.specification is Version.V1_5 else None,
        "conformant": not any(each.is_broken_must for each in findings),
        "summary": _summary(findings),
        "findings": [each.as_dict() for each in findings],
    }
    return json.dumps(report, indent=2, ensure_ascii=False)


def as_text(transmission: MessageUnderTest, findings: list[Finding], *, everything: bool) -> str:
    """Write what was found for a person: what is broken, or `everything`."""
    kind = "ITK3 Response" if transmission.is_response else "Send Document message"
    held_to = str(transmission.specification)
    if transmission.specification is Version.V1_5:
        held_to += f", {transmission.use_case.replace('_', ' ')}"
    lines = [kind if transmission.is_response else f"{kind}, held to version {held_to}", ""]
    groups = (
        ("Broken: MUST", [each for each in findings if each.is_broken_must]),
        ("Broken: SHOULD", [e for e in findings if e.verdict is Verdict.BROKEN and not e.is_broken_must]),
        ("Holds", [each for each in findings if each.verdict is Verdict.HOLDS]),
        ("Not applicable", [each for each in findings if each.verdict is Verdict.NOT_APPLICABLE]),
    )
    for title, group in groups[: 4 if everything else 2]:
        if group:
            lines += [title, *(line for each in group for line in _finding_lines(each)), ""]
    summary = _summary(findings)
    lines.append(", ".join(f"{count} {what}" for what, count in summary.items()))
    lines.append("Not conformant." if summary["broken MUST"] else "Conformant: no MUST is broken.")
    return "\n".join(lines)


def _finding_lines(finding: Finding) -> list[str]:
    lines = [f"  {finding.id:<26} {finding.message}"]
    if finding.path:
        lines.append(f"{'':<29}{f'line {finding.line}: ' if finding.line else ''}{finding.path}")
    return lines


if __name__ == "__main__":
    sys.exit(main())
