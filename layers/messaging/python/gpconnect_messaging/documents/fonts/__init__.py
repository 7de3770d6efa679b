"""The report's fonts: for Latin, Greek, Cyrillic and Hebrew; for Arabic; and what a deployer adds.

Arimo has the widths of the layout's font. All fonts are under the SIL Open Font Licence 1.1 and embedded as subsets.
"""

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFError, TTFont


class FontUnusableError(Exception):
    """A font file that the deployer named cannot be embedded: give a TrueType file, not OpenType with CFF outlines."""


def _packaged(package: str, name: str) -> Path:
    return Path(str(files(package))) / name


def font_files(style: str, added: Sequence[Path] = ()) -> list[Path]:
    """List the font files of a style (`regular`, `bold`, `italic`), the first choice first."""
    first = {
        "regular": lambda: _packaged("fontpkg_arimo", "files/Arimo[wght].ttf"),
        "bold": lambda: Path(__file__).with_name("Arimo-Bold.ttf"),
        "italic": lambda: _packaged("fontpkg_arimo", "files/Arimo-Italic[wght].ttf"),
    }[style]()
    arabic = _packaged("fontpkg_noto_sans_arabic", "files/NotoSansArabic[wdth,wght].ttf")
    return [first, arabic, *added]


@cache
def embedded(file: Path) -> TTFont:
    """Load a font and register it with the PDF library, once per process. Raises FontUnusableError."""
    name = f"report-{file.stem}"
    try:
        font = TTFont(name, str(file))
    except (OSError, TTFError):
        raise FontUnusableError(f"{file.name} is not a TrueType font that can be embedded") from None
    pdfmetrics.registerFont(font)
    return font
