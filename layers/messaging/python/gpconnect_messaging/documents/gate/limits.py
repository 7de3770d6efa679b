"""Limits for opening one document, and the refusals of documents that exceed them."""

import signal

MEGABYTE = 1024 * 1024
MOST_BYTES = 100 * MEGABYTE
"""Longest document; MESH takes messages of 100 MB without chunks."""
CPU_SECONDS = 5
WALL_SECONDS = 15.0
"""More than the CPU seconds, since a function of 1 GB has little more than half a processor."""
START_SECONDS = 30.0
DATA_BYTES = 400 * MEGABYTE
"""The worker's data limit; together with the builder's own data it fits the builder's memory size."""
MOST_FRAMES = 500
"""Pages of a TIFF."""

_SIMPLER = "print it as a PDF again, or send it in parts"
TOO_LONG = f"takes longer than {CPU_SECONDS} s to open: {_SIMPLER}"
TOO_LARGE = f"takes more than {DATA_BYTES // MEGABYTE} MB of memory to open: {_SIMPLER}"


def exit_refusal(status: int) -> str:
    """Return the refusal that a worker's exit status means."""
    return TOO_LONG if status == -signal.SIGXCPU else f"makes a program that opens it fail: {_SIMPLER}"
