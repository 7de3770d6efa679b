"""Reading ITK3 Responses: every code in every shape, the published examples, and what is no Response."""

import contextlib
import gzip
import itertools
import json
import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpconnect_messaging.itk3.response_codes import RESPONSE_CODES, Level, ResponseCode, Verdict, level_of
from gpconnect_messaging.itk3.responses import (
    LARGEST_RESPONSE,
    Issue,
    Outcome,
    Response,
    UnreadableResponse,
    read_response,
)
from tests.hostile_responses import HOSTILE

EXAMPLES = Path(__file__).parents[4] / "shared" / "spec" / "itk-responses"
ORIGINAL = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
OWN = "5a1c1c52-7d0b-4a39-8f0e-6d2f3b0c9a11"
SENDER = "1f0f66e6-f3b9-4092-a493-d635dbf4dacf"
OUTCOME = "f19e4165-b379-4377-ad43-df65f609eba5"
CODES_1 = "https://fhir.nhs.uk/STU3/CodeSystem/ITK-ResponseCodes-1"
OLD_CODES = "https://fhir.nhs.uk/STU3/CodeSystem/ITK-Acknowledgement-1"
HANDLING = "https://fhir.nhs.uk/STU3/StructureDefinition/Extension-ITK-MessageHandling-2"
PATIENT = "WRIGHT Garth 9658218865"

Resource = dict[str, Any]


@dataclass(frozen=True)
class Shape:
    """How one sender writes its responses."""

    event: str = "ITK008M"
    system: str | None = CODES_1
    handling: bool = True
    practitioner: bool = False
    diagnostics: bool = True
    prefix: str = "urn:uuid:"
    upper: bool = False


SHAPES = {
    "as specified": Shape(),
    "legacy": Shape(event="ITK002M", system=OLD_CODES),
    "no handling extension": Shape(handling=False),
    "Practitioner as sender": Shape(practitioner=True),
    "no diagnostics": Shape(diagnostics=False),
    "no code system": Shape(system=None),
    "identifier as URN in capitals": Shape(upper=True),
    "references without prefix": Shape(prefix=""),
    "all at once": Shape(
        "ITK002M", OLD_CODES, handling=False, practitioner=True, diagnostics=False, prefix="", upper=True
    ),
}


def issue(code: str, shape: Shape = Shape(), **more: Any) -> Resource:
    coding = {"code": code, "display": f"display for {PATIENT}"} | ({"system": shape.system} if shape.system else {})
    made: Resource = {"severity": "fatal", "code": "processing", "details": {"coding": [coding]}}
    return made | ({"diagnostics": f"diagnostics about {PATIENT}, £5"} if shape.diagnostics else {}) | more


def bundle(issues: Sequence[Resource], shape: Shape = Shape(), identifier: str | None = None) -> Resource:
    """Compose a response as FHIR JSON."""
    if identifier is None:
        identifier = f"urn:uuid:{ORIGINAL}".upper() if shape.upper else ORIGINAL
    parts = [
        {"url": "BusAckRequested", "valueBoolean": True},
        {"url": "SenderReference", "valueString": "encounter 7"},
    ]
    header: Resource = {
        "resourceType": "MessageHeader",
        "id": OWN,
        **({"extension": [{"url": HANDLING, "extension": parts}]} if shape.handling else {}),
        "event": {"system": "https://fhir.nhs.uk/STU3/CodeSystem/ITK-MessageEvent-2", "code": shape.event},
        "sender": {"reference": f"{shape.prefix}{SENDER}"},
        "timestamp": "2026-03-04T12:00:00+00:00",
        "source": {"endpoint": "A20047OT001"},
        "response": {
            "identifier": identifier,
            "code": "fatal-error",
            "details": {"reference": f"{shape.prefix}{OUTCOME}"},
        },
    }
    if shape.practitioner:
        sender: Resource = {
            "resourceType": "Practitioner",
            "id": SENDER,
            "identifier": [{"system": "https://fhir.nhs.uk/Id/sds-user-id", "value": "099945750518"}],
        }
    else:
        sender = {
            "resourceType": "Organization",
            "id": SENDER,
            "identifier": [{"system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": "A20047"}],
        }
    outcome = {"resourceType": "OperationOutcome", "id": OUTCOME, "issue": list(issues)}
    entries = [(OWN, header), (SENDER, sender), (OUTCOME, outcome)]
    return {
        "resourceType": "Bundle",
        "id": "9918442c-deb0-44d0-bd80-741016eabba2",
        "type": "message",
        "entry": [{"fullUrl": f"urn:uuid:{key}", "resource": resource} for key, resource in entries],
    }


