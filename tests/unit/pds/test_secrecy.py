"""No NHS number, name, token, JWT or key in a log line, an exception or a repr, however a lookup goes."""

import logging

import httpx
import pytest

from gpconnect_messaging.pds.errors import CredentialsError, PdsError
from tests.fakes.pds import World, secret
from tests.secrecy import everything

PERSONAL = ("9658218865", "WRIGHT", "Garth", "1933-11-14", "19331114")


def telling(world: World) -> tuple[str, ...]:
    """Everything that must not be told."""
    tokens = list(world.pds.desk._tokens)
    bodies = [request.content.decode().rpartition("client_assertion=")[2] for request in world.seen if request.content]
    key = secret("one")["private_key"].splitlines()[1]
    return (*PERSONAL, *tokens, *bodies, key)


@pytest.mark.parametrize("mode", ["busy", "timeout", "down", "nonsense", "refused"])
def test_a_failed_lookup_gives_a_silent_error(mode: str) -> None:
    world = World()
    world.meet(mode, 9)
    with pytest.raises(PdsError) as raised:
        world.lookup()
    text = "".join(everything(raised.value))
    assert [word for word in telling(world) if word in text] == []


@pytest.mark.parametrize("failure", [httpx.ConnectError, httpx.ReadTimeout])
@pytest.mark.parametrize("with_token", [False, True])
def test_a_failed_transport_gives_a_silent_error(failure: type[httpx.TransportError], with_token: bool) -> None:
    world = World()
    if with_token:
        world.lookup()
    world.break_off = [failure] * 9
    with pytest.raises(PdsError) as raised:
        world.lookup()
    assert [word for word in telling(world) if word in "".join(everything(raised.value))] == []


def test_a_refused_jwt_gives_a_silent_error() -> None:
    world = World()
    world.register(["two"])
    with pytest.raises(PdsError) as raised:
        world.lookup()
    assert [word for word in telling(world) if word in "".join(everything(raised.value))] == []
    broken = "-----BEGIN PRIVATE KEY-----\nWRIGHT\n"  # pragma: allowlist secret
    world.secrets.values["pds"]["private_key"] = broken
    world.vault.forget()
    with pytest.raises(CredentialsError) as unusable:
        world.lookup()
    assert "WRIGHT" not in "".join(everything(unusable.value))


def test_a_run_at_debug_level_logs_nobody(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("httpx", "httpcore", "gpconnect_messaging"):
        caplog.set_level(logging.DEBUG, logger=name)
    world = World()
    world.lookup()
    lines = [record.getMessage() + repr(vars(record)) for record in caplog.records]
    assert any("oauth2/token" in line for line in lines), "httpx's own lines are there, but for those of patients"
    assert [word for word in telling(world) for line in lines if word in line] == []


def test_no_value_shows_what_it_holds() -> None:
    world = World()
    answer = world.lookup()
    shown = repr((answer, world.vault.credentials(), world.client._authorisation._token))
    assert [word for word in telling(world) if word in shown] == []
