"""Pictures are decoded whole before they are sent."""

import io
import struct
import zlib
from typing import Any

import pytest
from PIL import Image

from gpconnect_messaging.documents.gate import DocumentGate
from tests.unit.documents.gate_files import a_pdf, picture

KINDS = {"JPEG": "image/jpeg", "PNG": "image/png", "TIFF": "image/tiff"}
GATE = DocumentGate()


def refusal(content: bytes, kind: str) -> str:
    return GATE.examine(KINDS[kind], [content]).refusal or "accepted"


def pages(count: int, **options: object) -> bytes:
    made = io.BytesIO()
    first, *others = [Image.new("1", (8, 8), number % 2) for number in range(count)]
    first.save(made, "TIFF", save_all=True, append_images=others, **options)
    return made.getvalue()


def a_png_of(side: int) -> bytes:
    """A PNG header that promises side by side pixels, with the data of a single row."""
    row = zlib.compress(bytes(1 + 3 * side))
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)), (b"IDAT", row), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


@pytest.mark.parametrize(
    ("kind", "mode"),
    [("JPEG", "RGB"), ("JPEG", "L"), ("JPEG", "CMYK"), ("PNG", "RGBA"), ("PNG", "1"), ("PNG", "P"), ("TIFF", "RGB"),
     ("TIFF", "1"), ("TIFF", "CMYK")],
)  # fmt: skip
def test_a_whole_picture_passes_and_a_cut_one_does_not(kind: str, mode: str) -> None:
    whole = picture(kind, mode)
    assert refusal(whole, kind) == "accepted"
    assert "cannot be decoded whole" in refusal(whole[: len(whole) // 2], kind)


@pytest.mark.parametrize("options", [{"progressive": True}, {"restart_marker_rows": 1}])
def test_a_cut_jpeg_of_any_kind_is_refused(options: dict[str, Any]) -> None:
    whole = picture("JPEG", size=(640, 480), **options)
    assert refusal(whole, "JPEG") == "accepted"
    assert "cannot be decoded whole" in refusal(whole[: len(whole) * 9 // 10], "JPEG")


def test_a_png_whose_end_alone_is_missing_or_whose_data_was_changed_is_refused() -> None:
    whole = picture("PNG")
    changed = bytearray(whole)
    changed[len(whole) // 2] ^= 1
    for broken in (whole[:-12], bytes(changed)):
        assert "cannot be decoded whole" in refusal(broken, "PNG")


def test_all_pages_of_a_tiff_are_decoded() -> None:
    assert refusal(pages(40), "TIFF") == "accepted"
    assert "cannot be decoded whole" in refusal(pages(3, compression="group4")[:-20], "TIFF")


def test_a_tiff_of_ten_thousand_pages_is_refused_before_they_are_decoded() -> None:
    assert refusal(pages(501), "TIFF") == "has more than 500 pages"


@pytest.mark.parametrize("side", [9_000, 60_000, 2**31 - 1])
def test_a_small_file_that_unpacks_to_gigabytes_is_refused(side: int) -> None:
    assert refusal(a_png_of(min(side, 60_000)) if side <= 60_000 else _promising(side), "PNG") in {
        "has more pixels than can be opened safely",
        "cannot be decoded whole: it is cut off, damaged, or of a rare kind",
    }


def _promising(side: int) -> bytes:
    header = b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))


def test_an_animation_passes_with_all_its_frames_decoded() -> None:
    made = io.BytesIO()
    first, second = Image.effect_noise((32, 32), 50), Image.effect_noise((32, 32), 90)
    first.save(made, "PNG", save_all=True, append_images=[second])
    assert refusal(made.getvalue(), "PNG") == "accepted"
    assert "cannot be decoded whole" in refusal(made.getvalue()[: len(made.getvalue()) - 300], "PNG")


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_of_another_kind_or_no_picture_is_refused_by_name(kind: str) -> None:
    other = {"JPEG": "PNG", "PNG": "TIFF", "TIFF": "JPEG"}[kind]
    assert "though its content_type says so" in refusal(picture(other), kind)
    assert "though its content_type says so" in refusal(a_pdf(), kind)
    assert refusal(b"MZ" + bytes(99), kind) == "is a program"