def as_json(resource: Resource) -> bytes:
    return json.dumps(resource).encode()


def as_xml(resource: Resource) -> bytes:
    """Write FHIR JSON as FHIR XML."""

    def element(name: str, value: Any) -> str:
        if isinstance(value, list):
            return "".join(element(name, item) for item in value)
        if isinstance(value, bool):
            return f'<{name} value="{str(value).lower()}"/>'
        if not isinstance(value, dict):
            return f"<{name} value={quoteattr(str(value))}/>"
        if name in ("resource", "contained", "outcome"):
            return f"<{name}>{element(value['resourceType'], value)}</{name}>"
        url = f" url={quoteattr(value['url'])}" if name == "extension" else ""
        inner = "".join(element(key, item) for key, item in value.items() if key not in ("resourceType", "url"))
        return f"<{name}{url}>{inner}</{name}>"

    written = element("Bundle", resource).replace("<Bundle>", '<Bundle xmlns="http://hl7.org/fhir">', 1)
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + written.encode()


def declared(body: bytes, encoding: str) -> bytes:
    return body.replace(b'encoding="UTF-8"', f'encoding="{encoding}"'.encode(), 1)


def utf_16(body: bytes, encoding: str = "utf-16") -> bytes:
    return declared(body, "UTF-16").decode().encode(encoding)


def undeclared(body: bytes) -> bytes:
    return body.partition(b"?>\n")[2] or body


FORMS: dict[str, Callable[[bytes], bytes]] = {
    "as it is": lambda body: body,
    "gzip'd": gzip.compress,
    "gzip'd in members": lambda body: (
        gzip.compress(body[:700]) + gzip.compress(body[700:701]) + gzip.compress(body[701:])
    ),
    "gzip'd and padded": lambda body: gzip.compress(body) + bytes(7),
    "with byte order mark and blank lines": lambda body: b"\xef\xbb\xbf\r\n" + body + b"\r\n\r\n",
    "in UTF-16": utf_16,
    "in UTF-16 without a byte order mark": lambda body: utf_16(body, "utf-16-be"),
    "in UTF-16 with a final newline": lambda body: utf_16(body + b"\n"),
    "in UTF-16 with a final newline of one byte": lambda body: utf_16(body) + b"\n",
    "in UTF-16 with a final line end of one byte each": lambda body: utf_16(body, "utf-16-le") + b"\r\n",
    "in UTF-16 that says UTF-8": lambda body: body.decode().encode("utf-16"),
    "a JSON string with a byte order mark": lambda body: json.dumps("\ufeff" + body.decode() + "\0").encode(),
    "in UTF-32": lambda body: utf_16(body, "utf-32"),
    "in UTF-8 that says UTF-16": lambda body: declared(body, "UTF-16"),
    "as a JSON string": lambda body: json.dumps(body.decode()).encode(),
    "as a JSON string, gzip'd": lambda body: gzip.compress(json.dumps(body.decode(), ensure_ascii=False).encode()),
    "as a JSON string in UTF-16": lambda body: json.dumps(utf_16(body).decode("utf-16")).encode("utf-16-le"),
    "in Latin-1 that says so": lambda body: declared(body, "ISO-8859-1").decode().encode("latin-1"),
    "in Windows-1252 that says so": lambda body: declared(body, "windows-1252").decode().encode("cp1252"),
    "in Latin-1 that says UTF-8": lambda body: body.decode().encode("latin-1"),
    "in Latin-1 that says nothing": lambda body: (
        undeclared(body).decode().encode("latin-1") if body[:1] == b"<" else body
    ),
}
WRITERS: dict[str, Callable[[Resource], bytes]] = {
    f"{name} {form}": partial(lambda write, put, resource: put(write(resource)), write, put)
    for name, write in (("XML", as_xml), ("JSON", as_json))
    for form, put in FORMS.items()
}


def read(resource: Resource) -> Response:
    """Read a response as XML, having seen that JSON says the same."""
    response = read_response(as_xml(resource))
    assert response == read_response(as_json(resource))
    return response


# --- the table --------------------------------------------------------------------------------------------------------

POSITIVE = {"20013", "30001", "30004", "30005", "30006", "30008", "30009", "30010", "30011", "30013", "30016", "30019"}


def test_the_table_has_every_code_and_those_that_are_good_news() -> None:
    expected = [*range(10001, 10011), *range(20001, 20016), *range(30001, 30026)]
    assert sorted(RESPONSE_CODES) == [str(code) for code in expected]
    assert {code for code, row in RESPONSE_CODES.items() if row.verdict is Verdict.POSITIVE} == POSITIVE
    assert {row.verdict for row in RESPONSE_CODES.values()} == {Verdict.POSITIVE, Verdict.NEGATIVE}
    assert all(row.meaning and row.code == code for code, row in RESPONSE_CODES.items())


