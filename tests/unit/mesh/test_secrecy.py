"""Nothing of Mex-To, Mex-Subject, secrets, tokens or bodies in a log line or an exception, however it failed."""

import logging
import socket
import threading
from collections.abc import Callable, Iterator

import httpx
import pytest

from gpconnect_messaging.mesh import MeshClient, MeshError, OutboundMessage
from tests.secrecy import everything
from tests.unit.mesh.conftest import BODY, SECRETS, SUBJECT, TO, Handler, Pretended, Serve, answer

Pretend = Callable[[Handler], tuple[MeshClient, Pretended]]
ECHO = {
    "detail": [{"event": SUBJECT, "code": TO, "msg": TO, "loc": ["header", TO]}],
    "message_id": TO,
    "subject": SUBJECT,
}


def assert_silent(texts: Iterator[str] | list[str]) -> None:
    for text in texts:
        for secret in SECRETS:
            assert secret not in text


def echoing(status: int) -> Handler:
    return lambda _: answer(status, json=ECHO, headers={"Mex-To": TO, "Mex-Subject": SUBJECT})


@pytest.mark.parametrize("status", [200, 202, 302, 400, 403, 408, 417, 422, 429, 500, 503])
def test_an_answer_that_echoes_the_patient_gives_a_silent_error(
    status: int, pretend: Pretend, outgoing: OutboundMessage
) -> None:
    client, _ = pretend(echoing(status))
    with pytest.raises(MeshError) as raised:
        client.send(outgoing, BODY)
    assert_silent(everything(raised.value))


@pytest.mark.parametrize(
    "error", [httpx.ConnectError, httpx.ReadTimeout, httpx.WriteError, httpx.RemoteProtocolError, httpx.PoolTimeout]
)
def test_a_failed_transport_gives_a_silent_error(
    error: type[httpx.TransportError], pretend: Pretend, outgoing: OutboundMessage
) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        raise error(f"failed with {TO} and {request.headers['Authorization']}", request=request)

    client, _ = pretend(handler)
    with pytest.raises(MeshError) as raised:
        client.send(outgoing, BODY)
    assert_silent(everything(raised.value))
    with pytest.raises(MeshError) as raised:
        client.download("20260304120000000001_AB12CD")
    assert_silent(everything(raised.value))
    with pytest.raises(MeshError) as raised:
        client.count()
    assert_silent(everything(raised.value))


def test_a_damaged_message_gives_a_silent_error(pretend: Pretend) -> None:
    headers = {"Content-Encoding": "gzip", "Mex-To": TO, "Mex-Subject": SUBJECT, "Mex-Chunk-Range": TO}
    client, _ = pretend(lambda _: answer(200, content=BODY, headers=headers))
    with pytest.raises(MeshError) as raised:
        client.download("20260304120000000001_AB12CD")
    assert_silent(everything(raised.value))


def test_the_values_show_no_patient(outgoing: OutboundMessage) -> None:
    assert_silent([repr(outgoing), str(outgoing)])


def test_a_run_at_debug_level_logs_no_header_and_no_body(
    serve: Serve, outgoing: OutboundMessage, caplog: pytest.LogCaptureFixture
) -> None:
    def script(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(65_536)
        head = f"HTTP/1.1 202 Accepted\r\nMex-To: {TO}\r\nMex-Subject: {SUBJECT}\r\nConnection: close\r\n"
        connection.sendall(f'{head}Content-Length: 25\r\n\r\n{{"message_id": "2026_AB"}}'.encode())

    for name in ("", "httpx", "httpcore", "httpcore.http11", "httpcore.connection"):
        caplog.set_level(logging.DEBUG if not name else logging.NOTSET, logger=name or None)
    assert serve(script).send(outgoing, BODY).message_id == "2026_AB"
    assert_silent([record.getMessage() for record in caplog.records])
    assert_silent([repr(vars(record)) for record in caplog.records])
