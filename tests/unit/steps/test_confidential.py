"""The message of a confidential consultation holds no word of the confidential content."""

import base64
import io
import json
import zlib
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from PIL import Image

from gpconnect_messaging.ledger.stored_names import Status
from gpconnect_messaging.requests.models import parse_request
from gpconnect_messaging.specification import Version
from gpconnect_messaging.usecases.redaction import redacted
from tests.examples import MAILBOXES, REQUESTS, request_data
from tests.fakes.product import Product
from tests.unit.documents.page_reading import squeezed, text_of

FHIR = "{http://hl7.org/fhir}"
CONFIDENTIAL = "consultation-report-1.5-confidential"
PICTURE_COLOUR = (18, 52, 86)
# Each of these words stands in one place of the request, and in nothing that may be sent.
CONSULTATION = {
    "start": "2026-11-20T21:05:00+00:00",
    "end": "2026-11-20T21:35:17+00:00",
    "type": {"code": "185317003", "display": "Kindofencounter"},
    "confidential": True,
    "sections": [
        {
            "title": "Sectiontitle",
            "text": "Sectiontext",
            "items": [{"term": "Codedterm", "code": "422400008", "text": "Codedtext"}],
            "results": [
                {"test": "Testname", "value": "Testvalue", "unit": "Testunit", "reference_range": "Testrange"}
            ],
            "images": ["photo-key.png"],
        },
        {"title": "Hiddentitle", "text": "Hiddentext", "confidential": True},
    ],
    "follow_up_actions": ["Followup"],
    "unsent_attachments": [{"name": "Unsentname", "created": "2026-11-19T03:04:05+00:00", "size": 98_765_432}],
}  # fmt: skip
FORBIDDEN = [
    "21:35:17", "Kindofencounter", "185317003", "Sectiontitle", "Sectiontext", "Codedterm", "422400008", "Codedtext",
    "Testname", "Testvalue", "Testunit", "Testrange", "photo-key", "Hiddentitle", "Hiddentext", "Followup",
    "Unsentname", "19-Nov-2026", "98.8 MB", "Phototitle", "Lettertitle", "letter-key", "Letterwords", "Rolename",
    "7654321", "Staffnumber", "Othername", "Otherrole", "Devicename", "Relative", "email@harbour", "Branchname",
    "Dock House", "Harbour Road",
]  # fmt: skip
NOT_IN_THE_REPORT = ["ap Rhys", "Siân", "Harbour", "0163 296 0100", "Y90002"]  # GPCM-SD-CS-008


def confidential(**changes: Any) -> dict[str, Any]:
    documents = [
        {"key": "photo-key.png", "content_type": "image/png", "title": "Phototitle"},
        {"key": "letter-key.txt", "content_type": "text/plain", "title": "Lettertitle"},
    ]
    return request_data(
        CONFIDENTIAL,
        consultation=CONSULTATION,
        documents=documents,
        practitioner__role="Rolename",
        practitioner__gmc_number="C7654321",
        practitioner__identifiers=[{"system": "https://staff.example", "value": "Staffnumber"}],
        other_practitioners=[{"name": {"family": "Othername", "given": []}, "role": "Otherrole", "author": True}],
        authors=["practitioner", "device", "related_person"],
        device={"type": {"code": "706172005", "display": "Devicename"}, "manufacturer": "Maker"},
        related_person={"name": {"family": "Relative", "given": []}, "birth_date": "1950-01-02"},
        organisation__email="email@harbour.example",
        organisation__branch="Branchname",
        **changes,
    )


def built(folder: Path, data: dict[str, Any]) -> tuple[Product, str]:
    picture = io.BytesIO()
    Image.new("RGB", (40, 30), PICTURE_COLOUR).save(picture, "PNG")
    (folder / "photo-key.png").write_bytes(picture.getvalue())
    (folder / "letter-key.txt").write_text("Letterwords", encoding="utf-8")
    (folder / "report.pdf").write_bytes((REQUESTS / CONFIDENTIAL / "report.pdf").read_bytes())
    (folder / "request.json").write_text(json.dumps(data), encoding="utf-8")
    product = Product(sample=CONFIDENTIAL, drop=folder, hold_window_seconds=0)
    product.clock.time += timedelta(minutes=1)
    found = product.builder.dropped("drop", "request.json", "1", None, "")
    assert found.status is Status.BUILT
    return product, found.message_id


