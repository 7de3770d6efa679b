"""Run a tool from its own locked environment: each pins packages that ours could not hold beside its own."""

import os
import subprocess
import sys
from pathlib import Path

import uv

PROJECT = Path(__file__).resolve().parents[2]


class ToolFailedError(RuntimeError):
    """A tool could not do its work: read what it said."""


def run(tool: str, *arguments: str | Path, good: tuple[int, ...] = (0,)) -> str:
    """Run a tool of `requirements-{tool}.txt` in the checkout, and give what it printed.

    Raises:
        ToolFailedError: it ended with a status that is not among the good ones, or could not be installed.
    """
    return run_locked(Path(__file__).with_name(f"requirements-{tool}.txt"), *arguments, good=good)


def run_locked(lock: Path, *arguments: str | Path, good: tuple[int, ...] = (0,)) -> str:
    """Run a program with the packages of a lock in the checkout, and give what it printed. Raises ToolFailedError."""
    command = [
        *(uv.find_uv_bin(), "run", "--quiet", "--no-project", "--isolated", "--python", sys.executable),
        *("--with-requirements", lock, *arguments),
    ]
    # The active environment is not the tool's, and warnings about it are not findings.
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode not in good:
        raise ToolFailedError(
            f"{arguments[0]} ended with status {done.returncode}:\n{done.stdout}{done.stderr}".strip()
        )
    return done.stdout
