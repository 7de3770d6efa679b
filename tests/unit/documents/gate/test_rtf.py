"""RTF passes whole, and without what opens or fetches something."""

import pytest

from gpconnect_messaging.documents.gate import DocumentGate, Verdict

WHOLE = rb"{\rtf1\ansi\deff0{\fonttbl{\f0 Arial;}}\f0 Caf\'e9 \{braces\} \\ end\par {\pict\pngblip 89504e47}}"


def opened(content: bytes, content_type: str = "text/rtf") -> Verdict:
    return DocumentGate().examine(content_type, [content])


@pytest.mark.parametrize("content_type", ["text/rtf", "application/rtf", "application/mswrtford"])
def test_a_whole_rtf_passes_under_any_of_its_names(content_type: str) -> None:
    assert opened(WHOLE + b"\r\n\0", content_type) == Verdict(None, "application/mswrtford")


def test_bytes_that_are_announced_as_no_rtf_are_passed_over() -> None:
    assert opened(rb"{\rtf1 {\pict\bin6 {{{}}{}}").refusal is None


@pytest.mark.parametrize(
    "inside",
    [rb"{\object\objemb{\*\objclass Package}{\*\objdata 0105}}", rb"{\*\objdata 0105}", rb"{\object\objocx}",
     rb"{\OBJDATA 00}", rb"{\objautlink x}", rb"\objupdate"],
)  # fmt: skip
def test_embedded_objects_are_refused(inside: bytes) -> None:
    found = opened(rb"{\rtf1 letter " + inside + b"}")
    assert found.refusal == "holds an embedded object, which may not be sent: save it without, or as a PDF"


@pytest.mark.parametrize("field", [b"DDEAUTO cmd", b"DDE excel", b"INCLUDEPICTURE http://x", b'includetext "\\\\x"'])
def test_fields_that_fetch_something_are_refused(field: bytes) -> None:
    assert "fetches something" in str(opened(rb"{\rtf1{\field{\*\fldinst {" + field + b"}}}}").refusal)


@pytest.mark.parametrize(
    ("content", "words"),
    [(WHOLE[:-1], "a closing brace is missing"), (WHOLE[:40], "a closing brace is missing"),
     (rb"{\rtf1 a}} b", "goes on after its last closing brace"), (WHOLE + b"MZ\x90", "goes on after"),
     (rb"{\rtf1 {\pict\bin99 ab}}", "a closing brace is missing"), (b" " + WHOLE, "is not an RTF text"),
     (b"plain", "is not an RTF text")],
)  # fmt: skip
def test_what_is_not_whole_or_no_rtf_is_refused(content: bytes, words: str) -> None:
    assert words in str(opened(content).refusal)
