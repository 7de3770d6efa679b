"""The process that starts every other process of the local run, and ends them all when its owner is gone.

It reads orders (one JSON object a line) on its standard input and answers each with one line. Its input closes when the
owner ends, however it ends: also when it is killed. Then every group is stopped, and the scratch folder removed.
It needs the standard library only, so that it is up before anything else is.
"""

import argparse
import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn


class Groups:
    """The process groups that were started, by name."""

    def __init__(self, grace_seconds: float) -> None:
        self._grace_seconds = grace_seconds
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """Start one program in a group of its own, its output appended to the file `log`."""
        log = Path(order["log"])
        log.parent.mkdir(parents=True, exist_ok=True)
        try:
            with log.open("ab") as output:
                process = subprocess.Popen(
                    order["command"],
                    cwd=order["directory"],
                    env=order["environment"],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        except OSError as error:
            return {"failed": str(error)}
        self._processes[order["name"]] = process
        return {"pid": process.pid}

    def exit_code(self, name: str) -> int | None:
        """Return how the program ended; None while it runs."""
        return self._processes[name].poll()

    def stop(self, names: list[str]) -> None:
        """End the groups: ask first, then insist. Returns when they are gone."""
        going = [self._processes[name] for name in names if name in self._processes]
        for process in going:
            _signal_group(process.pid, signal.SIGTERM)
        deadline = time.monotonic() + self._grace_seconds
        while any(_group_lives(process) for process in going) and time.monotonic() < deadline:
            time.sleep(0.02)
        for process in going:
            if _group_lives(process):
                _signal_group(process.pid, signal.SIGKILL)
        deadline = time.monotonic() + self._grace_seconds
        while any(_group_lives(process) for process in going) and time.monotonic() < deadline:
            time.sleep(0.02)
        for name in names:
            self._processes.pop(name, None)

    def stop_all(self) -> None:
        """End every group."""
        self.stop(list(self._processes))


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _group_lives(process: subprocess.Popen[bytes]) -> bool:
    process.poll()  # collects the leader, which would otherwise count as a member
    try:
        os.killpg(process.pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def serve(groups: Groups, scratch: Path) -> None:
    """Obey orders until the owner is gone; after the order `stay`, until SIGTERM."""

    def leave(_number: int, _frame: object) -> NoReturn:
        raise SystemExit

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    staying = False
    try:
        for line in sys.stdin:
            order = json.loads(line)
            match order["do"]:
                case "start":
                    answer = groups.start(order)
                case "check":
                    answer = {"exit_code": groups.exit_code(order["name"])}
                case "stop":
                    groups.stop([order["name"]])
                    answer = {}
                case "stay":
                    staying = True
                    answer = {"pid": os.getpid()}
                case unknown:
                    answer = {"failed": f"no such order: {unknown}"}
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()
        while staying:
            signal.pause()
    except BrokenPipeError:
        pass  # the owner left while it was being answered
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        groups.stop_all()
        shutil.rmtree(scratch, ignore_errors=True)


def main() -> None:
    """Read the arguments, and serve."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--scratch", type=Path, required=True, help="folder to remove at the end")
    arguments.add_argument("--mark", type=Path, required=True, help="file to keep locked until the end")
    arguments.add_argument("--grace", type=float, required=True, help="seconds from SIGTERM to SIGKILL")
    given = arguments.parse_args()
    with given.mark.open("w") as mark:
        fcntl.flock(mark, fcntl.LOCK_EX)
        serve(Groups(given.grace), given.scratch)


if __name__ == "__main__":
    main()
