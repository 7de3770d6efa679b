"""The validator names the family of any ITK3 message, and judges only Send Document by Send Document's requirements."""

import json
from pathlib import Path

import pytest

from gpconnect_messaging.conformance.__main__ import main
from gpconnect_messaging.conformance.validation import Verdict, validate_bytes
from gpconnect_messaging.specification import UseCase, Version
from tests.conformance.samples import sample

_DEFINITION = b"https://fhir.nhs.uk/STU3/MessageDefinition/ITK-GPConnectSendDocument-MessageDefinition-1"


def other(event: str, definition: str) -> bytes:
    """A valid message as another family writes it."""
    body = sample("2.0").body.replace(b"ITK007C", event.encode())
    return body.replace(_DEFINITION, definition.encode())


@pytest.mark.parametrize(
    ("event", "definition", "family", "version"),
    [
        ("ITK003D", "https://fhir.nhs.uk/STU3/MessageDefinition/ITK-eDischarge-MessageDefinition-4", "eDischarge", "4"),
        ("ITK004D", "https://fhir.nhs.uk/MessageDefinition", "Mental Health eDischarge", ""),
        ("ITK006D", "https://fhir.nhs.uk/STU3/MessageDefinition/ITK-OPL-MessageDefinition-2", "Outpatient Letter", "2"),
        ("ITK014M", "https://fhir.nhs.uk/MessageDefinition", "Update Record", ""),
        (
            "ITK999Z",
            "https://fhir.nhs.uk/STU3/MessageDefinition/ITK-Outpatient-MessageDefinition-3",
            "Outpatient Letter",
            "3",
        ),
        ("ITK999Z", "https://fhir.nhs.uk/MessageDefinition", "", ""),
        ("ITK006D", _DEFINITION.decode(), "Send Document", "1"),
    ],
)
def test_the_family_and_version_are_named(event: str, definition: str, family: str, version: str) -> None:
    message, _ = validate_bytes(other(event, definition))
    assert message.family == (family, version)


def test_another_family_is_judged_by_the_rules_of_itk3_and_fhir_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "message.xml"
    file.write_bytes(other("ITK014M", "https://fhir.nhs.uk/MessageDefinition"))
    assert main([str(file)]) == 0
    assert "ITK3 Update Record message: checked against the rules of ITK3 and FHIR alone" in capsys.readouterr().out
    assert main([str(file), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["family"], report["specification"], report["use_case"]) == ("Update Record", None, None)
    assert not any(finding["specification"] for finding in report["findings"])
    broken = other("ITK999Z", "https://fhir.nhs.uk/MessageDefinition").replace(b'<status value="final"/>', b"", 1)
    _, findings = validate_bytes(broken)
    assert {finding.id for finding in findings if finding.verdict is Verdict.BROKEN} >= {"STU3-CARDINALITY"}


def test_a_message_that_names_no_family_is_told_what_send_document_wants() -> None:
    body = other("ITK014M", "https://fhir.nhs.uk/MessageDefinition").replace(b'<code value="ITK014M"/>', b"")
    message, findings = validate_bytes(body)
    assert message.family.is_send_document
    assert "GPCM-SD-047" in {finding.id for finding in findings if finding.verdict is Verdict.BROKEN}


def test_a_given_version_or_use_case_counts_more_than_what_the_message_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message, _ = validate_bytes(other("ITK014M", "https://x.example"), None, Version.V1_5)
    assert (message.family.is_send_document, message.specification) == (True, Version.V1_5)
    file = tmp_path / "message.xml"
    file.write_bytes(sample("consultation").body)
    main([str(file), "--json", "--use-case", UseCase.GENERIC_DOCUMENT.value])
    report = json.loads(capsys.readouterr().out)
    assert report["use_case"] == "generic_document"
    assert any(finding["id"] == "GPCM-SD-GE-274" and finding["verdict"] == "broken" for finding in report["findings"])
