"""The synthetic practice finds what a receiving system would refuse, and reads what is right."""

import hashlib

import pytest

from infra.local.practice.reading import Part, is_nhs_number, read
from tests.examples import spec_file
from tests.unit.local_practice.sample_message import MESSAGE_ID, PDF, sample_message, spoiled


def test_a_valid_message_is_read_without_findings() -> None:
    reading = read(sample_message(), mesh_from="Y90001OT001")

    assert reading.findings == []
    assert reading.message_id == MESSAGE_ID
    assert reading.endpoint == "Y90001OT001"
    assert reading.infrastructure_requested
    assert reading.business_requested
    assert set(reading.given_names) == {"Garth", "Ana"}


def test_a_document_is_known_by_the_digest_of_its_decoded_content() -> None:
    (document,) = read(sample_message()).documents

    assert document.sha256 == hashlib.sha256(PDF).hexdigest()
    assert document.size == len(PDF)
    assert document.content_type == "application/pdf"


@pytest.mark.parametrize(
    ("old", "new", "part", "word"),
    [
        ('code value="ITK007C"', 'code value="ITK006D"', Part.HEADER, "event"),
        ('<extension url="SenderReference">', '<extension url="SenderRef">', Part.HEADER, "SenderReference"),
        ('<code value="FA"/>', '<code value="XX"/>', Part.HEADER, "RecipientType"),
        ("MessageDefinition-1", "MessageDefinition-9", Part.HEADER, "MessageDefinition"),
        ('<endpoint value="Y90001OT001"/>', '<endpoint value="Y90009OT001"/>', Part.HEADER, "endpoint"),
        ("2026-01-02T03:04:05.678+00:00", "2026-01-02T03:04:05", Part.HEADER, "timestamp"),
        ('<value value="Y90001"/>', "", Part.HEADER, "ODS"),
        ("<focus>", '<receiver><reference value="x"/></receiver><focus>', Part.HEADER, "receiver"),
        (
            '<focus><reference value="urn:uuid:3f1c2f50-6f0a-4f57-9d0c-2b8d3a1f0003"/></focus>',
            "",
            Part.HEADER,
            "focus",
        ),
        ('<type value="message"/>', '<type value="batch"/>', Part.HEADER, "Bundle.type"),
        ('value value="9658218865"', 'value value="9658218866"', Part.PAYLOAD, "NHS number"),
        ('<use value="official"/><family value="WRIGHT"/>', '<family value="WRIGHT"/>', Part.PAYLOAD, "official"),
        ('<birthDate value="1933-11-14"/>', "", Part.PAYLOAD, "birthDate"),
        ('<status value="final"/>', '<status value="draft"/>', Part.PAYLOAD, "status"),
        ('<title value="Consultation report"/>', "", Part.PAYLOAD, "title"),
        (
            '<author><reference value="urn:uuid:3f1c2f50-6f0a-4f57-9d0c-2b8d3a1f0006"/>',
            '<author><reference value="urn:uuid:3f1c2f50-6f0a-4f57-9d0c-2b8d3a1f0099"/>',
            Part.PAYLOAD,
            "does not resolve",
        ),
        ('<content value="', '<content value="*', Part.PAYLOAD, "base64"),
        ('<content value="JVBE', '<content value="AAAA', Part.PAYLOAD, "PDF"),
        (
            '<Practitioner>\n          <id value="3f1c2f50-6f0a-4f57-9d0c-2b8d3a1f0006"/>',
            '<Practitioner>\n          <id value="3f1c2f50-6f0a-4f57-9d0c-2b8d3a1f0005"/>',
            Part.PAYLOAD,
            "more than once",
        ),
        (
            '<section><entry><reference value="urn:uuid:3f1c2f50-6f0a-4f57-9d0c-2b8d3a1f0007"/></entry></section>',
            '<section><title value="Nothing"/></section>',
            Part.PAYLOAD,
            "section",
        ),
        ("</Bundle>\n", "", Part.ENVELOPE, "well-formed"),
    ],
)
def test_a_fault_in_the_message_is_found_and_named(old: str, new: str, part: Part, word: str) -> None:
    reading = read(spoiled(old, new), mesh_from="Y90001OT001")

    assert any(finding.part is part and word in finding.text for finding in reading.findings)


def test_findings_never_quote_the_patient() -> None:
    reading = read(spoiled('value value="9658218865"', 'value value="9658218866"'), schema=None)

    told = " ".join(finding.text for finding in reading.findings)
    assert reading.findings
    assert not any(secret in told for secret in ("9658218866", "WRIGHT", "Garth", "1933"))


def test_entities_are_not_expanded() -> None:
    hostile = b'<?xml version="1.0"?><!DOCTYPE Bundle [<!ENTITY a "b">]>' + sample_message().split(b"?>", 1)[1]

    (finding,) = read(hostile).findings

    assert finding.part is Part.ENVELOPE
    assert "document type" in finding.text


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_a_checksum_that_differs_is_found(algorithm: str) -> None:
    right = hashlib.new(algorithm, sample_message()).hexdigest()
    wrong = hashlib.new(algorithm, b"something else").hexdigest()

    assert read(sample_message(), checksum=right).findings == []
    assert read(sample_message(), checksum=f"{algorithm}:{right}").findings == []
    assert read(sample_message(), checksum=wrong).findings != []


def test_the_schema_refuses_elements_in_the_wrong_order() -> None:
    schema = spec_file("schema/fhir-single.xsd")
    source, event = '<source><endpoint value="Y90001OT001"/></source>', "<event>"
    text = sample_message().decode().replace(source, "").replace(event, source + event, 1)

    assert read(sample_message(), schema=schema).findings == []
    assert any("schema" in finding.text for finding in read(text.encode(), schema=schema).findings)


@pytest.mark.parametrize(
    ("number", "valid"),
    [
        ("9658218865", True),
        ("9990000018", True),
        ("9658218866", False),
        ("0000000000", False),
        ("96582188650", False),
        ("９６５８２１８８６５", False),
    ],
)
def test_nhs_numbers_are_ten_digits_with_a_check_digit(number: str, valid: bool) -> None:
    assert is_nhs_number(number) is valid
