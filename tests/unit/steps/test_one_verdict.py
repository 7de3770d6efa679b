"""Requests that went wrong once: builder, gpcm and library give one verdict, and what was meant is sent."""

import codecs
import json
from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from typer.testing import CliRunner

import gpcm.commands.registered  # noqa: F401 - makes the commands known
from gpcm.command_line import app
from gpconnect_messaging.drafts import draft_messages
from gpconnect_messaging.ledger.stored_names import Status
from gpconnect_messaging.requests.refusal import RequestRefusedError
from tests.examples import CREATED_AT, request_data
from tests.identifiers import IDENTIFIERS
from tests.unit.steps.test_build import KEY, Dropping
from tests.xpath import values

JSON, XML = "application/fhir+json", "application/fhir+xml"
OBSERVATION = {
    "resourceType": "Observation",
    "status": "final",
    "code": {"text": "Pulse"},
    "subject": {"reference": "Patient/patient"},
}
TRACE = {"origin": {"value": 0}, "period": 10, "dimensions": 1, "data": "7 8 U E 9"}
ANOTHER = {"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9693632109"}
PREFIXED = (
    '<f:Observation xmlns:f="http://hl7.org/fhir"><f:status value="final"/><f:code><f:text value="Pulse"/></f:code>'
    '<f:subject><f:reference value="Patient/patient"/></f:subject><f:valueString value="70"/></f:Observation>'
)
HASH = "DzTfDGK7Aa0lQuBRcrLLR2vAAA4="


def plain(**changes: Any) -> bytes:
    return json.dumps(request_data("consultation-report-2.0", **changes)).encode()


def ready(content: str, content_type: str = JSON) -> bytes:
    document = {"key": "report.pdf", "content_type": "application/pdf", "title": "Letter", "primary": True}
    resources = [{"content_type": content_type, "content": content}]
    return json.dumps(request_data("send-document-2.0-discharge", documents=[document], resources=resources)).encode()


def observation(**elements: Any) -> bytes:
    return ready(json.dumps(OBSERVATION | elements))


def twice(name: str, value: str) -> bytes:
    return plain().replace(f'"{name}":'.encode(), f'"{name}": "{value}", "{name}":'.encode(), 1)


REFUSED: dict[str, tuple[bytes, str]] = {
    "compact time": (plain(consultation__start="202611201940"), "consultation.start: must be a date and a time"),
    "compact time with an offset": (
        plain(consultation__updated="20261120194000+0000"), "consultation.updated: must be a date and a time",
    ),
    "compact date": (plain(patient__birth_date="19331114"), "patient.birth_date: must be a date of the years 1880"),
    "birth of another age": (plain(patient__birth_date="0193-11-14"), "patient.birth_date: must be a date of the yea"),
    "seen before born": (
        plain(patient__birth_date="2021-03-02", consultation__start="2020-03-02T09:00:00Z"), "consultation.start: lies",
    ),
    "two NHS numbers": (twice("nhs_number", "9693632109"), "a name stands twice in one object"),
    "two mailboxes": (twice("mailbox", "Y90002OT001"), "a name stands twice in one object"),
    "surname in other letters": (plain(patient__name__family="李"), "patient.name.family: has no letter that a MESH"),
    "another's number beside the patient": (
        observation(subject={"reference": "Patient/patient", "identifier": ANOTHER}), "Observation.subject.identifier",
    ),
    "another as performer": (observation(performer=[{"display": "Ada Quillfeather"}]), "Observation.performer[0].d"),
    "another's number in an identifier": (observation(identifier=[ANOTHER]), "Observation.identifier[0].value"),
    "compact time in a resource": (observation(issued="20261120194000"), "Observation.issued: must be a time"),
    "number for a text": (observation(valueString=7), "Observation.valueString: must be text, in quotation marks"),
    "two values in a resource": (
        ready(json.dumps(OBSERVATION).replace('"final"', '"final", "status": "preliminary"')), "a name stands twice",
    ),
}  # fmt: skip
ACCEPTED: dict[str, tuple[bytes, str, str]] = {
    "byte order mark": (codecs.BOM_UTF8 + plain(), "//f:Patient/f:name/f:family/@value", "WRIGHT"),
    "one name only": (plain(patient__name__given=[]), "//f:Patient/f:name/f:family/@value", "WRIGHT"),
    "hash": (
        ready(json.dumps(OBSERVATION | {"resourceType": "DocumentReference", "status": "current", "type": {"text": "x"},
                                        "indexed": "2026-11-20T10:00:00Z",
                                        "content": [{"attachment": {"url": "Binary/report.pdf", "hash": HASH}}]}
                         ).replace('"code": {"text": "Pulse"}, ', "")),
        "//f:DocumentReference//f:hash/@value", HASH,
    ),
    "trace": (observation(valueSampledData=TRACE), "//f:valueSampledData/f:data/@value", "7 8 U E 9"),
    "prefix": (ready(PREFIXED, XML), "//f:Observation/f:valueString/@value", "70"),
    "byte order mark in a resource": (
        ready("\ufeff" + json.dumps(OBSERVATION | {"valueString": "70"})), "//f:Observation/f:valueString/@value", "70",
    ),
}  # fmt: skip
ADDRESSES = {"ǼBY": "AEBY", "Ǿster": "Oster", "ŉDIAYE": "'NDIAYE", "WRI\u00adGHT": "WRIGHT", "\u200eWRIGHT": "WRIGHT",
             "O\u02bcNEIL": "O'NEIL"}  # fmt: skip


def verdicts(folder: Path, raw: bytes) -> tuple[Dropping, Any, list[str]]:
    """Ask the builder, gpcm and the library about a request; return the builder's result and the common reasons."""
    product = Dropping()
    version = product.put(KEY, raw)
    for key, content in product.dropped.objects.items():
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_bytes(content)
    result = product.builder.dropped("drop", KEY, version, product.clock(), "")
    reasons = [] if result.status is Status.BUILT else product.reasons(result)
    said = CliRunner().invoke(app, ["validate", "--json", str(folder / KEY)])
    assert json.loads(said.stdout)["reasons"] == reasons

    def read(key: str) -> bytes:
        return (folder / "in/one" / key).read_bytes()

    mailbox = product.builder.mailboxes.settings("Y90001OT001")

    def draft() -> None:
        draft_messages(raw, mailbox, read, identifiers=IDENTIFIERS, now=CREATED_AT)

    if reasons:
        with pytest.raises(RequestRefusedError) as refused:
            draft()
        assert [str(reason) for reason in refused.value.reasons] == reasons
    else:
        draft()
    return product, result, reasons


@pytest.mark.parametrize("name", REFUSED)
def test_what_nobody_can_have_meant_is_refused_by_all_in_the_same_words(name: str, tmp_path: Path) -> None:
    raw, reason = REFUSED[name]
    assert any(reason in said for said in verdicts(tmp_path, raw)[2])


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_is_right_is_accepted_by_all_and_arrives_as_it_is(name: str, tmp_path: Path) -> None:
    raw, path, expected = ACCEPTED[name]
    product, result, reasons = verdicts(tmp_path, raw)
    assert reasons == []
    assert expected in values(etree.fromstring(product.message(result.message_id)), path)


@pytest.mark.parametrize("family", ADDRESSES)
def test_a_surname_is_carried_by_all_in_plain_letters(family: str, tmp_path: Path) -> None:
    product, result, reasons = verdicts(tmp_path, plain(patient__name__family=family))
    assert reasons == []
    assert product.outbox.envelope(result.message_id).to.endswith(f"_{ADDRESSES[family]}")
