"""A text arrives as it was written, or a person is told; and what is no text does not arrive as one."""

import pytest

from gpconnect_messaging.documents.gate import DocumentGate, Verdict

GATE = DocumentGate()
WORDS = "Salbutamol 100 µg, 38.5 °C, £9.90 ± 2, ½ tablet – café, Siân’s “naïve” Émile\r\n"


def opened(content: bytes, content_type: str = "text/plain") -> Verdict:
    return GATE.examine(content_type, [content])


def refusal(content: bytes, content_type: str = "text/plain") -> str:
    return opened(content, content_type).refusal or "accepted"


def test_ascii_travels_without_a_charset_and_utf_8_with_it_and_neither_is_changed() -> None:
    assert opened(b"Wound healed.\n") == Verdict(None, "text/plain")
    assert opened(WORDS.encode()) == Verdict(None, "text/plain; charset=utf-8")
    assert opened(WORDS.encode(), "text/plain; charset=UTF-8") == Verdict(None, "text/plain; charset=utf-8")


@pytest.mark.parametrize(
    ("content_type", "content"),
    [
        ("text/plain", WORDS.encode("cp1252")),
        ("text/plain", WORDS.encode("utf-8-sig")),
        ("text/plain", WORDS.encode("utf-16")),
        ("text/plain", b"\xfe\xff" + WORDS.encode("utf-16-be")),
        ("text/plain", WORDS.encode("utf-32")),
        ("text/plain; charset=windows-1252", WORDS.encode("cp1252")),
        ('TEXT/Plain;charset="ISO-8859-1"', WORDS.encode("cp1252")),
        ("text/plain; charset=utf-16le", WORDS.encode("utf-16-le")),
        ("text/plain; charset=utf-16", WORDS.encode("utf-16")),
    ],
)
def test_a_detected_or_declared_encoding_is_turned_into_utf_8(content_type: str, content: bytes) -> None:
    assert opened(content, content_type) == Verdict(None, "text/plain; charset=utf-8", (), WORDS.encode())


def test_a_charset_is_taken_at_its_word() -> None:
    assert opened("ø 5 €".encode("iso-8859-15"), "text/plain; charset=iso-8859-15").text == "ø 5 €".encode()


@pytest.mark.parametrize("old", ["cp437", "cp850", "mac-roman"])
@pytest.mark.parametrize("words", ["38 °C", "5 µg", "a £5 note ± 1", "café à la crème"])
def test_what_can_be_meant_in_two_ways_is_never_guessed_wrongly(old: str, words: str) -> None:
    try:
        content = words.encode(old)
    except UnicodeEncodeError:
        pytest.skip("it has no such sign")
    found = opened(content)
    assert found.refusal == "is not UTF-8, and its encoding cannot be told for certain: save it as UTF-8" or (
        found.text == words.encode()
    )


@pytest.mark.parametrize(
    ("content_type", "content", "words"),
    [
        ("text/plain; charset=utf-8", b"38 \xb0C", "is not UTF-8, though its charset says so"),
        ("text/plain; charset=windows-1252", WORDS.encode(), "is UTF-8, though its charset says windows-1252"),
        ("text/plain; charset=us-ascii", b"38 \xb0C", "is not in the encoding that it says: us-ascii"),
        ("text/plain; charset=windows-1252", b"a\x81b", "is not in the encoding that it says: windows-1252"),
        ("text/plain; charset=koi8-r", b"a", "has a charset that is not read"),
        ("text/plain; charset=base64", b"YQ==", "has a charset that is not read"),
        ("text/plain; charset=utf-8", WORDS.encode("utf-16"), "has a byte order mark, and its charset says utf-8"),
        ("text/plain", WORDS.encode("utf-16")[:-1], "is not in the encoding that it says: utf-16"),
        ("text/plain", WORDS.encode("utf-16-le"), "its encoding cannot be told for certain"),
        ("text/plain", "Wound healed".encode("utf-16-le"), "control characters"),
        ("text/plain", "lost: \ufffd".encode(), "holds U+FFFD"),
        ("text/plain", b"Dear Dr\0Smith", "control characters"),
        ("text/plain", b"\x1b[2J", "control characters"),
        ("text/plain", b" \r\n\t\n", "nothing that can be seen"),
        ("text/plain", b"\xef\xbb\xbf", "nothing that can be seen"),
        ("text/plain", b"", "is empty"),
    ],
)
def test_a_contradiction_or_no_text_at_all_is_refused(content_type: str, content: bytes, words: str) -> None:
    assert words in refusal(content, content_type)


PAGES = [
    b"<html><script>x()</script></html>", b"  \r\n<!DOCTYPE html>", b"<svg onload=x()>", b"<script>x()</script>",
    b"<body onload=x()>", b"<!-- a letter --><iframe src=x>", b'<?xml version="1.0"?><a/>', b"<?php x();", b"<% x %>",
    b"<!-- a --> <?xml version='1.0'?> <!-- b -->\n<HTML>", b"<p>Hello</p>", b"<TABLE>", b"<a href=x>",
    b"Dear Doctor <script>x()</script>",
]  # fmt: skip


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("page", PAGES)
def test_markup_is_no_plain_text_whatever_stands_before_it(page: bytes, encoding: str) -> None:
    assert "is a page or holds markup" in refusal(page.decode().encode(encoding))


@pytest.mark.parametrize(
    "script",
    [b"#!/bin/sh\nrm -rf /", b"@echo off\r\ndel *", b"powershell -enc AA", b"javascript:x()", b"Sub AutoOpen()\nx\n",
     b"{\\rtf1 hello}", b"%PDF-1.7", b"%!PS-Adobe",
     b'Set s = CreateObject("WScript.Shell")', b"var s = new ActiveXObject('x')"],
)  # fmt: skip
def test_a_script_or_another_format_is_no_plain_text(script: bytes) -> None:
    assert refusal(script) == "is a script or another format, so it is no plain text"


@pytest.mark.parametrize("program", [b"MZ\x90\0", b"\x7fELF", b"PK\3\4", b"Rar!\x1a\7\0"])
def test_a_program_or_archive_is_no_plain_text(program: bytes) -> None:
    assert refusal(program + b"text") in {"is a program", "is an archive"}


@pytest.mark.parametrize("words", ["<5 mg/L, > 3 days", "pain < 3/10; see <http> above? no", "BP < 120/80 and HR > 60"])
def test_signs_of_comparison_are_no_markup(words: str) -> None:
    assert refusal(words.encode()) == "accepted"