@pytest.mark.parametrize(
    ("code", "level"),
    [
        ("10003", Level.INFRASTRUCTURE),
        ("20013", Level.INFRASTRUCTURE),
        ("30001", Level.BUSINESS),
        ("29999", Level.INFRASTRUCTURE),
        ("39999", Level.BUSINESS),
        ("40001", Level.UNKNOWN),
        ("2001", Level.UNKNOWN),
        ("ok", Level.UNKNOWN),
        ("", Level.UNKNOWN),
        ("３0001", Level.UNKNOWN),
    ],
)
def test_the_first_digit_tells_the_level_of_any_code(code: str, level: Level) -> None:
    assert level_of(code) is level


# --- every code in every shape ----------------------------------------------------------------------------------------


@pytest.mark.requirement("GPCM-SD-CS-056", "GPCM-SD-CS-057", "GPCM-SD-CS-058", "GPCM-SD-CS-059")
@pytest.mark.parametrize("row", RESPONSE_CODES.values(), ids=lambda row: row.code)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=list(SHAPES))
def test_each_code_is_read_and_classified_in_each_shape_and_form(row: ResponseCode, shape: Shape) -> None:
    composed = bundle([issue(row.code, shape)], shape)
    # Every form with some of the codes, and every code in some of the forms.
    for write in list(WRITERS.values())[int(row.code) % 7 :: 7]:
        response = read_response(write(composed))
        assert (response.code, response.verdict, response.level) == (row.code, row.verdict, row.level)
        assert response.outcomes == (Outcome(level=row.level, verdict=row.verdict, code=row.code),)
        assert (response.identifier, response.original_unreadable) == (ORIGINAL, False)
        assert (response.message_id, response.event_code) == (OWN, shape.event)
        assert response.timestamp == datetime(2026, 3, 4, 12, tzinfo=UTC)
        assert response.source_endpoint == "A20047OT001"
        assert response.sender_ods_code == (None if shape.practitioner else "A20047")
        assert response.sender_sds_user_id == ("099945750518" if shape.practitioner else None)
        assert response.sender_reference == ("encounter 7" if shape.handling else None)
        (only,) = response.issues
        assert only.severity == "fatal"
        assert only.diagnostics == (f"diagnostics about {PATIENT}, £5" if shape.diagnostics else None)


# --- the published examples -------------------------------------------------------------------------------------------

PUBLISHED = {
    "ITK-BusResponse-Fail-PatNoClinSet-Example-1.xml": ("30003", Verdict.NEGATIVE, Level.BUSINESS),
    "ITK-BusResponse-Success-Example-2.xml": ("30001", Verdict.POSITIVE, Level.BUSINESS),
    "ITK-Response-DuplicDoc-Example-1.xml": ("20008", Verdict.NEGATIVE, Level.INFRASTRUCTURE),
    "ITK-Response-Fail-Example-2.xml": ("20009", Verdict.NEGATIVE, Level.INFRASTRUCTURE),
    "ITK-Response-Fail-UnrecogPayRcptOrg-Example-1.xml": ("20010", Verdict.NEGATIVE, Level.INFRASTRUCTURE),
    "ITK-Response-HandSpecBusRuleError-Example-1.xml": ("10008", Verdict.NEGATIVE, Level.INFRASTRUCTURE),
    "ITK-Response-InfLvlRspValueProcError-Example-1.xml": ("10002", Verdict.NEGATIVE, Level.INFRASTRUCTURE),
    "ITK-Response-MsgDefVersProcError-Example-1.xml": ("10005", Verdict.NEGATIVE, Level.INFRASTRUCTURE),
    "ITK-Response-PriorValProcError-Example-1.xml": ("10006", Verdict.NEGATIVE, Level.INFRASTRUCTURE),
    "ITK-Response-ResponseToCorruptedMsg-Example-1.xml": ("10009", Verdict.NEGATIVE, Level.INFRASTRUCTURE),
    "ITK-Response-Success-Example-1.xml": ("20013", Verdict.POSITIVE, Level.INFRASTRUCTURE),
    "ITK-Response-UnauthSender-Example-1.xml": ("20012", Verdict.NEGATIVE, Level.INFRASTRUCTURE),
}


