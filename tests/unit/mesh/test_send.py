"""Sending: the headers and body of an upload, and the meaning of answers and failures."""

import gzip
import json
import os
import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest

from gpconnect_messaging.mesh import (
    Authentication,
    MailboxCredentials,
    MeshClient,
    MeshError,
    NotSent,
    OutboundMessage,
    Refused,
    RetryLater,
    SendReceipt,
    Uncertain,
)
from gpconnect_messaging.mesh import client as client_module
from tests.unit.mesh.conftest import BODY, SUBJECT, TO, Handler, Pretended, Script, Serve, answer

Pretend = Callable[[Handler], tuple[MeshClient, Pretended]]
ACCEPTED = {"message_id": "20260304120000000001_AB12CD"}


def always(status: int, **contents: Any) -> Handler:
    return lambda _: answer(status, **contents)


@pytest.mark.requirement(
    "GPCM-C-01", "GPCM-C-1", "GPCM-SD-CS-066", "GPCM-SD-CS-067", "GPCM-SD-CS-068", "GPCM-SD-CS-080"
)
def test_the_request_carries_sender_address_subject_and_local_id(pretend: Pretend, outgoing: OutboundMessage) -> None:
    client, mesh = pretend(always(202, json=ACCEPTED))
    assert client.send(outgoing, BODY) == SendReceipt(message_id=ACCEPTED["message_id"])
    (request,) = mesh.requests
    assert (request.method, request.url.path) == ("POST", "/messageexchange/Y90001OT001/outbox")
    sent = {name: request.headers.get(name) for name in ("Mex-From", "Mex-To", "Mex-Subject", "Mex-LocalID")}
    assert sent == {"Mex-From": "Y90001OT001", "Mex-To": TO, "Mex-Subject": SUBJECT, "Mex-LocalID": "Y90001"}


def test_the_request_carries_the_rest_of_what_mesh_wants(pretend: Pretend, outgoing: OutboundMessage) -> None:
    client, mesh = pretend(always(202, json=ACCEPTED))
    client.send(replace(outgoing, checksum="sha256:00"), BODY)
    headers = mesh.requests[0].headers
    assert headers["Mex-WorkflowID"] == "GPCONNECT_SEND_DOCUMENT"
    assert headers["Mex-FileName"] == "message.xml"
    assert headers["Mex-Chunk-Range"] == "1:1"
    assert headers["Mex-Content-Checksum"] == "sha256:00"
    assert headers["Content-Type"] == "application/xml"
    assert headers["Accept"] == "application/vnd.mesh.v2+json"
    assert headers["Authorization"].startswith("NHSMESH Y90001OT001:")


@pytest.mark.parametrize("content", [BODY, b"", BODY * 100_000])
def test_the_body_is_the_whole_content_gzipped_with_its_length_announced(
    content: bytes, pretend: Pretend, outgoing: OutboundMessage
) -> None:
    client, mesh = pretend(always(202, json=ACCEPTED))
    client.send(outgoing, content)
    (request,) = mesh.requests
    assert request.headers["Content-Encoding"] == "gzip"
    assert "Transfer-Encoding" not in request.headers
    assert int(request.headers["Content-Length"]) == len(request.content)
    assert gzip.decompress(request.content) == content


def test_what_is_gzipped_already_goes_as_it_is(pretend: Pretend, outgoing: OutboundMessage) -> None:
    client, mesh = pretend(always(202, json=ACCEPTED))
    stream = gzip.compress(BODY, mtime=77)
    client.send(outgoing, stream, gzipped=True)
    (request,) = mesh.requests
    assert request.headers["Content-Encoding"] == "gzip"
    assert request.content == stream


@pytest.mark.parametrize("content", [BODY, b""])
def test_a_client_without_compression_sends_the_content_as_it_is(
    content: bytes, credentials: MailboxCredentials, outgoing: OutboundMessage
) -> None:
    mesh = Pretended(always(202, json=ACCEPTED))
    with httpx.Client(transport=httpx.MockTransport(mesh)) as http:
        MeshClient("https://mesh.test", credentials, http=http, compression_level=None).send(outgoing, content)
    (request,) = mesh.requests
    assert "Content-Encoding" not in request.headers
    assert request.content == content
    assert int(request.headers["Content-Length"]) == len(request.content)


def test_an_empty_value_sends_no_header(pretend: Pretend) -> None:
    client, mesh = pretend(always(202, json=ACCEPTED))
    client.send(OutboundMessage(to=TO, workflow_id="W"), BODY)
    assert {"mex-subject", "mex-localid", "mex-filename", "mex-content-checksum"}.isdisjoint(mesh.requests[0].headers)


