import json
import time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from gpconnect_messaging.drafts import draft_messages
from gpconnect_messaging.itk3.message import Message
from gpconnect_messaging.itk3.structured_types import STRUCTURED_TYPES
from gpconnect_messaging.itk3.supplied import DEEPEST, LARGEST_RESOURCE, Supplied, read_supplied
from gpconnect_messaging.requests.refusal import RequestRefusedError
from gpconnect_messaging.usecases import USE_CASES
from gpconnect_messaging.usecases.generic_document import GENERIC_DOCUMENT
from tests.examples import MAILBOXES, REQUESTS, messages_of, request_data, written
from tests.identifiers import IDENTIFIERS
from tests.xpath import value, values

pytestmark = pytest.mark.usefixtures("any_extension")

ALLOWED = GENERIC_DOCUMENT.resource_types
JSON, XML = "application/fhir+json", "application/fhir+xml"
NAME = "generic-document-1.5"
SECRET = "Mrs-Hannah-Secret-9658218865"


def a_condition(**changes: Any) -> dict[str, Any]:
    condition = {
        "resourceType": "Condition",
        "id": "c1",
        "clinicalStatus": "active",
        "code": {"text": "Hay fever"},
        "subject": {"reference": "Patient/patient"},
    }
    return condition | changes


def read(resource: Any, allowed: frozenset[str] = ALLOWED) -> Supplied:
    return read_supplied(0, JSON, json.dumps(resource).encode(), allowed)


def why_not(resource: Any, content_type: str = JSON) -> str:
    raw = resource if isinstance(resource, bytes) else json.dumps(resource).encode()
    with pytest.raises(RequestRefusedError) as refused:
        read_supplied(0, content_type, raw, ALLOWED)
    assert SECRET not in str(refused.value)
    return str(refused.value)


def sent(*resources: Any) -> bytes:
    """A message with these resources in place of its sample's own."""
    inline = [{"content_type": JSON, "content": json.dumps(resource)} for resource in resources]
    (message,) = messages_of(NAME, resources=inline)
    return written(message, NAME)


def not_sent(*resources: Any) -> str:
    with pytest.raises(RequestRefusedError) as refused:
        sent(*resources)
    assert SECRET not in str(refused.value)
    return str(refused.value)


def test_json_and_xml_of_the_same_resource_give_the_same() -> None:
    xml = b"""<Condition xmlns="http://hl7.org/fhir"><id value="c1"/><clinicalStatus value="active"/>
        <code><text value="Hay fever"/></code><subject><reference value="Patient/patient"/></subject></Condition>"""
    assert read_supplied(0, XML, xml, ALLOWED) == read(a_condition())


