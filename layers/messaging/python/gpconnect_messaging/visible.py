"""Which characters a person can see: one answer for ids, codes, texts, names and what is drawn.

Two values that differ only in what cannot be seen are one to a person and two to a computer.
"""

import re
import unicodedata

LOST = "\ufffd"
"""The sign for a character that was lost before."""
TURNING = "\u202a-\u202e\u2066-\u2069"
"""Signs that change the direction of reading, as a range of a regular expression."""

_NOTHING = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u2800\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8"
    "\U00013441\U00013442\U00016fe4\U0001d159\U000e0000-\U000e0fff]"
)
"""What shows nothing, beside the format characters (category Cf): variation selectors, joiners and fillers.

Source: Default_Ignorable_Code_Point (Unicode 16, DerivedCoreProperties.txt), and the signs and letters whose glyph is
blank: the Braille, musical, Khitan and hieroglyphic ones.
"""


def shows_nothing(character: str) -> bool:
    """Whether a character has no shape, and no width of a blank, of its own."""
    return unicodedata.category(character) == "Cf" or _NOTHING.match(character) is not None


def is_visible(character: str) -> bool:
    """Whether a person sees a character: it is no blank and no control character, and shows something."""
    return unicodedata.category(character)[0] not in "ZC" and _NOTHING.match(character) is None


def visible(text: str) -> str:
    """Give the text without what nobody can see."""
    return "".join(filter(is_visible, text))


def is_blank(text: str) -> bool:
    """Whether nothing of a text can be seen."""
    return not any(map(is_visible, text))
