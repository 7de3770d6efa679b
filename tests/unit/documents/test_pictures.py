"""A picture in a report looks as it does in a viewer, whatever mode it was saved in."""

import io
import struct
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image, ImageCms

from gpconnect_messaging.documents.pictures import as_shown, scaled

GREY = [0, 64, 128, 191, 255]
"""Five steps from black to white, as a viewer shows them."""


def row(mode: str, values: list[Any], **info: Any) -> Image.Image:
    image = Image.new(mode, (len(values), 1))
    for index, value in enumerate(values):
        image.putpixel((index, 0), value)
    image.info.update(info)
    return image


def palette(mode: str, values: list[Any], **info: Any) -> Image.Image:
    made = Image.new("PA" if mode == "PA" else "P", (5, 1))
    made.putpalette([band for grey in GREY for band in (grey, grey, grey)])
    for index, value in enumerate(values):
        made.putpixel((index, 0), value)
    made.info.update(info)
    return made


def lab() -> Image.Image:
    grey = row("RGB", [(grey,) * 3 for grey in GREY])
    made = ImageCms.profileToProfile(
        grey, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    assert made is not None
    return made


def _grey_profile() -> bytes:
    """Write an ICC profile of grey whose values are light itself (gamma 1)."""
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)
    curve = b"curv\0\0\0\0" + struct.pack(">I", 0)
    start = 128 + 4 + 2 * 12
    table = struct.pack(">I", 2) + b"wtpt" + struct.pack(">II", start, len(white))
    table += b"kTRC" + struct.pack(">II", start + len(white), len(curve))
    size = start + len(white) + len(curve)
    header = struct.pack(">I4sI4s4s4s", size, b"", 0x02400000, b"mntr", b"GRAY", b"XYZ ") + bytes(12) + b"acsp"
    header += bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + table + white + curve


_GREY_OF_GAMMA_ONE = _grey_profile()
SIXTEEN = [grey * 257 for grey in GREY]
OPAQUE = [(grey, 255) for grey in GREY]
MODES: dict[str, Callable[[], Image.Image]] = {
    "L": lambda: row("L", GREY),
    "LA": lambda: row("LA", OPAQUE),
    "La": lambda: row("LA", OPAQUE).convert("La"),
    "P": lambda: palette("P", [0, 1, 2, 3, 4]),
    "PA": lambda: palette("PA", [(index, 255) for index in range(5)]),
    "RGB": lambda: row("RGB", [(grey,) * 3 for grey in GREY]),
    "RGBX": lambda: row("RGBX", [(grey, grey, grey, 0) for grey in GREY]),
    "RGBA": lambda: row("RGBA", [(grey, grey, grey, 255) for grey in GREY]),
    "RGBa": lambda: row("RGBA", [(grey, grey, grey, 255) for grey in GREY]).convert("RGBa"),
    "CMYK": lambda: row("CMYK", [(0, 0, 0, 255 - grey) for grey in GREY]),
    "YCbCr": lambda: row("YCbCr", [(grey, 128, 128) for grey in GREY]),
    "HSV": lambda: row("HSV", [(0, 0, grey) for grey in GREY]),
    "LAB": lab,
    "I": lambda: row("I", SIXTEEN),
    "I;16": lambda: row("I;16", SIXTEEN),
    "I;16L": lambda: row("I;16L", SIXTEEN),
    "I;16B": lambda: row("I;16B", SIXTEEN),
    "I;16N": lambda: row("I;16N", SIXTEEN),
    "F": lambda: row("F", [float(grey) for grey in GREY]),
    "F of fractions": lambda: row("F", [grey / 255 for grey in GREY]),
}


def shown(image: Image.Image) -> list[tuple[int, int, int]]:
    plain = as_shown(image)
    assert plain.mode == "RGB"
    data = plain.tobytes()
    return [(data[index], data[index + 1], data[index + 2]) for index in range(0, len(data), 3)]


@pytest.mark.parametrize("name", MODES)
def test_five_greys_are_five_greys_in_every_mode(name: str) -> None:
    for found, grey in zip(shown(MODES[name]()), GREY, strict=True):
        assert all(abs(band - grey) <= 2 for band in found), name


@pytest.mark.parametrize("name", MODES)
def test_five_greys_are_five_greys_where_the_picture_is_many_times_too_wide(name: str) -> None:
    image = MODES[name]()
    wide = image.resize((6400, 10), Image.Resampling.NEAREST)
    wide.info.update(image.info)
    plain = as_shown(wide).convert("L")
    assert plain.width == 1500
    for found, grey in zip(plain.tobytes()[150:1500:300], GREY, strict=True):
        assert abs(found - grey) <= 2, name


