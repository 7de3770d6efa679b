"""Reads a PDF back as a strict reader would: every piece of text with position, width, font and original words.

Independent of the code that draws: it goes by the file alone (content streams, ToUnicode maps, widths, ActualText).
"""

import io
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pypdf import PdfReader


@dataclass(frozen=True)
class Piece:
    """A piece of text: `text` is what a reader copies, `drawn` what it sees; points, y from the top to the baseline."""

    page: int
    text: str
    drawn: str
    x: float
    y: float
    width: float
    font: str
    size: float
    colour: tuple[float, ...]

    @property
    def right(self) -> float:
        return self.x + self.width


@lru_cache(maxsize=4)
def pieces(pdf: bytes) -> list[Piece]:
    """The text of a PDF, in the order in which it is drawn."""
    return [piece for number, page in enumerate(PdfReader(io.BytesIO(pdf)).pages) for piece in _page(number, page)]


def text_of(pdf: bytes) -> str:
    """All the text of a PDF, without white space: line breaks are the layout's, not the sender's."""
    return squeezed("".join(piece.text for piece in pieces(pdf)))


def notes_of(found: list[Piece], left: float) -> str:
    """The notes alone, over all pages and without the parts that every page repeats, as one text without white space.

    `left` is where their column begins.
    """
    return squeezed("".join(piece.text for piece in found if piece.size == 9.29 and piece.x > left - 1))


def squeezed(text: str) -> str:
    return "".join(text.split())


def overlaps(found: list[Piece]) -> list[tuple[Piece, Piece]]:
    """Pairs of overlapping pieces."""
    pairs = []
    for page in {piece.page for piece in found}:
        here = sorted(
            (piece for piece in found if piece.page == page and piece.drawn.strip()), key=lambda piece: piece.y
        )
        for index, one in enumerate(here):
            for other in here[index + 1 :]:
                if other.y - 0.7 * other.size >= one.y + 0.1 * one.size:
                    if other.y - one.y > 40:
                        break
                    continue
                if one.x + 0.5 < other.right and other.x + 0.5 < one.right:
                    pairs.append((one, other))
    return pairs


def _page(number: int, page: Any) -> list[Piece]:
    height = float(page.mediabox.height)
    fonts = {name: _Font(font.get_object()) for name, font in page["/Resources"]["/Font"].items()}
    found: list[Piece] = []
    shift, x, y, font, size = 0.0, 0.0, 0.0, "", 0.0
    colour: tuple[float, ...] = (0.0,)
    spoken: str | None = None
    for operands, operator in page.get_contents().operations:
        if operator == b"cm":
            shift += float(operands[4])
        elif operator == b"Q":
            shift = 0.0
        elif operator == b"rg":
            colour = tuple(float(operand) for operand in operands)
        elif operator == b"Tm":
            x, y = float(operands[4]), float(operands[5])
        elif operator == b"Tf":
            font, size = operands[0], float(operands[1])
        elif operator == b"BDC":
            spoken = str(operands[1]["/ActualText"])
        elif operator == b"EMC":
            spoken = None
        elif operator == b"Tj":
            drawn, width = fonts[font].read(operands[0].original_bytes, size)
            text, spoken = (drawn, spoken) if spoken is None else (spoken, "")
            name = fonts[font].name
            found.append(Piece(number, text, drawn, x + shift, height - y, width, name, size, colour))
            x += width
    return found


class _Font:
    def __init__(self, font: Any) -> None:
        self.name = str(font["/BaseFont"]).partition("+")[2]
        cmap = font["/ToUnicode"].get_data().decode("ascii")
        pairs = re.findall(r"^<(\w\w)> <(\w{4,})>$", cmap, re.MULTILINE)
        self._characters = {int(code, 16): bytes.fromhex(to).decode("utf-16-be") for code, to in pairs}
        first = int(font["/FirstChar"])
        self._widths = {first + index: float(width) for index, width in enumerate(font["/Widths"])}

    def read(self, codes: bytes, size: float) -> tuple[str, float]:
        text = "".join(self._characters[code] for code in codes)
        return text, sum(self._widths[code] for code in codes) * size / 1000
