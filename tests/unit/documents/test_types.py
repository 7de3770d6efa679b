import pytest

from gpconnect_messaging.documents.types import mismatch, supported_types
from tests.examples import REQUESTS

PDF = (REQUESTS / "consultation-report-2.0" / "report.pdf").read_bytes()
FILES = {
    "application/pdf": PDF,
    "image/jpeg": b"\xff\xd8\xff\xe0\x00\x10JFIF",
    "image/png": b"\x89PNG\r\n\x1a\n\x00\x00",
    "image/tiff": b"II*\x00\x08\x00",
    "text/plain": "Wynebwerth £5\n".encode(),
    "text/rtf": b"{\\rtf1 hello}",
}


@pytest.mark.parametrize("content_type", supported_types())
def test_each_supported_type_is_known_by_its_bytes_and_by_no_other_types(content_type: str) -> None:
    head, tail = FILES[content_type][:1024], FILES[content_type][-1024:]
    recognised = {each for each in supported_types() if mismatch(each, head, tail) is None}
    assert content_type in recognised
    assert recognised <= {content_type, "text/plain"}


def test_a_truncated_pdf_is_noticed() -> None:
    cut = PDF[:-200]
    assert (
        mismatch("application/pdf", cut[:1024], cut[-1024:]) == "is not a complete PDF, though its content_type says so"
    )


def test_an_empty_document_is_noticed() -> None:
    assert mismatch("application/pdf", b"", b"") == "is empty"


@pytest.mark.parametrize("content_type", ["text/html", "application/zip", "application/x-msdownload", "image/svg+xml"])
def test_types_that_can_carry_programs_are_not_sent(content_type: str) -> None:
    assert "may not be sent" in str(mismatch(content_type, b"x", b"x"))


@pytest.mark.parametrize("disguised", [b"<html><script>", b"  <!DOCTYPE html>", b"MZ\x90\x00"])
def test_a_page_or_a_program_is_not_plain_text(disguised: bytes) -> None:
    assert mismatch("text/plain", disguised, disguised) is not None
