"""What `make corpora` counts, and what it fails at."""

from pathlib import Path

import pytest

from tests.corpora.judging import Found, Report, look
from tests.unit.documents.gate_files import a_pdf, encrypted

SCRIPTED = a_pdf(catalog="/OpenAction << /S /JavaScript /JS (x) >>")
BOTH = {"pikepdf": 1, "pypdf": 1}


def test_files_are_offered_to_the_gate_and_to_both_judges(tmp_path: Path) -> None:
    files = {
        "whole.pdf": a_pdf(), "scripted.pdf": SCRIPTED, "locked.PDF": encrypted(user="a"),
        "broken.pdf": b"%PDF-1.4\n%%EOF", "notes.txt": b"text", "page.html": b"<html>", "notes.html": b"no markup",
    }  # fmt: skip
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    report = Report.of([found for name in files for found in look(tmp_path / name, tmp_path)])
    assert report.files == 7
    assert report.accepted == {"application/pdf": 1, "text/plain": 2}
    assert report.refused_opened == {"active content": ["scripted.pdf"]}
    assert report.failures(7) == []
    assert report.failures(8) == ["only 7 files, where 8 were asked for"]


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (
            Found("a.pdf", "application/pdf", None, {"pypdf": 1}),
            "accepted, and a judge cannot open it: a.pdf: not pikepdf",
        ),
        (Found("a.pdf", "application/pdf", "is broken", BOTH), "refused, and both judges open it (is broken): a.pdf"),
        (
            Found("a.pdf", "application/pdf", None, {"pikepdf": 10, "pypdf": 8}),
            "accepted, and the judges count other pages: a.pdf: pikepdf 10, pypdf 8",
        ),
        (Found("a.exe", "text/plain", None, other=True), "accepted, though it is of another kind: a.exe as text/plain"),
    ],
)
def test_a_disagreement_fails(found: Found, words: str) -> None:
    assert Report.of([found]).failures(1) == [words]


def test_parts_that_cannot_be_read_are_counted_apart_from_active_content() -> None:
    refused = (
        "holds JavaScript, parts that cannot be read, which may not be sent: save it without, or print it as a PDF"
    )
    assert Report.of([Found("a.pdf", "application/pdf", refused, BOTH)]).refused_opened == {
        "parts that cannot be read": ["a.pdf"]
    }
