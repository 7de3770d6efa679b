"""What `make corpora` counts, and what it fails at."""

from pathlib import Path

import pytest

from tests.corpora.judging import Found, Report, look
from tests.unit.documents.gate_files import a_pdf, encrypted

SCRIPTED = a_pdf(catalog="/OpenAction << /S /JavaScript /JS (x) >>")
BOTH = ("pikepdf", "pypdf")


def test_files_are_offered_to_the_gate_and_to_both_judges(tmp_path: Path) -> None:
    files = {
        "whole.pdf": a_pdf(), "scripted.pdf": SCRIPTED, "locked.PDF": encrypted(user="a"),
        "broken.pdf": b"%PDF-1.4\n%%EOF", "notes.txt": b"text", "page.html": b"<html>",
    }  # fmt: skip
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    report = Report.of([found for name in files for found in look(tmp_path / name, tmp_path)])
    assert report.files == 6
    assert report.accepted == {"application/pdf": 1, "text/plain": 1}
    assert report.refused_opened == {"active content": ["scripted.pdf"]}
    assert report.failures(6) == []
    assert report.failures(7) == ["only 6 files, where 7 were asked for"]


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (
            Found("a.pdf", "application/pdf", None, ("pypdf",)),
            "accepted, and a judge cannot open it: a.pdf: not pikepdf",
        ),
        (Found("a.pdf", "application/pdf", "is broken", BOTH), "refused, and both judges open it (is broken): a.pdf"),
        (Found("a.exe", "text/plain", None), "accepted, though it is of another kind: a.exe as text/plain"),
    ],
)
def test_a_disagreement_fails(found: Found, words: str) -> None:
    assert Report.of([found]).failures(1) == [words]
