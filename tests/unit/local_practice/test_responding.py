"""The synthetic practice writes ITK3 Responses in every shape that a sender must be able to read."""

import gzip
import json
from datetime import UTC, datetime

import pytest
from lxml import etree

from infra.local.practice.answering import Answer
from infra.local.practice.reading import Reading
from infra.local.practice.responding import UNREADABLE_ORIGINAL, Practice, Response, Shape, write
from tests.examples import spec_file

NS = {"f": "http://hl7.org/fhir"}
ORIGINAL = Reading(message_id="3f1c2f50-6f0a-4f57-9d0c-2b8d3a1f0001")
PRACTICE = Practice("A20047", "A20047OT001")
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def respond(code: str = "20013", shape: Shape = Shape.STANDARD, original: Reading = ORIGINAL) -> Response:
    return write(Answer(code, ("because",)), original, PRACTICE, shape=shape, now=NOW)


def values(response: Response, path: str) -> list[str]:
    root = etree.fromstring(response.content)
    return [element.get("value", "") for element in root.findall(f".//{path}", NS)]


def test_a_response_names_the_original_message_the_outcome_and_the_practice() -> None:
    response = respond("30002")

    assert values(response, "f:response/f:identifier") == [ORIGINAL.message_id]
    assert values(response, "f:response/f:code") == ["fatal-error"]
    assert values(response, "f:event/f:code") == ["ITK008M"]
    assert values(response, "f:issue/f:details/f:coding/f:code") == ["30002"]
    assert values(response, "f:Organization/f:identifier/f:value") == ["A20047"]
    assert values(response, "f:source/f:endpoint") == ["A20047OT001"]
    assert values(response, "f:issue/f:diagnostics") == ["because"]
    assert values(response, "f:response/f:details/f:reference") == [
        f"urn:uuid:{id_}" for id_ in values(response, "f:OperationOutcome/f:id")
    ]


def test_a_positive_code_is_ok() -> None:
    assert values(respond("20013"), "f:response/f:code") == ["ok"]


def test_a_response_has_the_same_id_when_it_is_written_again() -> None:
    assert respond().id == respond().id
    assert respond().id != respond("30001").id


def test_an_unreadable_original_is_answered_without_its_id() -> None:
    assert values(respond("10009", original=Reading()), "f:response/f:identifier") == [UNREADABLE_ORIGINAL]


@pytest.mark.parametrize("shape", [Shape.STANDARD, Shape.LEGACY, Shape.SEVERAL])  # bare breaks it, as the field does
def test_every_regular_xml_shape_is_valid_against_the_schema(shape: Shape) -> None:
    validator = etree.XMLSchema(etree.parse(str(spec_file("schema/fhir-single.xsd"))))

    assert validator.validate(etree.fromstring(respond(shape=shape).content)), str(validator.error_log)


def test_the_legacy_shape_has_the_old_event_code_system_and_sender() -> None:
    response = respond(shape=Shape.LEGACY)

    assert values(response, "f:event/f:code") == ["ITK002M"]
    assert values(response, "f:coding/f:system") == ["https://fhir.nhs.uk/STU3/CodeSystem/ITK-Acknowledgement-1"]
    assert values(response, "f:MessageHeader/f:extension") == []
    assert values(response, "f:Practitioner/f:id") != []


def test_the_json_shape_says_the_same() -> None:
    response = respond("30002", Shape.JSON)
    header, _, outcome = (entry["resource"] for entry in json.loads(response.content)["entry"])

    assert response.content_type == "application/fhir+json"
    assert header["response"]["identifier"] == ORIGINAL.message_id
    assert outcome["issue"][0]["details"]["coding"][0]["code"] == "30002"


def test_the_gzip_shape_is_the_standard_one_compressed() -> None:
    response = respond(shape=Shape.GZIP)

    assert response.content_encoding == "gzip"
    assert gzip.decompress(response.content) == respond().content


def test_the_bare_shape_writes_the_identifier_as_an_upper_case_urn() -> None:
    assert values(respond(shape=Shape.BARE), "f:response/f:identifier") == [
        "urn:uuid:3F1C2F50-6F0A-4F57-9D0C-2B8D3A1F0001"
    ]


def test_a_malformed_response_cannot_be_parsed() -> None:
    response = write(Answer("20013", malformed=True), ORIGINAL, PRACTICE, shape=Shape.STANDARD, now=NOW)

    with pytest.raises(etree.XMLSyntaxError):
        etree.fromstring(response.content)
