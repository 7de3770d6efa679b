"""Opens documents in a worker process, which is killed if a document takes too long or too much memory.

The worker starts once per execution environment and stays warm. A document that takes too much is refused, because a
practice's reader might fail on it too. The worker gets none of the function's environment variables, so that a
compromised parser finds no credentials.

No multiprocessing: the queues need /dev/shm, which Lambda lacks.
"""

import atexit
import json
import os
import socket
import subprocess
import sys
import threading
from typing import IO, Any

from gpconnect_messaging.documents.gate import limits

_WORKER = "gpconnect_messaging.documents.gate.worker"
# Variables that the interpreter needs; no others are passed on.
_PASSED_ON = ("LD_LIBRARY_PATH", "LANG", "TZ")


class GateUnavailableError(Exception):
    """The process that opens documents does not start: fix the deployment; the queue delivers the request again."""


class Opener:
    """Asks the worker process, one document at a time; `seconds` is the wall-clock limit per document."""

    def __init__(self, *, seconds: float = limits.WALL_SECONDS) -> None:
        self._seconds = seconds
        self._worker: _Worker | None = None
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start the worker before the first document, without waiting until it is ready."""
        with self._lock:
            self._running()

    def close(self) -> None:
        """Stop the worker; the next document starts another."""
        with self._lock:
            self._end()

    def ask(self, question: dict[str, Any], document: IO[bytes], *, again: bool = True) -> dict[str, Any]:
        """Return the worker's findings or `refusal`. Raises GateUnavailableError.

        A worker can end for another reason than the document, so a new worker gets the document once more.
        """
        with self._lock:
            try:
                return self._running().ask(json.dumps(question).encode(), document.fileno(), self._seconds)
            except TimeoutError:
                self._end()
                return {"refusal": limits.TOO_LONG}
            except _WorkerEndedError as ended:
                self._end()
                if not again or str(ended) == limits.TOO_LONG:
                    return {"refusal": str(ended)}
            except BaseException:
                self._end()  # the pending answer would be read as the next document's
                raise
        return self.ask(question, document, again=False)

    def _running(self) -> "_Worker":
        if self._worker is None or self._worker.parent != os.getpid():  # a forked process shares the parent's socket
            self._worker = _Worker()
        return self._worker

    def _end(self) -> None:
        if self._worker:
            self._worker.kill()
            self._worker = None


class _WorkerEndedError(Exception):
    """The document ended the worker; the text says how."""


class _Worker:
    def __init__(self) -> None:
        self.parent = os.getpid()
        self._ours, theirs = socket.socketpair()
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", _WORKER, str(theirs.fileno())],
                env=environment | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,  # a parser's complaint can quote the document
                pass_fds=(theirs.fileno(),),
                start_new_session=True,  # signals to the function's process group do not reach it
            )
        self._started = False

    def ask(self, question: bytes, document: int, seconds: float) -> dict[str, Any]:
        """Raises TimeoutError, _WorkerEndedError, GateUnavailableError."""
        if not self._started:
            self._start()
        self._ours.settimeout(seconds)
        try:
            socket.send_fds(self._ours, [question], [document])
            answer: dict[str, Any] = json.loads(self._line())
        except (ConnectionError, EOFError):
            raise _WorkerEndedError(limits.exit_refusal(self._process.wait(timeout=seconds))) from None
        return answer

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self._ours.close()

    def _start(self) -> None:
        self._ours.settimeout(limits.START_SECONDS)
        try:
            self._line()
        except (TimeoutError, ConnectionError, EOFError):
            raise GateUnavailableError("the process that opens documents does not start") from None
        self._started = True

    def _line(self) -> bytes:
        line = b""
        while not line.endswith(b"\n"):
            piece = self._ours.recv(65536)
            if not piece:
                raise EOFError
            line += piece
        return line


SHARED = Opener()
"""The process's shared opener."""

atexit.register(SHARED.close)
