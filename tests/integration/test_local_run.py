"""The local run itself: what it shows is what is deployed, and nothing of it stays behind."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from gpcm.dropping import Dropped
from gpcm.functions import FunctionFailedError
from infra.local.environments import BUILD, ROOT
from infra.local.ledger import Message
from infra.local.run import LocalRun
from infra.local.scenarios import REQUESTS

PROC = Path("/proc")
needs_proc = pytest.mark.skipif(not (PROC / "self").exists(), reason="looks at processes through /proc")


def waited_for(run: LocalRun, dropped: Dropped, *statuses: str, seconds: float = 60) -> Message:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        message = run.message(dropped)
        if message is not None and message.status in statuses:
            return message
        run.poll(mailboxes_only=True)
    pytest.fail(f"{dropped.name} is {message.status if message else 'not known'}, not {' or '.join(statuses)}")


def report(run: LocalRun) -> Dropped:
    return run.drop(REQUESTS / "consultation-report-2.0", {"encounter": str(uuid.uuid4())})


def processes_of(folder: Path) -> dict[int, str]:
    """Living processes of this run: the folder is in the command line, the environment or the working directory."""
    found = {}
    for process in PROC.glob("[0-9]*"):
        try:
            known = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
            known += str((process / "cwd").readlink()).encode()
            state = (process / "stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            continue
        if str(folder).encode() in known and state != "Z" and int(process.name) != os.getpid():
            found[int(process.name)] = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    return found


@needs_proc
def test_everything_listens_on_this_machine_alone(local_run: LocalRun) -> None:
    waited_for(local_run, report(local_run), "DELIVERED")  # so that every function runs
    processes = processes_of(local_run.folder)
    sockets = set()
    for process in processes:
        for descriptor in (PROC / str(process) / "fd").iterdir():
            try:
                sockets |= set(re.findall(r"socket:\[(\d+)\]", str(descriptor.readlink())))
            except OSError:
                continue
    listening = []
    for table in ("tcp", "tcp6"):
        for line in (PROC / "net" / table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in sockets:
                listening.append(fields[1].split(":")[0])
    assert listening
    assert set(listening) == {"0100007F"}, "127.0.0.1, as the kernel writes it"


def test_functions_run_with_their_own_roles_and_without_the_persons_environment(local_run: LocalRun) -> None:
    waited_for(local_run, report(local_run), "DELIVERED")
    for process in local_run.handler_processes():
        environment = dict(
            entry.split("=", 1) for entry in (PROC / str(process) / "environ").read_text().split("\0") if "=" in entry
        )
        assert environment["AWS_ACCESS_KEY_ID"] != local_run.state.access.key_id
        assert environment["AWS_ACCESS_KEY_ID"].startswith("ASIA")
        assert environment["HOME"] == str(local_run.state.scratch)


def test_the_schedules_are_invoked_with_their_own_inputs(local_run: LocalRun) -> None:
    schedules = local_run.state.deployment.schedules
    assert {json.loads(schedule.input)["task"] for schedule in schedules} == {
        "mailbox",
        "due",
        "reconcile",
        "drop",
        "archive",
    }
    assert {schedule.function for schedule in schedules} == {f"{local_run.outputs['PollerFunctionName']}:live"}


def test_a_killed_function_starts_again_with_the_next_work(local_run: LocalRun) -> None:
    local_run.poll()
    before = local_run.handler_processes("poller")
    assert before
    assert local_run.kill_handlers("poller") == len(before)
    assert local_run.handler_processes("poller") == []
    with suppress(FunctionFailedError):  # the emulator may lend a run the process that was just killed
        local_run.poll()
    local_run.poll()
    assert local_run.handler_processes("poller")


def test_a_function_that_fails_says_so(local_run: LocalRun) -> None:
    with pytest.raises(FunctionFailedError, match=r"Poller.*names no task"):
        local_run.invoke("poller", {"task": "no such task"})


def test_the_deployed_permissions_suffice(local_run: LocalRun) -> None:
    waited_for(local_run, report(local_run), "DELIVERED")
    assert local_run.denials() == []


def test_a_role_without_a_permission_is_refused_and_the_refusal_is_shown() -> None:
    def forbid(template: dict[str, object]) -> None:
        text = json.dumps(template)
        assert '"secretsmanager:GetSecretValue"' in text
        template.clear()
        template.update(json.loads(text.replace('"secretsmanager:GetSecretValue"', '"secretsmanager:ListSecrets"')))

    with LocalRun(adjust=forbid, practice=False) as run:
        dropped = report(run)
        deadline = time.monotonic() + 60
        while not run.denials() and time.monotonic() < deadline:
            time.sleep(0.2)
        [denial, *_others] = run.denials()
        assert denial.action == "secretsmanager:GetSecretValue"
        assert "BuilderRole" in denial.who, "it reads the secret of ids when it starts, before anything is sent"
        message = run.message(dropped)
        assert message is None or message.status != "SENT"


@needs_proc
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
@pytest.mark.parametrize("attempt", range(2))
def test_stopping_the_demonstration_at_any_moment_leaves_no_process(number: signal.Signals, attempt: int) -> None:
    moment = random.uniform(0.2, 12)
    demonstration = subprocess.Popen(
        [sys.executable, "-m", "infra.local.demo"],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    time.sleep(moment)
    demonstration.send_signal(number)
    demonstration.wait(timeout=30)
    for folder in (BUILD / "local").glob(f"2*-{demonstration.pid}"):
        if number is signal.SIGKILL:  # nobody is left to wait for the supervisor; it needs a moment of its own
            wait_for(partial(nothing_runs, folder))
        assert processes_of(folder) == {}
        assert not (folder / "scratch").exists()


def nothing_runs(folder: Path) -> bool:
    return not processes_of(folder)


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)
