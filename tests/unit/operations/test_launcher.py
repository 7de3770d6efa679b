"""gpcm as it is started from a shell, and the run that was kept on this machine."""

import os
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

import infra.local.operators  # noqa: F401 - makes the commands known
from gpcm.command_line import ExitStatus, app
from infra.local import detached_run
from tests.examples import ROOT

LAUNCHER = ROOT / "infra" / "operations" / "gpcm"


def test_it_works_from_another_folder_and_completes_its_own_commands(tmp_path: Path) -> None:
    (tmp_path / "infra").mkdir()  # a folder of the same name must not come in its way
    asked = {"_GPCM_COMPLETE": "complete_bash", "COMP_WORDS": "gpcm re", "COMP_CWORD": "1"}
    ended = subprocess.run([LAUNCHER], cwd=tmp_path, env={**os.environ, **asked}, capture_output=True, text=True)
    assert {"release", "resend", "redrive", "reconcile", "render"} <= set(ended.stdout.split()), ended.stderr


def test_make_puts_it_beside_the_environments_python() -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert "GPCM := $(BIN)/gpcm" in makefile
    assert "setup: $(READY) $(GPCM)" in makefile


@pytest.mark.parametrize("command", [["list"], ["status"], ["drop", "invalid"], ["show", "1"]], ids=" ".join)
def test_without_a_kept_run_its_commands_say_how_to_start_one(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detached_run, "DETACHED_RUN_FILE", tmp_path / "kept.json")
    ended = CliRunner().invoke(app, [*command, "--local"])
    assert ended.exit_code == ExitStatus.NO_ENVIRONMENT
    assert "make demo KEEP=1" in ended.stderr


def test_stopping_nothing_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detached_run, "DETACHED_RUN_FILE", tmp_path / "kept.json")
    ended = CliRunner().invoke(app, ["stop"])
    assert ended.exit_code == ExitStatus.SUCCESS
    assert "There is no detached run" in ended.stdout
