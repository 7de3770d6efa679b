import pytest

from gpconnect_messaging.documents.gate import DocumentGate
from gpconnect_messaging.media_types import declared_charset, find_media_type, media_type, supported_types
from tests.unit.documents.gate_files import a_pdf, picture

FILES = {
    "application/pdf": a_pdf(),
    "image/jpeg": picture("JPEG"),
    "image/png": picture("PNG"),
    "image/tiff": picture("TIFF"),
    "text/plain": "Wynebwerth £5\n".encode(),
    "text/rtf": b"{\\rtf1 hello}",
}


@pytest.mark.parametrize("content_type", supported_types())
def test_each_supported_type_is_known_by_its_bytes_and_by_no_other_types(content_type: str) -> None:
    gate = DocumentGate()
    accepted = {name for name in supported_types() if gate.examine(name, [FILES[content_type]]).refusal is None}
    assert accepted == {content_type}


@pytest.mark.parametrize("content_type", ["text/html", "application/zip", "application/x-msdownload", "image/svg+xml"])
def test_types_that_can_carry_programs_are_not_sent(content_type: str) -> None:
    assert find_media_type(content_type) is None
    assert "has a type that may not be sent" in str(DocumentGate().examine(content_type, [b"x"]).refusal)


@pytest.mark.parametrize(
    ("given", "registered", "travels"),
    [
        ("application/PDF; charset=binary", "application/pdf", "application/pdf"),
        ("image/jpg", "image/jpeg", "image/jpg"),
        ("image/jpeg", "image/jpeg", "image/jpg"),
        ("image/tif", "image/tiff", "image/tiff"),
        ("application/rtf", "text/rtf", "application/mswrtford"),
        ("Text/RTF", "text/rtf", "application/mswrtford"),
        ("text/plain;charset=us-ascii", "text/plain", "text/plain"),
    ],
)
def test_a_type_travels_under_the_name_that_receivers_are_tested_against(
    given: str, registered: str, travels: str
) -> None:
    kind = find_media_type(given)
    assert kind is not None
    assert (kind.media_type, kind.printed_name) == (registered, travels)
    assert media_type(travels) == registered
    content = FILES[registered] if registered != "text/plain" else b"plain"
    assert DocumentGate().examine(given, [content]).content_type == travels


@pytest.mark.parametrize("content_type", ["text/plain; charset=utf-16", 'text/plain;CHARSET="utf-16"'])
def test_a_declared_charset_is_read(content_type: str) -> None:
    assert declared_charset(content_type) == "utf-16"
    assert declared_charset("text/plain; format=flowed") is None
