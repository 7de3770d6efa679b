"""How much opening one document may take, and what is said of one that takes more."""

import signal

MEGABYTE = 1024 * 1024
MOST_BYTES = 100 * MEGABYTE
"""Longest document; MESH itself takes messages of 100 MB whole."""
CPU_SECONDS = 5
WALL_SECONDS = 15.0
"""More than its CPU seconds, since a function of 1 GB has little more than half a processor."""
START_SECONDS = 30.0
DATA_BYTES = 400 * MEGABYTE
"""What the worker may hold beside its code. With the builder's own it stays within the builder's memory size."""
MOST_FRAMES = 500
"""Pages of a TIFF."""

TOO_LONG = f"takes longer than {CPU_SECONDS} s to open"
TOO_LARGE = f"takes more than {DATA_BYTES // MEGABYTE} MB of memory to open"


def ended(status: int) -> str:
    """Say of a document what its worker's exit status shows."""
    return TOO_LONG if status == -signal.SIGXCPU else "makes a program that opens it fail"
