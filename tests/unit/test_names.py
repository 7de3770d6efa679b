"""One fold of names: what PDS compares is what the address says."""

import sys
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gpconnect_messaging.names import fold, same_name
from gpconnect_messaging.routing.automatic import surname_fault
from tests.unit.test_visible import NOTHING

LATIN = [
    letter
    for letter in map(chr, range(sys.maxunicode + 1))
    if unicodedata.name(letter, "").startswith("LATIN ") and unicodedata.category(letter).startswith("L")
]
"""Every letter of the Latin script that this Python's Unicode names."""
ADDRESS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz '-")


@pytest.mark.parametrize(
    ("name", "folded"),
    [
        ("Ǽrø", "AEro"),
        ("ǢÆǽ", "AEAEae"),
        ("Ǿ", "O"),
        ("ŉDiaye", "'NDiaye"),
        ("ĳmuiden", "ijmuiden"),
        ("ǅ", "Dz"),
        ("ﬂint", "flint"),
        ("ſmith", "smith"),
        ("Ŧ", "T"),
        ("A\u030ang", "Ang"),
        ("Vil·la", "Villa"),
        ("ＯＮＥＩＬＬ", "ONEILL"),
        (" van \u200b  der\u00a0Berg ", "van der Berg"),
        ("李", "李"),
        ("\u200b\ufeff", ""),
    ],
)
def test_a_name_is_written_in_ascii_as_far_as_it_goes(name: str, folded: str) -> None:
    assert fold(name) == folded


@pytest.mark.parametrize("mark", "'`´ʹʻʼʽʾʿˈˊˋ‘’‛′‵＇ꞌ՚׳΄\u1fbd\u1fbf\u1fef\u1ffd\u1ffe\uff40")
def test_every_apostrophe_is_one(mark: str) -> None:
    assert fold(f"O{mark}Neill") == "O'Neill"


@pytest.mark.parametrize("mark", "-‐‑‒–—―−﹘﹣－⁃˗")
def test_every_dash_is_a_hyphen(mark: str) -> None:
    assert fold(f"Smith{mark}Jones") == "Smith-Jones"


@pytest.mark.parametrize("mark", NOTHING)
def test_what_shows_nothing_is_no_part_of_a_name(mark: str) -> None:
    assert fold(f"{mark}Wri{mark}ght{mark}") == "Wright"
    assert same_name(f"Wri{mark}ght", "WRIGHT")


def test_every_latin_letter_is_carried_as_plain_letters_or_refused() -> None:
    assert len(LATIN) > 1_000
    carried = [letter for letter in LATIN if surname_fault(f"Smith{letter}") is None]
    assert all(set(fold(f"Smith{letter}")) <= ADDRESS for letter in carried)
    assert len(carried) > 600
    # What European registers write, and no other letter may be lost on the way.
    named = {letter for letter in LATIN if "\u00c0" <= letter <= "\u017f"}
    assert named <= set(carried)
    assert all(any(character.isalpha() for character in fold(letter)) for letter in named)


@given(st.text())
def test_folding_again_changes_nothing(name: str) -> None:
    assert fold(fold(name)) == fold(name)


@given(st.text())
@example("\u1fb3")
@example("0\u0345")
def test_a_name_is_the_same_in_small_letters(name: str) -> None:
    if same_name(name, name):
        assert same_name(name, name.casefold())