def test_a_resource_gets_our_id_and_profile_and_loses_its_own_meta_and_generated_text() -> None:
    raw = sent(
        a_condition(
            meta={"versionId": "7", "lastUpdated": "2026-11-20T10:00:00Z", "profile": ["https://elsewhere.example"]},
            text={"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">Hay fever</div>'},
        )
    )
    assert value(raw, "//f:Condition/f:id/@value") != "c1"
    assert values(raw, "//f:Condition/f:meta//@value") == [STRUCTURED_TYPES["Condition"].profile]
    assert values(raw, "//f:Condition/f:text") == []


def test_the_patient_is_the_requests_even_where_the_resource_does_not_say() -> None:
    raw = sent({"resourceType": "Observation", "status": "final", "code": {"text": "Wheeze"}})
    patient = value(raw, "//f:Observation/f:subject/f:reference/@value")
    assert patient == value(raw, "//f:entry[f:resource/f:Patient]/f:fullUrl/@value")


@pytest.mark.parametrize(
    "subject",
    [
        {"reference": f"Patient/{SECRET}"},
        {"reference": "Practitioner/practitioner"},
        {"identifier": {"system": "https://fhir.nhs.uk/Id/nhs-number", "value": SECRET}},
        {"display": SECRET},
    ],
)
def test_a_resource_of_another_patient_is_refused(subject: dict[str, Any]) -> None:
    assert not_sent(a_condition(subject=subject)).startswith("resources[0]: Condition.subject")


@pytest.mark.parametrize(
    "reference",
    [f"Encounter/{SECRET}", "Condition/c9", "https://elsewhere.example/Encounter/1", "#here", "Encounter/encounter/2"],
)
def test_a_reference_to_nothing_in_the_message_is_refused_by_type_and_element(reference: str) -> None:
    found = not_sent(a_condition(context={"reference": reference}))
    assert found == "resources[0]: Condition.context.reference: refers to nothing in this message"


def test_an_attachment_may_name_a_document_of_the_request_only() -> None:
    document = {
        "resourceType": "DocumentReference",
        "status": "current",
        "type": {"text": "Letter"},
        "indexed": "2026-11-20T10:00:00Z",
        "content": [{"attachment": {"contentType": "application/pdf", "url": "Binary/report.pdf"}}],
    }
    raw = sent(document)
    url = value(raw, "//f:DocumentReference//f:attachment/f:url/@value")
    assert url == value(raw, "//f:entry[f:resource/f:Binary]/f:fullUrl/@value")
    document["content"][0]["attachment"]["url"] = "Binary/other.pdf"  # type: ignore[index]
    assert not_sent(document).endswith("content[0].attachment.url: refers to nothing in this message")


def test_two_resources_may_not_have_one_name() -> None:
    assert not_sent(a_condition(), a_condition()).startswith("resources[1]: Condition.id: has the id of another")
    practitioner = {"resourceType": "Practitioner", "id": "practitioner", "name": [{"family": "Other"}]}
    assert not_sent(practitioner).startswith("resources[0]: Practitioner.id: has the id of another")


@pytest.mark.parametrize("other", [{"_clinicalStatus": {"id": "a"}}, {"severity": {"id": "a", "text": "mild"}}])
def test_no_two_elements_of_a_resource_have_one_id(other: dict[str, Any]) -> None:
    twice = a_condition(code={"id": "a", "text": "Asthma"}, clinicalStatus="active", **other)
    assert "id: is the id of another element of this resource" in not_sent(twice)


def test_what_the_checks_refuse_in_a_ready_resource_is_named_by_the_requests_field() -> None:
    wrong = {"code": {"text": "Pulse"}, "identifier": [{"system": "ftp://tests.example", "value": "1"}]}
    observation = {
        "resourceType": "Observation",
        "id": "o1",
        "status": "final",
        "subject": {"reference": "Patient/patient"},
    }
    inline = [
        {"content_type": JSON, "content": json.dumps(resource)} for resource in (a_condition(), observation | wrong)
    ]
    request = json.dumps(request_data(NAME) | {"resources": inline}).encode()
    mailbox = next(known for known in MAILBOXES.values() if known.mailbox == request_data(NAME)["mailbox"])
    with pytest.raises(RequestRefusedError) as refused:
        draft_messages(request, mailbox, lambda key: (REQUESTS / NAME / key).read_bytes(), identifiers=IDENTIFIERS)
    (reason,) = [reason for reason in refused.value.reasons if "STU3-INVARIANT" in reason.rule]
    assert reason.field == "resources[1]: Observation.identifier"
    assert reason.rule == "a system is a URI that begins with http://, https:// or urn: (STU3-INVARIANT)"
    # The title of this check has a colon of its own.
    (reason,) = [reason for reason in refused.value.reasons if "GPCM-SD-GE-052" in reason.rule]
    assert (
        reason.rule == "performer is missing; it must refer to Patient or Practitioner or Organization (GPCM-SD-GE-052)"
    )


def test_a_supplied_encounter_takes_the_place_of_ours() -> None:
    encounter = {"resourceType": "Encounter", "id": "encounter", "status": "finished"}
    raw = sent(encounter, a_condition(context={"reference": "Encounter/encounter"}))
    ids = values(raw, "//f:entry[f:resource/f:Encounter]/f:fullUrl/@value")
    assert values(raw, "//f:Composition/f:encounter/f:reference/@value") == ids
    assert values(raw, "//f:Condition/f:context/f:reference/@value") == ids
    assert len(ids) == 1


@pytest.mark.parametrize("kind", ["Patient", "Bundle", "Binary", "Parameters", "NoSuchThing", 7, None])
def test_only_the_use_cases_own_types_are_taken(kind: Any) -> None:
    assert why_not({"resourceType": kind}).startswith("resources[0]: must be one resource of AllergyIntolerance, ")


def test_every_type_that_a_use_case_allows_has_its_row_in_the_table() -> None:
    allowed = {kind for use_case in USE_CASES.values() for kind in use_case.resource_types}
    assert allowed | {"List", "Procedure"} == set(STRUCTURED_TYPES)


@pytest.mark.parametrize(
    ("resource", "reason"),
    [
        (
            a_condition(**{SECRET: 1}),
            "resources[0]: Condition: has an element or attribute that FHIR STU3 does not know",
        ),
        (a_condition(code={"text": 5}), "resources[0]: Condition.code.text: must be text, in quotation marks"),
        (
            a_condition(code={"text": "x", SECRET: SECRET}),
            "resources[0]: Condition.code: has an element or attribute that FHIR STU3 does not know",
        ),
        (
            a_condition(onsetDateTime=SECRET),
            "resources[0]: Condition.onsetDateTime: must be a date from 1800 on such as",
        ),
        (a_condition(contained=[a_condition(id=SECRET)]), "resources[0]: Condition.contained: is not taken"),
        (a_condition(implicitRules="https://elsewhere.example"), "resources[0]: Condition.implicitRules: is not taken"),
        (
            a_condition(_implicitRules={"extension": [{"url": "https://elsewhere.example", "valueCode": "x"}]}),
            "resources[0]: Condition.implicitRules: is not taken",
        ),
        (
            a_condition(text={"status": "additional", "div": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'}),
            "resources[0]: Condition.text: is not taken unless generated",
        ),
        (a_condition(code={"text": f"{SECRET}\1"}), "resources[0]: Condition.code.text: holds a control character"),
        (
            a_condition(onsetDateTime="2026-11-20T10:00:00"),
            "resources[0]: Condition.onsetDateTime: must be a date from 1800 on such as",
        ),
    ],
)
def test_what_fhir_or_a_message_does_not_allow_is_refused_without_its_value(resource: Any, reason: str) -> None:
    assert why_not(resource).startswith(reason)


def test_an_embedded_document_is_refused() -> None:
    document = {
        "resourceType": "DocumentReference",
        "status": "current",
        "type": {"text": "Letter"},
        "indexed": "2026-11-20T10:00:00Z",
        "content": [{"attachment": {"contentType": "text/html", "data": "PGh0bWw+"}}],
    }
    found = why_not(document)
    assert found.startswith("resources[0]: DocumentReference.content[0].attachment.data: is not taken")


def test_what_is_too_long_or_too_deep_is_refused() -> None:
    assert why_not(b" " * (LARGEST_RESOURCE + 1)) == f"resources[0]: is longer than {LARGEST_RESOURCE} bytes"
    assert "levels" in why_not(b'{"a":' * (DEEPEST + 1) + b"1" + b"}" * (DEEPEST + 1))
    why_not(b"[" * 100_000)
    deep = b'<Condition xmlns="http://hl7.org/fhir">' + b"<extension>" * DEEPEST + b"<x/>" + b"</extension>" * DEEPEST
    assert "levels" in why_not(deep + b"</Condition>", XML)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"resourceType": "Condition", "resourceType": "Condition"}',
        b'{"resourceType": "Condition", "x": NaN}',
        b"\xff\xfe{",
        b"",
        b"[]",
    ],
)
def test_what_is_no_plain_json_is_refused(raw: bytes) -> None:
    why_not(raw)


