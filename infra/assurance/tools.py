"""Run a tool from a separate locked environment: the pinned packages conflict with those of the project."""

import os
import subprocess
import sys
from pathlib import Path

import uv

PROJECT = Path(__file__).resolve().parents[2]


class ToolFailedError(RuntimeError):
    """A tool failed: read the output."""


def run(tool: str, *arguments: str | Path, good: tuple[int, ...] = (0,)) -> str:
    """Run a tool of `requirements-{tool}.txt` in the checkout, and return the output.

    Raises:
        ToolFailedError: the tool ended with a status that is not in `good`, or could not be installed.
    """
    return run_locked(Path(__file__).with_name(f"requirements-{tool}.txt"), *arguments, good=good)


def run_locked(lock: Path, *arguments: str | Path, good: tuple[int, ...] = (0,)) -> str:
    """Run a program with the packages of a lock in the checkout, and return the output. Raises ToolFailedError."""
    command = [
        *(uv.find_uv_bin(), "run", "--quiet", "--no-project", "--isolated", "--python", sys.executable),
        *("--with-requirements", lock, *arguments),
    ]
    # The active environment is not the tool's, and uv would warn about it.
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    process = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
    if process.returncode not in good:
        raise ToolFailedError(
            f"{arguments[0]} ended with status {process.returncode}:\n{process.stdout}{process.stderr}".strip()
        )
    return process.stdout
