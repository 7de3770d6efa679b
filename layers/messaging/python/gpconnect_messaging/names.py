"""Folds names to ASCII, to compare them with PDS, and for headers and addresses, which carry ASCII only.

Compatibility decomposition comes first (Unicode Standard Annex 15, NFKD), so that Ǽ, ﬁ and full-width letters are the
letters that they are made of; accents and invisible characters go (zero width, byte order mark, soft hyphen, direction
marks, variation selectors); every kind of apostrophe is `'`, and every dash `-`. Letters of the Latin script that
Unicode does not decompose are written as passports and PDS write them. Other characters beyond ASCII are kept:
the caller decides whether they can be sent.
"""

import re
import unicodedata

from gpconnect_messaging.visible import shows_nothing

_LETTERS = {
    "ß": "ss", "ẞ": "SS", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L",
    "đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "þ": "th", "Þ": "Th", "ı": "i", "ŋ": "n", "Ŋ": "N", "ħ": "h", "Ħ": "H",
    "ŧ": "t", "Ŧ": "T", "ĸ": "q",
}  # fmt: skip
# U+0149 is an apostrophe and an n; the names that begin so are written with a capital.
_BEFORE = str.maketrans({"ŉ": "'N"})
_ACCENT_ALONE = re.compile(" [\u0300\u0301\u0313\u0314]")
"""The decomposition of a lone accent or breathing (´, U+1FBD) that is written for an apostrophe."""
_APOSTROPHES = "`‘’‛′‵ʹʻʼʽʾʿˈˊˋ՚׳Ꞌꞌ"
_DASHES = "−⁃˗"
# The middle dot separates the two letters of the Catalan ŀl, and is no letter.
_AFTER = str.maketrans(_LETTERS | dict.fromkeys(_APOSTROPHES, "'") | dict.fromkeys(_DASHES, "-") | dict.fromkeys("·‧"))
_SPACES = re.compile(r"\s+")
_NOT_COMPARED = re.compile(r"[ '-]")


def fold(name: str) -> str:
    """Write a name in ASCII as far as possible, with single spaces."""
    decomposed = _ACCENT_ALONE.sub("'", unicodedata.normalize("NFKD", name.translate(_BEFORE)))
    # The iota below a Greek vowel is a letter in small letters, and an accent otherwise.
    seen = "".join(map(_visible, decomposed.replace("\u0345", "\u03b9")))
    return _SPACES.sub(" ", seen.translate(_AFTER)).strip()


def same_name(one: str, other: str) -> bool:
    """Whether two folded names are equal, without case, spaces, apostrophes and hyphens; a blank equals no name."""
    return _compared(one) == _compared(other) != ""


def _visible(character: str) -> str:
    """Return the visible part of a character: nothing, a hyphen for any dash, or the character."""
    if shows_nothing(character) or unicodedata.combining(character):
        return ""
    return "-" if unicodedata.category(character) == "Pd" else character


def _compared(name: str) -> str:
    # Some capitals decompose only in lower case, and the reverse.
    return _NOT_COMPARED.sub("", fold(fold(name).casefold()).casefold())