@pytest.mark.skipif(not EXAMPLES.is_dir(), reason="the published examples are not part of the project")
@pytest.mark.parametrize("name", PUBLISHED)
def test_each_published_example_is_read_and_classified(name: str) -> None:
    response = read_response((EXAMPLES / name).read_bytes())
    assert (response.code, response.verdict, response.level) == PUBLISHED[name]
    if "Corrupted" in name:
        assert (response.identifier, response.original_unreadable) == (None, True)
        assert response.sender_ods_code == "RR8"
    else:
        assert response.identifier is not None
        assert response.sender_sds_user_id is not None
    assert response.event_code == ("ITK002M" if name == "ITK-Response-Success-Example-1.xml" else "ITK008M")
    assert response.message_id is not None


@pytest.mark.skipif(not EXAMPLES.is_dir(), reason="the published examples are not part of the project")
def test_no_published_example_is_left_out() -> None:
    assert sorted(path.name for path in EXAMPLES.iterdir()) == sorted(PUBLISHED)


# --- several issues ---------------------------------------------------------------------------------------------------


def verdicts(*codes: str) -> tuple[Verdict, str | None]:
    response = read(bundle([issue(code) for code in codes]))
    return response.verdict, response.code


@pytest.mark.parametrize("codes", list(itertools.permutations(["20013", "30001", "30002"])))
def test_one_negative_code_makes_the_response_negative_wherever_it_stands(codes: tuple[str, ...]) -> None:
    assert verdicts(*codes) == (Verdict.NEGATIVE, "30002")


def test_the_first_of_several_negative_codes_decides() -> None:
    assert verdicts("10001", "20009") == (Verdict.NEGATIVE, "10001")


@pytest.mark.parametrize("codes", [("20013", "20099"), ("20099", "20013"), ("20099",)])
def test_an_unknown_code_makes_the_response_unknown_unless_one_is_negative(codes: tuple[str, ...]) -> None:
    assert verdicts(*codes) == (Verdict.UNKNOWN, "20099")
    assert verdicts(*codes, "20009") == (Verdict.NEGATIVE, "20009")


def test_both_acknowledgements_in_one_response_are_two_outcomes() -> None:
    response = read(bundle([issue("30001"), issue("20013")]))
    assert response.verdict is Verdict.POSITIVE
    assert response.outcomes == (
        Outcome(level=Level.INFRASTRUCTURE, verdict=Verdict.POSITIVE, code="20013"),
        Outcome(level=Level.BUSINESS, verdict=Verdict.POSITIVE, code="30001"),
    )


def test_one_level_may_be_positive_while_the_other_is_negative() -> None:
    response = read(bundle([issue("20013"), issue("30002")]))
    assert [(outcome.level, outcome.verdict) for outcome in response.outcomes] == [
        (Level.INFRASTRUCTURE, Verdict.POSITIVE),
        (Level.BUSINESS, Verdict.NEGATIVE),
    ]


def test_no_issue_at_all_is_unknown() -> None:
    response = read(bundle([]))
    assert (response.verdict, response.code, response.level) == (Verdict.UNKNOWN, None, Level.UNKNOWN)
    assert response.outcomes == ()


NEGATIVE = {"resourceType": "OperationOutcome", "issue": [issue("30002")]}


def in_the_header(response: Resource) -> None:
    response["entry"][0]["resource"]["contained"] = [NEGATIVE]


def as_an_entrys_outcome(response: Resource) -> None:
    response["entry"].append({"response": {"status": "400", "outcome": NEGATIVE}})


def in_a_bundle_of_its_own(response: Resource) -> None:
    response["entry"].append({"resource": {"resourceType": "Bundle", "entry": [{"resource": NEGATIVE}]}})


@pytest.mark.parametrize("hide", [in_the_header, as_an_entrys_outcome, in_a_bundle_of_its_own])
@pytest.mark.parametrize("write", [as_json, as_xml])
def test_a_negative_code_counts_wherever_its_outcome_stands(
    hide: Callable[[Resource], None], write: Callable[[Resource], bytes]
) -> None:
    response = bundle([issue("30001")])
    assert read_response(write(response)).verdict is Verdict.POSITIVE
    hide(response)
    assert read_response(write(response)).verdict is Verdict.NEGATIVE


@pytest.mark.parametrize("name", ["code", "system"])
@pytest.mark.parametrize("write", [as_json, as_xml])
def test_one_coding_with_two_codes_or_systems_is_not_positive(name: str, write: Callable[[Resource], bytes]) -> None:
    twice = issue("30001")
    coding = twice["details"]["coding"][0]
    coding[name] = [coding[name], "30002" if name == "code" else OLD_CODES]
    assert read_response(write(bundle([twice]))).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize("write", [as_json, as_xml])
def test_what_can_mean_the_opposite_is_not_positive(write: Callable[[Resource], bytes]) -> None:
    modified = issue("30001") | {"modifierExtension": [{"url": "https://example.org/not", "valueBoolean": True}]}
    assert read_response(write(bundle([modified]))).verdict is Verdict.UNKNOWN


