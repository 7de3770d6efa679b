"""The supervisor process: it starts all processes of the local run, and ends them when the owner is gone.

It reads orders (a JSON object a line) on standard input and responds with a line. Standard input closes when the owner
ends, even if it is killed. Then the supervisor stops every process group and deletes the scratch folder. It uses the
standard library only, so that it starts before anything else.
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
    """Process groups by name."""

    def __init__(self, grace_seconds: float) -> None:
        self._grace_seconds = grace_seconds
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """Start a program in a new process group; output is appended to the file `log`."""
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
        """Return the program's exit code; None while it runs."""
        return self._processes[name].poll()

    def stop(self, names: list[str]) -> None:
        """End process groups with SIGTERM, then SIGKILL. Returns when they are gone."""
        processes = [self._processes[name] for name in names if name in self._processes]
        for process in processes:
            _signal_group(process.pid, signal.SIGTERM)
        deadline = time.monotonic() + self._grace_seconds
        while any(_group_lives(process) for process in processes) and time.monotonic() < deadline:
            time.sleep(0.02)
        for process in processes:
            if _group_lives(process):
                _signal_group(process.pid, signal.SIGKILL)
        deadline = time.monotonic() + self._grace_seconds
        while any(_group_lives(process) for process in processes) and time.monotonic() < deadline:
            time.sleep(0.02)
        for name in names:
            self._processes.pop(name, None)

    def stop_all(self) -> None:
        """End every process group."""
        self.stop(list(self._processes))


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _group_lives(process: subprocess.Popen[bytes]) -> bool:
    process.poll()  # reaps the leader, which would otherwise count as a member
    try:
        os.killpg(process.pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def serve(groups: Groups, scratch: Path) -> None:
    """Execute orders until the owner is gone; after the order `stay`, until SIGTERM."""

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
                    response = groups.start(order)
                case "check":
                    response = {"exit_code": groups.exit_code(order["name"])}
                case "stop":
                    groups.stop([order["name"]])
                    response = {}
                case "stay":
                    staying = True
                    response = {"pid": os.getpid()}
                case unknown:
                    response = {"failed": f"no such order: {unknown}"}
            sys.stdout.write(json.dumps(response) + "\n")
            sys.stdout.flush()
        while staying:
            signal.pause()
    except BrokenPipeError:
        pass  # the owner ended before it read the response
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        groups.stop_all()
        shutil.rmtree(scratch, ignore_errors=True)


def main() -> None:
    """Parse the arguments, and serve."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--scratch", type=Path, required=True, help="folder to delete at the end")
    arguments.add_argument("--mark", type=Path, required=True, help="file to lock until the end")
    arguments.add_argument("--grace", type=float, required=True, help="seconds between SIGTERM and SIGKILL")
    options = arguments.parse_args()
    with options.mark.open("w") as mark:
        fcntl.flock(mark, fcntl.LOCK_EX)
        serve(Groups(options.grace), options.scratch)


if __name__ == "__main__":
    main()