def test_every_attempt_has_a_token_of_its_own(pretend: Pretend, outgoing: OutboundMessage) -> None:
    client, mesh = pretend(always(503))
    for _ in range(3):
        with pytest.raises(Uncertain):
            client.send(outgoing, BODY)
    assert len({request.headers["Authorization"] for request in mesh.requests}) == 3


@pytest.mark.parametrize(
    ("change", "header"),
    [
        ({"to": "GPPROVIDER_9658218865_19331114_ÅSTRÖM"}, "Mex-To"),
        ({"to": ""}, "Mex-To"),
        ({"to": "X" * 101}, "Mex-To"),
        ({"workflow_id": ""}, "Mex-WorkflowID"),
        ({"subject": "two\r\nlines"}, "Mex-Subject"),
        ({"subject": "S" * 501}, "Mex-Subject"),
        ({"local_id": " Y90001"}, "Mex-LocalID"),
        ({"file_name": "naïve.xml"}, "Mex-FileName"),
        ({"content_type": "text/xml\0"}, "Content-Type"),
    ],
)
def test_a_header_that_mesh_could_not_take_is_refused_before_sending_by_name_and_not_by_value(
    change: dict[str, str], header: str, pretend: Pretend, outgoing: OutboundMessage
) -> None:
    client, mesh = pretend(always(202, json=ACCEPTED))
    with pytest.raises(ValueError, match=f"^header {header} "):
        client.check(replace(outgoing, **change))
    with pytest.raises(ValueError, match=f"^header {header} ") as raised:
        client.send(replace(outgoing, **change), BODY)
    assert mesh.requests == []
    value = next(iter(change.values()))
    assert not value or value not in str(raised.value)


def test_content_beyond_one_request_is_refused_before_sending(
    pretend: Pretend, outgoing: OutboundMessage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "LARGEST_REQUEST", 20)
    client, mesh = pretend(always(202, json=ACCEPTED))
    with pytest.raises(ValueError, match="one request"):
        client.send(outgoing, BODY)
    assert mesh.requests == []


@pytest.mark.parametrize("accepted", [ACCEPTED, {"messageID": ACCEPTED["message_id"]}])
def test_an_acceptance_is_understood_in_both_versions(
    accepted: dict[str, str], pretend: Pretend, outgoing: OutboundMessage
) -> None:
    client, _ = pretend(always(202, json=accepted))
    assert client.send(outgoing, BODY).message_id == ACCEPTED["message_id"]


def test_an_acceptance_is_understood_though_it_was_compressed_unasked(
    pretend: Pretend, outgoing: OutboundMessage
) -> None:
    packed = gzip.compress(json.dumps(ACCEPTED).encode())
    client, _ = pretend(always(202, content=packed, headers={"Content-Encoding": "gzip"}))
    assert client.send(outgoing, BODY).message_id == ACCEPTED["message_id"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>Welcome to the guest network</html>",
        b"[]",
        b'"20260304120000000001_AB12CD"',
        b'{"message_id": null}',
        b'{"message_id": 7}',
        b'{"message_id": "../../etc"}',
        b'{"message_id": "2026_AB", "detail": [{"event": "SEND", "code": "12"}]}',
        b'{"messageID": "2026_AB", "errorCode": "12"}',
        b"\xff\xfe{",
        b"{" * 100_000,
        b'{"message_id": "2026_AB"}' + b" " * 5_000_000,
    ],
    ids=lambda content: repr(content[:20]),
)
def test_an_acceptance_that_cannot_be_understood_is_uncertain_not_sent(
    content: bytes, pretend: Pretend, outgoing: OutboundMessage
) -> None:
    client, _ = pretend(always(202, content=content))
    with pytest.raises(Uncertain):
        client.send(outgoing, BODY)


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        (200, {}, Uncertain),
        (201, {}, Uncertain),
        (204, {}, Uncertain),
        (206, {}, Uncertain),
        (301, {"Location": "https://elsewhere.test/"}, Refused),
        (307, {"Location": "https://elsewhere.test/"}, Refused),
        (400, {}, Refused),
        (401, {}, Authentication),
        (403, {}, Authentication),
        (404, {}, Refused),
        (406, {}, Refused),
        (407, {}, Authentication),
        (408, {}, Uncertain),
        (413, {}, Refused),
        (417, {}, Refused),
        (422, {}, Refused),
        (423, {}, Refused),
        (425, {}, RetryLater),
        (429, {}, RetryLater),
        (429, {"Retry-After": "7"}, RetryLater),
        (500, {}, Uncertain),
        (501, {}, Uncertain),
        (502, {}, Uncertain),
        (502, {"Retry-After": "7"}, Uncertain),
        (503, {}, Uncertain),
        (503, {"Retry-After": "soon"}, Uncertain),
        (503, {"Retry-After": "7"}, RetryLater),
        (504, {}, Uncertain),
        (599, {}, Uncertain),
    ],
)
def test_each_status_of_an_upload_says_what_to_do(
    status: int, headers: dict[str, str], expected: type[MeshError], pretend: Pretend, outgoing: OutboundMessage
) -> None:
    client, mesh = pretend(always(status, headers=headers))
    with pytest.raises(MeshError) as raised:
        client.send(outgoing, BODY)
    assert type(raised.value) is expected
    assert raised.value.status == status
    assert len(mesh.requests) == 1  # nothing was repeated and no redirect followed


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        ("999999999", 86_400.0),
        ("Wed, 04 Mar 2026 12:01:30 GMT", 90.0),
        ("Wed, 04 Mar 2026 11:00:00 GMT", 0.0),
        ("-5", None),
        ("soon", None),
        ("Wed, 04 Mar 99999999999 12:00:00 GMT", None),
        ("Wed, 04 Mar 2026 12:00:00 +99999999999999", None),
        ("", None),
    ],
)
def test_retry_after_is_read_as_seconds_from_now(
    header: str, seconds: float | None, pretend: Pretend, outgoing: OutboundMessage
) -> None:
    client, _ = pretend(always(429, headers={"Retry-After": header}))
    with pytest.raises(RetryLater) as raised:
        client.send(outgoing, BODY)
    assert raised.value.retry_after == seconds


