"""The send and poll steps against the local MESH: long messages, lost answers, rotated secrets, full inboxes."""

import gzip
import logging
import os
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from gpconnect_messaging.ledger.status_rules import status_of
from gpconnect_messaging.ledger.stored_names import EventType, Status
from gpconnect_messaging.mesh import Authentication, MeshError, OutboundMessage
from gpconnect_messaging.mesh.chunking import Chunking
from gpconnect_messaging.queues import Listed
from gpconnect_messaging.steps.poll import Taken
from gpconnect_messaging.steps.send import NotAuthorisedError, PostponedError
from gpconnect_messaging.storage import DamagedMessageError
from tests import stored
from tests.fakes.faults import fail
from tests.fakes.product import HIDDEN, TO_PRACTICE, WORKFLOW, NotDoneError, deliver_inbox
from tests.fakes.secrets_manager import Secrets
from tests.local_mesh import COMMUNITY, PRACTICE, SENDER, SUBJECT, LocalMesh, ProductOnMesh, answer, local_mesh, secrets
from tests.secrecy import everything

LONG = 30_000  # four chunks, as the steps in memory cut
SHORT = 2_000
CHUNKS = 4


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalMesh]:
    with local_mesh(tmp_path_factory.mktemp("mesh")) as running:
        yield running


@pytest.fixture
def mesh(running: LocalMesh) -> LocalMesh:
    running.control("POST", "reset")
    running.control("PUT", "behaviour", {"smallest_middle_chunk_bytes": 0})
    return running


@pytest.fixture
def product(mesh: LocalMesh) -> Iterator[ProductOnMesh]:
    product = ProductOnMesh(mesh.url)
    yield product
    product.connections.close()


def content(product: ProductOnMesh, message_id: str) -> bytes:
    return product.message(message_id)


def collected(mesh: LocalMesh) -> list[bytes]:
    """Bodies in the practice's inbox."""
    with mesh.client(PRACTICE) as practice:
        return [practice.download(message_id).body for message_id in practice.inbox()]


def waiting_for(mesh: LocalMesh) -> list[str]:
    """What is in our inbox."""
    with mesh.client() as client:
        return list(client.inbox())


def uploads(mesh: LocalMesh) -> list[tuple[str, str]]:
    """The path's end and the chunk range of every upload, in order."""
    return [
        (request["path"].rpartition("/")[2], dict(request["headers"])["mex-chunk-range"])
        for request in mesh.requests()
        if request["kind"] in ("send", "chunk")
    ]


def respond(mesh: LocalMesh, message_id: str, *codes: str) -> None:
    with mesh.client(PRACTICE) as practice:
        answer(practice, message_id, *codes)


def test_a_long_message_goes_in_chunks_each_compressed_on_its_own_and_arrives_whole(
    mesh: LocalMesh, product: ProductOnMesh
) -> None:
    message_id = product.build(LONG)
    assert product.sender.send(message_id) is Status.SENT
    assert uploads(mesh) == [("outbox", "1:4"), ("2", "2:4"), ("3", "3:4"), ("4", "4:4")]
    assert collected(mesh) == [content(product, message_id)]
    (stored,) = mesh.messages()
    assert product.history(message_id).mesh_message_ids == (stored["message_id"],)
    assert product.history(message_id).possible_copies == 1


def test_a_message_of_middle_length_streams_in_one_request(mesh: LocalMesh, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ProductOnMesh, "longest_gzipped", 1_000)
    product = ProductOnMesh(mesh.url)
    message_id = product.build(SHORT)
    assert product.sender.send(message_id) is Status.SENT
    (request,) = mesh.requests(kind="send")
    assert "content-length" not in dict(request["headers"])
    assert collected(mesh) == [content(product, message_id)]
    product.connections.close()


def test_a_run_that_is_out_of_time_is_continued_from_the_last_accepted_chunk_under_the_same_mesh_id(
    mesh: LocalMesh, product: ProductOnMesh
) -> None:
    message_id = product.build(LONG)
    time_left = iter([True, False])
    with pytest.raises(PostponedError, match="time ran out before chunk 3 of 4"):
        product.sender.send(message_id, lambda: next(time_left))
    (stored,) = mesh.messages()
    assert product.history(message_id).partial_uploads[0].mesh_message_id == stored["message_id"]
    assert product.sender.send(message_id) is Status.SENT
    assert [chunk for _, chunk in uploads(mesh)] == ["1:4", "2:4", "3:4", "4:4"]
    assert product.history(message_id).mesh_message_ids == (stored["message_id"],)
    assert product.history(message_id).possible_copies == 1
    assert collected(mesh) == [content(product, message_id)]


