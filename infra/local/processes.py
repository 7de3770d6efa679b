"""Start and stop the programs of the local run, so that none outlives it.

All of them are children of one supervisor process, which has a session of its own (Ctrl-C in the terminal does not reach
it) and ends every program as soon as this process is gone, however that came about.

    LocalRunError               the local run cannot go on; the message says what to do
    └── ProgramFailedError           a program did not start, or ended; its log file is named
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
    """The local run cannot go on. The message says what a person should do."""


class ProgramFailedError(LocalRunError):
    """A program did not start, or ended before its time."""

    def __init__(self, name: str, reason: str, log: Path) -> None:
        self.log = log
        tail = _tail(log)
        super().__init__(f"{name}: {reason}. Its log: {log}" + (f"\n{tail}" if tail else ""))


class SupervisorClient:
    """Owner's end of the supervisor process. Use as a context manager: leaving it ends every program."""

    def __init__(self, scratch: Path, logs: Path, *, grace_seconds: float = 1.0) -> None:
        """Prepare a supervisor. `scratch` is removed at the end; `grace_seconds` is how long SIGTERM may take to work.

        The emulator ignores SIGTERM, and holds nothing worth saving.
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
        """End every program and wait until they are gone; after `stay`, leave them running. Safe to repeat."""
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            return
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        if not self._staying:
            _await_end(process)
            # Only if somebody killed the supervisor itself is there anything left to signal.
            if process.poll() not in (0, None):
                self._end_groups()
        else:
            process.returncode = 0  # it is not ours to wait for any more
        process.stdout.close()
        self._process = None

    def start(
        self, name: str, command: Sequence[str | Path], *, environment: Mapping[str, str], directory: Path
    ) -> int:
        """Start a program in its own process group and return its process id.

        `environment` is the program's whole environment. Output goes to `<logs>/<name>.log`.

        Raises:
            ProgramFailedError: it cannot be started.

        """
        answer = self._order(
            do="start",
            name=name,
            command=[str(part) for part in command],
            environment=dict(environment),
            directory=str(directory),
            log=str(self.log(name)),
        )
        if "failed" in answer:
            raise ProgramFailedError(name, str(answer["failed"]), self.log(name))
        pid = int(answer["pid"])
        self._groups[name] = pid
        return pid

    def log(self, name: str) -> Path:
        """Where the program's output goes."""
        return self.logs / f"{name}.log"

    def process(self, name: str) -> int:
        """Return the process id of a started program, which is its process group's too."""
        return self._groups[name]

    def exit_code(self, name: str) -> int | None:
        """Return how the program ended; None while it runs."""
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
        """Run a program to its end.

        Raises:
            ProgramFailedError: it cannot be started, or ends with a code other than 0.

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
            ProgramFailedError: it ended, or is not ready in time.

        """
        deadline = time.monotonic() + seconds
        while not ready():
            self.require_running(name)
            if time.monotonic() > deadline:
                raise ProgramFailedError(name, f"not ready after {seconds:g} seconds", self.log(name))
            time.sleep(0.05)

    def stop(self, name: str) -> None:
        """End one program and everything that it started."""
        self._order(do="stop", name=name)
        self._groups.pop(name, None)

    def stay(self) -> int:
        """Let the programs outlive this process. Returns the process that ends them all on SIGTERM."""
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
                answer = process.stdout.readline()
            except BrokenPipeError:
                answer = ""
            if not answer:
                raise LocalRunError(
                    f"the supervisor of the local run's processes ended; see {self.logs / 'supervisor.log'}"
                )
            answered: dict[str, Any] = json.loads(answer)
            return answered

    def _end_groups(self) -> None:
        for group in self._groups.values():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(group, 9)


def supervisor_lives(mark: Path) -> bool:
    """Whether the supervisor that was given this mark is running."""
    try:
        with mark.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        pass
    return False


def await_death(process: int, seconds: float = 2.0) -> None:
    """Wait until a killed process is dead, whether or not its parent has collected it."""
    status = Path(f"/proc/{process}/stat")
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if status.read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return
        except OSError:
            if not Path("/proc/self").exists():
                time.sleep(0.2)  # no way to ask without the parent; a kill takes a few milliseconds
            return
        time.sleep(0.005)


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nothing listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def port_answers(port: int) -> bool:
    """Whether something accepts connections on 127.0.0.1 at this port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _await_end(process: subprocess.Popen[str], seconds: float = 15.0) -> None:
    """Wait for the supervisor to end. A second Ctrl-C does not hurry it: it takes a few seconds at most."""
    deadline = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(KeyboardInterrupt):
            time.sleep(0.02)


def _tail(log: Path, lines: int = 15) -> str:
    try:
        return "\n".join(f"    {line}" for line in log.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""