@pytest.mark.parametrize(
    "raw",
    [
        b'<!DOCTYPE Condition [<!ENTITY a "x">]><Condition xmlns="http://hl7.org/fhir"><id value="&a;"/></Condition>',
        b'<!DOCTYPE Condition SYSTEM "file:///etc/passwd"><Condition xmlns="http://hl7.org/fhir"/>',
        b'<!DOCTYPE Condition><Condition xmlns="http://hl7.org/fhir"/>',
    ],
)
def test_a_document_type_declaration_is_refused_before_any_entity_is_read(raw: bytes) -> None:
    assert "document type declaration" in why_not(raw, XML)
    assert "document type declaration" in why_not(raw.decode().encode("utf-16"), XML)


@pytest.mark.parametrize(
    "raw",
    [
        b"<Condition",
        b"<Condition/>",
        b'<Condition xmlns="urn:other"/>',
        b'<Condition xmlns="http://hl7.org/fhir"><Mrs-Hannah-Secret-9658218865 value="x"/></Condition>',
        b'<Condition xmlns="http://hl7.org/fhir"><code value="Mrs-Hannah-Secret-9658218865"/></Condition>',
        b'<Condition xmlns="http://hl7.org/fhir">Mrs-Hannah-Secret-9658218865</Condition>',
    ],
)
def test_xml_that_is_no_stu3_resource_is_refused(raw: bytes) -> None:
    why_not(raw, XML)