V2 = {
    "message_id": "20260304120000001_AB12CD",
    "internal_id": "x",
    "detail": [{"event": "SEND", "code": "12", "msg": f"no {TO}"}],
}
V1 = {"messageID": "20260304120000001_AB12CD", "errorEvent": "SEND", "errorCode": "12", "errorDescription": f"no {TO}"}
# Seen from the sandbox: version 1's names inside version 2's list.
MIXED = {
    "message_id": "20260304120000001_AB12CD",
    "detail": [{"errorEvent": "SEND", "errorCode": "12", "errorDescription": TO}],
}


@pytest.mark.parametrize("said", [V2, V1, MIXED], ids=["version 2", "version 1", "mixed"])
def test_a_417_is_final_though_it_carries_a_message_id_and_says_why(
    said: dict[str, Any], pretend: Pretend, outgoing: OutboundMessage
) -> None:
    client, _ = pretend(always(417, json=said))
    with pytest.raises(Refused) as raised:
        client.send(outgoing, BODY)
    refused = raised.value
    assert (refused.event, refused.code, refused.status) == ("SEND", "12", 417)
    assert refused.message_id == "20260304120000001_AB12CD"
    assert "the recipient is not registered" in str(refused)
    assert TO not in str(refused)


def test_a_validation_error_names_the_fields_at_fault(pretend: Pretend, outgoing: OutboundMessage) -> None:
    detail = [{"loc": ["header", "mex-to"], "msg": f"too long: {TO}", "type": "value_error", "input": TO}]
    client, _ = pretend(always(400, json={"detail": detail}))
    with pytest.raises(Refused, match="mex-to") as raised:
        client.send(outgoing, BODY)
    assert raised.value.fields == ("mex-to",)
    assert "9658218865" not in str(raised.value)


@pytest.mark.parametrize(
    "said",
    [
        {"content": b""},
        {"content": b"<html><h1>Bad Request</h1></html>"},
        {"json": []},
        {"json": {"detail": "text"}},
        {"json": {"detail": [7, None, {"code": 12}]}},
        {"json": {"detail": [{"event": TO, "code": "9658218865"}]}},
        {"json": {"detail": [{"event": "WRIGHT", "code": "WRIGHT"}], "message_id": TO}},
        {"json": {"detail": {"loc": "header"}}},
    ],
)
def test_a_refusal_of_any_shape_is_a_refusal_without_codes(
    said: dict[str, Any], pretend: Pretend, outgoing: OutboundMessage
) -> None:
    client, _ = pretend(always(400, **said))
    with pytest.raises(Refused) as raised:
        client.send(outgoing, BODY)
    assert (raised.value.event, raised.value.code) == (None, None)


def test_a_clock_that_is_wrong_is_named_as_the_cause(pretend: Pretend, outgoing: OutboundMessage) -> None:
    client, _ = pretend(always(403, headers={"Date": "Wed, 04 Mar 2026 09:00:00 GMT"}))
    with pytest.raises(Authentication, match=r"our clock is 3\.0 hours ahead") as raised:
        client.send(outgoing, BODY)
    assert raised.value.clock_skew == 3 * 3600