def test_every_run_sends_at_least_one_chunk_however_little_time_it_has(mesh: LocalMesh, product: ProductOnMesh) -> None:
    message_id = product.build(LONG)
    for _ in range(CHUNKS - 1):
        with pytest.raises(PostponedError):
            product.sender.send(message_id, lambda: False)
    assert product.sender.send(message_id, lambda: False) is Status.SENT
    assert collected(mesh) == [content(product, message_id)]


@pytest.mark.parametrize("fault", ["cut_after", "cut_before", "error", "busy", "html", "truncate"])
@pytest.mark.parametrize("chunk", [1, 2])
def test_a_chunk_that_failed_is_sent_again_and_makes_no_second_message(
    fault: str, chunk: int, mesh: LocalMesh, product: ProductOnMesh
) -> None:
    message_id = product.build(LONG)
    mesh.next_fault(fault, "send" if chunk == 1 else "chunk", retry_after_seconds=0)
    with pytest.raises(PostponedError):
        product.sender.send(message_id)
    assert product.sender.send(message_id) is Status.SENT
    assert collected(mesh) == [content(product, message_id)]
    assert product.history(message_id).possible_copies == 1


@pytest.mark.parametrize("fault", ["cut_after", "truncate"])
def test_a_last_chunk_whose_answer_is_lost_is_found_by_tracking(
    fault: str, mesh: LocalMesh, product: ProductOnMesh
) -> None:
    message_id = product.build(LONG)
    mesh.next_fault(fault, "chunk", skip=CHUNKS - 2)
    assert product.sender.send(message_id) is Status.SENT
    (tracked,) = product.events(message_id, EventType.UPLOAD_TRACKED)
    assert tracked.details["mesh_status"] == "accepted"
    assert len(collected(mesh)) == 1
    assert product.history(message_id).possible_copies == 1


def test_a_last_chunk_that_did_not_arrive_is_sent_again_after_tracking(mesh: LocalMesh, product: ProductOnMesh) -> None:
    message_id = product.build(LONG)
    mesh.next_fault("cut_before", "chunk", skip=CHUNKS - 2)
    with pytest.raises(PostponedError, match="MESH has not all chunks"):
        product.sender.send(message_id)
    assert product.sender.send(message_id) is Status.SENT
    assert [chunk for _, chunk in uploads(mesh)] == ["1:4", "2:4", "3:4", "4:4", "4:4"]
    assert len(collected(mesh)) == 1


def test_a_chunk_of_a_message_that_mesh_has_whole_already_is_no_failure_but_a_question_for_tracking(
    mesh: LocalMesh, product: ProductOnMesh
) -> None:
    message_id = product.build(LONG)
    mesh.next_fault("cut_after", "chunk", skip=CHUNKS - 2)
    mesh.next_fault("error", "tracking")
    assert product.sender.send(message_id) is Status.UNCERTAIN
    product.clock.advance(timedelta(minutes=16))
    product.sweep.run()
    assert product.queue.take() == [message_id]
    assert product.sender.send(message_id) is Status.SENT
    assert mesh.requests(kind="chunk")[-1]["status"] == 423
    history = product.history(message_id)
    assert [event.kind for event in history.events if event.kind is not EventType.CHUNK_ACCEPTED] == [
        EventType.BUILT,
        EventType.UPLOAD_STARTED,
        EventType.UPLOAD_UNCERTAIN,
        EventType.QUEUED_AGAIN,
        EventType.UPLOAD_STARTED,
        EventType.UPLOAD_TRACKED,
        EventType.UPLOAD_ACCEPTED,
    ]
    assert history.possible_copies == 1
    assert len(collected(mesh)) == 1


def test_a_message_that_mesh_no_longer_knows_is_begun_anew(mesh: LocalMesh, product: ProductOnMesh) -> None:
    message_id = product.build(LONG)
    with pytest.raises(PostponedError):
        product.sender.send(message_id, lambda: False)
    mesh.control("POST", "reset")
    with pytest.raises(PostponedError, match="no longer knows"):
        product.sender.send(message_id)
    assert product.history(message_id).partial_uploads == ()
    assert product.sender.send(message_id) is Status.SENT
    assert collected(mesh) == [content(product, message_id)]
    assert product.history(message_id).possible_copies == 1


