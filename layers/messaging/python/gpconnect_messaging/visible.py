"""Which characters a person can see: one rule for ids, codes, texts, names and drawn text.

Two values that differ only in invisible characters look equal to a person and differ for a computer.
"""

import re
import unicodedata

LOST = "\ufffd"
"""The replacement character, for a character that was lost earlier."""
TURNING = "\u202a-\u202e\u2066-\u2069"
"""Characters that change the direction of reading, as a range of a regular expression."""

_NOTHING = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u2800\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8"
    "\U00013441\U00013442\U00016fe4\U0001d159\U000e0000-\U000e0fff]"
)
"""Invisible characters beside the format characters (category Cf): variation selectors, joiners and fillers.

Source: Default_Ignorable_Code_Point (Unicode 16, DerivedCoreProperties.txt), and the Braille, musical, Khitan and
hieroglyphic characters with a blank glyph.
"""


def shows_nothing(character: str) -> bool:
    """Whether a character has neither a shape nor a width."""
    return unicodedata.category(character) == "Cf" or _NOTHING.match(character) is not None


def is_visible(character: str) -> bool:
    """Whether a person sees a character: it is no blank, no control character, and has a shape."""
    return unicodedata.category(character)[0] not in "ZC" and _NOTHING.match(character) is None


def visible(text: str) -> str:
    """Return the text without invisible characters."""
    return "".join(filter(is_visible, text))


def is_blank(text: str) -> bool:
    """Whether a text has no visible character."""
    return not any(map(is_visible, text))
