"""What of a PDF opens the gate, and what does not."""

import io
import random
import zipfile

import pikepdf
import pytest

from gpconnect_messaging.documents.gate import DocumentGate, Verdict
from tests.unit.documents.gate_files import a_pdf, encrypted

GATE = DocumentGate()
SCRIPT = "<< /S /JavaScript /JS (app.alert\\(1\\)) >>"
FILE = "<< /Type /EmbeddedFile /Length 2 >>\nstream\nhi\nendstream"


def opened(content: bytes, gate: DocumentGate = GATE) -> Verdict:
    return gate.examine("application/pdf", [content])


def refusal(content: bytes) -> str:
    return opened(content).refusal or "accepted"


def a_zip() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("invoice.js", "WScript.Echo(1)")
    return made.getvalue()


def test_a_whole_pdf_passes() -> None:
    assert opened(a_pdf(pages=3)) == Verdict(None, "application/pdf")


@pytest.mark.parametrize("algorithm", ["RC4-40", "RC4-128", "AES-128", "AES-256"])
def test_a_pdf_that_needs_a_password_is_refused_and_one_with_an_owners_alone_passes(algorithm: str) -> None:
    locked = "needs a password to be opened: save it without a password"
    assert refusal(encrypted(user="open sesame", algorithm=algorithm)) == locked
    assert opened(encrypted(user="", algorithm=algorithm)).refusal is None


@pytest.mark.parametrize(
    "content",
    [
        b"%PDF-1.4\n%%EOF",
        b"%PDF-1.7\n" + bytes(range(256)) * 20 + b"\n%%EOF\n",
        a_pdf(pages=0),
        a_pdf(pages=0).replace(b"/Count 0", b"/Count 7"),
        a_pdf().replace(b"/Pages 2 0 R", b"/Pages 9 0 R"),
        a_pdf().replace(b"[100 0 R]", b"[2 0 R]"),
        a_pdf(pages=3)[:250],
        a_pdf().replace(b"/Root 1 0 R", b"/Root 999 0 R"),
    ],
    ids=["marks", "noise", "no page", "pages that are not there", "no tree", "a tree of itself", "cut", "no catalog"],
)  # fmt: skip
def test_what_two_readers_do_not_repair_or_what_has_no_page_is_refused(content: bytes) -> None:
    found = refusal(content)
    assert found.startswith(("is broken, ", "has no page"))
    assert found.endswith(": save or print it as a PDF again")


def test_a_pdf_whose_table_is_wrong_by_a_little_passes_as_in_every_reader() -> None:
    shifted = a_pdf().replace(b"%PDF-1.7\n", b"%PDF-1.7\n%a comment that moves every object\n")
    assert opened(shifted).refusal is None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"MZ\x90\0" + bytes(60) + a_pdf(), "is a program"),
        (a_zip() + a_pdf(), "is an archive"),
        (b"<html><!--" + a_pdf(), "is not a PDF that begins with %PDF-"),
        (b"\n" + a_pdf(), "is not a PDF that begins with %PDF-"),
        (b"\xef\xbb\xbf" + a_pdf(), "is not a PDF that begins with %PDF-"),
        (a_pdf() + a_zip(), "is also an archive"),
        (a_pdf(objects=["<< /Length 9 >>\nstream\nRar!\x1a\x07\x01\x00\nendstream"]), "is also an archive"),
        (a_pdf() + b"MZ\x90\0" + bytes(4_000), "is also a program"),
        (a_pdf() + b"\x7fELF\2\1\1" + bytes(90), "is also a program"),
        (b"%PDF-1.7\n<script>location='x'</script>\n" + a_pdf()[9:], "is also a page for a browser"),
        (b"%PDF-1.7\n%" + bytes(118) + b"DICM" + a_pdf()[9:], "is also a DICOM image"),
        (b"%PDF-1.7\n%" + bytes(247) + b"ustar\x0000" + a_pdf()[9:], "is also an archive"),
        (b"%PDF-1.7\n%" + bytes(32_759) + b"CD001\n" + a_pdf()[9:], "is also a disk image"),
    ],
)
def test_a_file_that_another_program_would_open_too_is_refused(content: bytes, words: str) -> None:
    assert words in refusal(content)