def test_black_and_white_stay_so() -> None:
    assert shown(row("1", [0, 1])) == [(0, 0, 0), (255, 255, 255)]


@pytest.mark.parametrize(
    "image",
    [
        lambda: row("L", [0, 90, 200], transparency=90),
        lambda: row("RGB", [(0, 0, 0), (9, 8, 7), (200, 200, 200)], transparency=(9, 8, 7)),
        lambda: row("I;16", [0, 23_000, 200 * 257], transparency=23_000),
        lambda: row("LA", [(0, 255), (90, 0), (200, 255)]),
        lambda: row("RGBA", [(0, 0, 0, 255), (9, 8, 7, 0), (200, 200, 200, 255)]),
    ],
    ids=["L", "RGB", "I;16", "LA", "RGBA"],
)
def test_what_is_transparent_is_white(image: Callable[[], Image.Image]) -> None:
    assert shown(image()) == [(0, 0, 0), (255, 255, 255), (200, 200, 200)]


def test_a_palettes_transparent_entries_are_white() -> None:
    assert shown(palette("P", [0, 1, 4], transparency=bytes([255, 0, 255])))[1] == (255, 255, 255)
    assert shown(palette("P", [0, 1, 4], transparency=1))[1] == (255, 255, 255)


def test_half_of_black_is_grey() -> None:
    assert shown(row("LA", [(0, 128)])) == [(127, 127, 127)]


def saved(image: Image.Image, kind: str, **options: Any) -> Image.Image:
    """What a report shows of a picture that was saved in a file."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    found = scaled(file.getvalue())
    assert found is not None
    return Image.open(io.BytesIO(found.content)).convert("RGB")


def test_a_scan_of_sixteen_bits_goes_from_black_to_white() -> None:
    gradient = Image.new("I;16", (256, 8))
    for x in range(256):
        for y in range(8):
            gradient.putpixel((x, y), x * 257)
    picture = saved(gradient, "PNG")
    assert [picture.getpixel((x, 4)) for x in (0, 100, 255)] == [(0, 0, 0), (100, 100, 100), (255, 255, 255)]


@pytest.mark.parametrize("transform", [0, 2], ids=["CMYK", "YCCK"])
def test_a_jpeg_for_print_is_no_negative(transform: int) -> None:
    file = io.BytesIO()
    Image.new("CMYK", (32, 32), (0, 0, 0, 30)).save(file, "JPEG", quality=100)
    content = bytearray(file.getvalue())
    content[content.index(b"Adobe") + 11] = transform
    found = scaled(bytes(content))
    assert found is not None
    colour = Image.open(io.BytesIO(found.content)).convert("RGB").getpixel((16, 16))
    assert isinstance(colour, tuple)
    # The same bytes as YCCK, inverted as Adobe does, are C 255, M 121, Y 255, K 30.
    expected = (225, 225, 225) if transform == 0 else (0, 118, 0)
    assert all(abs(band - other) <= 3 for band, other in zip(colour, expected, strict=True))


def test_thin_lines_of_a_large_black_and_white_scan_do_not_vanish() -> None:
    scan = Image.new("1", (4500, 30), 1)
    for x in range(1, 4500, 3):
        for y in range(30):
            scan.putpixel((x, y), 0)
    picture = saved(scan, "PNG")
    assert all(value < 255 for value in picture.convert("L").tobytes())


def test_nothing_that_a_camera_wrote_goes_on() -> None:
    exif = Image.Exif()
    exif[0x010F] = "A camera"
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG", exif=exif, comment=b"at home", icc_profile=b"a profile")
    found = scaled(file.getvalue())
    assert found is not None
    assert not any(word in found.content for word in (b"camera", b"home", b"profile"))


def _saved(kind: str, **options: Any) -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (40, 20), (200, 30, 30)).save(made, kind, **options)
    return made.getvalue()


def test_colours_are_those_of_the_pictures_own_profile() -> None:
    swapped = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    image = row("RGB", [(200, 30, 30)], icc_profile=swapped.tobytes())
    assert shown(image) == [(200, 30, 30)], "one for other channels is passed over"
    wide = row("L", [128], icc_profile=_GREY_OF_GAMMA_ONE)
    assert shown(wide)[0][0] > 180, "half the light is more than half the sRGB value"


def test_a_phones_second_picture_is_left_out_of_a_report() -> None:
    content = _saved("MPO", save_all=True, append_images=[Image.new("RGB", (20, 20))])
    made = scaled(content)
    assert made is not None
    assert (made.content[:2], made.width, made.height) == (b"\xff\xd8", 40, 20)


def test_a_picture_is_turned_by_its_exif_data_alone() -> None:
    turned = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    made = scaled(_saved("JPEG", xmp=turned))
    assert made is not None
    assert (made.width, made.height) == (40, 20)
