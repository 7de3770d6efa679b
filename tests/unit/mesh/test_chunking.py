"""Long messages: cutting, compression by chunk, and requests that break off."""

import gzip
import os
import random
import socket
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpconnect_messaging.compression import LEVEL, gzipped
from gpconnect_messaging.mesh import (
    Authentication,
    MeshClient,
    NotFound,
    NotSent,
    OutboundMessage,
    RetryLater,
    Uncertain,
    WrongClock,
)
from gpconnect_messaging.mesh.chunking import CHUNK_BYTES, LARGEST_WHOLE, SMALLEST_CHUNK, Chunking, Part
from gpconnect_messaging.mesh.client import LARGEST_REQUEST
from tests.unit.mesh.conftest import TO, Handler, Pretended, Serve, answer

Pretend = Callable[[Handler], tuple[MeshClient, Pretended]]
FIRST, MIDDLE, LAST = Part(1, 3, 0, 4), Part(2, 3, 4, 4), Part(3, 3, 8, 2)
WHOLE = Part(1, 1, 0, 4)
MESSAGE_ID = "20260304120000000001_AB12CD"


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 500), st.integers(1, 500))
def test_the_parts_are_the_message_in_order_and_nothing_else(size: int, largest_whole: int, chunk_bytes: int) -> None:
    parts = Chunking(largest_whole=largest_whole, chunk_bytes=chunk_bytes).parts(size)
    assert sum(part.length for part in parts) == size
    assert [part.number for part in parts] == list(range(1, len(parts) + 1))
    assert {part.total for part in parts} == {len(parts)}
    assert all(after.start == before.start + before.length for before, after in pairwise(parts))
    assert parts[-1].is_last
    assert (len(parts) == 1) is (size <= max(largest_whole, chunk_bytes) if size > largest_whole else True)


def test_a_message_that_fits_in_one_request_is_not_cut_and_a_longer_one_is() -> None:
    assert len(Chunking().parts(LARGEST_WHOLE)) == 1
    assert len(Chunking().parts(LARGEST_WHOLE + 1)) == 5
    assert LARGEST_WHOLE * 1.001 < LARGEST_REQUEST
    assert CHUNK_BYTES > 2 * SMALLEST_CHUNK


@settings(deadline=None)
@given(st.lists(st.binary(max_size=5000)), st.sampled_from([None, 0, 1, LEVEL, 3]), st.integers(0, 3000))
def test_a_compressed_chunk_is_one_gzip_stream_of_its_content(
    blocks: list[bytes], level: int | None, at_least: int
) -> None:
    content = b"".join(blocks)
    assert gzip.decompress(b"".join(gzipped(blocks, len(content), level=level, at_least=at_least))) == content


@pytest.mark.parametrize("repeated", [0.0, 0.5, 0.9, 0.99, 1.0])
def test_a_chunk_before_the_last_is_never_too_small_for_mesh_however_well_it_compresses(repeated: float) -> None:
    length = 6_000_000
    blocks = [bytes(60_000) if random.Random(n).random() < repeated else os.urandom(60_000) for n in range(100)]
    stream = b"".join(gzipped(blocks, length, at_least=SMALLEST_CHUNK))
    assert len(stream) >= SMALLEST_CHUNK
    assert gzip.decompress(stream) == b"".join(blocks)


def test_content_that_may_be_short_is_compressed_to_its_end() -> None:
    assert len(b"".join(gzipped([bytes(60_000)] * 100, 6_000_000))) < 60_000


def test_the_end_of_the_stream_is_made_only_when_the_blocks_have_run_out() -> None:
    def blocks() -> Iterator[bytes]:
        yield b"<a/>"
        raise KeyError("the source")

    made: list[bytes] = []
    with pytest.raises(KeyError):
        made.extend(gzipped(blocks(), 4))
    with pytest.raises(EOFError):
        gzip.decompress(b"".join(made))
    with pytest.raises(ValueError, match="3 bytes came where 4 were announced"):
        list(gzipped([b"abc"], 4))


