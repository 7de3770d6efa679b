from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gpconnect_messaging.documents.fonts import FontUnusableError, embedded, font_files
from gpconnect_messaging.documents.text_shaping import clean, lettering

REGULAR = lettering("regular")
SIZE, WIDTH = 9.29, 180.0


def drawn(text: str) -> str:
    return "|".join(line.drawn for line in REGULAR.lines(text, SIZE, 5000))


@pytest.mark.parametrize(
    "text",
    [
        "Llanfairpwllgwyngyll ŵ ŷ Ŵ Ŷ â ê î ô û",
        "Zażółć gęślą jaźń",
        "Ελληνικά Русский",
        "38.1 °C ± ½ µg ≥ ≤ – — ‘’ “” … €",
    ],
)
@pytest.mark.parametrize("style", ["regular", "bold", "italic"])
def test_western_languages_are_drawn_as_they_are(text: str, style: str) -> None:
    (line,) = lettering(style).lines(text, SIZE, 5000)
    assert (line.drawn, line.source) == (text, None)


def test_arabic_is_joined_and_reordered_and_its_brackets_mirrored() -> None:
    (line,) = REGULAR.lines("سلام (abc)", SIZE, 5000)
    assert line.source == "سلام (abc)"
    assert line.drawn == "(abc) \ufee1\ufefc\ufeb3"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("中文", "[U+4E2D][U+6587]"),
        ("😀", "[grinning face]"),
        ("a\x07b", "a[U+0007]b"),
        ("क", "[U+0915]"),
        ("\U0010ffff", "[U+10FFFF]"),
    ],
)
def test_what_no_font_covers_is_drawn_in_words_and_keeps_its_original(text: str, words: str) -> None:
    (line,) = REGULAR.lines(text, SIZE, 5000)
    assert (line.drawn, line.source) == (words, text)


def test_a_name_that_is_wider_than_a_line_gives_way_to_the_number() -> None:
    (line,) = REGULAR.lines("😀", SIZE, 40)
    assert (line.drawn, line.source) == ("[U+1F600]", "😀")


def test_direction_marks_cannot_reorder_what_a_person_reads() -> None:
    assert drawn("dose \u202e05\u202c mg\u200b") == "dose 05 mg"


def test_line_breaks_and_tabs_of_every_kind_are_kept() -> None:
    assert drawn("a\r\nb\rc\u2028d\x85e\n\nf\tg\vh") == "a|b|c|d|e||f   g|h"


def test_a_file_that_is_no_font_is_named(tmp_path: Path) -> None:
    no_font = tmp_path / "none.ttf"
    no_font.write_bytes(b"OTTO")
    with pytest.raises(FontUnusableError, match=r"none\.ttf"):
        embedded(no_font)


STACKED = st.text(st.sampled_from("aeżǹ عمحهلا\u0301\u0307\u031b\u0323\u0351\u064b\u0e38\u3099\u200b"), max_size=300)


@settings(deadline=None)
@given(st.text(max_size=300) | STACKED)
@example("ع" * 200)
@example("a" + "\u0351" * 200)
@example("e\u200b\u0301")
def test_no_line_is_too_wide_and_no_character_is_lost(text: str) -> None:
    lines = REGULAR.lines(text, SIZE, WIDTH)
    assert all(line.width <= WIDTH + 0.01 for line in lines)
    spoken = "".join(line.source if line.source is not None else line.drawn for line in lines)
    assert "".join(spoken.split()) == "".join(clean(text).split())


def test_what_stood_invisibly_between_a_letter_and_its_mark_does_not_keep_them_apart() -> None:
    assert drawn("e\u200b\u0301") == "é"


@settings(deadline=None)
@given(st.text(max_size=100) | STACKED)
def test_every_character_that_is_drawn_has_a_glyph(text: str) -> None:
    fonts = {font.fontName: font.face.charToGlyph for font in map(embedded, font_files("regular"))}
    for line in REGULAR.lines(text, SIZE, WIDTH):
        for name, characters in REGULAR.runs(line.drawn):
            assert all(fonts[name].get(ord(character)) for character in characters)
