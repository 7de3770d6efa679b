import json
from typing import Any

import pytest

from gpconnect_messaging.requests.models import parse, parse_request
from gpconnect_messaging.requests.refusal import RequestRefusedError
from tests.examples import REQUESTS, a_request, request_data


def reasons(**changes: Any) -> list[str]:
    with pytest.raises(RequestRefusedError) as refused:
        a_request(**changes)
    return [str(reason) for reason in refused.value.reasons]


def test_the_sample_requests_are_read() -> None:
    for folder in sorted(REQUESTS.iterdir()):
        if folder.name != "invalid":
            parse((folder / "request.json").read_bytes())


def test_the_invalid_sample_names_each_broken_field() -> None:
    with pytest.raises(RequestRefusedError) as refused:
        parse_request((REQUESTS / "invalid" / "request.json").read_bytes())
    fields = {reason.field for reason in refused.value.reasons}
    assert fields == {"patient.nhs_number", "patient.birth_date", "organisation.phone"}


@pytest.mark.parametrize(
    ("change", "value", "field"),
    [
        ("patient__nhs_number", "9658218866", "patient.nhs_number"),
        ("patient__birth_date", "14/11/1933", "patient.birth_date"),
        ("patient__birth_date", 12345, "patient.birth_date"),
        ("patient__name__family", "  ", "patient.name.family"),
        ("patient__name__family", "WRI\x01GHT", "patient.name.family"),
        ("patient__name__family", "\u200b\u00a0", "patient.name.family"),
        ("patient__name__given", None, "patient.name.given"),
        ("encounter", " 7", "encounter"),
        ("encounter", "7\u200b", "encounter"),
        ("practitioner__sds_user_id", "12345", "practitioner.sds_user_id"),
        ("practitioner__gmc_number", "123456", "practitioner.gmc_number"),
        ("practitioner__gmp_number", "1234567", "practitioner.gmp_number"),
        ("practitioner__gphc_number", "20123456", "practitioner.gphc_number"),
        ("practitioner__hcpc_number", "123456", "practitioner.hcpc_number"),
        ("practitioner__nmc_number", "12A34567", "practitioner.nmc_number"),
        ("practitioner__identifiers", [{"system": "staff", "value": "7"}], "practitioner.identifiers[0].system"),
        (
            "practitioner__identifiers",
            [{"system": "urn:oid:1.2.3", "value": "7"}],
            "practitioner.identifiers[0].system",
        ),
        (
            "practitioner__identifiers",
            [{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9658218865"}],
            "practitioner.identifiers[0].system",
        ),
        ("other_practitioners", [{"name": {"family": "Hughes", "given": []}}], "other_practitioners[0].role"),
        ("organisation__ods_code", "y9", "organisation.ods_code"),
        ("organisation__phone", None, "organisation.phone"),
        ("consultation__start", "2026-11-20T19:40:00", "consultation.start"),
        ("encounter", "x" * 256, "encounter"),
        ("use_case", "referral", "use_case"),
        ("mailbox", "not a mailbox", "mailbox"),
        ("consultation__sections", [{"title": "History"}], "consultation.sections[0]"),
    ],
)
@pytest.mark.requirement("GPCM-SD-CS-033", "GPCM-SD-CS-035", "GPCM-SD-CS-036", "GPCM-SD-CS-039", "GPCM-SD-CS-041")
def test_a_broken_field_is_named(change: str, value: object, field: str) -> None:
    assert [reason.partition(":")[0] for reason in reasons(**{change: value})] == [field]


@pytest.mark.parametrize(
    "key",
    ["/etc/passwd", "../other/report.pdf", "a/../../b.pdf", "request.json", "north/REQUEST.json", "a\x01b.pdf", "a\n",
     "\u200b"],
)  # fmt: skip
def test_a_document_is_a_file_in_the_drop_and_no_request(key: str) -> None:
    documents = [{"key": key, "content_type": "application/pdf", "title": "Report", "primary": True}]
    assert "documents[0].key" in reasons(documents=documents)[0]


def test_a_file_is_named_once() -> None:
    document = {"key": "a.pdf", "content_type": "application/pdf", "title": "Report"}
    resource = {"content_type": "application/fhir+json"}
    documents = [document | {"primary": True}, document]
    assert reasons(documents=documents) == ["documents[1].key: stands twice: name each file once"]
    resources = [resource | {"key": "b.json"}, resource | {"content": "{}"}, resource | {"key": "b.json"}]
    assert reasons(resources=resources) == ["resources[2].key: stands twice: name each file once"]


@pytest.mark.requirement("1.5:GPCM-SD-032")
def test_only_one_document_is_primary() -> None:
    documents = [
        {"key": f"{place}.pdf", "content_type": "application/pdf", "title": "Report", "primary": True}
        for place in range(2)
    ]
    assert reasons(documents=documents) == ["documents[1].primary: only one document can be primary"]


def test_a_request_without_a_document_needs_notes_to_render() -> None:
    assert a_request(documents=[]).primary is None
    assert "documents: give a primary document" in reasons(documents=[], consultation__sections=[])[0]
    assert a_request(documents=[], consultation__sections=[], consultation__confidential=True).primary is None


def test_an_image_in_the_notes_is_a_picture_among_the_documents() -> None:
    sections = [{"title": "Photograph", "images": ["wound.png"]}]
    assert "consultation.sections" in reasons(documents=[], consultation__sections=sections)[0]
    text = [{"key": "wound.png", "content_type": "text/plain", "title": "Photograph"}]
    assert "consultation.sections" in reasons(documents=text, consultation__sections=sections)[0]


def test_an_unknown_field_is_refused_without_repeating_its_name() -> None:
    data = request_data()
    data["patient"]["9658218865"] = "WRIGHT"
    with pytest.raises(RequestRefusedError) as refused:
        parse_request(json.dumps(data).encode())
    assert str(refused.value) == (
        "patient: has a field that is not part of a request, number 7 in it: leave out what is not one of "
        "nhs_number, nhs_number_status, name, birth_date, identifiers, gender, deceased, death_date, address, phones, "
        "mobile, current_address, current_from, current_until, current_phone"
    )


@pytest.mark.parametrize("raw", [b"", b"\xff\xfe", b"[1]", b'"text"'])
def test_what_is_not_a_json_object_is_refused(raw: bytes) -> None:
    with pytest.raises(RequestRefusedError, match="request: is "):
        parse_request(raw)


def test_no_refusal_repeats_what_the_sender_wrote() -> None:
    data = request_data("invalid")
    data["patient"]["gender"] = "GARTON-SECRET"
    data["patient"]["name"] = "GARTON-SECRET"
    data["consultation"]["start"] = "GARTON-SECRET"
    data["documents"][0]["content_type"] = "GARTON-SECRET"
    with pytest.raises(RequestRefusedError) as refused:
        parse_request(json.dumps(data).encode())
    assert "GARTON" not in str(refused.value)
    assert "969363" not in str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__context__ is None


@pytest.mark.requirement("1.5:GPCM-SD-032")
def test_documents_come_primary_first() -> None:
    documents = [
        {"key": "b.png", "content_type": "image/png", "title": "Photo"},
        {"key": "a.pdf", "content_type": "application/pdf", "title": "Report", "primary": True},
        {"key": "c.png", "content_type": "image/png", "title": "Second photo"},
    ]
    request = a_request(documents=documents)
    assert [document.key for document in request.documents_in_order] == ["a.pdf", "b.png", "c.png"]
