"""Makes an image fit for a report: upright, no larger than print needs, and without what a camera wrote into it.

A photograph's own data can hold where and when it was taken: only its picture goes on.
"""

import io
from dataclasses import dataclass, field

from PIL import Image, ImageOps, UnidentifiedImageError

_MOST_PIXELS = 60_000_000
"""Larger ones are not opened (hazard: a small file that unpacks to gigabytes)."""
_LONGEST_SIDE = 1500
"""Pixels: 300 to an inch over the notes' width."""


@dataclass(frozen=True, slots=True)
class ScaledPicture:
    """A JPEG or PNG, and its size in pixels."""

    content: bytes = field(repr=False)
    width: int
    height: int


def scaled(content: bytes) -> ScaledPicture | None:
    """Scale a PNG or JPEG; None for what cannot be opened, or is too large to be safe."""
    try:
        with Image.open(io.BytesIO(content), formats=("PNG", "JPEG")) as image:
            if image.width * image.height > _MOST_PIXELS:
                return None
            kind = "JPEG" if image.format == "JPEG" else "PNG"
            image.draft("RGB", (_LONGEST_SIDE, _LONGEST_SIDE))
            upright = ImageOps.exif_transpose(image)
            upright.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
            plain = _on_white(upright)
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError, Image.DecompressionBombError, EOFError):
        return None
    made = io.BytesIO()
    plain.save(made, kind, quality=85)
    return ScaledPicture(made.getvalue(), plain.width, plain.height)


def _on_white(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    layers = image.convert("RGBA")
    ground = Image.new("RGBA", layers.size, "white")
    return Image.alpha_composite(ground, layers).convert("RGB")
