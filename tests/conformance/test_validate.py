import json
import subprocess
import sys
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpconnect_messaging.conformance import UnreadableMessageError, broken_requirements
from gpconnect_messaging.conformance.__main__ import main
from gpconnect_messaging.conformance.headers import Headers, UnreadableEnvelopeError, read_headers
from gpconnect_messaging.conformance.tree import read
from gpconnect_messaging.conformance.validation import Verdict, validate_bytes
from gpconnect_messaging.itk3.compose import compose, envelope
from gpconnect_messaging.itk3.resources import message_bundle
from gpconnect_messaging.routing.automatic import surname_fault
from gpconnect_messaging.specification import Version
from gpconnect_messaging.visible import visible
from tests.conformance.mutants import remove, set_to
from tests.conformance.samples import ROLES, sample
from tests.examples import ROOT, a_message

LIBRARY = ROOT / "layers" / "messaging" / "python"


@pytest.fixture
def message(tmp_path: Path) -> Path:
    file = tmp_path / "message.xml"
    file.write_bytes(sample("2.0").body)
    return file


def test_a_conformant_message_leaves_with_0(message: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(message)]) == 0
    assert "Conformant: no MUST is broken." in capsys.readouterr().out


def test_a_broken_must_leaves_with_1_and_points_at_the_element(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "message.xml"
    file.write_bytes(set_to("Composition/status", "amended")(sample("consultation")).body)
    assert main([str(file)]) == 1
    lines = capsys.readouterr().out.splitlines()
    position = next(number for number, line in enumerate(lines) if "GPCM-SD-CS-018" in line)
    assert "status must be final" in lines[position]
    assert lines[position + 1].endswith("Bundle/entry[3]/resource/Bundle/entry[1]/resource/Composition/status")


@pytest.mark.parametrize(
    "body", [b"", b"hello", b"<Bundle>", b'{"a": ', b'<!DOCTYPE a [<!ENTITY b "c">]><a b="&b;"/>', b"\x1f\x8bnot gzip"]
)
def test_what_cannot_be_read_leaves_with_2(tmp_path: Path, body: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "file"
    file.write_bytes(body)
    assert main([str(file)]) == 2
    assert main([str(tmp_path / "nothing")]) == 2
    assert "cannot be" in capsys.readouterr().err


def test_json_has_every_finding_with_its_place(message: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([str(message), "--json"])
    report = json.loads(capsys.readouterr().out)
    assert (report["kind"], report["specification"], report["conformant"]) == ("message", "2.0", True)
    source = next(finding for finding in report["findings"] if finding["id"] == "GPCM-SD-046")
    assert source["verdict"] == "holds"
    assert source["path"] == "Bundle/entry[1]/resource/MessageHeader"
    assert source["line"] > 0


def test_the_command_runs_by_itself_and_explains_itself(message: Path) -> None:
    command = [sys.executable, "-m", "gpconnect_messaging.conformance"]
    done = subprocess.run([*command, str(message)], env={"PYTHONPATH": str(LIBRARY)}, capture_output=True, check=False)
    assert done.returncode == 0
    helped = subprocess.run([*command, "--help"], env={"PYTHONPATH": str(LIBRARY)}, capture_output=True, check=True)
    assert b"example:" in helped.stdout


@pytest.mark.parametrize(
    ("how", "by_client"), [("own", False), ("headers", False), ("lines", False), ("control file", True)]
)
def test_an_envelope_can_be_written_in_four_ways(how: str, *, by_client: bool) -> None:
    own = asdict(envelope(a_message(Version.V1_5)))
    names = {"mailbox": "From", "to": "To", "workflow_id": "WorkflowID", "subject": "Subject", "local_id": "LocalID"}
    mesh = {f"Mex-{name}": own[ours] for ours, name in names.items()}
    client = {"From_DTS": own["mailbox"], "To_DTS": own["to"], "WorkflowId": own["workflow_id"],
              "Subject": own["subject"], "LocalId": own["local_id"]}  # fmt: skip
    written = {
        "own": json.dumps(own),
        "headers": json.dumps(mesh),
        "lines": "\n".join(f"{name}: {value}" for name, value in mesh.items()),
        "control file": f"<DTSControl>{''.join(f'<{n}>{v}</{n}>' for n, v in client.items())}</DTSControl>",
    }[how]
    expected = Headers.of(envelope(a_message(Version.V1_5)))
    found = read_headers(written.encode())
    assert found == replace(expected, by_client=by_client)
    assert "9658218873" not in repr(found)


@pytest.mark.parametrize("raw", [b"", b"{", b"<a", b"no header", b"<!DOCTYPE a><a><To>x</To></a>"])
def test_an_envelope_that_is_none_is_refused(raw: bytes) -> None:
    with pytest.raises(UnreadableEnvelopeError):
        read_headers(raw)


@pytest.mark.parametrize("version", Version)
def test_json_and_xml_of_the_same_message_are_judged_alike(version: Version) -> None:
    bundle, _ = message_bundle(a_message(version))
    for entry in bundle["entry"][2]["resource"]["entry"]:
        if entry["resource"]["resourceType"] == "Binary":
            entry["resource"]["content"] = "JVBERi0xLjcK"
    role = "2.0" if version is Version.V2_0 else "consultation"

    def verdicts(body: bytes) -> dict[str, Any]:
        return {
            finding.id: (finding.verdict, finding.path)
            for finding in validate_bytes(body)[1]
            if finding.id != "STU3-ORDER"
        }

    assert verdicts(json.dumps(bundle, indent=2).encode()) == verdicts(sample(role).body)


def test_json_knows_its_lines_and_the_extensions_of_primitives() -> None:
    root = read(
        b'{\n"resourceType": "Patient",\n"birthDate": "1927-06-19",\n"_birthDate": {"extension": [{\n"url": "x",\n'
        b'"valueBoolean": true}]}\n}'
    ).root
    (birth_date,) = root.all("birthDate")
    assert (birth_date.line, birth_date.value, birth_date.path) == (3, "1927-06-19", "Patient/birthDate")
    extension = birth_date.extension("x")
    assert extension is not None
    assert extension.first("valueBoolean") is not None


@pytest.mark.parametrize("role", ROLES)
def test_no_finding_repeats_what_the_message_says_of_a_person(role: str) -> None:
    broken = remove("//Patient/name/use")(sample(role)) if role != "response" else sample(role)
    told = json.dumps([finding.as_dict() for finding in broken.findings()])
    for secret in ("9658218873", "9658218865", "MEAKIN", "WRIGHT", "1927-06-19", "1933-11-14", "GPPROVIDER_"):
        assert secret not in told


@pytest.mark.requirement("FHIR-V&V-01", "GPCM-C-02", "GPCM-C-2")
@pytest.mark.parametrize("version", Version)
@pytest.mark.parametrize("number", [1, 2])
def test_our_own_messages_break_no_must_before_their_documents_are_read(version: Version, number: int) -> None:
    message = a_message(version, version=number)
    assert broken_requirements(compose(message, [50_000]), envelope(message), version) == []


TEXT = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffd\ufffe\uffff"), min_size=1, max_size=200
).filter(lambda text: bool(visible(text)))
FAMILY = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0x17F, exclude_categories=("Cs", "Cc")), max_size=60
).filter(lambda text: surname_fault(text) is None)