def test_a_list_within_a_list_is_not_passed_over() -> None:
    hidden = issue("30001") | {"details": {"coding": [[{"code": "30002"}], {"code": "30001"}]}}
    with pytest.raises(UnreadableResponse, match="a list within a list"):
        read_response(as_json(bundle([hidden])))


@pytest.mark.parametrize("write", [as_json, as_xml])
def test_of_two_identifiers_neither_is_taken(write: Callable[[Resource], bytes]) -> None:
    response = bundle([issue("30001")])
    answered = response["entry"][0]["resource"]["response"]
    answered["identifier"] = [ORIGINAL, OWN]
    assert read_response(write(response)).identifier is None


def test_an_issue_without_a_code_is_unknown_and_is_not_overlooked() -> None:
    response = read(bundle([issue("20013"), {"severity": "fatal", "code": "processing"}]))
    assert response.verdict is Verdict.UNKNOWN
    assert [one.code for one in response.issues] == ["20013", None]


@pytest.mark.parametrize("severity", ["information", "warning", "error", "fatal", ""])
def test_severity_never_decides(severity: str) -> None:
    assert read(bundle([issue("30015", severity=severity)])).verdict is Verdict.NEGATIVE
    assert read(bundle([issue("20013", severity=severity)])).verdict is Verdict.POSITIVE


def test_a_code_of_another_system_is_kept_and_unknown() -> None:
    response = read(bundle([issue("20013", Shape(system="http://snomed.info/sct"))]))
    assert (response.code, response.verdict) == ("20013", Verdict.UNKNOWN)


def test_a_response_code_is_found_beside_codings_of_other_systems() -> None:
    codings = [{"system": "http://snomed.info/sct", "code": "1"}, {"system": CODES_1, "code": "20013"}]
    assert read(bundle([{"severity": "information", "details": {"coding": codings}}])).code == "20013"


@pytest.mark.parametrize("code", ["9658218865", "GPPROVIDER_9658218865", "two words", "x" * 33, "é"])
def test_what_cannot_be_a_code_is_not_taken_for_one(code: str) -> None:
    response = read(bundle([issue(code)]))
    assert (response.code, response.verdict) == (None, Verdict.UNKNOWN)


def test_spaces_around_a_code_do_not_matter() -> None:
    assert read(bundle([issue(" 20013\t")])).verdict is Verdict.POSITIVE


def test_long_texts_are_cut_and_half_characters_replaced_so_that_they_can_be_stored() -> None:
    composed = bundle([issue("30002", diagnostics="x" * 1_000_000)])
    assert len(read(composed).issues[0].diagnostics or "") == 2_000
    spelt = as_json(composed).replace(b'"diagnostics": "xxx', b'"diagnostics": "\\ud83d')
    (only,) = read_response(spelt).issues
    assert (only.diagnostics or "").encode().startswith("�".encode())


def test_a_sender_reference_longer_than_the_specification_allows_is_none() -> None:
    def lengthen(resources: list[Resource]) -> None:
        resources[0]["extension"][0]["extension"][1]["valueString"] = "7" * 256

    assert read(changed(lengthen)).sender_reference is None


# --- correlation and sender -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "identifier",
    [
        ORIGINAL,
        ORIGINAL.upper(),
        f"urn:uuid:{ORIGINAL}",
        f"URN:UUID:{ORIGINAL.upper()}",
        f" {ORIGINAL}\n",
        f"MessageHeader/{ORIGINAL}",
        f"https://practice.test/fhir/Bundle/{ORIGINAL}",
        ORIGINAL.replace("-", ""),
        f"{{{ORIGINAL}}}",
    ],
)
def test_the_original_is_named_in_many_spellings(identifier: str) -> None:
    assert read(bundle([issue("20013")], identifier=identifier)).identifier == ORIGINAL


@pytest.mark.parametrize("identifier", ["UNREADABLE-IN-ORIGINAL-MESSAGE", "unreadable-in-original-message "])
def test_an_original_that_the_receiver_could_not_read_is_flagged(identifier: str) -> None:
    response = read(bundle([issue("10009")], identifier=identifier))
    assert (response.identifier, response.original_unreadable) == (None, True)


@pytest.mark.parametrize("identifier", ["not an id", PATIENT, "12345"])
def test_an_identifier_that_is_no_uuid_is_none(identifier: str) -> None:
    response = read(bundle([issue("20013")], identifier=identifier))
    assert (response.identifier, response.original_unreadable) == (None, False)


