"""Receiving: the inbox's pages, downloads sound and damaged, acknowledging, tracking, looking up."""

import gzip
import hashlib
import io
import socket
import threading
import zlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from gpconnect_messaging.mesh import (
    Authentication,
    ChunkRange,
    DamagedContent,
    Mailbox,
    MailboxCredentials,
    MeshClient,
    MeshError,
    NotFound,
    NotSent,
    Refused,
    RetryLater,
    WrongChecksum,
)
from gpconnect_messaging.mesh import client as client_module
from tests.unit.mesh.conftest import Handler, Pretended, Serve, answer

Pretend = Callable[[Handler], tuple[MeshClient, Pretended]]
ID = "20260304120000000001_AB12CD"
CONTENT = b"<Bundle/>" * 100
DATA = {"Mex-MessageType": "DATA", "Mex-WorkflowID": "GPCONNECT_SEND_DOCUMENT_ACK", "Mex-From": "A20047OT001"}


def always(status: int, **contents: Any) -> Handler:
    return lambda _: answer(status, **contents)


def message(
    content: bytes = CONTENT,
    *,
    status: int = 200,
    encoded: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> httpx.Response:
    """Make the answer to a download: gzip'd as asked for, unless `encoded` says otherwise."""
    body = gzip.compress(content) if encoded is None else encoded
    return answer(status, content=body, headers={"Content-Encoding": "gzip", **DATA, **(headers or {})})


# --- inbox ------------------------------------------------------------------------------------------------------------


def paged(request: httpx.Request) -> httpx.Response:
    """Answer as MESH does: three pages, joined by links whose continuation has characters that must be quoted."""
    pages = [["1_A", "2_B"], ["3_C", "3_C"], ["4_D"]]
    tokens = ["", "eyJwayI6+w==/1", "eyJwayI6+w==/2"]
    at = tokens.index(request.url.params.get("continue_from", ""))
    links = {"self": "/messageexchange/Y90001OT001/inbox"}
    if at + 1 < len(pages):
        quoted = tokens[at + 1].replace("+", "%2B").replace("=", "%3D")
        links["next"] = f"/messageexchange/Y90001OT001/inbox?max_results=10&continue_from={quoted}"
    return answer(200, json={"messages": pages[at], "links": links, "approx_inbox_count": 5})


def test_the_inbox_is_followed_to_its_last_page_and_names_each_message_once(pretend: Pretend) -> None:
    client, mesh = pretend(paged)
    assert list(client.inbox(page_size=10, workflow_filter="*_ACK")) == ["1_A", "2_B", "3_C", "4_D"]
    assert len(mesh.requests) == 3
    assert {request.url.params["max_results"] for request in mesh.requests} == {"10"}
    assert {request.url.params["workflow_filter"] for request in mesh.requests} == {"*_ACK"}
    assert len({request.headers["Authorization"] for request in mesh.requests}) == 3


def test_a_page_is_fetched_only_when_its_turn_comes(pretend: Pretend) -> None:
    client, mesh = pretend(paged)
    assert next(client.inbox()) == "1_A"
    assert len(mesh.requests) == 1


def test_a_link_is_followed_to_the_mesh_that_we_know_and_nowhere_else(pretend: Pretend) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        more = "continue_from" not in request.url.params
        links = {"next": "https://elsewhere.test/steal?continue_from=abc"} if more else {}
        return answer(200, json={"messages": ["1_A"], "links": links})

    client, mesh = pretend(handler)
    assert list(client.inbox()) == ["1_A"]
    assert {request.url.host for request in mesh.requests} == {"mesh.test"}
    assert mesh.requests[1].url.path == "/messageexchange/Y90001OT001/inbox"


def test_a_link_that_comes_round_again_ends_the_inbox(pretend: Pretend) -> None:
    links = {"next": "/x?continue_from=abc"}
    client, mesh = pretend(always(200, json={"messages": ["1_A"], "links": links}))
    assert list(client.inbox()) == ["1_A"]
    assert len(mesh.requests) == 2


@pytest.mark.parametrize("said", [{"messages": []}, {"messages": [], "links": {}}, {"messages": [], "links": None}])
def test_an_empty_inbox_is_empty_in_both_versions(said: dict[str, Any], pretend: Pretend) -> None:
    client, _ = pretend(always(200, json=said))
    assert list(client.inbox()) == []


@pytest.mark.parametrize("content", [b"", b"<html/>", b"{}", b'{"messages": {}}', b'{"messages": ["../x"]}', b"[1]"])
def test_an_inbox_that_cannot_be_understood_is_not_taken_for_an_empty_one(content: bytes, pretend: Pretend) -> None:
    client, _ = pretend(always(200, content=content))
    with pytest.raises(RetryLater):
        list(client.inbox())


# --- download ---------------------------------------------------------------------------------------------------------


def test_a_message_comes_whole_and_with_what_mesh_says_about_it(pretend: Pretend) -> None:
    checksum = hashlib.md5(CONTENT).hexdigest()
    headers = {
        "Mex-To": "Y90001OT001",
        "Mex-LocalID": "A20047",
        "Mex-Subject": "subject",
        "Mex-FileName": "ack.xml",
        "Mex-Chunk-Range": "1:1",
        "Mex-Content-Checksum": checksum,
        "Content-Type": "application/fhir+xml",
        "Mex-StatusCode": "00",
        "Mex-StatusSuccess": "SUCCESS",
        "Mex-StatusTimestamp": "20260304115959",
    }
    client, mesh = pretend(lambda _: message(headers=headers))
    received = client.download(ID)
    assert mesh.requests[0].headers["Accept-Encoding"] == "gzip"
    assert received.body == CONTENT
    assert (received.message_id, received.is_report) == (ID, False)
    assert (received.workflow_id, received.sender) == ("GPCONNECT_SEND_DOCUMENT_ACK", "A20047OT001")
    assert (received.recipient, received.local_id, received.subject) == ("Y90001OT001", "A20047", "subject")
    assert (received.file_name, received.content_type) == ("ack.xml", "application/fhir+xml")
    assert (received.status_code, received.status_success) == ("00", True)
    assert received.status_timestamp == datetime(2026, 3, 4, 11, 59, 59, tzinfo=UTC)
    assert received.chunk_range == ChunkRange(number=1, total=1)


@pytest.mark.parametrize("headers", [{}, {"Content-Encoding": "gzip", "Content-Length": "0"}])
def test_a_report_has_no_content_and_says_which_message_failed_and_why(
    headers: dict[str, str], pretend: Pretend
) -> None:
    report = {
        "Mex-MessageType": "Report",
        "Mex-LinkedMsgID": "20260304110000000001_FEDCBA",
        "Mex-WorkflowID": "GPCONNECT_SEND_DOCUMENT",
        "Mex-StatusEvent": "SEND",
        "Mex-StatusCode": "EPL-153",
        "Mex-StatusDescription": "NHS Number not found",
        "Mex-StatusSuccess": "ERROR",
        "Mex-Chunk-Range": "1:0",
    }
    client, _ = pretend(always(200, headers={**report, **headers}))
    received = client.download(ID)
    assert received.is_report
    assert received.body == b""
    assert received.linked_message_id == "20260304110000000001_FEDCBA"
    assert (received.status_event, received.status_code, received.status_success) == ("SEND", "EPL-153", False)
    assert received.status_description == "NHS Number not found"


def test_what_can_name_a_patient_is_not_in_the_repr(pretend: Pretend) -> None:
    headers = {"Mex-To": "WRIGHT-1", "Mex-Subject": "WRIGHT-2", "Mex-LocalID": "WRIGHT-3", "Mex-FileName": "WRIGHT-4"}
    client, _ = pretend(lambda _: message(b"WRIGHT-5", headers={**headers, "Mex-StatusDescription": "WRIGHT-6"}))
    assert "WRIGHT" not in repr(client.download(ID))


@pytest.mark.parametrize("content", [b"", b"x", CONTENT * 10_000])
def test_a_message_may_come_uncompressed(content: bytes, pretend: Pretend) -> None:
    client, _ = pretend(always(200, content=content, headers=DATA))
    assert client.download(ID).body == content


def in_chunks(parts: list[bytes], *, changed: Mapping[int, httpx.Response] | None = None) -> Handler:
    """Serve a message in chunks; `changed` replaces the answers of some."""

    def handler(request: httpx.Request) -> httpx.Response:
        last = request.url.path.rsplit("/", 1)[1]
        number = int(last) if last.isdigit() else 1
        if changed and number in changed:
            return changed[number]
        headers = {"Mex-Chunk-Range": f"{number}:{len(parts)}"}
        return message(parts[number - 1], status=200 if number == len(parts) else 206, headers=headers)

    return handler


def test_chunks_each_compressed_on_its_own_are_joined_in_order(pretend: Pretend) -> None:
    client, mesh = pretend(in_chunks([b"one-", b"two-", b"three"]))
    assert client.download(ID).body == b"one-two-three"
    base = f"/messageexchange/Y90001OT001/inbox/{ID}"
    assert [request.url.path for request in mesh.requests] == [base, f"{base}/2", f"{base}/3"]
    assert len({request.headers["Authorization"] for request in mesh.requests}) == 3


@pytest.mark.parametrize("ranges", [{}, {"Mex-Chunk-Range": "nonsense"}])
def test_chunks_without_a_usable_range_are_joined_by_status(ranges: dict[str, str], pretend: Pretend) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        return message(b"x", status=200 if request.url.path.endswith("/3") else 206, headers=ranges)

    client, _ = pretend(handler)
    assert client.download(ID).body == b"xxx"


BOMB = zlib.compressobj(9, zlib.DEFLATED, 31)
BOMB_BYTES = BOMB.compress(bytes(5_000_000)) + BOMB.flush()
PACKED = gzip.compress(CONTENT)


@pytest.mark.parametrize(
    ("handler", "why"),
    [
        (lambda _: message(encoded=PACKED[:-1]), "ends early"),
        (lambda _: message(encoded=b""), "ends early"),
        (lambda _: message(encoded=CONTENT), "corrupt"),
        (lambda _: message(encoded=PACKED + b"x"), "follows the end"),
        (lambda _: message(encoded=PACKED + PACKED[:-1]), "ends early"),
        (lambda _: message(encoded=gzip.compress(b"") * 101), "follows the end"),
        (lambda _: message(encoded=PACKED + b"\0\0"), "follows the end"),
        (lambda _: message(encoded=BOMB_BYTES), "longer than 1000000 bytes"),
        (lambda _: message(headers={"Content-Encoding": "br"}), "encoding"),
        (lambda _: message(headers={"Content-Length": "7"}), "7 were announced"),
        (lambda _: message(headers={"Mex-Content-Checksum": "0" * 32}), "checksum"),
        (lambda _: message(headers={"Mex-Content-Checksum": "sha256:" + "0" * 64}), "checksum"),
        (lambda _: message(headers={"Mex-Chunk-Range": "1:2"}), "1 of 2"),
        (lambda _: message(headers={"Mex-Chunk-Range": "2:2"}), "2 of 2"),
        (lambda _: message(status=206, headers={"Mex-Chunk-Range": "1:1"}), "1 of 1"),
        (in_chunks([b"a", b"b"], changed={2: message(headers={"Mex-Chunk-Range": "1:2"})}), "2 of 2 was due"),
        (in_chunks([b"a", b"b"], changed={2: message(headers={"Mex-Chunk-Range": "2:3"})}), "2 of 2 was due"),
        (in_chunks([b"a", b"b"], changed={2: message(encoded=PACKED[:9])}), "chunk 2"),
    ],
)
def test_a_message_that_is_not_what_it_promises_is_damaged(handler: Handler, why: str, pretend: Pretend) -> None:
    client, _ = pretend(handler)
    with pytest.raises(DamagedContent, match=why):
        client.download(ID, maximum_bytes=1_000_000)


def test_a_gzip_stream_of_several_members_is_their_content_one_after_the_other(pretend: Pretend) -> None:
    client, _ = pretend(lambda _: message(encoded=gzip.compress(b"one") + gzip.compress(b"") + gzip.compress(b"two")))
    assert client.download(ID).body == b"onetwo"


def test_chunks_that_never_end_are_damage(pretend: Pretend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "_MOST_CHUNKS", 5)
    client, mesh = pretend(lambda _: message(b"", status=206))
    with pytest.raises(DamagedContent, match="more than 5 chunks"):
        client.download(ID)
    assert len(mesh.requests) == 5


def test_the_limit_counts_all_chunks_together(pretend: Pretend) -> None:
    client, _ = pretend(in_chunks([b"x" * 60, b"x" * 60]))
    assert len(client.download(ID, maximum_bytes=120).body) == 120
    with pytest.raises(DamagedContent, match="longer than 119"):
        client.download(ID, maximum_bytes=119)


def test_a_damaged_message_can_be_kept_as_it_was_served(pretend: Pretend) -> None:
    client, _ = pretend(lambda _: message(encoded=PACKED[:-3], headers={"Mex-Content-Checksum": "0" * 32}))
    assert client.download(ID, as_served=True).body == PACKED[:-3]


@pytest.mark.parametrize(
    "checksum",
    [
        hashlib.md5(CONTENT).hexdigest(),
        hashlib.sha1(CONTENT).hexdigest().upper(),
        "sha512:" + hashlib.sha512(CONTENT).hexdigest(),
        "SHA-256:" + hashlib.sha256(CONTENT).hexdigest(),
        "sha3_256:" + hashlib.sha256(b"other").hexdigest(),  # a name with characters that MESH does not take
        "crc32:00000000",
        "XrY7u+Ae7tCTyyK7j1rNww==",
        "not a checksum",
        "0" * 33,
    ],
)
def test_a_checksum_that_agrees_or_cannot_be_checked_is_no_damage(checksum: str, pretend: Pretend) -> None:
    client, _ = pretend(lambda _: message(headers={"Mex-Content-Checksum": checksum}))
    assert client.download(ID).body == CONTENT


def test_a_message_whose_checksum_alone_is_wrong_came_whole(pretend: Pretend) -> None:
    client, _ = pretend(lambda _: message(headers={"Mex-Content-Checksum": "0" * 64}))
    sink = io.BytesIO()
    with pytest.raises(WrongChecksum):
        client.download_into(ID, sink)
    assert sink.getvalue() == CONTENT
    client, _ = pretend(lambda _: message(encoded=PACKED[:-3], headers={"Mex-Content-Checksum": "0" * 32}))
    with pytest.raises(DamagedContent) as damaged:
        client.download(ID)
    assert not isinstance(damaged.value, WrongChecksum)


def test_a_checksum_is_of_the_whole_message_not_of_a_chunk(pretend: Pretend) -> None:
    whole = {"Mex-Content-Checksum": hashlib.sha256(b"onetwo").hexdigest(), "Mex-Chunk-Range": "1:2"}
    client, _ = pretend(in_chunks([b"one", b"two"], changed={1: message(b"one", status=206, headers=whole)}))
    assert client.download(ID).body == b"onetwo"


def test_a_download_can_go_into_a_file(pretend: Pretend) -> None:
    client, _ = pretend(in_chunks([b"one", b"two"]))
    sink = io.BytesIO()
    assert client.download_into(ID, sink).message_id == ID
    assert sink.getvalue() == b"onetwo"


def test_a_failure_of_the_sink_is_the_callers_own(pretend: Pretend) -> None:
    class Full(io.BytesIO):
        def write(self, block: Any, /) -> int:
            raise OSError(28, "No space left on device")

    client, _ = pretend(lambda _: message())
    with pytest.raises(OSError, match="No space"):
        client.download_into(ID, Full())


# --- the rest ---------------------------------------------------------------------------------------------------------


def test_a_handshake_names_the_client_and_its_system(pretend: Pretend) -> None:
    client, mesh = pretend(always(200))
    client.handshake()
    (request,) = mesh.requests
    assert (request.method, request.url.path) == ("POST", "/messageexchange/Y90001OT001")
    for name in ("Mex-ClientVersion", "Mex-OSName", "Mex-OSVersion"):
        assert request.headers[name]


@pytest.mark.parametrize("said", [{"content": b""}, {"json": {"messageId": ID}}])
def test_an_acknowledgement_is_done_in_both_versions(said: dict[str, Any], pretend: Pretend) -> None:
    client, mesh = pretend(always(200, **said))
    client.acknowledge(ID)
    (request,) = mesh.requests
    assert request.method == "PUT"
    assert request.url.path == f"/messageexchange/Y90001OT001/inbox/{ID}/status/acknowledged"


def test_the_count_is_read(pretend: Pretend) -> None:
    client, _ = pretend(always(200, json={"count": 1234, "internalID": "x", "allResultsIncluded": True}))
    assert client.count() == 1234


def test_a_head_brings_the_headers_alone(pretend: Pretend) -> None:
    client, mesh = pretend(always(200, headers={**DATA, "Mex-Chunk-Range": "1:3"}))
    assert client.head(ID).chunk_range == ChunkRange(number=1, total=3)
    assert mesh.requests[0].method == "HEAD"


TRACKED_2 = {
    "message_id": ID,
    "status": "acknowledged",
    "status_success": True,
    "workflow_id": "W",
    "recipient_ods_code": "A20047",
    "upload_timestamp": "2026-03-04T11:00:00",
    "expiry_time": "2026-03-09T11:00:00Z",
}
TRACKED_1 = {
    "messageId": ID,
    "dtsId": ID,
    "status": "Acknowledged",
    "statusSuccess": "SUCCESS",
    "workflowId": "W",
    "meshRecipientOdsCode": "A20047",
    "uploadTimestamp": "20260304110000",
    "expiryTime": "20260309110000",
    "subject": "WRIGHT",
    "fileSize": 7,
}


@pytest.mark.parametrize("said", [TRACKED_2, TRACKED_1], ids=["version 2", "version 1"])
def test_tracking_is_understood_in_both_versions(said: dict[str, Any], pretend: Pretend) -> None:
    client, mesh = pretend(always(200, json=said))
    tracked = client.tracking(ID)
    assert mesh.requests[0].url.params["messageID"] == ID
    assert tracked.is_acknowledged
    assert (tracked.message_id, tracked.status_success, tracked.workflow_id) == (ID, True, "W")
    assert tracked.recipient_ods_code == "A20047"
    assert tracked.uploaded_at == datetime(2026, 3, 4, 11, tzinfo=UTC)
    assert tracked.expires_at == datetime(2026, 3, 9, 11, tzinfo=UTC)


@pytest.mark.parametrize("text", ["9999-12-31T23:59:59-10:00", "0001-01-01T00:00:00+10:00"])
def test_a_time_that_no_clock_shows_is_none(text: str, pretend: Pretend) -> None:
    client, _ = pretend(always(200, json=TRACKED_2 | {"expiry_time": text}))
    assert client.tracking(ID).expires_at is None


LOOKED_UP_2 = {"results": [{"mailbox_id": "A20047OT001", "mailbox_name": "Millbrook"}]}
LOOKED_UP_1 = {
    "query_id": "x",
    "results": [{"endpoint_type": "MESH", "address": "A20047OT001", "description": "Millbrook"}],
}


@pytest.mark.parametrize("said", [LOOKED_UP_2, LOOKED_UP_1], ids=["version 2", "version 1"])
def test_a_lookup_is_understood_in_both_versions(said: dict[str, Any], pretend: Pretend) -> None:
    client, mesh = pretend(always(200, json=said))
    found = client.endpoint_lookup("A20047", "GPCONNECT_SEND_DOCUMENT")
    assert found.mailboxes == (Mailbox(mailbox_id="A20047OT001", name="Millbrook"),)
    assert mesh.requests[0].url.path == "/messageexchange/endpointlookup/A20047/GPCONNECT_SEND_DOCUMENT"


def test_a_search_by_workflow_is_a_lookup_without_organisation(pretend: Pretend) -> None:
    client, mesh = pretend(always(200, json={"results": []}))
    assert client.workflow_search("GPCONNECT_SEND_DOCUMENT").mailboxes == ()
    assert mesh.requests[0].url.path == "/messageexchange/workflowsearch/GPCONNECT_SEND_DOCUMENT"


@pytest.mark.parametrize("content", [b"", b"{}", b"<html/>", b'{"results": [{}]}', b'{"results": "A20047"}'])
def test_a_lookup_that_cannot_be_understood_is_not_taken_for_none(content: bytes, pretend: Pretend) -> None:
    client, _ = pretend(always(200, content=content))
    with pytest.raises(RetryLater):
        client.endpoint_lookup("A20047", "W")


@pytest.mark.parametrize("message_id", ["", "..", "a/b", "a?b", "a b", "é", "x" * 101])
def test_an_id_that_is_none_never_becomes_part_of_an_address(message_id: str, pretend: Pretend) -> None:
    client, mesh = pretend(always(200))
    for call in (client.download, client.head, client.acknowledge, client.tracking):
        with pytest.raises(ValueError, match="message id"):
            call(message_id)
    assert mesh.requests == []


# --- failures of reads ------------------------------------------------------------------------------------------------

READS: dict[str, Callable[[MeshClient], object]] = {
    "handshake": lambda client: client.handshake(),
    "inbox": lambda client: list(client.inbox()),
    "count": lambda client: client.count(),
    "head": lambda client: client.head(ID),
    "download": lambda client: client.download(ID),
    "acknowledge": lambda client: client.acknowledge(ID),
    "tracking": lambda client: client.tracking(ID),
    "endpoint lookup": lambda client: client.endpoint_lookup("A20047", "W"),
    "workflow search": lambda client: client.workflow_search("W"),
}
ONE_MESSAGE = ("head", "download", "acknowledge", "tracking")


@pytest.mark.parametrize("operation", READS)
@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (302, Refused),
        (400, Refused),
        (401, Authentication),
        (403, Authentication),
        (404, None),
        (408, RetryLater),
        (410, None),
        (425, RetryLater),
        (429, RetryLater),
        (500, RetryLater),
        (502, RetryLater),
        (503, RetryLater),
        (504, RetryLater),
    ],
)
def test_each_status_of_a_read_says_what_to_do(
    operation: str, status: int, expected: type[MeshError] | None, pretend: Pretend
) -> None:
    client, _ = pretend(always(status, headers={"Retry-After": "7"}))
    with pytest.raises(MeshError) as raised:
        READS[operation](client)
    # 404 and 410 mean that a message is gone only where one was asked for.
    assert type(raised.value) is (expected or (NotFound if operation in ONE_MESSAGE else Refused))
    assert raised.value.operation == operation
    if isinstance(raised.value, RetryLater):
        assert raised.value.retry_after == 7


