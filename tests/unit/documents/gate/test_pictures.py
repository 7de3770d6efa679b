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


@pytest.mark.parametrize("options", [{}, {"restart_marker_rows": 1}])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("share", [0.31, 0.52, 0.83, 0.96])
def test_a_cut_jpeg_with_an_end_mark_is_refused(options: dict[str, Any], mode: str, share: float) -> None:
    whole = picture("JPEG", mode, size=(640, 480), **options)
    assert refusal(whole, "JPEG") == "accepted"
    assert "cannot be decoded whole" in refusal(whole[: int(share * len(whole))] + whole[-2:], "JPEG")


def test_a_png_whose_end_alone_is_missing_or_whose_data_was_changed_is_refused() -> None:
    whole = picture("PNG")
    changed = bytearray(whole)
    changed[len(whole) // 2] ^= 1
    for broken in (whole[:-12], bytes(changed)):
        assert "cannot be decoded whole" in refusal(broken, "PNG")


def test_all_pages_of_a_tiff_are_decoded() -> None:
    assert refusal(pages(40), "TIFF") == "accepted"
    assert "cannot be decoded whole" in refusal(pages(3, compression="group4")[:-20], "TIFF")


def test_a_fax_with_a_damaged_line_is_refused() -> None:
    whole = bytearray(picture("TIFF", "1", size=(640, 480), compression="group4"))
    assert refusal(bytes(whole), "TIFF") == "accepted"
    whole[len(whole) // 2] ^= 0x55
    assert "cannot be decoded whole" in refusal(bytes(whole), "TIFF")


def test_a_tiff_of_ten_thousand_pages_is_refused_before_they_are_decoded() -> None:
    assert refusal(pages(501), "TIFF") == "has more than 500 pages: send it in parts"


@pytest.mark.parametrize("side", [9_000, 60_000, 2**31 - 1])
def test_a_small_file_that_unpacks_to_gigabytes_is_refused(side: int) -> None:
    assert refusal(a_png_of(min(side, 60_000)) if side <= 60_000 else _promising(side), "PNG") in {
        "has more pixels than can be opened safely: save it in a smaller size",
        "cannot be decoded whole, since it is cut off, damaged, or of a rare kind: open it, and save it again",
    }


def _promising(side: int) -> bytes:
    header = b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))


def test_a_photograph_of_a_phone_with_a_second_picture_behind_passes() -> None:
    made = io.BytesIO()
    first, second = Image.effect_noise((64, 48), 90).convert("RGB"), Image.effect_noise((32, 24), 90).convert("RGB")
    first.save(made, "MPO", save_all=True, append_images=[second])
    assert refusal(made.getvalue(), "JPEG") == "accepted"


def _with_comment(comment: bytes) -> bytes:
    whole = picture("JPEG")
    return whole[:2] + b"\xff\xfe" + struct.pack(">H", len(comment) + 2) + comment + whole[2:]


def _with_chunk(data: bytes) -> bytes:
    whole = picture("PNG")
    chunk = struct.pack(">I", len(data)) + b"teSt" + data + struct.pack(">I", zlib.crc32(b"teSt" + data))
    return whole[:33] + chunk + whole[33:]


@pytest.mark.parametrize(
    ("content", "kind", "words"),
    [
        (_with_comment(a_pdf()), "JPEG", "is also a PDF"),
        (_with_chunk(a_pdf()), "PNG", "is also a PDF"),
        (_with_comment(b"an obj <html><script>x()</script>"), "JPEG", "is also a page for a browser"),
        (_with_chunk(b"<svg onload=x()>"), "PNG", "is also a page for a browser"),
        (picture("JPEG") + b"MZ\x90\0" + bytes(60), "JPEG", "is also a program"),
        (picture("PNG") + b"\0\0\x7fELF\2\1\1", "PNG", "is also a program"),
        (picture("JPEG") + a_pdf(), "JPEG", "is also a PDF"),
        (
            b"II+\0\x08\0\0\0" + bytes(40),
            "TIFF",
            "is a BigTIFF, which few programs open, not a TIFF image: save it as that",
        ),
    ],
)
def test_a_picture_that_is_another_format_too_is_refused(content: bytes, kind: str, words: str) -> None:
    assert words in refusal(content, kind)


def test_an_animation_passes_and_a_cut_one_does_not() -> None:
    made = io.BytesIO()
    first, second = Image.effect_noise((32, 32), 50), Image.effect_noise((32, 32), 90)
    first.save(made, "PNG", save_all=True, append_images=[second])
    assert refusal(made.getvalue(), "PNG") == "accepted"
    assert "cannot be decoded whole" in refusal(made.getvalue()[: len(made.getvalue()) - 300], "PNG")


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_of_another_kind_or_no_picture_is_refused_by_name(kind: str) -> None:
    other = {"JPEG": "PNG", "PNG": "TIFF", "TIFF": "JPEG"}[kind]
    advice = f"not a {kind} image: save it as that, or correct content_type"
    assert refusal(picture(other), kind) == f"is {advice}"
    assert refusal(a_pdf(), kind) == f"is a PDF, {advice}"
    assert refusal(b"MZ" + bytes(99), kind) == f"is a program, {advice}"
    assert refusal(b"\xd0\xcf\x11\xe0" + bytes(99), kind) == f"is an archive or Office file, {advice}"
