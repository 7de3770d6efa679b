"""Every command that the runbook asks for is one that gpcm has, with the options that it names."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

import infra.local.operators  # noqa: F401 - makes the commands known
from gpcm.command_line import app

RUNBOOK = Path(__file__).resolve().parents[3] / "docs" / "runbook.md"
ASKED_FOR = sorted(set(re.findall(r"`gpcm ([^`]+)`", " ".join(RUNBOOK.read_text(encoding="utf-8").split()))))


def test_the_runbook_asks_for_commands() -> None:
    assert len(ASKED_FOR) > 15


@pytest.mark.parametrize("asked", ASKED_FOR)
def test_a_command_of_the_runbook_is_one_that_there_is(asked: str) -> None:
    words = shlex.split(asked)
    command: Any = typer.main.get_command(app)
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        assert words[0] in command.commands, f"gpcm has no {words[0]}"
        command = command.commands[words.pop(0)]
    assert not hasattr(command, "commands"), "a group alone does nothing"
    options = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options
    if words and not words[0].startswith("-"):
        assert any(parameter.param_type_name == "argument" for parameter in command.params)
