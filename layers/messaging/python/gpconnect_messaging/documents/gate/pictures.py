"""JPEG, PNG and TIFF: decoded completely, all pages of a TIFF, to detect truncated or damaged files."""

import io
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from PIL import Image, ImageFile

from gpconnect_messaging.documents.gate import limits
from gpconnect_messaging.documents.gate.findings import Findings, RefusedError
from gpconnect_messaging.documents.pictures import may_be_decoded

# `may_be_decoded` limits the memory instead.
Image.MAX_IMAGE_PIXELS = None
ImageFile.LOAD_TRUNCATED_IMAGES = False

_FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG", "image/tiff": "TIFF"}


def examine(media_type: str, file: IO[bytes]) -> Findings:
    """Decode a picture. Raises RefusedError."""
    formats = (_FORMATS[media_type],)
    try:
        # Pillow only warns about a TIFF that is cut within a page's table.
        warnings.simplefilter("ignore")
        if media_type == "image/tiff":
            warnings.filterwarnings("error", message="Corrupt EXIF data|Truncated File Read")
        if media_type == "image/png":  # decoding stops after the last row; this reads up to the end mark
            with Image.open(file, formats=formats) as image:
                image.verify()
            file.seek(0)
        with Image.open(file, formats=formats) as image, _without_errors():
            # A phone's JPEG can contain further pictures, which viewers do not show.
            frames = getattr(image, "n_frames", 1) if media_type == "image/tiff" else 1
            if frames > limits.MOST_FRAMES:
                raise RefusedError(f"has more than {limits.MOST_FRAMES} pages", "send it in parts")
            for frame in range(frames):
                image.seek(frame)
                if not may_be_decoded(image, 1):  # a JPEG is read completely and kept reduced
                    raise RefusedError("has more pixels than can be opened safely", "save it in a smaller size")
                image.load()
            if media_type == "image/jpeg":
                # Missing data is drawn in grey without an error; behind complete data more bytes change nothing.
                file.seek(0)
                coded, end, _ = file.read().rpartition(b"\xff\xd9")
                more = io.BytesIO(coded.rstrip(b"\xff") + bytes(range(192, 224)) + end)
                with Image.open(more, formats=formats) as longer:
                    may_be_decoded(longer, 1)
                    if longer.tobytes() != image.tobytes():
                        raise ValueError
    except (RefusedError, MemoryError):
        raise
    except Exception:  # noqa: BLE001 - a decoder raises any error on damaged data: TypeError, struct.error, OSError, …
        rule = "cannot be decoded whole, since it is cut off, damaged, or of a rare kind"
        raise RefusedError(rule, "open it, and save it again") from None
    return Findings()


@contextmanager
def _without_errors() -> Iterator[None]:
    """Raise ValueError if a decoder prints an error: of damaged fax data libtiff only does that, and goes on."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    kept = os.dup(2)
    os.dup2(writing, 2)
    os.close(writing)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        with os.fdopen(reading, "rb") as printed:
            errors = printed.read()
    if errors:
        raise ValueError
