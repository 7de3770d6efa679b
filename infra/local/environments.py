"""Python environments of the tools: the emulator, the MESH sandbox, and the functions' runtime.

The tools pin packages that conflict. An environment is made once from its hash-locked file, named by a hash of the
lock, and kept under `.build/environments`.
"""

import fcntl
import hashlib
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from infra.local.processes import LocalRunError, ProgramFailedError, SupervisorClient

ROOT = Path(__file__).resolve().parents[2]
"""The checkout."""

BUILD = ROOT / ".build"
"""Folder of all that the local run makes, ignored by git."""

SUPPORTED = ">=3.11,<3.14"
"""Python versions of the MESH sandbox (by its package), and of the functions' tests."""

INSTALL = ("--require-hashes", "--no-deps", "--compile-bytecode")
"""Bytecode is compiled once here, not in the first second of every function process."""

Tool = Literal["emulator", "mesh", "runtime"]
TOOLS: tuple[Tool, ...] = ("emulator", "mesh", "runtime")


class PythonUnavailableError(LocalRunError):
    """There is no Python that the local run's tools support."""


@dataclass(frozen=True)
class Environment:
    """A virtual environment with locked packages."""

    folder: Path

    @property
    def python(self) -> Path:
        """The environment's interpreter."""
        return self.folder / "bin" / "python"


def environment(tool: Tool, supervisor: SupervisorClient) -> Environment:
    """Return the tool's environment; make it first if the lock is new.

    Raises:
        PythonUnavailableError: no Python in the supported range is installed.
        ProgramFailedError: a package could not be downloaded, or differs from the lock's hash.

    """
    lock = Path(__file__).with_name(f"requirements-{tool}.txt")
    recipe = " ".join(("{}.{}".format(*_version()), *INSTALL)).encode()
    digest = hashlib.sha256(lock.read_bytes() + recipe).hexdigest()[:16]
    folder = BUILD / "environments" / f"{tool}-{digest}"
    complete = folder / "complete"
    if complete.exists():
        return Environment(folder)
    with alone(folder.with_suffix(".lock")):
        if not complete.exists():
            _make(tool, folder, lock, supervisor)
            complete.touch()
    return Environment(folder)


def _make(tool: Tool, folder: Path, lock: Path, supervisor: SupervisorClient) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    uv = [_uv(), "--quiet", "--no-progress"]
    settings = {**os.environ, "UV_NO_CONFIG": "1"}
    try:
        supervisor.complete(
            f"environment-{tool}",
            [*uv, "venv", "--python", _python(), folder],
            environment=settings,
            directory=ROOT,
        )
    except ProgramFailedError as error:
        here = "{}.{}".format(*_version())
        raise PythonUnavailableError(
            f"The local run needs a Python {SUPPORTED} beside this one ({here}): NHS England's MESH sandbox does not "
            f"run on 3.14 or later. Install one (`{_uv()} python install 3.13`), then repeat. Details: {error.log}"
        ) from error
    supervisor.complete(
        f"environment-{tool}",
        [*uv, "pip", "install", "--python", folder / "bin" / "python", *INSTALL, "-r", lock],
        environment=settings,
        directory=ROOT,
    )


def _python() -> str:
    return sys.executable if (3, 11) <= _version() < (3, 14) else SUPPORTED


def _version() -> tuple[int, int]:
    return sys.version_info.major, sys.version_info.minor


def _uv() -> str:
    beside = Path(sys.executable).with_name("uv")
    path = str(beside) if beside.exists() else shutil.which("uv")
    if path is None:
        raise LocalRunError("`uv` is missing: it is one of the development packages (`make setup`).")
    return path


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Hold a lock file, so that two runs do not make the same files at once."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
