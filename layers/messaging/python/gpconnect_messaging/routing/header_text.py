"""Names in MESH headers: folded to printable ASCII, since HTTP promises no more (RFC 9110, section 5.5).

Folding is safe, not reversible: the exact name stands in the message itself. Accents are dropped (é → e), a few
letters that Unicode does not decompose are written as PDS and passports write them (ß → ss, ø → o, ł → l, þ → th),
typographic quotes and dashes become plain ones, and every character that is still left becomes `?`. Control
characters become spaces, so that no header can be broken in two.
"""

import re
import unicodedata
from collections.abc import Collection, Mapping

_LETTERS = str.maketrans(
    {
        "ß": "ss", "ẞ": "SS", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L",
        "đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "þ": "th", "Þ": "Th", "ı": "i", "ŋ": "n", "Ŋ": "N", "ħ": "h", "Ħ": "H",
        "‘": "'", "’": "'", "‛": "'", "ʼ": "'", "´": "'", "“": '"', "”": '"', "‐": "-", "‑": "-", "–": "-", "—": "-",
        "…": "...",
    }
)  # fmt: skip
_UNPRINTABLE = re.compile(r"[^ -~]")
_SPACES = re.compile(r"\s+")


def header_text(text: str, limit: int) -> str:
    """Fold `text` to printable ASCII of at most `limit` characters, for a MESH header."""
    decomposed = unicodedata.normalize("NFKD", text.translate(_LETTERS))
    plain = "".join(each for each in decomposed if not unicodedata.combining(each))
    return _UNPRINTABLE.sub("?", _SPACES.sub(" ", plain)).strip()[:limit]


def fitted(template: str, words: Mapping[str, str], limit: int, elastic: Collection[str]) -> str:
    """Fill a `str.format` template with words, each folded, and cut the `elastic` ones, longest first, to fit `limit`.

    Cutting the whole line instead would cost its end, where the specification puts what tells messages apart.
    """
    folded = {name: header_text(word, limit) for name, word in words.items()}
    while (excess := len(line := template.format(**folded)) - limit) > 0:
        longest = max((name for name in elastic if name in folded), key=lambda name: len(folded[name]), default=None)
        if longest is None or not folded[longest]:
            return line[:limit]
        second = max((len(folded[name]) for name in elastic if name != longest), default=0)
        length = len(folded[longest])
        folded[longest] = folded[longest][: length - max(1, min(excess, length - second))].rstrip()
    return line
