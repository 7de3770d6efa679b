"""Make the report's bold font: Arimo at weight 700, from the variable font of the package `fontpkg-arimo`.

The PDF library cannot set a variable font's weight, and the package holds no bold file. The repository keeps the result
with the library, under the font's licence (SIL OFL 1.1, no reserved name).
"""

import io
from importlib.resources import files
from pathlib import Path

from fontTools.ttLib import TTFont
from fontTools.varLib import instancer

FONTS = Path(__file__).parents[1] / "layers" / "messaging" / "python" / "gpconnect_messaging" / "documents" / "fonts"
BOLD = FONTS / "Arimo-Bold.ttf"
# Hinting and typographic features are for screens and shapers: an embedded font has no use for them.
_UNUSED_TABLES = ("GSUB", "GPOS", "GDEF", "STAT", "MVAR", "cvar", "fpgm", "prep", "cvt ", "gasp", "DSIG")


def bold_font() -> bytes:
    """Return the bold font; the bytes are the same on every run."""
    package = files("fontpkg_arimo")
    font = TTFont(io.BytesIO((package / "files" / "Arimo[wght].ttf").read_bytes()), recalcTimestamp=False)
    instance = instancer.instantiateVariableFont(font, {"wght": 700}, updateFontNames=True)
    for table in _UNUSED_TABLES:
        if table in instance:
            del instance[table]
    output = io.BytesIO()
    instance.save(output)
    return output.getvalue()


if __name__ == "__main__":
    BOLD.write_bytes(bold_font())
    (FONTS / "OFL.txt").write_text((files("fontpkg_arimo") / "LICENSE").read_text(encoding="utf-8"), encoding="utf-8")
