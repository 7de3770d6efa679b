"""A command whose only work is a test that is skipped must fail: it checked nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SKIPPED = {
    "by a mark": "import pytest\n\n@pytest.mark.skipif(True, reason='no Java')\ndef test_it(): pass\n",
    "by a call": "import pytest\n\ndef test_it(): pytest.skip('no Java')\n",
    "by a fixture": "import pytest\n\n@pytest.fixture\ndef java(): pytest.skip('no Java')\n\ndef test_it(java): pass\n",
}


def run(file: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-n",
        "0",
        "-p",
        "tests.conftest",
        "-c",
        str(ROOT / "pyproject.toml"),
    ]
    return subprocess.run(
        [*command, *options, str(file)], cwd=ROOT, capture_output=True, text=True, check=False
    )  # fmt: skip


@pytest.mark.parametrize("how", SKIPPED)
def test_a_skipped_test_fails_a_run_that_must_check_something_and_says_why(how: str, tmp_path: Path) -> None:
    file = tmp_path / "test_sample.py"
    file.write_text(SKIPPED[how])
    failed = run(file, "--none-skipped")
    assert failed.returncode == pytest.ExitCode.TESTS_FAILED, failed.stdout
    assert "Nothing was checked. Skipped: no Java" in failed.stdout
    assert run(file).returncode == pytest.ExitCode.OK


def test_the_commands_whose_only_work_can_be_skipped_say_so() -> None:
    lines = [line for line in (ROOT / "Makefile").read_text().splitlines() if "-m pytest" in line]
    may_skip = ("--evidence", "tests/unit", "--dist loadfile")
    assert [line for line in lines if "--none-skipped" not in line and not any(part in line for part in may_skip)] == []
