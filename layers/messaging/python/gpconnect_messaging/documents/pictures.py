"""Makes an image fit for a report: upright, no larger than print needs, and without what a camera wrote into it.

A photograph's own data can hold where and when it was taken: only its picture goes on.
"""

import io
from dataclasses import dataclass, field

from PIL import Image, ImageOps

_MOST_BYTES = 200 * 1024 * 1024
"""What a decoded image may take; larger ones are not decoded (hazard: a small file that unpacks to gigabytes).

Scaling an image with transparency takes as much again.
"""
_BYTES_OF_A_PIXEL = {"1": 1, "L": 1, "P": 1, "I;16": 2}
"""Pillow's modes; every other one takes four."""
_BYTES_OF_A_PROGRESSIVE_PIXEL = 6
"""Two bytes for each coefficient of three colours: the decoder keeps all of a progressive JPEG until its last scan."""
_LONGEST_SIDE = 1500
"""Pixels: 300 to an inch over the notes' width."""


@dataclass(frozen=True, slots=True)
class ScaledPicture:
    """A JPEG or PNG, and its size in pixels."""

    content: bytes = field(repr=False)
    width: int
    height: int


def scaled(content: bytes) -> ScaledPicture | None:
    """Scale a PNG or JPEG; None for what cannot be decoded, or is too large to be safe."""
    try:
        with Image.open(io.BytesIO(content), formats=("PNG", "JPEG")) as image:
            if "progressive" in image.info and _pixels(image) * _BYTES_OF_A_PROGRESSIVE_PIXEL > _MOST_BYTES:
                return None
            kind = "JPEG" if image.format == "JPEG" else "PNG"
            image.draft("RGB", (_LONGEST_SIDE, _LONGEST_SIDE))
            if _pixels(image) * _BYTES_OF_A_PIXEL.get(image.mode, 4) > _MOST_BYTES:
                return None
            image.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
            plain = _on_white(ImageOps.exif_transpose(image))
    except Exception:  # noqa: BLE001 - of damaged data a decoder raises anything: TypeError, struct.error, OSError, …
        return None
    made = io.BytesIO()
    plain.save(made, kind, quality=85)
    return ScaledPicture(made.getvalue(), plain.width, plain.height)


def _pixels(image: Image.Image) -> int:
    return image.width * image.height


def _on_white(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    layers = image.convert("RGBA")
    ground = Image.new("RGBA", layers.size, "white")
    return Image.alpha_composite(ground, layers).convert("RGB")