def changed(change: Callable[[list[Resource]], object]) -> Resource:
    """Compose a success and change its resources: header, sender, outcome."""
    composed = bundle([issue("20013")])
    change([entry["resource"] for entry in composed["entry"]])
    return composed


def test_a_response_without_an_identifier_is_read_all_the_same() -> None:
    assert read(changed(lambda resources: resources[0]["response"].pop("identifier"))).identifier is None


@pytest.mark.parametrize(
    "reference",
    [SENDER, f"Organization/{SENDER}", f"https://x.test/Organization/{SENDER}", SENDER.upper(), "", "urn:uuid:x"],
)
def test_the_sender_is_found_by_any_reference_or_by_being_the_only_one(reference: str) -> None:
    response = read(changed(lambda resources: resources[0]["sender"].update(reference=reference)))
    assert response.sender_ods_code == "A20047"


def test_the_sender_may_be_named_without_a_resource() -> None:
    logical = {"identifier": {"system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": "A20047"}}
    response = read(changed(lambda resources: resources[0].update(sender=logical)))
    assert response.sender_ods_code == "A20047"


def test_the_outcome_may_be_contained_in_the_header() -> None:
    def contain(resources: list[Resource]) -> None:
        header, _, outcome = resources
        header["contained"] = [{"resourceType": "OperationOutcome", "id": "1", "issue": [issue("30002")]}]
        header["response"]["details"]["reference"] = "#1"
        outcome["issue"] = []

    assert read(changed(contain)).code == "30002"


def test_the_outcome_is_found_though_the_reference_leads_nowhere() -> None:
    assert read(changed(lambda resources: resources[0]["response"].pop("details"))).code == "20013"


def test_a_response_that_asks_to_be_acknowledged_is_read_as_any_other() -> None:
    assert read(bundle([issue("20013")])).verdict is Verdict.POSITIVE  # `bundle` asks for it


# --- no Response ------------------------------------------------------------------------------------------------------