def test_chunks_that_were_cut_otherwise_are_not_continued(mesh: LocalMesh, product: ProductOnMesh) -> None:
    message_id = product.build(LONG)
    with pytest.raises(PostponedError):
        product.sender.send(message_id, lambda: False)
    object.__setattr__(product.sender, "chunking", Chunking(largest_whole=20_000, chunk_bytes=8_001, smallest_chunk=0))
    assert product.sender.send(message_id) is Status.SENT
    assert [chunk for _, chunk in uploads(mesh)] == ["1:4", "1:4", "2:4", "3:4", "4:4"]
    assert collected(mesh) == [content(product, message_id)]


@pytest.mark.parametrize("size", [LONG, SHORT])
@pytest.mark.parametrize("index", [0, -1])
def test_a_message_that_was_damaged_in_store_is_never_completed(
    size: int, index: int, mesh: LocalMesh, product: ProductOnMesh
) -> None:
    message_id = product.build(size)
    damaged, key = bytearray(content(product, message_id)), f"messages/{message_id}"
    damaged[index] ^= 1
    product.outgoing.objects[key] = stored.replaced(product.outgoing.objects[key], bytes(damaged))
    with pytest.raises(DamagedMessageError):
        product.sender.send(message_id)
    assert collected(mesh) == []
    assert status_of(product.history(message_id)) is Status.BUILT


def test_a_first_upload_whose_answer_was_lost_is_repeated_after_the_wait_and_its_duplicate_is_no_failure(
    mesh: LocalMesh, product: ProductOnMesh
) -> None:
    message_id = product.build(SHORT)
    mesh.next_fault("cut_after", "send")
    assert product.sender.send(message_id) is Status.UNCERTAIN
    assert product.sender.send(message_id) is Status.UNCERTAIN, "not before the wait is over"
    product.clock.advance(timedelta(minutes=16))
    product.sweep.run()
    assert product.sender.send(message_id) is Status.SENT
    assert collected(mesh) == [content(product, message_id)] * 2
    assert product.history(message_id).possible_copies == 2
    respond(mesh, message_id, "20013", "20007", "30001")
    product.polls(SENDER)
    assert status_of(product.history(message_id)) is Status.DELIVERED


STRANGER = "FA565OT001"
GOOD = ("20013", "30001")


@pytest.mark.parametrize("organisation", ["A20047", ""], ids=["our own practice's code", "none"])
def test_an_answer_from_another_mailbox_than_mesh_routed_to_counts_for_nothing_whatever_it_says_of_itself(
    organisation: str, mesh: LocalMesh, product: ProductOnMesh
) -> None:
    message_id = product.build(SHORT)
    product.send(message_id)
    with mesh.client(STRANGER) as stranger:
        answer(stranger, message_id, *GOOD, organisation=organisation)
    product.polls(SENDER)
    assert status_of(product.history(message_id)) is Status.SENT
    assert [event.details["from_mailbox"] for event in product.events(message_id, EventType.RESPONSE)] == [STRANGER] * 2
    assert len(product.topic.published) == 2, "one of each answer"
    for notification in product.topic.published:
        assert "came from somewhere else" in notification
        assert STRANGER in notification
    assert waiting_for(mesh) == [], "it is kept, and does not stay in MESH"
    respond(mesh, message_id, *GOOD)
    product.polls(SENDER)
    assert status_of(product.history(message_id)) is Status.DELIVERED, "the true one still lands"


def test_mesh_is_asked_once_where_it_took_a_message_and_its_address_is_never_recorded(
    mesh: LocalMesh, product: ProductOnMesh
) -> None:
    message_id = product.build(SHORT)
    product.send(message_id)
    for code in GOOD:  # those that come together may ask together
        respond(mesh, message_id, code)
        product.polls(SENDER)
    assert [event.details["mailbox"] for event in product.events(message_id, EventType.ROUTED)] == [PRACTICE]
    assert [request["kind"] for request in mesh.requests() if request["kind"] == "tracking"] == ["tracking"]
    assert status_of(product.history(message_id)) is Status.DELIVERED


def test_an_answer_waits_in_mesh_while_mesh_does_not_say_where_its_message_went(
    mesh: LocalMesh, product: ProductOnMesh
) -> None:
    message_id = product.build(SHORT)
    product.send(message_id)
    with mesh.client(STRANGER) as stranger:
        answer(stranger, message_id, "20013")
    mesh.next_fault("busy", "tracking")
    with pytest.raises(MeshError):
        product.polls(SENDER)
    assert (len(waiting_for(mesh)), product.events(message_id, EventType.RESPONSE)) == (1, [])
    product.polls(SENDER)
    assert status_of(product.history(message_id)) is Status.SENT
    assert waiting_for(mesh) == []


