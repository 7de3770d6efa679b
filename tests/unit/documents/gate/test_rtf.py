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


HIDDEN = [
    rb'{\*\fldinst{\b }INCLUDEPICTURE "http://x"}', rb"{\*\fldinst {INCLUDE}{PICTURE http://x}}",
    rb"{\*\fldinst " + b" " * 250 + b"INCLUDEPICTURE http://x}", rb"{\*\fldinst \'49NCLUDEPICTURE http://x}",
    rb"{\*\fldinst \u73 INCLUDEPICTURE http://x}", rb"{\*\fldinst {\b DD}{\b EAUTO c:\\x}}",
    rb"{\*\fldinst DDE\tab c:}",
    rb"{\*\fldinst LINK Excel.Sheet c:\\x}", rb"{\*\fldinst EMBED Package}", rb"{\*\fldinst DATABASE x}",
    rb"{\*\fldinst {\field{\*\fldinst QUOTE x}{\fldrslt DDEAUTO}} c:\\x}",
    rb"{\*\fldinst {\field{\*\fldinst QUOTE 68 68 69}{\fldrslt PAGE}} c:\\x}",
]  # fmt: skip


@pytest.mark.parametrize("field", HIDDEN)
def test_a_fetching_field_is_found_however_its_name_is_written(field: bytes) -> None:
    assert "fetches something" in str(opened(rb"{\rtf1{\field" + field + b"}}").refusal)


@pytest.mark.parametrize(
    "address", [b"https://www.nhs.uk/import/page", b"https://www.nhs.uk/DDE", b"mailto:link@nhs.uk"]
)
def test_a_link_passes_whatever_its_address(address: bytes) -> None:
    field = rb'{\field{\*\fldinst HYPERLINK "' + address + rb'"}{\fldrslt {\ul see} import}}'
    assert opened(rb"{\rtf1 " + field + rb" {\field{\*\fldinst PAGE}{\fldrslt 1}}}").refusal is None


@pytest.mark.parametrize(
    "words",
    [rb"{\*\template http://x/x.dotm}", rb"{\*\mailmerge\mmlinktoquery}", rb"{\mmdatasource x}", rb"{\mmodsoudl x}"],
)
def test_a_template_or_addresses_from_elsewhere_are_refused(words: bytes) -> None:
    assert "names a template" in str(opened(rb"{\rtf1\ansi " + words + b"Hello}").refusal)


def test_a_formula_and_what_old_programs_put_behind_the_end_pass() -> None:
    assert opened(rb"{\rtf1 {\mmath{\mm{\mmr x}}}}" + b" \r\n\x1a").refusal is None


def test_a_length_of_any_number_of_digits_is_read() -> None:
    assert "a closing brace is missing" in str(opened(rb"{\rtf1{\bin" + b"9" * 5_000 + b" x}}").refusal)


@pytest.mark.parametrize("field", [b"DDEAUTO cmd", b"DDE excel", b"INCLUDEPICTURE http://x", b'includetext "\\\\x"'])
def test_fields_that_fetch_something_are_refused(field: bytes) -> None:
    assert "fetches something" in str(opened(rb"{\rtf1{\field{\*\fldinst {" + field + b"}}}}").refusal)


@pytest.mark.parametrize(
    ("content", "words"),
    [(WHOLE[:-1], "a closing brace is missing"), (WHOLE[:40], "a closing brace is missing"),
     (rb"{\rtf1 a}} b", "goes on after the last closing brace"), (WHOLE + b"MZ\x90", "goes on after"),
     (rb"{\rtf1 {\pict\bin99 ab}}", "a closing brace is missing"), (b" " + WHOLE, "is not an RTF text"),
     (b"plain", "is not an RTF text")],
)  # fmt: skip
def test_what_is_not_whole_or_no_rtf_is_refused(content: bytes, words: str) -> None:
    assert words in str(opened(content).refusal)