XML = as_xml(bundle([issue("20013")]))
JSON = as_json(bundle([issue("20013")]))
ENTITIES = b'<!DOCTYPE Bundle [<!ENTITY a "WRIGHT"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
DEEP_JSON = b'{"resourceType": "Bundle", "x": ' + b"[" * 50_000 + b"]" * 50_000 + b"}"
DEEPER_JSON = b'{"resourceType": "Bundle", "x": ' + b'{"x": ' * 300 + b"1" + b"}" * 300 + b"}"
NO_RESPONSES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "empty"),
    "blank": (b" \r\n", "empty"),
    "text": (b"WRIGHT Garth", "neither"),
    "zip": (b"PK\x03\x04", "neither"),
    "HTML": (b"<!DOCTYPE html><html><body>WRIGHT</body></html>", "document type"),
    "HTML without document type": (b"<html><body>WRIGHT</body></html>", "not a Bundle"),
    "cut XML": (XML[:-20], "well-formed"),
    "cut JSON": (JSON[:-2], "well-formed"),
    "cut gzip": (gzip.compress(XML)[:-4], "cut short"),
    "corrupt gzip": (b"\x1f\x8b\x08\0" + b"WRIGHT" * 9, "corrupt"),
    "two bodies in two gzip members": (gzip.compress(XML) * 2, "well-formed"),
    "gzip followed by something": (gzip.compress(XML) + b"WRIGHT", "followed"),
    "thousands of gzip members": (gzip.compress(b"") * 5_000, "more than 100 members"),
    "gzip bomb in members": (gzip.compress(bytes(LARGEST_RESPONSE // 2)) * 3, "longer"),
    "half a character at the end of UTF-16": (XML.decode().encode("utf-16") + b"x", "cut"),
    "UTF-16 with half a pair": (XML.decode().encode("utf-16-le").replace(b"W\0", b"\0\xd8"), "encoding"),
    "a name twice in JSON": (JSON.replace(b'"issue"', b'"issue": [], "issue"', 1), "twice"),
    "JSON string of text": (b'"WRIGHT"', "neither"),
    "JSON string of a JSON string": (json.dumps(json.dumps(XML.decode())).encode(), "neither"),
    "JSON string that is cut": (json.dumps(XML.decode()).encode()[:-9], "well-formed"),
    "gzip bomb": (gzip.compress(bytes(LARGEST_RESPONSE * 4)), "longer"),
    "too long": (XML + b" " * LARGEST_RESPONSE, "longer"),
    "JSON list": (b"[1]", "not a Bundle"),
    "JSON Patient": (b'{"resourceType": "Patient"}', "not a Bundle"),
    "JSON without type": (b"{}", "not a Bundle"),
    "Bundle of another namespace": (XML.replace(b"http://hl7.org/fhir", b"http://other.test"), "not a Bundle"),
    "no MessageHeader": (as_json({"resourceType": "Bundle", "entry": []}), "no MessageHeader"),
    "a message that answers nothing": (
        as_json(changed(lambda resources: resources[0].pop("response"))),
        "answers nothing",
    ),
    "entities": (ENTITIES + XML.partition(b"?>\n")[2], "document type"),
    "external entity": (
        b'<!DOCTYPE Bundle [<!ENTITY e SYSTEM "file:///etc/passwd">]><Bundle xmlns="http://hl7.org/fhir">&e;</Bundle>',
        "document type",
    ),
    "entities that would be expanded in an attribute": (
        ENTITIES + XML.partition(b"?>\n")[2].replace(b"fatal-error", b"&b;"),
        "document type",
    ),
    "encoding in which other text can hide": (
        b'<?xml version="1.0" encoding="UTF-7"?>+ADwAIQ-DOCTYPE Bundle [<!ENTITY a "x">]><Bundle xmlns="http://hl7.org/fhir"/>',
        "encoding",
    ),
    "entities in UTF-16": (
        (ENTITIES + XML.partition(b"?>\n")[2]).decode().encode("utf-16"),
        "document type",
    ),
    "undefined entity": (XML.replace(b"fatal-error", b"&nbsp;"), "well-formed"),
    "deep XML": (b"<a>" * 5_000 + b"</a>" * 5_000, "nested"),
    "deep XML within the parser's limit": (
        b'<Bundle xmlns="http://hl7.org/fhir">' + b"<a>" * 200 + b"</a>" * 200 + b"</Bundle>",
        "nested",
    ),
    "deep JSON": (DEEP_JSON, "more than"),
    "JSON deep for a parser": (b'{"resourceType": "Bundle", "x": ' + b"[" * 9_000 + b"]" * 9_000 + b"}", "well-formed"),
    "more elements than a response has": (XML.replace(b"<issue>", b"<x/>" * 10_000 + b"<issue>"), "more than"),
    "more attributes than a response has": (
        XML.replace(b"<issue>", b"<x " + b" ".join(b'a%d=""' % number for number in range(10_001)) + b"/><issue>"),
        "more than",
    ),
    "more JSON values than a response has": (
        JSON.replace(b'"issue"', b'"x": [' + b"0," * 10_000 + b'0], "issue"'),
        "more",
    ),
    "deep JSON within the parser's limit": (DEEPER_JSON, "nested"),
}


@pytest.mark.parametrize(("body", "why"), NO_RESPONSES.values(), ids=list(NO_RESPONSES))
def test_what_is_no_response_is_unreadable_with_a_reason_and_no_quotation(body: bytes, why: str) -> None:
    with pytest.raises(UnreadableResponse, match=why) as raised:
        read_response(body)
    told = [str(raised.value), repr(vars(raised.value)), *traceback.format_exception(raised.value)]
    for linked in (raised.value.__cause__, raised.value.__context__):
        told += [str(linked), repr(getattr(linked, "doc", ""))]
    assert not any("WRIGHT" in text for text in told)


@settings(deadline=None)
@given(body=st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_any_bytes_at_all_are_read_or_unreadable(body: bytes) -> None:
    with contextlib.suppress(UnreadableResponse):
        read_response(body)


# Two digits away from every positive code: no damage to one byte makes a positive code of them.
NOT_POSITIVE = {
    "negative": ["10007"],
    "unknown": ["99999"],
    "no code": [""],
    "positive and negative": ["20013", "10007"],
    "negative and positive": ["10007", "30001"],
    "positive and unknown": ["20013", "99999"],
    "none": [],
}


@settings(deadline=None, max_examples=3 * settings().max_examples)
@given(
    data=st.data(),
    codes=st.sampled_from(list(NOT_POSITIVE.values())),
    write=st.sampled_from([as_xml, as_json]),
    form=st.sampled_from(list(FORMS)),
)
def test_a_damaged_response_never_becomes_positive(
    data: st.DataObject, codes: list[str], write: Callable[[Resource], bytes], form: str
) -> None:
    damaged = bytearray(write(bundle([issue(code) for code in codes])))
    for _ in range(data.draw(st.integers(min_value=0, max_value=3))):
        place = data.draw(st.integers(min_value=0, max_value=len(damaged) - 1))
        damaged[place] = data.draw(st.sampled_from(list(b'"<>/{}[],:=& abcdexyz0123456789')))
    try:
        response = read_response(FORMS[form](bytes(damaged)))
    except UnreadableResponse:
        return
    assert response.verdict is not Verdict.POSITIVE


def test_no_single_damage_to_a_mixed_response_makes_it_positive() -> None:
    """Every place, not some: what hides one code must not leave the other alone."""
    for write in (as_xml, as_json):
        whole = write(bundle([issue("20013"), issue("10007")]))
        begin = whole.index(b"OperationOutcome", whole.index(b"A20047"))
        for place in range(begin, len(whole)):
            for sign in b'x"':
                damaged = bytearray(whole)
                damaged[place] = sign
                with contextlib.suppress(UnreadableResponse):
                    assert read_response(bytes(damaged)).verdict is not Verdict.POSITIVE, bytes(damaged[begin:])


@pytest.mark.parametrize("element", ["issue", "details", "coding"])
def test_an_element_that_stu3_does_not_know_may_hide_a_code(element: str) -> None:
    codings = [{"system": CODES_1, "code": "20013"}, {"system": CODES_1, "code": "10007"}]
    made = [issue(coding["code"]) for coding in codings]
    if element == "coding":
        made = [{"severity": "fatal", "code": "processing", "details": {"coding": codings}}]
    written = as_xml(bundle(made))
    begin = written.rindex(b"<issue>") if element != "coding" else written.rindex(b"<coding>")
    misspelt = written[:begin] + written[begin:].replace(element.encode() + b">", element.title().encode() + b">")
    assert read_response(written).verdict is Verdict.NEGATIVE
    assert read_response(misspelt).verdict is Verdict.UNKNOWN


def test_two_codes_in_one_issue_are_both_counted_though_the_system_of_one_is_damaged() -> None:
    codings = [{"system": CODES_1, "code": "20013"}, {"system": f"x{CODES_1}x/", "code": "10007"}]
    assert read(bundle([{"severity": "fatal", "details": {"coding": codings}}])).verdict is Verdict.UNKNOWN


def test_an_outcome_that_the_header_does_not_name_is_not_overlooked() -> None:
    composed = bundle([issue("20013")])
    other = {"resourceType": "OperationOutcome", "id": "other", "issue": [issue("10007")]}
    composed["entry"].append({"fullUrl": "urn:uuid:other", "resource": other})
    assert read(composed).verdict is Verdict.NEGATIVE


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["resourceType", "entry", "resource", "response", "issue", "details", "coding", "code", "id"]
            ),
            inner | st.sampled_from(["Bundle", "MessageHeader", "OperationOutcome"]),
            max_size=4,
        )
    ),
    max_leaves=20,
)


