"""`gpcm console`: what it serves, where, and what it says when it cannot."""

import json
import socket
from datetime import timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

import gpcm.commands.registered  # noqa: F401 - makes the commands known
from gpcm.command_line import ExitStatus, app
from gpcm.console import serving
from tests.unit.operations.an_environment import PlaceInMemory


def run(*arguments: str) -> Any:
    environment = PlaceInMemory()
    return CliRunner().invoke(
        app, ["console", *arguments], obj=lambda _where: environment, env={"GPCM_ACTOR": "j.doe", "COLUMNS": "120"},
        prog_name="gpcm",
    )  # fmt: skip


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What is asked to be served; it answers and ends at once."""
    known: dict[str, Any] = {}

    def serve(environment: Any, *, announce: Any, **how: Any) -> None:
        known.update(how, environment=environment.name)
        announce("http://127.0.0.1:8765/", "AAAA-BBBB-CCCC")

    monkeypatch.setattr(serving, "serve", serve)
    return known


def test_it_says_where_it_is_and_which_code_signs_in(asked: dict[str, Any]) -> None:
    ended = run()
    assert ended.exit_code == ExitStatus.SUCCESS
    assert "http://127.0.0.1:8765/" in ended.output
    assert "AAAA-BBBB-CCCC" in ended.output
    assert asked == {"environment": "a test", "port": 0, "window": timedelta(days=31), "actor": "j.doe"}


def test_it_tells_a_program_as_well(asked: dict[str, Any]) -> None:
    told = json.loads(run("--json", "--port", "8765", "--days", "7").stdout)
    assert told == {"address": "http://127.0.0.1:8765/", "code": "AAAA-BBBB-CCCC"}
    assert (asked["port"], asked["window"]) == (8765, timedelta(days=7))


def test_a_port_that_is_taken_is_said_to_be_with_what_to_do() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        ended = run("--port", str(other.getsockname()[1]))
    assert ended.exit_code == ExitStatus.NO_ENVIRONMENT
    assert "is in use. Name another with --port" in " ".join(ended.output.split())


def test_nobody_but_this_machine_can_connect() -> None:
    with serving._listen(0) as listening:
        assert listening.getsockname()[0] == "127.0.0.1"
