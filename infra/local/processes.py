"""Start and stop the programs of the local run, so that none outlives it.

All programs are children of a supervisor process. It has a separate session, so Ctrl-C in the terminal does not reach
it, and it ends every program when this process is gone, for whatever reason.

    LocalRunError               the local run cannot continue; the message says what to do
    └── ProgramFailedError           a program did not start, or ended; names the log file
"""

import contextlib
import fcntl
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

SUPERVISOR = Path(__file__).with_name("supervisor.py")


class LocalRunError(Exception):
    """The local run cannot continue. The message says what a person should do."""


class ProgramFailedError(LocalRunError):
    """A program did not start, or ended too early."""

    def __init__(self, name: str, reason: str, log: Path) -> None:
        self.log = log
        tail = _tail(log)
        super().__init__(f"{name}: {reason}. Log: {log}" + (f"\n{tail}" if tail else ""))


class SupervisorClient:
    """Client of the supervisor process, and a context manager: leaving it ends every program."""

    def __init__(self, scratch: Path, logs: Path, *, grace_seconds: float = 1.0) -> None:
        """Prepare a supervisor. It deletes `scratch` at the end; after `grace_seconds` it follows SIGTERM with SIGKILL.

        The grace is short: the emulator ignores SIGTERM and has nothing to save.
        """
        self.grace_seconds = grace_seconds
        self.scratch = scratch
        self.logs = logs
        self.mark = logs / "supervisor.lock"
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._groups: dict[str, int] = {}
        self._staying = False

    def __enter__(self) -> Self:
        self.scratch.mkdir(parents=True, exist_ok=True)
        self.logs.mkdir(parents=True, exist_ok=True)
        with (self.logs / "supervisor.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-I", "-S", str(SUPERVISOR), "--scratch", str(self.scratch)),
                    *("--mark", str(self.mark), "--grace", str(self.grace_seconds)),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End every program and wait for the ends; after `stay`, leave them running. Can be repeated."""
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            return
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        if not self._staying:
            _await_end(process)
            # Only a killed supervisor leaves programs behind.
            if process.poll() not in (0, None):
                self._end_groups()
        else:
            process.returncode = 0  # the supervisor now outlives this process
        process.stdout.close()
        self._process = None

    def start(
        self, name: str, command: Sequence[str | Path], *, environment: Mapping[str, str], directory: Path
    ) -> int:
        """Start a program in a new process group and return the process id.

        `environment` is the complete environment. Output goes to `<logs>/<name>.log`.

        Raises:
            ProgramFailedError: the program cannot be started.

        """
        response = self._order(
            do="start",
            name=name,
            command=[str(part) for part in command],
            environment=dict(environment),
            directory=str(directory),
            log=str(self.log(name)),
        )
        if "failed" in response:
            raise ProgramFailedError(name, str(response["failed"]), self.log(name))
        pid = int(response["pid"])
        self._groups[name] = pid
        return pid

    def log(self, name: str) -> Path:
        """Return the program's log file."""
        return self.logs / f"{name}.log"

    def process(self, name: str) -> int:
        """Return the process id of a started program, which is also the process group's."""
        return self._groups[name]

    def exit_code(self, name: str) -> int | None:
        """Return the program's exit code; None while it runs."""
        code = self._order(do="check", name=name)["exit_code"]
        return None if code is None else int(code)

    def require_running(self, name: str) -> None:
        """Raise ProgramFailedError if the program has ended."""
        code = self.exit_code(name)
        if code is not None:
            raise ProgramFailedError(name, f"ended with exit code {code}", self.log(name))

    def complete(
        self, name: str, command: Sequence[str | Path], *, environment: Mapping[str, str], directory: Path
    ) -> None:
        """Run a program to the end.

        Raises:
            ProgramFailedError: the program cannot be started, or ends with a code other than 0.

        """
        self.start(name, command, environment=environment, directory=directory)
        while (code := self.exit_code(name)) is None:
            time.sleep(0.05)
        self.stop(name)
        if code != 0:
            raise ProgramFailedError(name, f"ended with exit code {code}", self.log(name))

    def wait_until(self, name: str, ready: Callable[[], bool], *, seconds: float) -> None:
        """Wait until a started program is ready.

        Raises:
            ProgramFailedError: the program ended, or is not ready in time.

        """
        deadline = time.monotonic() + seconds
        while not ready():
            self.require_running(name)
            if time.monotonic() > deadline:
                raise ProgramFailedError(name, f"not ready after {seconds:g} seconds", self.log(name))
            time.sleep(0.05)

    def stop(self, name: str) -> None:
        """End a program and all child processes."""
        self._order(do="stop", name=name)
        self._groups.pop(name, None)

    def stay(self) -> int:
        """Let the programs outlive this process. Return the process that ends them all on SIGTERM."""
        pid = int(self._order(do="stay")["pid"])
        self._staying = True
        return pid

    def _order(self, **order: Any) -> dict[str, Any]:
        with self._lock:
            process = self._process
            if process is None or process.stdin is None or process.stdout is None:
                raise LocalRunError("the local run has ended")
            try:
                process.stdin.write(json.dumps(order) + "\n")
                process.stdin.flush()
                line = process.stdout.readline()
            except BrokenPipeError:
                line = ""
            if not line:
                raise LocalRunError(
                    f"the supervisor of the local run's processes ended; see {self.logs / 'supervisor.log'}"
                )
            response: dict[str, Any] = json.loads(line)
            return response

    def _end_groups(self) -> None:
        for group in self._groups.values():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(group, 9)


def supervisor_lives(mark: Path) -> bool:
    """Whether the supervisor that holds this lock file is running."""
    try:
        with mark.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        pass
    return False


def await_death(process: int, seconds: float = 2.0) -> None:
    """Wait until a killed process is dead, even if the parent has not reaped it."""
    status = Path(f"/proc/{process}/stat")
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if status.read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return
        except OSError:
            if not Path("/proc/self").exists():
                time.sleep(0.2)  # without /proc only the parent knows; a kill takes a few milliseconds
            return
        time.sleep(0.005)


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that is free at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def port_answers(port: int) -> bool:
    """Whether a program accepts connections on 127.0.0.1 at this port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _await_end(process: subprocess.Popen[str], seconds: float = 15.0) -> None:
    """Wait for the supervisor to end, which takes a few seconds; a second Ctrl-C does not interrupt the wait."""
    deadline = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(KeyboardInterrupt):
            time.sleep(0.02)


def _tail(log: Path, lines: int = 15) -> str:
    try:
        return "\n".join(f"    {line}" for line in log.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""
