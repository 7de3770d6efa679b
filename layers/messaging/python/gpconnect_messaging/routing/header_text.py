"""Names and texts in MESH headers: folded to printable ASCII, since HTTP promises no more (RFC 9110, section 5.5).

Folding (`names.fold`) is safe, not reversible: the exact name stands in the message itself. Typographic quotation marks
become plain ones, and every other character becomes `?`. Line breaks become spaces, so that no header can
be broken in two.
"""

import re
from collections.abc import Collection, Mapping

from gpconnect_messaging.names import fold

_SIGNS = str.maketrans(dict.fromkeys("“”„‟", '"'))
_UNPRINTABLE = re.compile(r"[^ -~]")


def header_text(text: str, limit: int) -> str:
    """Fold `text` to printable ASCII of at most `limit` characters, for a MESH header."""
    return _UNPRINTABLE.sub("?", fold(text).translate(_SIGNS))[:limit]


def fitted(template: str, words: Mapping[str, str], limit: int, elastic: Collection[str]) -> str:
    """Fill a `str.format` template with folded words, and cut the `elastic` ones, longest first, to fit `limit`.

    Cutting the whole line would lose the end, where the specification puts the words that distinguish messages.
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