ACTIVE = {
    "script of the document": (a_pdf(catalog=f"/OpenAction {SCRIPT}"), "JavaScript"),
    "named script": (a_pdf(catalog=f"/Names << /JavaScript << /Names [(a) {SCRIPT}] >> >>"), "JavaScript"),
    "script of a page": (a_pdf(page=f"/AA << /O {SCRIPT} >>"), "JavaScript"),
    "script after another action": (
        a_pdf(catalog=f"/OpenAction << /S /GoTo /D [100 0 R /Fit] /Next [{SCRIPT}] >>"), "JavaScript",
    ),
    "script behind a link": (
        a_pdf(page="/Annots [10 0 R]",
              objects=[f"<< /Type /Annot /Subtype /Link /Rect [0 0 9 9] /A {SCRIPT} >>"]), "JavaScript",
    ),
    "script as an address": (
        a_pdf(page="/Annots [<< /Subtype /Link /Rect [0 0 9 9] /A << /S /URI /URI (Javascript:alert\\(1\\)) >> >>]"),
        "JavaScript",
    ),
    "script of a field": (
        a_pdf(catalog="/AcroForm << /Fields [10 0 R] >>",
              objects=[f"<< /FT /Tx /T (a) /Kids [<< /AA << /K {SCRIPT} >> >>] >>"]), "JavaScript",
    ),
    "program behind a bookmark": (
        a_pdf(catalog="/Outlines << /First 10 0 R >>",
              objects=["<< /Title (a) /Next 11 0 R >>", "<< /Title (b) /A << /S /Launch /F (cmd.exe) >> >>"]),
        "a program to start",
    ),
    "embedded file": (
        a_pdf(catalog="/Names << /EmbeddedFiles << /Names [(a) << /Type /Filespec /F (a) /EF << /F 10 0 R >> >>] >> >>",
              objects=[FILE]), "embedded files",
    ),
    "file behind a paper clip": (
        a_pdf(page="/Annots [<< /Subtype /FileAttachment /Rect [0 0 9 9] /FS << /F (a) /EF << /F 10 0 R >> >> >>]",
              objects=[FILE]), "embedded files",
    ),
    "script behind a page's type: names": (
        a_pdf(catalog=f"/Names << /Type /Page /JavaScript << /Names [(a) {SCRIPT}] >> >>"), "JavaScript",
    ),
    "script behind a page's type: actions": (a_pdf(catalog=f"/AA << /Type /Page /WC {SCRIPT} >>"), "JavaScript"),
    "script behind a page's type: action": (
        a_pdf(catalog=f"/OpenAction << /Type /Page /S /GoTo /D [100 0 R /Fit] /Next {SCRIPT} >>"), "JavaScript",
    ),
    "script behind a page's type: annotation": (
        a_pdf(page=f"/Annots [<< /Type /Page /Subtype /Link /Rect [0 0 9 9] /A {SCRIPT} >>]"), "JavaScript",
    ),
    "script behind a page's type: catalog": (
        a_pdf(catalog=f"/OpenAction {SCRIPT}").replace(b"/Type /Catalog", b"/Type /Page"), "JavaScript",
    ),
    "script of a widget's field": (
        a_pdf(page="/Annots [<< /Subtype /Widget /Rect [0 0 9 9] /Parent 10 0 R >>]",
              objects=[f"<< /FT /Tx /T (a) /AA << /K {SCRIPT} >> >>"]), "JavaScript",
    ),
    "script that pages inherit": (a_pdf().replace(b"/Type /Pages", f"/Type /Pages /AA << /O {SCRIPT} >>".encode()),
                                  "JavaScript"),
    "annotation that pages inherit": (
        a_pdf().replace(b"/Type /Pages", f"/Type /Pages /Annots [<< /Subtype /Link /A {SCRIPT} >>]".encode()),
        "JavaScript",
    ),
    "reference with another generation": (
        a_pdf(catalog="/Names 10 7 R", objects=[f"<< /JavaScript << /Names [(a) {SCRIPT}] >> >>"]), "JavaScript",
    ),
    "kind of action by reference": (
        a_pdf(catalog="/OpenAction << /S 10 0 R /F (cmd.exe) >>", objects=["/Launch"]), "a program to start",
    ),
    "step of a presentation": (a_pdf(page=f"/PresSteps << /NA {SCRIPT} >>"), "JavaScript"),
    "script of a model": (
        a_pdf(page="/Annots [<< /Subtype /3D /Rect [0 0 9 9] /3DD << /OnInstantiate 10 0 R >> >>]",
              objects=["<< /Length 2 >>\nstream\nhi\nendstream"]), "JavaScript",
    ),
    "film": (
        a_pdf(page="/Annots [<< /Subtype /Screen /A << /S /Rendition /R 11 0 R >> >>]",
              objects=[FILE, "<< /S /MR /C << /S /MCD /D << /EF << /F 10 0 R >> >> >> >>"]), "embedded files",
    ),
    "form that is another document": (a_pdf(catalog="/AcroForm << /Fields [] /XFA [(a) 10 0 R] >>", objects=[FILE]),
                                      "an XFA form"),
}  # fmt: skip


@pytest.mark.parametrize("name", ACTIVE)
def test_active_content_is_refused_or_where_the_environment_allows_it_recorded(name: str) -> None:
    content, what = ACTIVE[name]
    assert refusal(content) == f"holds {what}, which may not be sent: save it without, or print it as a PDF"
    assert opened(content, DocumentGate(allow_active=True)) == Verdict(None, "application/pdf", (what,))