def test_a_message_whose_address_leads_nowhere_says_no_mailbox_and_no_patient(
    mesh: LocalMesh, product: ProductOnMesh
) -> None:
    message_id = product.build(SHORT, to="GPPROVIDER_9990000042_19700101_NOBODY")
    product.send(message_id)
    respond(mesh, message_id, "20013")
    product.polls(SENDER)
    assert [event.details["mailbox"] for event in product.events(message_id, EventType.ROUTED)] == [None]


class Rotating(Secrets):
    """A secret that is right only from the second reading on."""

    def get_secret_value(self, *, SecretId: str) -> dict[str, Any]:  # noqa: N803 - boto3's own name
        if SecretId == f"mailboxes/{SENDER}" and self.read == 0:
            self.read += 1
            return {"SecretString": '{"password": "the-old-one"}'}
        return super().get_secret_value(SecretId=SecretId)


@pytest.mark.parametrize("size", [SHORT, LONG])
def test_a_rotated_secret_is_read_afresh_within_the_step(size: int, mesh: LocalMesh) -> None:
    product = ProductOnMesh(mesh.url, Rotating(secrets().values))
    message_id = product.build(size)
    assert product.sender.send(message_id) is Status.SENT
    assert [request["status"] for request in mesh.requests()][:2] == [403, 202]
    assert product.history(message_id).attempts == 1
    product.polls(SENDER)
    product.connections.close()


def test_credentials_that_stay_wrong_are_tried_twice_and_then_left_alone(mesh: LocalMesh) -> None:
    held = secrets()
    held.values[f"mailboxes/{SENDER}"] = {"password": "wrong"}
    product = ProductOnMesh(mesh.url, held)
    message_id = product.build(SHORT)
    with pytest.raises(NotAuthorisedError):
        product.sender.send(message_id)
    assert [request["status"] for request in mesh.requests()] == [403, 403]
    with pytest.raises(Authentication):
        product.polls(SENDER)
    assert [request["status"] for request in mesh.requests()] == [403] * 4
    product.connections.close()


def test_an_endpoint_is_looked_up_once_and_none_found_is_asked_for_again(
    mesh: LocalMesh, product: ProductOnMesh
) -> None:
    for _ in range(3):
        found = product.connections.endpoint_lookup(SENDER, "A20047", WORKFLOW)
        assert [mailbox.mailbox_id for mailbox in found.mailboxes] == [PRACTICE]
    assert len(mesh.requests(kind="lookup")) == 1
    product.connections.forget_lookup("A20047", WORKFLOW)
    assert product.connections.endpoint_lookup(SENDER, "A20047", WORKFLOW).mailboxes
    assert len(mesh.requests(kind="lookup")) == 2
    for _ in range(2):
        assert product.connections.endpoint_lookup(SENDER, "Z99999", WORKFLOW).mailboxes == ()
    assert len(mesh.requests(kind="lookup")) == 4


def test_many_answers_are_taken_in_several_at_once(mesh: LocalMesh, product: ProductOnMesh) -> None:
    ids = [product.build(SHORT) for _ in range(6)]
    for message_id in ids:
        product.sender.send(message_id)
        respond(mesh, message_id, "20013", "30001")
    together = threading.Barrier(2, timeout=20)
    put = product.bucket.put_object

    def slow(**given: Any) -> dict[str, Any]:
        if given["Key"].endswith(".json"):
            together.wait()  # nobody goes on alone
        return put(**given)

    product.bucket.put_object = slow  # type: ignore[method-assign]
    polled = product.polls(SENDER)
    assert polled == {Taken.MATCHED: 12}
    assert {status_of(product.history(message_id)) for message_id in ids} == {Status.DELIVERED}
    assert waiting_for(mesh) == []


def test_a_message_that_cannot_be_taken_in_holds_up_no_other_is_set_aside_and_told(mesh: LocalMesh) -> None:
    product = ProductOnMesh(mesh.url)
    message_id = product.build(SHORT)
    product.sender.send(message_id)
    respond(mesh, message_id, "20013")
    (waiting,) = waiting_for(mesh)
    unforeseen = ValueError("what no code of ours foresaw")
    fault = fail(product.bucket, "put_object", unforeseen, when=lambda call: waiting in call["Key"])
    respond(mesh, message_id, "30001")
    product.poller.poll(SENDER)
    failures = 0

    def collect(entry: Listed) -> None:
        nonlocal failures
        try:
            product.poller.collect(entry)
        except ValueError:
            failures += 1
            raise NotDoneError from None

    for _ in range(product.poller.most_tries):
        deliver_inbox(product.sqs, collect)
        product.clock.advance(HIDDEN)
    assert failures == 1 + product.poller.most_tries
    assert product.history(message_id).business_positive, "the other answer was taken in"
    once_beside_others_then_alone = len(
        mesh.requests(kind="download", path=f"/messageexchange/{SENDER}/inbox/{waiting}")
    )
    assert once_beside_others_then_alone == 6
    assert product.topic.published == []
    assert product.polls(SENDER)[Taken.QUARANTINED] == 2, "alone, and as it is listed again"
    (told,) = product.topic.published
    assert waiting in told
    assert product.polls(SENDER)[Taken.QUARANTINED] == 1
    assert len(product.topic.published) == 1, "told once"
    assert len(mesh.requests(kind="download", path=f"/messageexchange/{SENDER}/inbox/{waiting}")) == 6
    assert waiting_for(mesh) == [waiting], "it is still in MESH"

    fault.end()
    assert product.ledger.retry_quarantined(SENDER, waiting)
    assert product.polls(SENDER)[Taken.MATCHED] == 1
    assert waiting_for(mesh) == [], "an operator's word was enough"
    product.connections.close()


