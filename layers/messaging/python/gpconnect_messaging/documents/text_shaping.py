"""Turns any text into drawable lines: cleaned, covered by the fonts, wrapped, and in visual order.

No character is lost or drawn as an empty box. A character without a glyph is drawn as words in brackets: a symbol by
Unicode name (`[grinning face]`), any other character by number (`[U+4E2D]`). Arabic letters are joined, and
right-to-left text is reordered. In both cases the line carries the original text for readers that copy, search or speak
(ISO 32000-1, 14.9.4: ActualText).

Control characters are drawn by number too. Invisible formatting characters (zero width, direction marks) are dropped,
because they could reorder the visible text.
"""

import math
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from arabic_reshaper import ArabicReshaper
from bidi.algorithm import get_display  # the package's other one does not mirror brackets

from gpconnect_messaging.documents.fonts import embedded, font_files
from gpconnect_messaging.visible import shows_nothing

_LINE_BREAKS = re.compile("\r\n|[\r\v\f\x85\u2028\u2029]")
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff\U00010800-\U00010fff\U0001e800-\U0001efff]")
_WORDS = re.compile(" *[^ ]+| +")
_TAB = 4
_JOINT = "\u0640"
"""Joins on both sides and has one form."""
_JOINING = ArabicReshaper(configuration={"delete_harakat": False, "support_zwj": False})


@dataclass(frozen=True, slots=True)
class Line:
    """A line as it is drawn, left to right; `source` is the original text if it differs. Width in points."""

    drawn: str
    source: str | None
    width: float


class _Widths(dict[str, float]):
    """The advance of a character in thousandths of the font size; -1 if no font has a glyph."""

    def __init__(self, fonts: Sequence[Any]) -> None:
        self._fonts = fonts

    def __missing__(self, character: str) -> float:
        code = ord(character)
        for font in self._fonts:
            if font.face.charToGlyph.get(code):
                self[character] = float(font.face.getCharWidth(code))
                return self[character]
        self[character] = -1.0
        return -1.0


class Lettering:
    """The fonts of one style: which characters they draw, how wide, and in which font."""

    def __init__(self, fonts: Sequence[Any]) -> None:
        self._fonts = tuple(fonts)
        self._widths = _Widths(self._fonts)
        self._widest_forms: dict[str, float] = {}

    def width(self, drawn: str, size: float) -> float:
        """The width of drawable text in points."""
        return sum(map(self._widths.__getitem__, drawn)) * size / 1000

    def lines(self, text: str, size: float, width: float) -> list[Line]:
        """Break text into lines of at most `width` points; line breaks in the text and blank lines are kept."""
        return [line for paragraph in clean(text).split("\n") for line in self._paragraph(paragraph, size, width)]

    def line(self, text: str, size: float) -> Line:
        """Make a single line, without wrapping."""
        return self._line(clean(text).replace("\n", " "), size, math.inf)

    def runs(self, drawn: str) -> Iterator[tuple[str, str]]:
        """Split drawable text into (font name, characters)."""
        first = self._fonts[0]
        if drawn.isascii():
            yield first.fontName, drawn
            return
        start, current = 0, ""
        for index, character in enumerate(drawn):
            code = ord(character)
            name = next((font.fontName for font in self._fonts if font.face.charToGlyph.get(code)), first.fontName)
            if name != current:
                if start < index:
                    yield current, drawn[start:index]
                start, current = index, name
        if start < len(drawn):
            yield current, drawn[start:]

    def _paragraph(self, text: str, size: float, width: float) -> Iterator[Line]:
        limit, line, taken = width * 1000 / size, "", 0.0
        for word in _WORDS.findall(text):
            length = self._length(word, limit)
            if line and taken + length > limit:
                yield self._line(line, size, limit)
                line, taken, word = "", 0.0, word.lstrip(" ")
                length = self._length(word, limit)
            if length > limit:
                *whole, word = self._pieces(word, limit)
                for piece in whole:
                    yield self._line(piece, size, limit)
                length = self._length(word, limit)
            line, taken = line + word, taken + length
        yield self._line(line, size, limit)

    def _length(self, word: str, limit: float) -> float:
        if word.isascii():
            return (
                sum(map(self._widths.__getitem__, word))
                if word.isprintable()
                else self._substituted_length(word, limit)
            )
        return self._substituted_length(_JOINING.reshape(word) if _RIGHT_TO_LEFT.search(word) else word, limit)

    def _substituted_length(self, word: str, limit: float) -> float:
        return sum(map(self._widths.__getitem__, self._substituted(word, limit)))

    def _pieces(self, word: str, limit: float) -> list[str]:
        """Break a word that is longer than a line; a character's substitute is never split.

        A combining mark with a glyph has no width, so it stays with the letter; a mark in words may not.
        """
        pieces, piece, taken = [], "", 0.0
        for character in word:
            length = self._widest(character) if _RIGHT_TO_LEFT.match(character) else self._length(character, limit)
            if piece and taken + length > limit:
                pieces.append(piece)
                piece, taken = "", 0.0
            piece, taken = piece + character, taken + length
        return [*pieces, piece]

    def _widest(self, character: str) -> float:
        """The width of a letter's widest form: a joined letter can be wider than a single one."""
        if character not in self._widest_forms:
            joint = self._length(_JOINT, math.inf)
            forms = [
                self._length(before + character + after, math.inf) - joint * len(before + after)
                for before in ("", _JOINT)
                for after in ("", _JOINT)
            ]
            self._widest_forms[character] = max(forms)
        return self._widest_forms[character]

    def _substituted(self, text: str, limit: float) -> str:
        widths = self._widths
        if all(widths[character] >= 0 for character in text):
            return text
        return "".join(character if widths[character] >= 0 else self._in_words(character, limit) for character in text)

    def _in_words(self, character: str, limit: float) -> str:
        """Return a symbol's name, or the number of any other character or if the name is wider than a line."""
        name = unicodedata.name(character, "") if unicodedata.category(character).startswith("S") else ""
        words = f"[{name.lower()}]"
        if name and sum(map(self._widths.__getitem__, words)) <= limit:
            return words
        return f"[U+{ord(character):04X}]"

    def _line(self, text: str, size: float, limit: float) -> Line:
        drawn = self._substituted(text, limit)
        if _RIGHT_TO_LEFT.search(text):
            # Substitute first: the algorithm has no direction for a character that Unicode does not define.
            joined = self._substituted(_JOINING.reshape(text), limit)
            drawn = self._substituted(str(get_display(joined, base_dir=_direction(text))), limit)
        return Line(drawn, None if drawn == text else text, self.width(drawn, size))


@cache
def lettering(style: str, added: tuple[Path, ...] = ()) -> Lettering:
    """The letters of a style (`regular`, `bold`, `italic`), with the deployer's fonts for further characters."""
    return Lettering([embedded(file) for file in font_files(style, added)])


def clean(text: str) -> str:
    """Put text into composed form, with plain line breaks, tabs as spaces, and without invisible formatting."""
    if not (text.isascii() and text.isprintable()):
        shown = (character for character in text if not shows_nothing(character))
        # Compose afterwards: an invisible character can separate a letter from a combining mark.
        text = _LINE_BREAKS.sub("\n", unicodedata.normalize("NFC", "".join(shown)))
        text = "\n".join(line.expandtabs(_TAB) for line in text.split("\n"))
    return text


def _direction(text: str) -> str:
    """The direction of the first letter with a strong direction."""
    strong = (unicodedata.bidirectional(character) for character in text)
    return next(("L" if direction == "L" else "R" for direction in strong if direction in {"L", "R", "AL"}), "L")