@settings(max_examples=60, deadline=None)
@given(
    version=st.sampled_from(Version),
    number=st.integers(1, 99),
    changes=st.fixed_dictionaries(
        {
            "encounter": st.uuids().map(str),
            "patient__name": st.fixed_dictionaries({"family": FAMILY, "given": st.lists(TEXT, min_size=1, max_size=4)}),
            "patient__birth_date": st.dates(date(1880, 1, 1), date(2026, 11, 19)).map(date.isoformat),
            "organisation__name": TEXT,
            "organisation__phone": TEXT,
        }
    ),
)
def test_no_name_and_no_date_makes_a_valid_request_look_broken(
    version: Version, number: int, changes: dict[str, Any]
) -> None:
    message = a_message(version, version=number, **changes)
    found = broken_requirements(compose(message, [50_000]), envelope(message), version)
    assert [(finding.id, finding.message) for finding in found if finding.is_broken_must] == []


@pytest.mark.parametrize("number", [1, 2])
def test_a_confidential_report_of_ours_is_right_without_its_place(number: int) -> None:
    message = a_message(Version.V1_5, version=number, consultation__confidential=True)
    assert broken_requirements(compose(message, [50_000]), envelope(message), Version.V1_5) == []


@pytest.mark.requirement("FHIR-V&V-01")
def test_a_message_of_ours_that_breaks_a_must_is_named_before_it_leaves() -> None:
    message = a_message(Version.V1_5)
    address = envelope(a_message(Version.V2_0))  # someone else's
    found = {finding.id for finding in broken_requirements(compose(message, [50_000]), address, Version.V1_5)}
    assert {"GPCM-SD-CS-042", "GPCM-SD-CS-061", "GPCM-SD-CS-066", "GPCM-SD-CS-068"} <= found


def test_an_empty_document_of_ours_is_noticed() -> None:
    message = a_message(Version.V2_0)
    assert "GPCM-SD-111" in {
        finding.id for finding in broken_requirements(compose(message, [0]), envelope(message), Version.V2_0)
    }


def test_the_middle_of_a_document_is_never_copied() -> None:
    body = sample("2.0").body.replace(b"JVBERi0xLjcK", b"JVBERi0xLjcK" * 100_000)
    (content,) = (node.content for node in read(body).root.walk() if node.content)
    assert (content.length, len(content.start), len(content.end)) == (1_200_000, 64, 64)
    assert not [finding for finding in validate_bytes(body)[1] if finding.verdict is Verdict.BROKEN]


def test_a_message_nested_without_end_is_refused() -> None:
    deep = b"<Bundle xmlns='http://hl7.org/fhir'>" + b"<entry>" * 200 + b"</entry>" * 200 + b"</Bundle>"
    with pytest.raises(UnreadableMessageError, match="too deeply"):
        read(deep)


@pytest.mark.parametrize("organisation", ["Ferry Road, seen at last", ", Ltd", ",", "NHS Number 7 for ODS Code"])
@pytest.mark.parametrize("given", ["Ann for", "ODS Code", "Zoë , and"])
@pytest.mark.parametrize("version", list(Version))
@pytest.mark.parametrize("confidential", [False, True])
@pytest.mark.requirement("GPCM-SD-CS-023", "GPCM-SD-CS-068", "GPCM-SD-064")
def test_names_that_look_like_the_prescribed_words_break_no_form(
    organisation: str, given: str, version: Version, *, confidential: bool
) -> None:
    changes: dict[str, Any] = {"patient__name__given": [given], "organisation__name": organisation}
    if version is Version.V1_5:
        changes["consultation__confidential"] = confidential
    else:
        changes["title"] = f"{given} {organisation}"
    message = a_message(version, **changes)
    found = broken_requirements(compose(message, [4] * len(message.request.documents)), envelope(message), version)
    assert [finding.id for finding in found if finding.is_broken_must] == []
