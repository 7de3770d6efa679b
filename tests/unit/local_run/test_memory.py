"""Functions of the local run live under the memory limit that the template gives them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from infra.local.deployment import Runtime, bootstrap
from infra.local.environments import ROOT, Environment
from infra.local.memory import MEGABYTE, peak_memory, watch

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the machine does not say what is used")

ALLOCATES = "import time; held = bytearray(b'x') * ({megabytes} * 1024 * 1024); time.sleep({seconds})"


def allocating(megabytes: int, seconds: float = 20) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", ALLOCATES.format(megabytes=megabytes, seconds=seconds)])


def test_a_process_that_holds_more_than_its_limit_is_killed() -> None:
    process = allocating(200)
    watched = watch(process.pid, 100 * MEGABYTE, lives=lambda: process.poll() is None)
    assert process.wait(timeout=10) == -signal.SIGKILL
    assert watched.killed
    assert watched.peak > 100 * MEGABYTE


def test_a_process_below_its_limit_ends_by_itself_and_its_peak_is_known() -> None:
    process = allocating(60, seconds=0.3)
    watched = watch(process.pid, 200 * MEGABYTE, lives=lambda: process.poll() is None)
    assert process.returncode == 0
    assert not watched.killed
    assert 60 * MEGABYTE < watched.peak < 120 * MEGABYTE


def test_a_peak_that_has_passed_between_two_looks_counts() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", "import time; bytearray(b'x') * (200 * 1024 * 1024); time.sleep(20)"]
    )
    deadline = time.monotonic() + 10
    while peak_memory(process.pid) < 200 * MEGABYTE and time.monotonic() < deadline:
        time.sleep(0.01)
    assert watch(process.pid, 100 * MEGABYTE, lives=lambda: process.poll() is None).killed
    process.wait(timeout=10)


def test_what_a_process_asks_for_and_does_not_use_does_not_count() -> None:
    mapped = "import mmap, time; held = mmap.mmap(-1, 1 << 30); time.sleep(0.3)"
    process = subprocess.Popen([sys.executable, "-c", mapped])
    assert not watch(process.pid, 100 * MEGABYTE, lives=lambda: process.poll() is None).killed
    assert process.returncode == 0


def test_the_children_of_a_process_count() -> None:
    child = ALLOCATES.format(megabytes=200, seconds=5)
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    process = subprocess.Popen([sys.executable, "-c", parent], start_new_session=True)
    try:
        assert watch(process.pid, 100 * MEGABYTE, lives=lambda: process.poll() is None).killed
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=10)


def started(tmp_path: Path, handler: str, megabytes: int) -> tuple["subprocess.Popen[bytes]", Path]:
    """Start a function by the `bootstrap` script; `handler` runs instead of AWS's runtime client."""
    task = tmp_path / "task"
    (task / "awslambdaric").mkdir(parents=True)
    (task / "awslambdaric" / "__main__.py").write_text(handler)
    (tmp_path / "logs").mkdir()
    runtime = Runtime(environment=Environment(Path(sys.prefix)), logs=tmp_path / "logs", marks=tmp_path / "marks")
    script = tmp_path / "bootstrap"
    script.write_text(bootstrap("poller", runtime, ROOT))
    script.chmod(0o755)
    environment = {
        "PATH": os.environ["PATH"],
        "LAMBDA_TASK_ROOT": str(task),
        "_HANDLER": "handler.handler",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(megabytes),
    }
    return subprocess.Popen([script], env=environment), tmp_path / "logs" / "poller.log"


def test_a_function_that_takes_more_than_its_memory_size_is_killed_and_its_log_says_so(tmp_path: Path) -> None:
    function, log = started(tmp_path, ALLOCATES.format(megabytes=300, seconds=20), megabytes=256)
    beside = allocating(10)
    assert function.wait(timeout=15) == -signal.SIGKILL
    deadline = time.monotonic() + 5
    while "killed" not in log.read_text() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert "Runtime exited with error: signal: killed" in log.read_text()
    assert "Memory Size: 256 MB" in log.read_text()
    assert beside.poll() is None, "nothing else dies"
    beside.kill()
    beside.wait()


def test_a_function_within_its_memory_size_is_left_alone(tmp_path: Path) -> None:
    function, log = started(tmp_path, ALLOCATES.format(megabytes=100, seconds=0.5), megabytes=256)
    assert function.wait(timeout=15) == 0
    assert "killed" not in log.read_text()
