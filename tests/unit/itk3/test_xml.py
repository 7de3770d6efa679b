"""Our FHIR XML writer and reader, held against a library's own (slower) dump of the same resources."""

import base64
from decimal import Decimal
from typing import Any

import pytest
from fhir.resources.STU3 import get_fhir_model_class
from lxml import etree

from gpconnect_messaging.itk3.resources import message_bundle
from gpconnect_messaging.itk3.xml import from_xml, to_xml
from gpconnect_messaging.specification import Version
from tests.examples import a_message

RICH_PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p1",
    "text": {
        "status": "generated",
        "div": '<div xmlns="http://www.w3.org/1999/xhtml"><p>Ŵyn &amp; <b>co</b></p></div>',
    },
    "contained": [{"resourceType": "Organization", "id": "o1", "name": "Inside"}],
    "birthDate": "1896-02-29",
    "_birthDate": {
        "extension": [{"url": "https://example.org/time", "valueDateTime": "1896-02-29T04:00:00+00:00"}],
    },
    "deceasedBoolean": False,
    "name": [
        {"given": ["Ann", None], "_given": [None, {"extension": [{"url": "https://example.org/x", "valueCode": "y"}]}]}
    ],
    "multipleBirthInteger": 2,
    "photo": [{"contentType": "image/png", "data": "iVBORw0KGgo="}],
    "generalPractitioner": [{"reference": "#o1"}],
}


def with_content(bundle: dict[str, Any]) -> dict[str, Any]:
    """The bundle with something in its Binary: the library leaves an empty value out."""
    binary = bundle["entry"][2]["resource"]["entry"][1]["resource"]
    binary["content"] = base64.b64encode(b"%PDF-").decode()
    return bundle


RESOURCES: list[dict[str, Any]] = [
    RICH_PATIENT,
    {"resourceType": "Patient", "birthDate": "1933"},
    {
        "resourceType": "Encounter",
        "status": "finished",
        "class": {"code": "AMB"},
        "period": {"start": "2026-11-20T19:40:00+00:00"},
    },
    {
        "resourceType": "Observation",
        "component": [
            {"code": {"text": "a"}, "valueTime": "10:20:30"},
            {"code": {"text": "b"}, "valueString": "c"},
        ],
        "status": "final",
        "valueQuantity": {"value": Decimal("38.1"), "unit": "°C"},
        "code": {"text": "Temperature \" ' <&>"},
    },
    *(with_content(message_bundle(a_message(version, version=2))[0]) for version in Version),
]


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource["resourceType"])
def test_it_writes_what_the_library_writes(resource: dict[str, Any]) -> None:
    ours = etree.tostring(etree.fromstring(b"".join(to_xml(resource))), method="c14n")
    library = get_fhir_model_class(resource["resourceType"]).model_validate(resource)
    assert ours == etree.tostring(etree.fromstring(library.model_dump_xml()), method="c14n")


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource["resourceType"])
def test_what_it_writes_it_reads_again(resource: dict[str, Any]) -> None:
    once: list[bytes] = to_xml(resource)
    again: list[bytes] = to_xml(from_xml(etree.fromstring(b"".join(once))))
    assert again == once


def test_white_space_in_a_value_survives_where_the_parser_would_fold_it() -> None:
    (written,) = to_xml({"resourceType": "Patient", "name": [{"family": "a\nb\tc\rd"}]})
    assert isinstance(written, bytes)
    name = etree.fromstring(written).find(".//{http://hl7.org/fhir}family")
    assert name is not None
    assert name.get("value") == "a\nb\tc\rd"


def test_an_id_on_a_primitive_is_kept_where_the_library_drops_it() -> None:
    beside = {"id": "b", "extension": [{"url": "u", "valueCode": "c"}]}
    (written,) = to_xml({"resourceType": "Patient", "birthDate": "1933-11-14", "_birthDate": beside})
    assert isinstance(written, bytes)
    assert b'<birthDate id="b" value="1933-11-14"><extension url="u"><valueCode value="c"/>' in written


def test_content_is_left_out_where_a_gap_is_wanted() -> None:
    content = base64.b64encode(b"not here").decode()
    binary = {"resourceType": "Binary", "id": "b1", "contentType": "application/pdf", "content": content}
    before, gap, after = to_xml(binary, {"b1": 7})
    assert gap == 7
    assert isinstance(before, bytes)
    assert before.endswith(b'<content value="')
    assert after == b'"/></Binary>'
