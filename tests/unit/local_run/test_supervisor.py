"""No program of the local run outlives the owner, however the owner ends."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.local.processes import LocalRunError, ProgramFailedError, SupervisorClient, supervisor_lives

ROOT = Path(__file__).resolve().parents[3]

STUBBORN = """
import os, signal, subprocess, sys, time
from pathlib import Path
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
file = Path(sys.argv[1])
file.with_suffix(".part").write_text(f"{os.getpid()} {child.pid}")
file.with_suffix(".part").rename(file)
time.sleep(600)
"""
"""A program that ignores SIGTERM and has a child: both write their process ids into the file."""


def processes_in(file: Path) -> list[int]:
    wait_for(file.exists)
    return [int(word) for word in file.read_text().split()]


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


def runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    try:  # a dead process that nobody has collected yet does not run
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return not Path("/proc/self").exists()


@pytest.fixture
def supervisor(tmp_path: Path) -> SupervisorClient:
    return SupervisorClient(tmp_path / "scratch", tmp_path / "logs", grace_seconds=0.1)


def start_stubborn(supervisor: SupervisorClient, file: Path) -> list[int]:
    supervisor.start("stubborn", [sys.executable, "-c", STUBBORN, file], environment={}, directory=file.parent)
    return processes_in(file)


def test_leaving_ends_a_program_that_ignores_sigterm_and_its_children(
    supervisor: SupervisorClient, tmp_path: Path
) -> None:
    with supervisor:
        processes = start_stubborn(supervisor, tmp_path / "ids")
        assert all(runs(process) for process in processes)
    assert not any(runs(process) for process in processes)


def test_leaving_removes_the_scratch_folder_and_keeps_the_logs(supervisor: SupervisorClient, tmp_path: Path) -> None:
    with supervisor:
        supervisor.complete("talker", ["/bin/sh", "-c", "echo said"], environment={}, directory=tmp_path)
        assert supervisor.scratch.is_dir()
    assert not supervisor.scratch.exists()
    assert supervisor.log("talker").read_text() == "said\n"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_an_owner_that_is_killed_leaves_nothing_behind(number: signal.Signals, tmp_path: Path) -> None:
    owner = textwrap.dedent(f"""
        import sys, time
        from pathlib import Path
        from infra.local.processes import SupervisorClient
        scratch, logs = Path({str(tmp_path / "scratch")!r}), Path({str(tmp_path / "logs")!r})
        with SupervisorClient(scratch, logs, grace_seconds=0.1) as supervisor:
            supervisor.start("stubborn", [sys.executable, "-c", {STUBBORN!r}, {str(tmp_path / "ids")!r}],
                         environment={{}}, directory=Path({str(tmp_path)!r}))
            time.sleep(600)
    """)
    process = subprocess.Popen(
        [sys.executable, "-c", owner], cwd=ROOT, stderr=subprocess.DEVNULL, start_new_session=True
    )
    programs = processes_in(tmp_path / "ids")
    process.send_signal(number)
    process.wait(timeout=20)
    wait_for(lambda: not supervisor_lives(tmp_path / "logs" / "supervisor.lock"))
    assert not any(runs(program) for program in programs)
    assert not (tmp_path / "scratch").exists()


def test_programs_left_to_stay_end_when_the_supervisor_is_told_to(supervisor: SupervisorClient, tmp_path: Path) -> None:
    with supervisor:
        programs = start_stubborn(supervisor, tmp_path / "ids")
        staying = supervisor.stay()
    assert all(runs(program) for program in programs)
    assert supervisor_lives(supervisor.mark)
    os.kill(staying, signal.SIGTERM)
    wait_for(lambda: not supervisor_lives(supervisor.mark))
    assert not any(runs(program) for program in programs)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="finds the supervisor through /proc")
def test_a_supervisor_that_is_killed_itself_leaves_its_programs_to_the_owner(
    supervisor: SupervisorClient, tmp_path: Path
) -> None:
    with supervisor:
        programs = start_stubborn(supervisor, tmp_path / "ids")
        [parent] = {
            int(Path(f"/proc/{program}/stat").read_text().rsplit(")", 1)[1].split()[1]) for program in programs[:1]
        }
        os.kill(parent, signal.SIGKILL)
        with pytest.raises(LocalRunError, match="supervisor"):
            supervisor.exit_code("stubborn")
    wait_for(lambda: not any(runs(program) for program in programs))


def test_a_failed_program_is_named_with_the_end_of_its_log(supervisor: SupervisorClient, tmp_path: Path) -> None:
    with supervisor, pytest.raises(ProgramFailedError, match=r"(?s)builder: ended with exit code 3.*no such table"):
        supervisor.complete(
            "builder", ["/bin/sh", "-c", "echo no such table; exit 3"], environment={}, directory=tmp_path
        )


def test_a_program_that_cannot_be_started_is_named(supervisor: SupervisorClient, tmp_path: Path) -> None:
    with supervisor, pytest.raises(ProgramFailedError, match=r"emulator: .*no-such-program"):
        supervisor.start("emulator", ["/no-such-program"], environment={}, directory=tmp_path)


def test_a_program_gets_the_given_environment_and_nothing_of_ours(
    supervisor: SupervisorClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the person's own")
    with supervisor:
        supervisor.complete("teller", ["/usr/bin/env"], environment={"GIVEN": "yes"}, directory=tmp_path)
    told = supervisor.log("teller").read_text()
    assert "GIVEN=yes" in told
    assert "AWS_SECRET_ACCESS_KEY" not in told
