"""Prepares an image for a report: upright, no larger than print needs, and without a camera's metadata.

Metadata can hold where and when a photograph was taken: only the pixels are kept.
"""

import contextlib
import io
from dataclasses import dataclass, field

from PIL import Image, ImageCms, ImageMath, ImageOps

_MOST_BYTES = 200 * 1024 * 1024
"""Limit for a decoded image; larger ones are not decoded (hazard: a small file that unpacks to gigabytes).

Scaling an image with transparency takes as much again.
"""
_BYTES_OF_A_PIXEL = {"1": 2, "L": 1, "P": 5, "PA": 8, "I;16": 2, "I;16L": 2, "I;16B": 2, "I;16N": 2}
"""Bytes per pixel by Pillow mode, including the mode converted to for scaling; every other mode takes four."""
_BYTES_OF_A_PROGRESSIVE_PIXEL = 6
"""Two bytes for each coefficient of three colours: the decoder keeps a whole progressive JPEG until the last scan."""
_LONGEST_SIDE = 1500
"""Pixels: 300 to an inch over the notes' width."""
_SIXTEEN_BITS = 65_535


@dataclass(frozen=True, slots=True)
class ScaledPicture:
    """A JPEG or PNG, with the size in pixels."""

    content: bytes = field(repr=False)
    width: int
    height: int


def scaled(content: bytes) -> ScaledPicture | None:
    """Scale a PNG or JPEG; None if it cannot be decoded or is too large to be safe."""
    try:
        with Image.open(io.BytesIO(content), formats=("PNG", "JPEG")) as image:
            kind = "PNG" if image.format == "PNG" else "JPEG"  # Pillow names a JPEG of several pictures MPO
            if not may_be_decoded(image, _LONGEST_SIDE):
                return None
            plain = as_shown(image)
    except Exception:  # noqa: BLE001 - of damaged data a decoder raises anything: TypeError, struct.error, OSError, …
        return None
    plain.info.clear()  # comments, location, a colour profile that no longer applies
    buffer = io.BytesIO()
    plain.save(buffer, kind, quality=85)
    return ScaledPicture(buffer.getvalue(), plain.width, plain.height)


def may_be_decoded(image: Image.Image, side: int) -> bool:
    """Say whether an image's pixels are few enough; a JPEG is set to be decoded smaller, down to `side` pixels."""
    if "progressive" in image.info and image.width * image.height * _BYTES_OF_A_PROGRESSIVE_PIXEL > _MOST_BYTES:
        return False
    image.draft("RGB", (side, side))
    pixel = 8 if "transparency" in image.info else _BYTES_OF_A_PIXEL.get(image.mode, 4)
    return image.width * image.height * pixel <= _MOST_BYTES


def as_shown(image: Image.Image) -> Image.Image:
    """Convert an image of any Pillow mode to RGB, upright on white, as a viewer shows it, scaled to print."""
    transparent = image.info.get("transparency") if image.mode.startswith("I") else None
    profile = image.info.get("icc_profile")
    for name in ("xmp", "XML:com.adobe.xmp"):  # viewers rotate a picture by Exif data only
        image.info.pop(name, None)
    plain = _for_scaling(image)
    # Pillow cannot reduce sixteen bits in its faster first step.
    plain.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE), reducing_gap=None if plain.mode.startswith("I;") else 2.0)
    plain = ImageOps.exif_transpose(plain)
    if profile and plain.mode in {"L", "RGB", "RGBA", "CMYK"}:
        with contextlib.suppress(
            ImageCms.PyCMSError, OSError, ValueError
        ):  # viewers ignore a profile that does not fit
            own, shown = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
            mode = "RGBA" if plain.mode == "RGBA" else "RGB"
            plain = ImageCms.profileToProfile(plain, own, shown, outputMode=mode) or plain
    if plain.mode == "F" or plain.mode.startswith("I"):
        return _grey(plain, transparent)
    if plain.mode == "RGBA":
        return Image.alpha_composite(Image.new("RGBA", plain.size, "white"), plain).convert("RGB")
    return plain.convert("RGB")


def _for_scaling(image: Image.Image) -> Image.Image:
    """Convert an image to a mode whose values can be averaged, if necessary."""
    if image.mode == "F" and float(str(image.getextrema()[1])) <= 1:  # averages can exceed the range
        return image.point(lambda value: value * 255)
    averaged = image.mode in {"L", "RGB", "RGBA", "CMYK"} and "transparency" not in image.info
    if averaged or image.mode == "F" or image.mode.startswith("I"):
        return image
    if image.mode == "La":  # the only conversion that Pillow has
        image = image.convert("LA")
    if image.mode == "LAB":
        profiles = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(image, *profiles, outputMode="RGB") or image
    if image.has_transparency_data:
        return image.convert("RGBA")
    return image.convert("L" if image.mode == "1" else "RGB")


def _grey(image: Image.Image, transparent: int | None) -> Image.Image:
    """Convert grey of more than eight bits to eight: Pillow's own conversion clips values above 255.

    Integers have sixteen bits, as in PNG and TIFF; floats range up to one or up to 255.
    """
    if image.mode == "F":
        return image.point(lambda value: value + 0.5).convert("L").convert("RGB")
    whole = image.convert("I")
    grey = whole.point(lambda value: value * (255 / _SIXTEEN_BITS) + 0.5).convert("L")
    if isinstance(transparent, int):
        mask = ImageMath.lambda_eval(lambda bands: (bands["grey"] == transparent) * 255, grey=whole).convert("L")
        grey.paste(255, mask=mask)
    return grey.convert("RGB")
