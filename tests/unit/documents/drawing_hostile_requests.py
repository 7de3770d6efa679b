"""Renders requests made to use up memory, and prints as JSON the memory that they took and the outcome.

A separate program: peak memory is measured per process.
"""

import json
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gpconnect_messaging.documents.pictures import scaled
from gpconnect_messaging.documents.report import ReportRenderer
from gpconnect_messaging.requests.refusal import RequestRefusedError
from gpconnect_messaging.specification import ReportDesign
from infra.local.memory import MEGABYTE, peak_memory
from tests.examples import a_request

SAMPLE = "consultation-report-2.0"


def png(side: int) -> bytes:
    """Write a PNG of one colour with transparency, a few hundred kB long."""
    packer = zlib.compressobj(1)
    row = bytes(1 + 4 * side)
    data = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0)), (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        for name, content in chunks
    )


def _drawn(**section: Any) -> str:
    request = a_request(SAMPLE, documents=[], consultation__sections=[{"title": "Notes", **section}])
    try:
        ReportRenderer(next(iter(ReportDesign))).render(request, 1, lambda _key: b"")
    except RequestRefusedError as refused:
        return str(refused.reasons[0])
    return "drawn"


def _scaled(side: int) -> str:
    return "not shown" if scaled(png(side)) is None else "shown"


CASES: dict[str, Callable[[], str]] = {
    "a picture of 7,700 x 7,700": lambda: _scaled(7_700),
    "a picture just small enough": lambda: _scaled(7_200),
    "450,000 line breaks": lambda: _drawn(text="x" + "\n" * 450_000 + "x"),
    "30,000 results": lambda: _drawn(results=[{"test": "a", "value": "b"}] * 30_000),
    "28,000 coded items": lambda: _drawn(items=[{"term": "a", "code": "185317003"}] * 28_000),
    "symbols that are drawn in words": lambda: _drawn(text="\U0001f600" * 200_000),
    "a long text": lambda: _drawn(text="word " * 100_000),
}

if __name__ == "__main__":
    _drawn(text="warm")
    made: dict[str, Any] = {}
    for name, case in CASES.items():
        Path("/proc/self/clear_refs").write_text("5")
        made[name] = {"result": case(), "megabytes": peak_memory("self") // MEGABYTE}
        print(name, made[name], file=sys.stderr)
    print(json.dumps(made))