@pytest.mark.parametrize("fault", ["busy", "error", "cut_after", "truncate", "garble", "html"])
def test_a_download_that_fails_for_a_passing_reason_never_counts_against_its_message(
    fault: str, mesh: LocalMesh, product: ProductOnMesh
) -> None:
    message_id = product.build(SHORT)
    product.sender.send(message_id)
    respond(mesh, message_id, "20013")
    for _ in range(product.poller.most_tries + 1):
        mesh.next_fault(fault, "download", retry_after_seconds=0)
        with pytest.raises(Exception, match="MESH download"):
            product.polls(SENDER)
    assert product.polls(SENDER)[Taken.MATCHED] == 1
    assert product.topic.published == []


def test_a_long_message_that_comes_in_is_kept_in_parts_and_whole(mesh: LocalMesh, product: ProductOnMesh) -> None:
    body = os.urandom(12_000_000)
    with mesh.client(PRACTICE) as practice:
        outgoing = OutboundMessage(to=SENDER, workflow_id=f"{WORKFLOW}_ACK", local_id="A20047")
        chunking = Chunking(largest_whole=0, chunk_bytes=7_000_000, smallest_chunk=0)
        sent_id = None
        for part in chunking.parts(len(body)):
            blocks = [body[part.start : part.start + part.length]]
            sent_id = practice.send_part(outgoing, part, blocks, message_id=sent_id).message_id
    assert product.polls(SENDER)[Taken.UNMATCHED] == 1
    assert stored.received(product.bucket.objects[f"received/{SENDER}/{sent_id}"])[0] == body
    assert product.bucket.largest_body < 6_000_000
    assert "longer than any acknowledgement" in product.topic.published[0]
    assert waiting_for(mesh) == []


PERSONAL = ("9658218865", "WRIGHT", "Garth", "19331114")


def test_no_log_and_no_error_of_the_steps_shows_a_patient_a_secret_a_token_or_a_body(
    mesh: LocalMesh, product: ProductOnMesh, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    mailbox = COMMUNITY.mailboxes[SENDER]
    hidden = (*PERSONAL, TO_PRACTICE, SUBJECT, mailbox.password, COMMUNITY.shared_key, "NHSMESH", "<message id=")
    faults = ("refuse", "busy", "error", "html", "cut_before", "cut_after", "truncate", "garble")
    texts: list[str] = []
    for size, kind in ((SHORT, "send"), (LONG, "chunk")):
        for fault in faults:
            message_id = product.build(size)
            mesh.next_fault(fault, kind, retry_after_seconds=0)
            try:
                product.sender.send(message_id)
            except PostponedError as error:
                texts += everything(error)
            respond(mesh, message_id, "20013")
            mesh.next_fault(fault if fault != "refuse" else "busy", "download", retry_after_seconds=0)
            try:
                product.polls(SENDER)
            except MeshError as error:
                texts += everything(error)
            texts += [repr(event) for event in product.history(message_id).events]
    texts += [record.getMessage() + repr(vars(record)) for record in caplog.records] + product.topic.published
    assert len(texts) > 100
    shown = {secret for secret in hidden for text in texts if secret in text}
    assert shown == set()


def test_each_chunk_that_mesh_serves_is_a_gzip_stream_of_its_own(mesh: LocalMesh, product: ProductOnMesh) -> None:
    message_id = product.build(LONG)
    product.sender.send(message_id)
    (stored,) = mesh.messages()
    joined = mesh.http.get(f"{mesh.url}/control/messages/{stored['message_id']}/content").content
    assert joined.count(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff") == CHUNKS
    assert gzip.decompress(joined) == content(product, message_id)