@settings(deadline=None)
@given(value=json_values)
def test_json_of_any_structure_is_read_or_unreadable(value: Any) -> None:
    header = {"resourceType": "MessageHeader", "response": value, "event": value, "sender": value, "extension": value}
    composed = {"resourceType": "Bundle", "entry": [{"resource": header}, {"resource": value}, value]}
    with contextlib.suppress(UnreadableResponse):
        read_response(json.dumps(composed).encode())


def test_a_response_with_a_thousand_issues_is_within_the_budget() -> None:
    composed = bundle([issue("20013") for _ in range(1_000)])
    assert len(read(composed).issues) == 1_000


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the machine does not say what memory is used")
def test_hostile_bodies_take_little_memory_and_time() -> None:
    """In a process of its own, since the most memory that a process had is measured, libxml2's with it."""
    spent = subprocess.run(
        [sys.executable, "-m", "tests.unit.itk3.reading_hostile_bodies"],
        check=True, capture_output=True, text=True, cwd=Path(__file__).parents[3],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(("layers/messaging/python", "."))},
    )  # fmt: skip
    measured = json.loads(spent.stdout)
    assert set(measured) == set(HOSTILE)
    assert {name: one for name, one in measured.items() if one["megabytes_each"] > 20} == {}
    # A million steps take 15 to 40 ms. The slowest body takes 7 million; what is read without a budget takes hundreds.
    assert {name: one for name, one in measured.items() if one["million_steps"] > 20} == {}


# --- secrecy ----------------------------------------------------------------------------------------------------------


def test_the_senders_texts_are_kept_and_stay_out_of_the_repr() -> None:
    response = read(bundle([issue("30002")], identifier=PATIENT))
    assert response.issues[0].display == f"display for {PATIENT}"
    for shown in (
        repr(response),
        str(response),
        repr(response.issues),
        repr(response.outcomes),
        repr(response.deciding),
    ):
        assert "WRIGHT" not in shown
        assert "9658218865" not in shown
    assert "encounter 7" not in repr(response)


def test_an_issue_says_its_code_and_no_more() -> None:
    assert repr(Issue(code="20013", display=PATIENT, diagnostics=PATIENT)) == "Issue(code='20013')"