def failing(error: type[httpx.TransportError]) -> Handler:
    def handler(request: httpx.Request) -> httpx.Response:
        raise error("failed", request=request)

    return handler


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (httpx.ConnectError, NotSent),
        (httpx.ConnectTimeout, NotSent),
        (httpx.PoolTimeout, NotSent),
        (httpx.ProxyError, NotSent),
        (httpx.UnsupportedProtocol, NotSent),
        (httpx.ReadTimeout, Uncertain),
        (httpx.WriteTimeout, Uncertain),
        (httpx.ReadError, Uncertain),
        (httpx.WriteError, Uncertain),
        (httpx.CloseError, Uncertain),
        (httpx.RemoteProtocolError, Uncertain),
        (httpx.LocalProtocolError, Uncertain),
        (httpx.DecodingError, Uncertain),
    ],
)
def test_each_failure_after_the_body_was_handed_over_says_what_to_do(
    error: type[httpx.TransportError], expected: type[MeshError], pretend: Pretend, outgoing: OutboundMessage
) -> None:
    client, _ = pretend(failing(error))
    with pytest.raises(MeshError) as raised:
        client.send(outgoing, BODY)
    assert type(raised.value) is expected


@pytest.mark.parametrize("error", [httpx.WriteError, httpx.ReadError, httpx.WriteTimeout, httpx.RemoteProtocolError])
def test_a_failure_before_any_of_the_body_was_asked_for_never_left(
    error: type[httpx.TransportError], credentials: MailboxCredentials, outgoing: OutboundMessage
) -> None:
    # httpx's own pretended transport reads the body before it asks the handler.
    with httpx.Client(transport=Untouching(error)) as http:
        client = MeshClient("https://mesh.test", credentials, http=http)
        with pytest.raises(NotSent):
            client.send(outgoing, BODY)


class Untouching(httpx.BaseTransport):
    """Fails without reading the request's body."""

    def __init__(self, error: type[httpx.TransportError]) -> None:
        self._error = error

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        raise self._error("failed", request=request)


def received(connection: socket.socket) -> bytes:
    """Read a whole request."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65_536)
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")]
    length = int(lengths[0]) if lengths else 0
    while len(body) < length:
        body += connection.recv(65_536)
    return head + body


def test_nobody_listening_never_left(credentials: MailboxCredentials, outgoing: OutboundMessage) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with MeshClient(f"http://127.0.0.1:{port}", credentials) as client, pytest.raises(NotSent):
        client.send(outgoing, BODY)


def cut_after_the_request(connection: socket.socket, over: threading.Event) -> None:
    received(connection)


def cut_in_the_middle_of_the_answer(connection: socket.socket, over: threading.Event) -> None:
    received(connection)
    connection.sendall(b'HTTP/1.1 202 Accepted\r\nContent-Length: 40\r\n\r\n{"message_id": "20')


def silent(connection: socket.socket, over: threading.Event) -> None:
    received(connection)
    over.wait(10)


def not_http(connection: socket.socket, over: threading.Event) -> None:
    received(connection)
    connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")


def cut_in_the_middle_of_the_request(connection: socket.socket, over: threading.Event) -> None:
    connection.recv(1_000)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")  # reset, not close


@pytest.mark.parametrize(
    "script",
    [cut_after_the_request, cut_in_the_middle_of_the_answer, silent, not_http, cut_in_the_middle_of_the_request],
)
def test_a_connection_lost_after_content_left_is_uncertain(
    script: Script, serve: Serve, outgoing: OutboundMessage
) -> None:
    content = bytes(range(256)) * 40_000 if script is cut_in_the_middle_of_the_request else BODY
    with pytest.raises(Uncertain):
        serve(script, patience=0.3 if script is silent else 30).send(outgoing, content)


def test_a_server_that_stops_reading_is_uncertain(serve: Serve, outgoing: OutboundMessage) -> None:
    def script(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(1_000)
        over.wait(10)

    with pytest.raises(Uncertain):
        serve(script, patience=0.3).send(outgoing, os.urandom(20_000_000))


def test_a_refusal_whose_body_is_lost_is_still_a_refusal(serve: Serve, outgoing: OutboundMessage) -> None:
    def script(connection: socket.socket, over: threading.Event) -> None:
        received(connection)
        connection.sendall(b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 400\r\n\r\n{")

    with pytest.raises(Refused) as raised:
        serve(script).send(outgoing, BODY)
    assert raised.value.status == 417


def test_a_refusal_that_comes_before_the_whole_body_was_read_is_heard(serve: Serve, outgoing: OutboundMessage) -> None:
    def script(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(100)
        connection.sendall(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        while connection.recv(1_000_000):
            pass

    with pytest.raises(Refused) as raised:
        serve(script).send(outgoing, bytes(range(256)) * 40_000)
    assert raised.value.status == 413
