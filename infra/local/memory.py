"""Holds a process to a memory limit as Lambda does: what is resident is measured, and too much of it ends in SIGKILL.

Started beside each function by its `bootstrap` script (`memory.py PROCESS MEGABYTES`), with the standard library alone.
The kernel keeps the most that was ever resident (VmHWM), so that a peak between two looks is seen as well; a child
process's share is what it holds at the moment. An address-space limit is something else: it refuses what is asked for,
whether or not it is ever used, and the process gets a MemoryError that Lambda would not give it.

What differs from Lambda: there the packages are other builds (arm64), and some of the sandbox's own counts beside the
runtime client, which counts here too. Between going over the limit and the kill there are up to 20 ms. Where the
machine has no /proc, nothing is limited.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

MEGABYTE = 1024 * 1024
_SECONDS_BETWEEN_LOOKS = 0.02
# The one process that a function starts, the gate's, is there from the first document on.
_LOOKS_BETWEEN_CHILDREN = 10


@dataclass(frozen=True)
class Watched:
    """The most resident memory that a process had, in bytes, and whether it was killed for that."""

    peak: int
    killed: bool


def watch(process: int, limit: int, lives: Callable[[], bool]) -> Watched:
    """Watch a process while `lives` says so, and kill it as soon as it has more than `limit` bytes resident."""
    peak, children, looks = 0, 0, 0
    while lives():
        if looks % _LOOKS_BETWEEN_CHILDREN == 0:
            children = sum(_resident(child, "VmRSS") for child in _children(process) if child != os.getpid())
        looks += 1
        peak = max(peak, _resident(process, "VmHWM") + children)
        if peak > limit:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
            return Watched(peak, killed=True)
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    return Watched(peak, killed=False)


def peak_memory(process: int | str) -> int:
    """Return the most memory that a living process ever had resident, in bytes (0: unknown); `self` is this one."""
    return _resident(process, "VmHWM")


def _resident(process: int | str, measure: str) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith(measure):
                return int(line.split()[1]) * 1024
    return 0


def _children(process: int) -> Iterator[int]:
    with suppress(OSError):
        for task in Path(f"/proc/{process}/task").iterdir():
            yield from map(int, (task / "children").read_text().split())


def main() -> None:
    """Watch the parent process, and say as Lambda does why it was killed."""
    process, megabytes = int(sys.argv[1]), int(sys.argv[2])
    watched = watch(process, megabytes * MEGABYTE, lives=lambda: os.getppid() == process)
    if watched.killed:
        print(
            f"Runtime exited with error: signal: killed Runtime.ExitError "
            f"Memory Size: {megabytes} MB Max Memory Used: {watched.peak // MEGABYTE} MB",
            flush=True,
        )


if __name__ == "__main__":
    main()
