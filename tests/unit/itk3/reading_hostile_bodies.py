"""Reads hostile bodies one by one, and prints as JSON the memory and processor time of every read.

A program of its own: the most memory that a process had is the whole process's. Memory is that of four reads at once.
Time is that of one read alone, because waiting threads spend processor time, too. It is the least of three ratios to a
loop of a million steps that runs beside the read, so that a slow machine slows both.
"""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from gpconnect_messaging.itk3.responses import UnreadableResponse, read_response
from infra.local.memory import MEGABYTE, peak_memory
from tests.hostile_responses import HOSTILE, responses

AT_ONCE = 4
FEW = 15
"""Million steps that are surely not too many: it is not measured again."""


def _read(body: bytes) -> None:
    with suppress(UnreadableResponse):
        read_response(body)


def _million_steps() -> float:
    started = time.process_time()
    for _ in range(1_000_000):
        pass
    return time.process_time() - started


def _million_steps_of(body: bytes) -> float:
    """The least of three measurements; the first that is few enough is as good."""
    least = float("inf")
    for _ in range(3):
        steps, started = _million_steps(), time.process_time()
        _read(body)
        spent = time.process_time() - started
        if spent / steps > FEW:
            steps = max(steps, _million_steps())
        least = min(least, spent / steps)
        if least <= FEW:
            break
    return least


def _measure(body: bytes) -> dict[str, float]:
    Path("/proc/self/clear_refs").write_text("5")  # forget the most memory that there was
    before = peak_memory("self")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(_read, [body] * AT_ONCE))
    return {
        "megabytes_each": round((peak_memory("self") - before) / AT_ONCE / MEGABYTE, 1),
        "million_steps": round(_million_steps_of(body), 1),
    }


if __name__ == "__main__":
    for genuine in responses()[:50]:
        _read(genuine)
    print(json.dumps({name: _measure(make()) for name, make in HOSTILE.items()}))