@pytest.mark.parametrize("operation", READS)
@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (httpx.ConnectError, NotSent),
        (httpx.PoolTimeout, NotSent),
        (httpx.ReadTimeout, RetryLater),
        (httpx.ReadError, RetryLater),
        (httpx.RemoteProtocolError, RetryLater),
    ],
)
def test_each_failure_of_a_read_may_be_repeated(
    operation: str, error: type[httpx.TransportError], expected: type[MeshError], pretend: Pretend
) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        raise error("failed", request=request)

    client, _ = pretend(handler)
    with pytest.raises(MeshError) as raised:
        READS[operation](client)
    assert type(raised.value) is expected


def test_a_download_that_is_cut_is_repeated_not_taken_for_damaged(serve: Serve) -> None:
    def script(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 500\r\n\r\n" + PACKED[:10])

    with pytest.raises(RetryLater):
        serve(script).download(ID)


def test_a_download_that_stalls_is_repeated(serve: Serve) -> None:
    def script(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 500\r\n\r\n" + PACKED[:10])
        over.wait(10)

    with pytest.raises(RetryLater):
        serve(script, patience=0.3).download(ID)


def test_a_clients_own_connections_are_closed_and_a_borrowed_one_is_not(credentials: MailboxCredentials) -> None:
    with httpx.Client(transport=httpx.MockTransport(lambda _: answer(200))) as http:
        with MeshClient("https://mesh.test", credentials, http=http) as client:
            client.handshake()
        assert not http.is_closed
    with MeshClient("https://mesh.test", credentials) as client:
        own = client._http
    assert own.is_closed