def documents(message: bytes) -> list[bytes]:
    root = etree.fromstring(message)
    return [base64.b64decode(element.get("value", "")) for element in root.iter(f"{FHIR}content")]


def everything_in(pdf: bytes) -> str:
    """A PDF's bytes, unpacked streams and extracted text, without white space."""
    unpacked = b""
    for piece in pdf.split(b"stream")[1::2]:
        encoded = piece.strip().removesuffix(b"end")
        for decode in (lambda data: zlib.decompress(base64.a85decode(data.strip(), adobe=False)), zlib.decompress):
            try:
                unpacked += decode(encoded.strip().removesuffix(b"~>"))
                break
            except (ValueError, zlib.error):
                continue
    return squeezed((pdf + unpacked).decode("latin-1") + text_of(pdf))


@pytest.mark.requirement("GPCM-SD-CS-008", "GPCM-SD-CS-023")
def test_nothing_of_a_confidential_consultation_is_anywhere_in_its_message(tmp_path: Path) -> None:
    product, message_id = built(tmp_path, confidential())
    message = product.message(message_id)
    envelope = str(asdict(product.outbox.envelope(message_id)))
    (report,) = documents(message)
    for words in FORBIDDEN:
        assert words not in message.decode(), words
        assert words not in envelope, words
        assert squeezed(words) not in everything_in(report), words
    for words in NOT_IN_THE_REPORT:
        assert squeezed(words) not in everything_in(report), words
        assert words not in envelope or words == "Y90002", words  # MESH's local id is the sender's ODS code
    assert squeezed("The details of this consultation have been set as confidential") in text_of(report)


def test_the_search_finds_every_one_of_these_words_where_nothing_is_confidential(tmp_path: Path) -> None:
    open_one = {**CONSULTATION, "confidential": False}
    open_one["sections"] = [{**section, "confidential": False} for section in open_one["sections"]]  # type: ignore[attr-defined]
    product, message_id = built(tmp_path, {**confidential(), "consultation": open_one})
    message = product.message(message_id)
    report, *attachments = documents(message)
    everything = message.decode() + everything_in(report) + b"".join(attachments).decode("latin-1")
    keys = {"photo-key", "letter-key"}  # the sender's file names leave in no case
    for words in {*FORBIDDEN, *NOT_IN_THE_REPORT} - keys:
        assert words in everything or squeezed(words) in everything, words


@pytest.mark.requirement("GPCM-SD-CS-008")
def test_a_supplied_notification_goes_alone_and_under_our_title(tmp_path: Path) -> None:
    supplied = [
        {"key": "photo-key.png", "content_type": "image/png", "title": "Phototitle"},
        {"key": "letter-key.txt", "content_type": "text/plain", "title": "Lettertitle"},
        {"key": "report.pdf", "content_type": "application/pdf", "title": "Titleofreport", "primary": True},
    ]
    product, message_id = built(tmp_path, {**confidential(), "documents": supplied})
    message = product.message(message_id)
    assert documents(message) == [(tmp_path / "report.pdf").read_bytes()]
    assert not any(words in message.decode() for words in ("Titleofreport", *FORBIDDEN))


@pytest.mark.requirement("GPCM-SD-CS-009")
@pytest.mark.parametrize("elsewhere", [True, False])
def test_an_image_that_only_confidential_sections_show_is_not_attached(elsewhere: bool) -> None:
    sections = [{"title": "Photograph", "images": ["wound.png"], "confidential": True}, {"title": "Notes", "text": "x"}]
    if elsewhere:
        sections.append({"title": "Wound", "images": ["wound.png"]})
    images = [{"key": key, "content_type": "image/png", "title": "Photograph"} for key in ("wound.png", "drawing.png")]
    data = request_data("rendered-report", consultation__sections=sections, documents=images)
    request = redacted(parse_request(json.dumps(data).encode()))
    assert [document.key for document in request.documents] == [*(["wound.png"] if elsewhere else []), "drawing.png"]


def test_what_is_not_confidential_is_left_as_it_is() -> None:
    request = parse_request(json.dumps(request_data("consultation-report-2.0-attachments")).encode())
    assert redacted(request) is request


def test_the_payload_keeps_what_it_must_name(tmp_path: Path) -> None:
    product, message_id = built(tmp_path, confidential())
    message = product.message(message_id).decode()
    assert MAILBOXES[Version.V1_5].ods_code in message
    for words in ("Harbour Urgent Care Centre", "01632 960100", "555000000102", "ap Rhys", "MEAKIN"):
        assert words in message
