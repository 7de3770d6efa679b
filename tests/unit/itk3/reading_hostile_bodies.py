"""Reads each hostile body four times at once, and prints as JSON what memory and processor time each took at most.

A program of its own: the most memory that a process had is the whole process's. Time is given as a ratio to a loop of a
million steps, measured beside it: a machine that is slow for the moment is slow for both.
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


def _read(body: bytes) -> None:
    with suppress(UnreadableResponse):
        read_response(body)


def _million_steps() -> float:
    started = time.process_time()
    for _ in range(1_000_000):
        pass
    return time.process_time() - started


def _measure(body: bytes) -> dict[str, float]:
    steps = _million_steps()
    Path("/proc/self/clear_refs").write_text("5")  # forget the most memory that there was
    before, started = peak_memory("self"), time.process_time()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(_read, [body] * AT_ONCE))
    spent = (time.process_time() - started) / AT_ONCE
    return {
        "megabytes_each": round((peak_memory("self") - before) / AT_ONCE / MEGABYTE, 1),
        "million_steps_each": round(spent / max(steps, _million_steps()), 1),
    }


if __name__ == "__main__":
    for genuine in responses()[:50]:
        _read(genuine)
    print(json.dumps({name: _measure(make()) for name, make in HOSTILE.items()}))
