"""Limit a process's memory as Lambda does: too much resident memory ends in SIGKILL.

A function's `bootstrap` script starts this program beside it (`memory.py PROCESS MEGABYTES`); standard library only.
The kernel records the peak of resident memory (VmHWM), so a peak between two checks counts as well; a child process
counts with the current memory. An address-space limit would differ: it refuses allocations, used or not, with a
MemoryError that Lambda would not raise.

Differences from Lambda: there the packages are other builds (arm64), and parts of the sandbox count beside the runtime
client, which counts here too. The kill comes up to 20 ms after the limit is exceeded. Without /proc there is no limit.
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
_SECONDS_BETWEEN_CHECKS = 0.02
# A function's only child is the document check's process, which exists from the first document on.
_CHECKS_BETWEEN_CHILDREN = 10


@dataclass(frozen=True)
class Watched:
    """Peak of a process's resident memory in bytes, and whether it was killed for exceeding the limit."""

    peak: int
    killed: bool


def watch(process: int, limit: int, lives: Callable[[], bool]) -> Watched:
    """Watch a process while `lives()` is true, and kill it if more than `limit` bytes are resident."""
    peak, children, checks = 0, 0, 0
    while lives():
        if checks % _CHECKS_BETWEEN_CHILDREN == 0:
            children = sum(_resident(child, "VmRSS") for child in _children(process) if child != os.getpid())
        checks += 1
        peak = max(peak, _resident(process, "VmHWM") + children)
        if peak > limit:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
            return Watched(peak, killed=True)
        time.sleep(_SECONDS_BETWEEN_CHECKS)
    return Watched(peak, killed=False)


def peak_memory(process: int | str) -> int:
    """Return a living process's peak of resident memory, in bytes (0: unknown); `self` is this process."""
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
    """Watch the parent process; if it is killed, print Lambda's message."""
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