def test_the_first_chunk_goes_to_the_outbox_and_the_others_under_the_id_that_it_was_given(
    pretend: Pretend, outgoing: OutboundMessage
) -> None:
    client, mesh = pretend(lambda _: answer(202, json={"message_id": MESSAGE_ID}))
    assert client.send_part(outgoing, FIRST, [b"<a>1"], smallest_chunk=0).message_id == MESSAGE_ID
    for part, content in ((MIDDLE, b"2345"), (LAST, b"6>")):
        assert client.send_part(outgoing, part, [content], message_id=MESSAGE_ID).message_id == MESSAGE_ID
    outbox = "/messageexchange/Y90001OT001/outbox"
    assert [request.url.path for request in mesh.requests] == [
        outbox,
        f"{outbox}/{MESSAGE_ID}/2",
        f"{outbox}/{MESSAGE_ID}/3",
    ]
    assert [request.headers["Mex-Chunk-Range"] for request in mesh.requests] == ["1:3", "2:3", "3:3"]
    assert [request.headers.get("Mex-To") for request in mesh.requests] == [TO, None, None]
    assert {request.headers["Content-Encoding"] for request in mesh.requests} == {"gzip"}
    assert [gzip.decompress(request.content) for request in mesh.requests] == [b"<a>1", b"2345", b"6>"]
    assert len({request.headers["Authorization"] for request in mesh.requests}) == 3


@pytest.mark.parametrize(
    ("part", "status", "error"),
    [
        (FIRST, 502, RetryLater),
        (MIDDLE, 502, RetryLater),
        (LAST, 502, Uncertain),
        (WHOLE, 502, Uncertain),
        (MIDDLE, 404, NotFound),
        (LAST, 410, NotFound),
        (MIDDLE, 423, Uncertain),
        (LAST, 423, Uncertain),
        (LAST, 429, RetryLater),
        (LAST, 403, Authentication),
    ],
)
def test_an_answer_to_a_chunk_means_what_the_message_can_have_become_by_it(
    part: Part, status: int, error: type[Exception], pretend: Pretend, outgoing: OutboundMessage
) -> None:
    client, _ = pretend(lambda _: answer(status))
    message_id = MESSAGE_ID if part.number > 1 else None
    with pytest.raises(error) as raised:
        client.send_part(outgoing, part, [b"abcd"[: part.length]], message_id=message_id, smallest_chunk=0)
    assert type(raised.value) is error
    if isinstance(raised.value, Uncertain):
        assert raised.value.message_id == message_id


def test_a_chunk_that_is_taken_with_an_error_in_the_answer_is_not_taken(
    pretend: Pretend, outgoing: OutboundMessage
) -> None:
    client, _ = pretend(lambda _: answer(202, json={"errorCode": "02", "errorEvent": "SEND"}))
    with pytest.raises(Uncertain):
        client.send_part(outgoing, LAST, [b"6>"], message_id=MESSAGE_ID)


@pytest.mark.parametrize("part", [Part(1, 1, 0, 20_000_000), Part(3, 3, 0, 20_000_000)])
def test_a_connection_that_fails_before_the_end_of_the_body_has_delivered_nothing(
    part: Part, serve: Serve, outgoing: OutboundMessage
) -> None:
    def hang_up(connection: socket.socket, _: threading.Event) -> None:
        connection.recv(1000)

    blocks = (os.urandom(200_000) for _ in range(100))
    with pytest.raises(NotSent):
        serve(hang_up).send_part(outgoing, part, blocks, message_id=MESSAGE_ID if part.number > 1 else None)


def test_what_the_content_raises_comes_out_and_the_request_stays_unfinished(
    pretend: Pretend, outgoing: OutboundMessage
) -> None:
    def blocks() -> Iterator[bytes]:
        yield b"abcd"
        raise LookupError("damaged")

    client, mesh = pretend(lambda _: answer(202, json={"message_id": MESSAGE_ID}))
    with pytest.raises(LookupError, match="damaged"):
        client.send_part(outgoing, WHOLE, blocks())
    assert mesh.requests == []


@pytest.mark.parametrize(("date", "error"), [("Wed, 04 Mar 2026 15:00:00 GMT", WrongClock), (None, Authentication)])
def test_a_clock_that_is_hours_off_is_told_from_wrong_credentials(
    date: str | None, error: type[Exception], pretend: Pretend, outgoing: OutboundMessage
) -> None:
    headers: dict[str, Any] = {"Date": date} if date else {}
    client, _ = pretend(lambda _: answer(403, headers=headers))
    with pytest.raises(Authentication) as raised:
        client.send(outgoing, b"<a/>")
    assert type(raised.value) is error
    assert ("3.0 hours behind" in str(raised.value)) is (error is WrongClock)