@pytest.mark.parametrize(
    "raw", [b"", b" \n", b'<?xml version="1.0" encoding="UTF-8"?>', b'\xef\xbb\xbf<?xml version="1.0"?>\n']
)
def test_xml_that_holds_nothing_is_said_to_be_empty(raw: bytes) -> None:
    assert "is empty, or an XML declaration alone" in why_not(raw, XML)


@pytest.mark.parametrize("raw", [b" " * 200_000 + b"<a/>", b"<?xml " + b'encoding="a" ' * 20_000, b"<?xml " * 40_000])
def test_xml_of_no_end_is_refused_at_once(raw: bytes) -> None:
    started = time.process_time()
    assert why_not(raw, XML)
    assert time.process_time() - started < 1


@given(st.binary(max_size=300))
@settings(max_examples=2 * settings().max_examples, deadline=None)
def test_whatever_comes_the_answer_is_a_resource_or_a_refusal(raw: bytes) -> None:
    for content_type in (JSON, XML):
        with pytest.raises(RequestRefusedError):
            read_supplied(0, content_type, raw, ALLOWED)


@pytest.mark.parametrize(
    "label",
    [
        {"code": "R"},
        {"code": "r"},
        {"code": "v"},
        {"display": "restricted"},
        {"display": "Very Restricted "},
        {"display": "CONFIDENTIAL"},
    ],
)
def test_a_label_of_restricted_is_recognised_in_any_letter_case(label: dict[str, str]) -> None:
    normal = {"system": "http://hl7.org/fhir/v3/Confidentiality", "code": "N", "display": "normal"}
    labelled = {"system": "http://hl7.org/fhir/v3/Confidentiality", **label}
    assert read(a_condition(meta={"security": [normal, labelled]})).labelled_confidential
    assert not read(a_condition(meta={"security": [normal]})).labelled_confidential
    assert not read(a_condition()).labelled_confidential


def test_only_a_reference_and_an_attachment_are_pointed_to_where_they_are_in_the_message() -> None:
    extensions = [{"url": "Binary/report.pdf", "valueUri": "Binary/report.pdf"}]
    raw = sent(a_condition(extension=extensions))
    assert value(raw, "//f:Condition/f:extension/@url") == "Binary/report.pdf"
    assert value(raw, "//f:Condition/f:extension/f:valueUri/@value") == "Binary/report.pdf"


@pytest.mark.parametrize("text", ["QUJD\r\nQUJD", " QUJD QUI= ", "QQ= ="])
def test_base64_may_be_broken_into_lines(text: str) -> None:
    raw = sent(a_condition(extension=[{"url": "https://example.org/x", "valueBase64Binary": text}]))
    assert value(raw, "//f:Condition/f:extension/f:valueBase64Binary/@value") == text


def test_an_id_beside_a_value_is_sent() -> None:
    """The library would refuse it: it judges what we compose, not what is supplied."""
    raw = sent(a_condition(extension=[{"url": "https://example.org/x", "valueCode": "a", "_valueCode": {"id": "b-1"}}]))
    assert value(raw, "//f:Condition/f:extension/f:valueCode/@id") == "b-1"


@pytest.mark.parametrize(
    "text", ["Ŵyn O’Brien-Łuk & <i>", "שלום عليكم", "👩🏽‍⚕️", "李", "x" * 5000, "two\nlines\tand a tab"]
)
def test_any_text_survives(text: str) -> None:
    assert value(sent(a_condition(code={"text": text})), "//f:Condition/f:code/f:text/@value") == text


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-1_000_000, max_value=1_000_000))
@settings(max_examples=settings().max_examples // 4, deadline=None)
def test_any_number_keeps_its_digits(number: Decimal) -> None:
    content = (
        '{"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "issued": "2026-11-20T10:00:00Z", '
        f'"valueQuantity": {{"value": {number:f}}}}}'
    )
    (message,) = messages_of(NAME, resources=[{"content_type": JSON, "content": content}])
    assert value(written(message, NAME), "//f:Observation/f:valueQuantity/f:value/@value") == f"{number:f}"


def test_the_content_does_not_show_itself() -> None:
    supplied = read(a_condition(code={"text": SECRET}))
    (message,) = messages_of(NAME)
    changed = Message(
        request=message.request,
        mailbox=message.mailbox,
        identifiers=message.identifiers,
        version=1,
        created_at=message.created_at,
        supplied=(supplied,),
    )
    assert SECRET not in repr(changed.supplied)
    etree.fromstring(written(changed, NAME))
