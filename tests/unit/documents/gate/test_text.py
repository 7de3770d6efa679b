"""A text arrives unchanged or is refused with a reason; other content never arrives as a text."""

import re

import pytest

from gpconnect_messaging.documents.gate import DocumentGate, Verdict
from gpconnect_messaging.documents.gate.text import _is_utf_8

GATE = DocumentGate()
WORDS = "Salbutamol 100 µg, 38.5 °C, £9.90 ± 2, ½ tablet – café, Siân’s “naïve” Émile\r\n"
SIGNS = "Salbutamol 100 µg, 38.5 °C, £9.90, 5 ± 2, 5–10 mg/m², 5 µmol/l – “stable”, ‘well’.\r\n• 3 cm² or 4 mm³\r\n"


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


def test_undeclared_signs_beside_numbers_can_only_be_windows_1252() -> None:
    assert opened(SIGNS.encode("cp1252")) == Verdict(None, "text/plain; charset=utf-8", (), SIGNS.encode())


def test_a_charset_is_taken_at_its_word() -> None:
    assert opened("ø 5 €".encode("iso-8859-15"), "text/plain; charset=iso-8859-15").text == "ø 5 €".encode()


ENCODINGS = (
    "cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258", "cp437", "cp737", "cp775",
    "cp850", "cp852", "cp857", "cp860", "cp863", "cp865", "cp866", "iso8859-2", "iso8859-3", "iso8859-4", "iso8859-5",
    "iso8859-6", "iso8859-7", "iso8859-8", "iso8859-9", "iso8859-10", "iso8859-13", "iso8859-14", "iso8859-15",
    "iso8859-16", "koi8-r", "mac-cyrillic", "mac-greek", "mac-latin2", "mac-roman", "mac-turkish", "shift_jis", "gbk",
    "big5", "euc-kr",
)  # fmt: skip
NAMES = (
    "Michał Łuczak",
    "Yılmaz Şahin",
    "Пациент здоров",
    "Schröder",
    "Müller",
    "José",
    "Chloé",
    "crème à la carte",
    "Ó Briain",
    "état",
    "Đorđe Kovač",
    "Gdańsk",
    "Bērziņš",
    "Pēteris",
    "María",
    "Luís",
    "Solís",
    "Città",
    "perché",
    "Ασθενής",
    "São",
    "Tõnu",
    "Dvořák",
    "Malmö",
    "Ærø",
    "Þór",
    "Straße",
    "El País",
    "influenza ﬂ",
    "są",
    "Ľubica",
    "neįgalus",
    "été",
    "Ève",
    "ôter",
    "“quoted”",
    "‘quoted’",
    "patient’s",
    "O’Brien",
    "x – y",
    "x—y",
    "… and",
    "• item",
    "患者",
    "電話",
    "환자",
    "Vaķis",
    "chuť",
    "ÁG",
    "Ág",
    "N°",
    "n° 5",
)
UNITS = (
    "dose ≤ 2 mg",
    "BP ≥ 140",
    "BP≥140",
    "m≥2",
    "25 kg/m≤ 30",
    "cm³",
    "25 kg/m²",
    "5 m³ air",
    "a÷b",
    "weight÷height",
    "5÷2",
    "38 °C",
    "38°C",
    "90° flexion",
    "5 µg",
    "/µl",
    "a £5 note ± 1",
    "±5",
    "½ tablet",
    "5 Ω",
    "1º",
    "7 ó 8",
    "2 × 500 mg",
    "5 € each",
    "€5",
    "10 ¢",
    "5 ¥",
    "x∞",
    "√9",
    "à 5 mg",
    "5 à 10 mg",
    "5–10",
    "5 – 10",
    "¾",
    "1 ‰",
    "5 А",
    "класс 5А",
)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_no_undeclared_sign_arrives_as_another_one(encoding: str) -> None:
    for words in (*NAMES, *UNITS, *(f"{name}, 38 °C" for name in NAMES)):
        try:
            content = words.encode(encoding)
        except UnicodeEncodeError:
            continue
        if not _is_utf_8(content):  # what happens to be UTF-8 is read as that, as everywhere
            found = opened(content)
            told = "name the encoding in content_type, such as text/plain; charset=windows-1252"
            assert told in str(found.refusal) if found.text is None else found.text.decode() == words, words


