"""The builder and the check before dropping open a request's documents with the same result."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from typer.testing import CliRunner

import gpcm.commands.registered  # noqa: F401 - makes the commands known
from gpcm.command_line import app
from gpconnect_messaging.documents.gate import DocumentGate, GateUnavailableError
from gpconnect_messaging.documents.gate.opener import Opener
from gpconnect_messaging.drafts import draft_messages
from gpconnect_messaging.ledger.stored_names import EventType, Status
from gpconnect_messaging.requests.refusal import RequestRefusedError
from tests.examples import CREATED_AT, request_data
from tests.identifiers import IDENTIFIERS
from tests.unit.documents.gate_files import a_pdf, encrypted, picture
from tests.unit.steps.test_build import KEY, Dropping
from tests.xpath import values

GENERIC = "send-document-2.0-discharge"
SCRIPTED = a_pdf(catalog="/OpenAction << /S /JavaScript /JS (x\\(\\)) >>")
FILES: dict[str, tuple[str, bytes, bool]] = {
    "whole PDF": ("application/pdf", a_pdf(), True),
    "PDF with parameters": ("application/PDF; charset=binary", a_pdf(), True),
    "owner's password": ("application/pdf", encrypted(user=""), True),
    "user's password": ("application/pdf", encrypted(user="a"), False),
    "no page": ("application/pdf", a_pdf(pages=0), False),
    "script": ("application/pdf", SCRIPTED, False),
    "PDF as a picture": ("image/jpg", a_pdf(), False),
    "picture": ("image/jpg", picture("JPEG"), True),
    "half a picture": ("image/png", picture("PNG")[:500], False),
    "scan": ("image/tif", picture("TIFF", "1"), True),
    "old text": ("text/plain", "38 °C, 5 µg, £3".encode("cp1252"), True),
    "older text": ("text/plain", "38 °C".encode("cp437"), False),
    "page": ("text/plain", b"\xef\xbb\xbf<html>", False),
    "RTF": ("application/rtf", b"{\\rtf1 a}", True),
    "RTF with an object": ("application/rtf", b"{\\rtf1 {\\object\\objdata 00}}", False),
    "archive": ("application/zip", b"PK\3\4", False),
    "nothing": ("application/pdf", b"", False),
}


def asked(content_type: str) -> dict[str, Any]:
    document = {"key": "a", "content_type": content_type, "title": "Letter", "primary": True}
    return request_data(GENERIC, documents=[document], resources=None)


def built(product: Dropping, content_type: str, content: bytes) -> Any:
    product.put("in/one/a", content)
    version = product.put(KEY, json.dumps(asked(content_type)).encode())
    return product.builder.dropped("drop", KEY, version, product.clock(), "")


@pytest.mark.parametrize("name", FILES)
def test_the_builder_gpcm_and_the_library_give_one_verdict(name: str, tmp_path: Path) -> None:
    content_type, content, accepted = FILES[name]
    product = Dropping()
    found = built(product, content_type, content)
    (tmp_path / KEY).parent.mkdir(parents=True)
    for key in ("in/one/a", KEY):
        (tmp_path / key).write_bytes(product.dropped.objects[key])
    reasons = [] if found.status is Status.BUILT else product.reasons(found)
    assert (not reasons) is accepted

    said = CliRunner().invoke(app, ["validate", "--json", str(tmp_path / KEY)])
    rule, also = (
        [reason for reason in found if "the primary document must be" not in reason]
        for found in (reasons, json.loads(said.stdout)["reasons"])
    )
    assert also == rule

    mailbox = product.builder.mailboxes.settings(asked(content_type)["mailbox"])
    try:
        draft_messages(
            (tmp_path / KEY).read_bytes(), mailbox, lambda key: (tmp_path / "in/one" / key).read_bytes(),
            identifiers=IDENTIFIERS, now=CREATED_AT,
        )  # fmt: skip
        beforehand = []
    except RequestRefusedError as refused:
        beforehand = [str(reason) for reason in refused.reasons]
    # Of the archive the library says first that no primary document may be one.
    assert beforehand == rule or (name == "archive" and beforehand)


def test_a_text_arrives_in_utf_8_and_says_so() -> None:
    product = Dropping()
    message = etree.fromstring(
        product.message(built(product, "text/plain", "Dose 5 µg at 38 °C, £5\r\n".encode("cp1252")).message_id)
    )
    assert values(message, "//f:Binary/f:contentType/@value") == ["text/plain; charset=utf-8"]
    (content,) = values(message, "//f:Binary/f:content/@value")
    assert base64.b64decode(content).decode() == "Dose 5 µg at 38 °C, £5\r\n"


def test_a_document_travels_under_the_printed_name_of_its_type() -> None:
    product = Dropping()
    message = etree.fromstring(product.message(built(product, "image/jpeg", picture("JPEG")).message_id))
    assert values(message, "//f:Binary/f:contentType/@value") == ["image/jpg"]


def test_active_content_that_the_environment_allows_is_recorded() -> None:
    product = Dropping()
    object.__setattr__(product.builder, "gate", DocumentGate(allow_active=True))
    found = built(product, "application/pdf", SCRIPTED)
    assert found.status is Status.BUILT
    (event,) = product.row(found.message_id).history.of(EventType.BUILT)
    assert event.details["advice"] == ["document 1 holds JavaScript, which this environment allows"]


def test_where_documents_cannot_be_opened_the_queue_keeps_the_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gpconnect_messaging.documents.gate.opener._WORKER", "gpconnect_messaging.not_there")
    product = Dropping()
    object.__setattr__(product.builder, "gate", DocumentGate(opener=Opener()))
    with pytest.raises(GateUnavailableError):
        built(product, "application/pdf", a_pdf())
    assert product.queue.take() == []