def test_links_bookmarks_and_an_empty_form_are_no_active_content() -> None:
    content = a_pdf(
        catalog="/Outlines << /First << /Title (a) /Dest [100 0 R /Fit] >> >> /AcroForm << /Fields [] >> /Names << >>",
        page="/Annots [<< /Subtype /Link /Rect [0 0 9 9] /A << /S /URI /URI (https://www.nhs.uk) >> >>]",
    )
    assert opened(content).refusal is None


def without_a_table(number: int, *, size: int = 0, trailer: bool = True) -> bytes:
    """Write a PDF whose catalog has this number, and which every reader has to search through."""
    end = f"trailer\n<< /Size {number + 1} /Root {number} 0 R >>\n" if trailer else ""
    return (
        f"%PDF-1.7\n%{'.' * size}\n{number} 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n"
        "2 0 obj\n<< /Type /Pages /Count 1 /Kids [3 0 R] >>\nendobj\n"
        f"3 0 obj\n<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] >>\nendobj\n{end}startxref\n7\n%%EOF\n"
    ).encode()


def test_a_catalog_is_searched_for_only_where_the_trailer_names_one_that_can_be_there() -> None:
    assert opened(without_a_table(1)).refusal is None
    assert opened(without_a_table(5_000, size=15_000)).refusal is None
    assert "is broken" in refusal(without_a_table(5_000))
    assert "is broken" in refusal(without_a_table(1, trailer=False))


@pytest.mark.parametrize(
    "content",
    [
        a_pdf(catalog=f"/OpenAction [100 0 R /Fit] /OpenAction {SCRIPT}"),
        a_pdf(catalog=f"/Names << >> /Names << /JavaScript << /Names [(a) {SCRIPT}] >> >>"),
        a_pdf(catalog=f"/AA << >> /AA << /WC {SCRIPT} >>"),
        a_pdf(catalog="/OpenAction << /S /GoTo /S /Launch /F (cmd.exe) >>"),
        a_pdf(page="/Contents 10 0 R /Contents 11 0 R", objects=["<< /Length 0 >>\nstream\n\nendstream"] * 2),
        a_pdf(trailer="/Root 10 0 R", objects=[f"<< /Type /Catalog /Pages 2 0 R /OpenAction {SCRIPT} >>"]),
    ],
    ids=["first action", "names", "actions", "kind of action", "content", "catalog"],
)
def test_a_key_that_stands_twice_is_refused_where_readers_would_open_different_things(content: bytes) -> None:
    assert "gives one entry two values" in refusal(content)


def test_a_view_that_is_set_twice_does_no_harm() -> None:
    assert opened(a_pdf(catalog="/PageMode /UseNone /PageMode /UseOutlines")).refusal is None


def linearized(objects: pikepdf.ObjectStreamMode) -> bytes:
    """Write ten pages with their first one in front, as for the web."""
    made, noise = io.BytesIO(), random.Random(1)
    with pikepdf.new() as whole:
        for _ in range(10):
            whole.add_blank_page()
            whole.pages[-1].Contents = whole.make_stream(b"%" + noise.randbytes(2_000).hex().encode())
        whole.save(made, linearize=True, object_stream_mode=objects)
    return made.getvalue()


def test_a_pdf_that_lost_pages_on_its_way_is_refused() -> None:
    whole = linearized(pikepdf.ObjectStreamMode.generate)
    middle = len(whole) // 2
    assert opened(whole).refusal is None
    for gap in (b"", bytes(4_000)):
        assert "is broken" in refusal(whole[:middle] + gap + whole[middle + 4_000 :])


@pytest.mark.parametrize("missing", [0, 6, 10, 20, 40])
def test_a_linearized_pdf_whose_last_mark_alone_is_missing_passes_as_in_every_reader(missing: int) -> None:
    whole = linearized(pikepdf.ObjectStreamMode.preserve)
    with pikepdf.open(io.BytesIO(whole[: len(whole) - missing])) as another_reader:
        assert len(another_reader.pages) == 10
    assert opened(whole[: len(whole) - missing]).refusal is None


def test_a_pdf_of_which_chrome_shows_no_page_is_refused() -> None:
    lost = a_pdf(pages=2).replace(b"101 0 obj", b"191 0 obj")
    assert "some cannot open a page" in refusal(lost)


def test_a_pdf_that_was_written_behind_itself_passes() -> None:
    assert opened(a_pdf() + a_pdf()).refusal is None


def test_what_looks_like_a_tag_within_a_font_is_no_page_for_a_browser() -> None:
    font = a_pdf(objects=["<< /Length 7 >>\nstream\n\0\0<head \nendstream"])
    assert opened(font).refusal is None