@pytest.mark.parametrize(
    ("content_type", "content", "words"),
    [
        ("text/plain; charset=utf-8", b"38 \xb0C", "is not UTF-8, though the charset says so"),
        ("text/plain; charset=windows-1252", WORDS.encode(), "is UTF-8, though the charset says windows-1252"),
        ("text/plain; charset=us-ascii", b"38 \xb0C", "is not in the encoding that it says, us-ascii: save it"),
        ("text/plain; charset=windows-1252", b"a\x81b", "is not in the encoding that it says, windows-1252"),
        ("text/plain; charset=koi8-r", b"a", "has a charset that is not read"),
        ("text/plain; charset=base64", b"YQ==", "has a charset that is not read"),
        ("text/plain; charset=utf-8", WORDS.encode("utf-16"), "has a byte order mark, and the charset says utf-8"),
        ("text/plain", WORDS.encode("utf-16")[:-1], "is not in the encoding that it says, utf-16"),
        ("text/plain", WORDS.encode("utf-16-le"), "is UTF-16 or UTF-32 without a byte order mark: save it as UTF-8"),
        ("text/plain; charset=utf-16", WORDS.encode("utf-16-be"), "has no byte order mark, which utf-16 needs"),
        ("text/plain; charset=utf-16le", WORDS.encode("utf-16-be"), "is in the other byte order than the charset says"),
        ("text/plain; charset=utf-16be", WORDS.encode("utf-16-le"), "is in the other byte order than the charset says"),
        ("text/plain", "Take 2\u00964 tablets".encode(), "control characters"),
        ("text/plain", "dose \u202e01\u202c mg".encode(), "turn the reading direction"),
        ("text/plain", "dose \u206701\u2069 mg".encode(), "turn the reading direction"),
        ("text/plain", "\uf0b7 item".encode(), "private use"),
        ("text/plain", "a\U00100000".encode(), "private use"),
        ("text/plain", "a\ufdd0".encode(), "private use"),
        ("text/plain", "a\U0002ffff".encode(), "private use"),
        ("text/plain", "Wound healed".encode("utf-16-be"), "is UTF-16 or UTF-32 without a byte order mark"),
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
    b"Dear Doctor <script>x()</script>", b"Dear Doctor <script defer>x()</script>", b"Dear Dr\n<img src=x onerror=x()>",
    b'see <a href="javascript:x()">this</a>', b"see <form action=x>", b"see <video src=x>", b"see <svg/onload=x()>",
]  # fmt: skip


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("page", PAGES)
def test_markup_is_no_plain_text_whatever_stands_before_it(page: bytes, encoding: str) -> None:
    assert "is a page or holds markup" in refusal(page.decode().encode(encoding))


@pytest.mark.parametrize(
    "script",
    [b"#!/bin/sh\nrm -rf /", b"@echo off\r\ndel *", b"powershell -enc AA", b"javascript:x()", b"Sub AutoOpen()\nx\n",
     b"{\\rtf1 hello}", b"%!PS-Adobe",
     b'Set s = CreateObject("WScript.Shell")', b"var s = new ActiveXObject('x')"],
)  # fmt: skip
def test_a_script_or_another_format_is_no_plain_text(script: bytes) -> None:
    assert refusal(script) == "is a script or another format, so it is not plain text: send it as a PDF"


@pytest.mark.parametrize("program", [b"MZ\x90\0", b"\x7fELF", b"PK\3\4", b"Rar!\x1a\7\0", b"%PDF-1.7"])
def test_a_program_or_archive_is_no_plain_text(program: bytes) -> None:
    assert re.match("is a (?:program|PDF)|is an archive or Office file", refusal(program + b"text"))


@pytest.mark.parametrize(
    "words",
    [
        "MZ twins, dichorionic",
        "Circumference <head 34 cm",
        "FB: <object seen on slit lamp>",
        "<john@example.com> wrote",
        "Result < body mass",
        "HR <a and b, RR >20",
        "one\u0085two \u200fright to left",
        "<5 mg/L, > 3 days",
        "pain < 3/10; see <http> above? no",
        "BP < 120/80 and HR > 60",
    ],
)
def test_signs_of_comparison_are_no_markup(words: str) -> None:
    assert refusal(words.encode()) == "accepted"
