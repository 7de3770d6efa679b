"""A command whose only work is a test that is skipped must fail: it checked nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SKIPPED = """
import pytest

@pytest.fixture
def java(): pytest.skip('no Java for a fixture')

@pytest.mark.skipif(True, reason='no Java for a mark')
def test_mark(): pass

def test_call(): pytest.skip('no Java for a call')

def test_fixture(java): pass
"""
"""Tests that are skipped in every possible way."""


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


def test_a_skipped_test_fails_a_run_that_must_check_something_and_says_why(tmp_path: Path) -> None:
    file = tmp_path / "test_sample.py"
    file.write_text(SKIPPED)
    failed = run(file, "--none-skipped")
    assert failed.returncode == pytest.ExitCode.TESTS_FAILED, failed.stdout
    for way in ("mark", "call", "fixture"):
        assert f"Nothing was checked. Skipped: no Java for a {way}" in failed.stdout
    assert "1 failed, 2 errors" in failed.stdout
    allowed = run(file)
    assert allowed.returncode == pytest.ExitCode.OK
    assert "3 skipped" in allowed.stdout


def test_the_commands_whose_only_work_can_be_skipped_say_so() -> None:
    lines = [line for line in (ROOT / "Makefile").read_text().splitlines() if "-m pytest" in line]
    may_skip = ("--evidence", "tests/unit", "--dist loadfile")
    assert [line for line in lines if "--none-skipped" not in line and not any(part in line for part in may_skip)] == []
