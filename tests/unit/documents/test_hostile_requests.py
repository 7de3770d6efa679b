"""Requests that would use up the builder's memory, or make a library fail unexpectedly."""

import io
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from gpconnect_messaging.documents.pictures import scaled
from gpconnect_messaging.requests.models import parse_request
from gpconnect_messaging.requests.refusal import RequestRefusedError
from gpconnect_messaging.storage import DropBucket, NotThereError
from tests.examples import request_data
from tests.fakes.s3 import Bucket

ROOT = Path(__file__).parents[3]
BUILDER_MEGABYTES = 1024


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the machine does not say what memory is used")
def test_no_request_takes_the_builders_memory() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "tests.unit.documents.drawing_hostile_requests"],
        check=True, capture_output=True, text=True, cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(("layers/messaging/python", "."))},
    )  # fmt: skip
    made = json.loads(run.stdout)
    assert {name: one for name, one in made.items() if one["megabytes"] > 0.6 * BUILDER_MEGABYTES} == {}
    results = {name: one["result"] for name, one in made.items()}
    assert results["a picture of 7,700 x 7,700"] == "not shown"
    assert results["a picture just small enough"] == "shown"
    assert results["a long text"] == "drawn"
    for refused in ("450,000 line breaks", "30,000 results", "28,000 coded items"):
        assert "too long to be rendered" in results[refused]


def photographs() -> list[bytes]:
    made = []
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "A camera"
    for kind, mode, more in (
        ("JPEG", "RGB", {"exif": exif}), ("JPEG", "CMYK", {"progressive": True}), ("PNG", "RGBA", {"exif": exif}),
        ("PNG", "P", {}),
    ):  # fmt: skip
        written = io.BytesIO()
        Image.new(mode, (30, 20)).save(written, kind, **more)
        made.append(written.getvalue())
    return made


def test_a_damaged_picture_is_never_more_than_a_picture_that_cannot_be_shown() -> None:
    chance = random.Random(5)
    sources = photographs()
    for _ in range(3_000):
        damaged = bytearray(chance.choice(sources))
        for _ in range(chance.randint(1, 6)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        scaled(bytes(damaged))


def test_a_photograph_is_turned_upright() -> None:
    shown = scaled(photographs()[0])
    assert shown is not None
    assert (shown.width, shown.height) == (20, 30)


def test_a_key_is_as_long_as_s3_allows_in_bytes() -> None:
    def document(key: str) -> bytes:
        documents = [{"key": key, "content_type": "application/pdf", "title": "Letter", "primary": True}]
        return json.dumps(request_data("consultation-report-2.0", documents=documents)).encode()

    assert parse_request(document("é" * 512)).documents[0].key == "é" * 512
    with pytest.raises(
        RequestRefusedError, match=r"documents\[0\].key: is longer than S3 allows, 1024 bytes in UTF-8: shorten it"
    ):
        parse_request(document("é" * 513))


@pytest.mark.parametrize("key", ["", "é" * 513])
def test_a_key_that_no_object_can_have_names_no_file(key: str) -> None:
    drop = DropBucket(Bucket(), "drop")  # type: ignore[arg-type]
    with pytest.raises(NotThereError):
        drop.find(key)
    with pytest.raises(NotThereError):
        drop.read(key, "", 10)
