"""The poller counts what answers a copy that MESH may have, from where it went, and blames no message for another."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ParamValidationError

from gpcm.wording import in_words
from gpconnect_messaging.itk3.response_codes import Level, Verdict
from gpconnect_messaging.itk3.responses import Outcome
from gpconnect_messaging.ledger.history import MOST_ROUTING_QUESTIONS, MessageHistory
from gpconnect_messaging.ledger.records import QUARANTINED
from gpconnect_messaging.ledger.store import Ledger
from gpconnect_messaging.ledger.stored_names import EventType, Status
from gpconnect_messaging.ledger.table import LedgerBusyError, UnreadError
from gpconnect_messaging.mailboxes.directory import CredentialsError
from gpconnect_messaging.mesh.errors import (
    ERROR_CODES,
    Authentication,
    DamagedContent,
    NotFound,
    NotSent,
    RetryLater,
    WrongChecksum,
    known_code,
)
from gpconnect_messaging.mesh.models import Tracking
from gpconnect_messaging.queues import Listed
from gpconnect_messaging.steps.operator_actions import NotPossibleError, OperatorActions
from gpconnect_messaging.steps.poll import Poller, Taken
from gpconnect_messaging.steps.send import PostponedError
from gpconnect_messaging.storage import KeptMessage
from tests import stored
from tests.fakes.mesh import Client, Connections, Mood
from tests.fakes.product import HIDDEN, MAILBOX, WORKFLOW, NotDoneError, as_entry, deliver_inbox, polled
from tests.fakes.s3 import Bucket
from tests.fakes.sqs import Sqs
from tests.model.effects import Watched
from tests.model.world import PRACTICE, STRANGER, World

MINUTE = timedelta(minutes=1)


@pytest.fixture
def world() -> World:
    return World(Watched())


def built(world: World, encounter: str = "one") -> str:
    """Have a request built; return the message id."""
    before = {record.message_id for record in world.records()}
    world.drop(encounter)
    world.deliver_intake(world.process("builder"))
    (made,) = {record.message_id for record in world.records()} - before
    return made


def send(world: World, message_id: str, *moods: Mood) -> None:
    world.mesh.moods.extend(moods)
    try:
        world.send(world.process("sender"), message_id)
    except PostponedError:
        pass
    finally:
        world.mesh.moods.clear()


def sent(world: World, encounter: str = "one") -> str:
    message_id = built(world, encounter)
    send(world, message_id)
    return message_id


def poll(world: World) -> None:
    world.poll(world.process("poller"))


def status(world: World, message_id: str) -> Status:
    found = world.ledger.find(message_id)
    assert found is not None
    return found.status


def history_of(world: World, message_id: str) -> MessageHistory:
    found = world.ledger.find(message_id)
    assert found is not None
    return found.history


def subjects(world: World) -> list[str]:
    return world.topic.subjects


@pytest.mark.parametrize("mood", [None, Mood.BUSY, Mood.UNREACHABLE, Mood.REFUSES])
@pytest.mark.parametrize("sender", [PRACTICE, STRANGER])
def test_an_answer_to_what_mesh_does_not_have_decides_nothing(world: World, mood: Mood | None, sender: str) -> None:
    message_id = built(world)
    if mood:
        send(world, message_id, mood)
    before = status(world, message_id)
    for code in ("20013", "30001"):
        world.answer(message_id, code, sender=sender)
    poll(world)
    assert status(world, message_id) is before
    assert world.mesh.copies(message_id) == []
    assert "An answer came from somewhere else" in subjects(world)
    if before is Status.BUILT:
        send(world, message_id)
        assert status(world, message_id) is Status.SENT, (
            "the message is sent, and the early answers stay without effect"
        )


def test_a_person_cannot_accept_an_answer_to_what_mesh_does_not_have(world: World) -> None:
    message_id = built(world)
    answer = world.answer(message_id, "20013")
    poll(world)
    operator_actions = OperatorActions(ledger=world.ledger, notifier=world.reconciliation.notifier, now=world.clock)
    with pytest.raises(NotPossibleError, match="MESH could have no copy"):
        operator_actions.accept_response(message_id, answer, "operator-7")


def test_a_repeated_answer_to_an_earlier_version_does_not_count_for_a_later_one(world: World) -> None:
    first = sent(world)
    for code in ("20013", "30001"):
        world.answer(first, code)
    poll(world)
    second = built(world)
    assert status(world, first) is Status.DELIVERED
    for code in ("20013", "30001"):
        world.answer_by_reference("one", code)
    poll(world)
    assert (status(world, first), status(world, second)) == (Status.DELIVERED, Status.BUILT)
    assert subjects(world).count("Something came in that belongs to no message") == 2
    send(world, second)
    assert status(world, second) is Status.SENT


def test_an_answer_by_reference_belongs_to_the_one_version_that_waits_for_it(world: World) -> None:
    first = sent(world)
    built(world)
    world.answer_by_reference("one", "20013")
    poll(world)
    assert status(world, first) is Status.ACKNOWLEDGED
    world.answer_by_reference("one", "20013")
    poll(world)
    assert subjects(world) == ["Something came in that belongs to no message"]
    world.answer_by_reference("one", "30001")
    poll(world)
    assert status(world, first) is Status.DELIVERED


def test_an_answer_by_reference_does_not_prove_that_an_upload_whose_answer_was_lost_arrived(world: World) -> None:
    first = sent(world)
    for code in ("20013", "30001"):
        world.answer(first, code)
    poll(world)
    second = built(world)
    send(world, second, Mood.LOSES_UNHEARD)
    for code in ("20013", "30001"):
        world.answer_by_reference("one", code)
    poll(world)
    assert status(world, second) is Status.UNCERTAIN
    assert subjects(world).count("Something came in that belongs to no message") == 2
    world.settle()
    assert world.mesh.copies(second), "the message is sent again"


@pytest.mark.parametrize("codes", [("20013", "30001"), ("20006",)])
def test_an_answer_that_was_written_before_a_version_left_is_none_to_it(world: World, codes: tuple[str, ...]) -> None:
    first = sent(world)
    answers = [world.answer(first, code) for code in codes]
    poll(world)
    world.clock.advance(timedelta(minutes=10))
    second = sent(world)
    for answer in answers:
        world.answer_again(answer, by_reference=True)
    poll(world)
    assert status(world, second) is Status.SENT
    assert subjects(world).count("Something came in that belongs to no message") == len(codes)
    for code in ("20013", "30001"):
        world.answer_by_reference("one", code)
    poll(world)
    assert status(world, second) is Status.DELIVERED


def test_an_answer_by_reference_is_nobodys_where_two_versions_wait_for_it(world: World) -> None:
    sent(world), sent(world)
    world.answer_by_reference("one", "20013")
    poll(world)
    assert subjects(world) == ["Something came in that belongs to no message"]


@pytest.mark.requirement("1.5:GPCM-SD-035", "GPCM-SD-128")
def test_a_forged_20014_to_what_was_not_sent_voids_nothing(world: World) -> None:
    first = sent(world)
    for code in ("20013", "30001"):
        world.answer(first, code)
    poll(world)
    second = built(world)
    world.answer(second, "20014")
    poll(world)
    assert (status(world, first), status(world, second)) == (Status.DELIVERED, Status.BUILT)


class Silent:
    """A MESH whose tracking names no recipient the first times."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
        self.asked = 0
        self._times = times
        self._tracking = Client.tracking
        monkeypatch.setattr(Client, "tracking", lambda client, known: self(client, known))

    def __call__(self, client: Client, mesh_message_id: str) -> Tracking:
        self.asked += 1
        said = self._tracking(client, mesh_message_id)
        return replace(said, recipient="") if self.asked <= self._times else said


def test_a_stranger_does_not_gain_by_mesh_s_silence(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    message_id = sent(world)
    silent = Silent(monkeypatch, times=1)
    for code in ("20013", "30001"):
        world.answer(message_id, code, sender=STRANGER)
    poll(world)
    assert status(world, message_id) is Status.SENT
    poll(world)
    assert status(world, message_id) is Status.SENT
    assert silent.asked >= 2
    assert "An answer came from somewhere else" in subjects(world)
    for code in ("20013", "30001"):
        world.answer(message_id, code)
    poll(world)
    assert status(world, message_id) is Status.DELIVERED


def test_an_answer_waits_in_mesh_until_mesh_says_where_its_message_went(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    message_id = sent(world)
    Silent(monkeypatch, times=2)
    world.answer(message_id, "20013")
    for _ in range(2):
        poll(world)
        assert status(world, message_id) is Status.SENT
        assert len(world.inbox()) == 1, "not acknowledged"
    poll(world)
    assert status(world, message_id) is Status.ACKNOWLEDGED
    assert world.inbox() == []
    assert world.topic.published == []


def test_where_mesh_never_says_the_endpoint_lookup_does(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    message_id = sent(world)
    silent = Silent(monkeypatch, times=1_000)
    world.answer(message_id, "20013")
    world.answer(message_id, "20009", sender=STRANGER)
    for _ in range(MOST_ROUTING_QUESTIONS + 1):
        poll(world)
    assert status(world, message_id) is Status.ACKNOWLEDGED
    assert silent.asked == MOST_ROUTING_QUESTIONS
    assert "An answer came from somewhere else" in subjects(world)


def test_what_nobody_can_decide_goes_to_a_person(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    message_id = sent(world)
    Silent(monkeypatch, times=1_000)
    world.mesh.practice = "B99999OT009"  # the endpoint lookup lists nothing for the practice any more
    answer = world.answer(message_id, "20013")
    for _ in range(2 * MOST_ROUTING_QUESTIONS + 1):
        poll(world)
    assert status(world, message_id) is Status.SENT
    assert world.inbox() == []
    assert subjects(world) == ["An answer came from somewhere else"]
    operator_actions = OperatorActions(ledger=world.ledger, notifier=world.reconciliation.notifier, now=world.clock)
    assert operator_actions.accept_response(message_id, answer, "operator-7") is Status.ACKNOWLEDGED


# Poison


class KilledError(BaseException):
    """The process was killed."""


AT_ONCE = 4


def polls_killed_by(world: World, poison: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Poll again and again, four messages in flight, killed whenever the poison is kept; all that is in flight dies."""
    dead: list[bool] = []
    in_flight = threading.Barrier(AT_ONCE)
    put, download, acknowledge = Bucket.put_object, Client.download_into, Client.acknowledge

    def put_object(bucket: Bucket, *, Key: str, **how: Any) -> Any:  # noqa: N803 - boto3's name
        if dead or poison in Key:
            dead.append(True)
            raise KilledError
        return put(bucket, Key=Key, **how)

    def download_into(client: Client, mesh_message_id: str, sink: Any, **how: Any) -> Any:
        with suppress(threading.BrokenBarrierError):
            in_flight.wait(0.1)  # until four are in flight; what is taken in alone need not wait for others
        if poison != mesh_message_id and in_flight.broken is False:
            time.sleep(0.05)  # the poison is the first to be kept
        return download(client, mesh_message_id, sink, **how)

    def no_more(client: Client, mesh_message_id: str) -> None:
        if dead:
            raise KilledError
        acknowledge(client, mesh_message_id)

    monkeypatch.setattr(Bucket, "put_object", put_object)
    monkeypatch.setattr(Client, "download_into", download_into)
    monkeypatch.setattr(Client, "acknowledge", no_more)
    poller = replace(world.poller(world.process("poller")), at_once=AT_ONCE)

    def collect(entry: Listed) -> None:
        dead.clear()
        in_flight.reset()
        try:
            poller.collect(entry)
        except KilledError:
            raise NotDoneError from None

    while True:
        world.clock.advance(6 * MINUTE)
        poller.poll(MAILBOX)
        deliver_inbox(world.queue, collect)
        yield


@pytest.mark.parametrize("number", range(4))
def test_a_message_that_kills_the_poller_costs_no_other_one_a_try(
    world: World, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    message_id = sent(world)
    poison = ""
    for place, code in enumerate(["20013", "30001", "20013", "30001"]):
        if place == number:
            poison = world.answer("11111111-1111-4111-8111-111111111111", "20013", sender=STRANGER, stray=True)
        world.answer(message_id, code)
    polls = polls_killed_by(world, poison, monkeypatch)
    for _ in range(2):
        next(polls)
    assert status(world, message_id) is Status.DELIVERED, "soon, whatever the poison does"
    assert world.inbox() == [poison]
    for _ in range(6):
        next(polls)
    assert subjects(world) == ["Something came in that belongs to no message"], "it was quarantined, and a person knows"
    assert world.inbox() == [poison], "in MESH it stays"


def test_what_mesh_cannot_serve_just_now_is_no_try(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    message_id = sent(world)
    world.answer(message_id, "20013")
    with monkeypatch.context() as patched:
        patched.setattr(Client, "download_into", lambda *_, **__: (_ for _ in ()).throw(RetryLater("download", "503")))
        for _ in range(10):
            poll(world)
            assert len(world.inbox()) == 1
    poll(world)
    assert status(world, message_id) is Status.ACKNOWLEDGED
    assert world.topic.published == []


def test_an_answer_is_recorded_once_however_often_mesh_shows_it(world: World) -> None:
    message_id = sent(world)
    answer = world.answer(message_id, "20013")
    poll(world)
    world.mesh.show_again(MAILBOX, answer)
    poll(world)
    found = world.ledger.find(message_id)
    assert found is not None
    assert len(found.history.of(EventType.RESPONSE)) == 1
    assert world.inbox() == []


# What a poll says of itself


def a_poller(world: World, **settings: Any) -> Poller:
    return replace(world.poller(world.process("poller")), **settings)


def test_a_poll_counts_what_it_found(world: World) -> None:
    message_id = sent(world)
    shown = world.answer(message_id, "20013")
    assert polled(a_poller(world), world.queue) == Counter(matched=1)
    world.mesh.show_again(MAILBOX, shown)
    world.answer(message_id, "30001")
    world.answer(message_id, "20013", malformed=True)
    world.answer("11111111-1111-4111-8111-111111111111", "20013", sender=STRANGER, stray=True)
    assert polled(a_poller(world), world.queue) == Counter(matched=1, unmatched=2, seen_before=1)
    assert polled(a_poller(world), world.queue) == Counter()


def test_a_poll_counts_what_is_gone_and_what_waits(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    message_id = sent(world)
    world.answer(message_id, "20013")
    with monkeypatch.context() as patched:
        patched.setattr(Client, "download_into", lambda *_, **__: (_ for _ in ()).throw(NotFound("download", "404")))
        assert polled(a_poller(world), world.queue) == Counter(gone=1)
    Silent(monkeypatch, times=2)
    for _ in range(2):
        assert polled(a_poller(world), world.queue) == Counter(waiting=1)
    assert polled(a_poller(world), world.queue) == Counter(matched=1)
    known = history_of(world, message_id).of(EventType.ROUTED)
    assert [event.details["mailbox"] for event in known] == [None, None, PRACTICE]
    assert [event.identity.rpartition("-")[2] for event in known[:2]] == ["1", "2"]


def entries(world: World) -> list[Listed]:
    """What waits on the inbox queue, received once more."""
    found: list[Listed] = []
    deliver_inbox(world.queue, found.append)
    return found


def test_a_poll_queues_ten_messages_in_an_entry_and_all_of_the_inbox(world: World) -> None:
    message_id = sent(world)
    answers = [world.answer(message_id, "20013") for _ in range(234)]
    assert a_poller(world).poll(MAILBOX) == 234
    queued = list(world.queue.queues["inbox"].values())
    assert {message.group for message in queued} == {MAILBOX}, "a full inbox does not delay the others"
    listed = entries(world)
    assert [len(entry.mesh_message_ids) for entry in listed] == [10] * 23 + [4]
    assert [mesh_message_id for entry in listed for mesh_message_id in entry.mesh_message_ids] == answers
    assert {(entry.mailbox, entry.alone, entry.receives) for entry in listed} == {(MAILBOX, False, 1)}


def test_a_poll_ends_in_time_and_the_next_one_lists_the_rest(world: World) -> None:
    message_id = sent(world)
    for _ in range(120):
        world.answer(message_id, "20013")
    time_left = iter([True, False])
    assert a_poller(world).poll(MAILBOX, lambda: next(time_left)) == 100


def test_what_there_is_no_time_for_is_left(world: World) -> None:
    message_id = sent(world)
    for code in ("20013", "30001", "20007"):
        world.answer(message_id, code)
    time_left = iter([True, False, False])
    poller = a_poller(world)
    poller.poll(MAILBOX)
    (entry,) = entries(world)
    assert poller.collect(entry, lambda: next(time_left)) == Counter(matched=1, left=2)
    assert polled(poller, world.queue) == Counter(matched=2)


def test_what_the_next_poll_lists_again_is_left_to_it(world: World) -> None:
    """So a backlog is listed once a poll, and received once."""
    world.answer(sent(world), "20013")
    poller = a_poller(world)
    poller.poll(MAILBOX)
    (entry,) = entries(world)
    world.clock.advance(5 * MINUTE)
    assert poller.collect(entry) == Counter(left=1)
    assert polled(poller, world.queue) == Counter(matched=1)
    world.mesh.show_again(MAILBOX, *entry.mesh_message_ids)
    assert poller.collect(replace(entry, alone=True)) == Counter(seen_before=1), "a try alone does not age"


def test_what_sqs_does_not_take_fails_the_poll(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.answer(sent(world), "20013")
    monkeypatch.setattr(Sqs, "send_message_batch", lambda *_, **__: {"Failed": [{"Id": "0", "Code": "InternalError"}]})
    with pytest.raises(ClientError):
        a_poller(world).poll(MAILBOX)


@pytest.mark.parametrize("body", ["{}", '{"mailbox": "Y90001OT001"}', '{"mailbox": 1, "listed": []}', "[]"])
def test_an_entry_that_names_no_messages_is_refused(body: str) -> None:
    attributes = {"SentTimestamp": "0", "ApproximateReceiveCount": "1"}
    with pytest.raises(ValueError, match="names no mailbox and messages"):
        Listed.read({"body": body, "attributes": attributes, "receiptHandle": "x"})


def test_a_poller_takes_in_so_many_at_once_and_no_more(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    message_id = sent(world)
    for _ in range(6):
        world.answer(message_id, "20013")
    running, most, lock = [0], [0], threading.Lock()
    download = Client.download_into

    def counted(client: Client, mesh_message_id: str, sink: Any, **how: Any) -> Any:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.02)
        try:
            return download(client, mesh_message_id, sink, **how)
        finally:
            with lock:
                running[0] -= 1

    monkeypatch.setattr(Client, "download_into", counted)
    assert polled(a_poller(world, at_once=2), world.queue)[Taken.MATCHED] == 6
    assert most == [2]
    assert (Poller.at_once, Poller.most_tries) == (4, 5)


@pytest.mark.parametrize("linked", [None, "", "NOBODYS"])
def test_a_report_on_no_upload_of_ours_is_for_a_person(world: World, linked: str | None) -> None:
    message_id = sent(world)
    world.mesh.deliver(
        MAILBOX, b"", message_type="REPORT", workflow_id=WORKFLOW, linked_message_id=linked, status_code="14",
        status_event="SEND", status_success=False,
    )  # fmt: skip
    assert polled(a_poller(world), world.queue) == Counter(unmatched=1)
    assert status(world, message_id) is Status.SENT
    assert "it is a MESH report (14) on no message of ours" in world.topic.published[0]


@pytest.mark.requirement("GPCM-SD-094")
def test_a_report_on_our_upload_is_recorded(world: World) -> None:
    message_id = sent(world)
    world.report(world.mesh.copies(message_id)[0])
    assert polled(a_poller(world), world.queue) == Counter(matched=1)
    assert status(world, message_id) is Status.UNDELIVERED


def test_a_held_request_of_the_encounter_is_not_what_a_reference_names(world: World) -> None:
    """It has a row with version 0, and nothing of it left."""
    world.hold = timedelta(minutes=30)
    world.drop("one")
    world.deliver_intake(world.process("builder"))
    world.answer_by_reference("one", "20013")
    assert polled(a_poller(world), world.queue) == Counter(unmatched=1)


# What cannot be taken in, and what cannot be understood


def test_a_message_that_fails_each_time_is_tried_alone_so_often_and_then_set_aside(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    message_id = sent(world)
    world.answer(message_id, "20013")
    tries = 0

    def fails(*_: Any, **__: Any) -> Any:
        nonlocal tries
        tries += 1
        raise ValueError("a fault of ours")

    monkeypatch.setattr(Client, "download_into", fails)
    poller = a_poller(world, most_tries=2)
    poller.poll(MAILBOX)
    assert (failing_runs(world, poller), tries) == (2, 2), "once beside others, and once alone"
    world.clock.advance(HIDDEN)
    assert (failing_runs(world, poller), tries) == (1, 3), "twice alone"
    world.clock.advance(HIDDEN)
    assert failing_runs(world, poller) == 0
    for _ in range(2):
        assert polled(poller, world.queue) == Counter(quarantined=1)
    assert tries == 3
    assert len(world.inbox()) == 1, "it stays in MESH"
    assert subjects(world) == ["Something came in that belongs to no message"]
    assert "it could not be received in 2 tries" in world.topic.published[0]
    received = world.ledger.find_received(MAILBOX, world.inbox()[0])
    assert received is not None
    assert (received.evidence_key, received.outcome) == ("", QUARANTINED)


def failing_runs(world: World, poller: Poller, error: type[Exception] = ValueError) -> int:
    """Bring the poller what waits, and count the runs that fail."""
    failed = []

    def collect(entry: Listed) -> None:
        try:
            poller.collect(entry)
        except error:
            failed.append(entry)
            raise NotDoneError from None

    deliver_inbox(world.queue, collect)
    return len(failed)


def test_a_damaged_message_is_kept_as_it_was_served_and_a_person_knows(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = world.answer(sent(world), "20013")
    download, asked = Client.download_into, []

    def damaged(client: Client, mesh_message_id: str, sink: Any, **how: Any) -> Any:
        asked.append(how)
        if not how.get("as_served"):
            sink.write(b"half of it")
            raise DamagedContent("download", "it is truncated")
        return download(client, mesh_message_id, sink)

    monkeypatch.setattr(Client, "download_into", damaged)
    assert polled(a_poller(world, largest=7), world.queue) == Counter(unmatched=1)
    assert asked == [{"maximum_bytes": 7}, {"maximum_bytes": 7, "as_served": True}]
    assert "the content is damaged: it is truncated" in world.topic.published[0]
    assert world.inbox() == []
    received = world.ledger.find_received(MAILBOX, answer)
    assert received is not None
    assert received.outcome == "unmatched"
    assert stored.received(world.bucket.objects[received.evidence_key])[0] == world.mesh.delivered_ever[answer][1]


def with_checksum(monkeypatch: pytest.MonkeyPatch, checksum: str, *, wrong: bool) -> None:
    """Have every download come with a checksum, as the client finds it."""
    download = Client.download_into

    def checked(client: Client, mesh_message_id: str, sink: Any, **_: Any) -> Any:
        headers = replace(download(client, mesh_message_id, sink), checksum=checksum)
        if wrong:
            raise WrongChecksum("download", "the checksum does not agree")
        return headers

    monkeypatch.setattr(Client, "download_into", checked)


@pytest.mark.parametrize(
    ("checksum", "wrong", "recorded"),
    [
        ("0" * 64, True, "does not agree"),
        ("crc32:00000000", False, "cannot be checked"),
        ("0" * 64, False, None),
        ("", False, None),
    ],
)
def test_an_answer_that_names_a_waiting_message_counts_whatever_its_checksum_says_of_which_a_note_is_made(
    world: World, monkeypatch: pytest.MonkeyPatch, checksum: str, wrong: bool, recorded: str | None
) -> None:
    message_id = sent(world)
    answer = world.answer(message_id, "20013")
    with_checksum(monkeypatch, checksum, wrong=wrong)
    assert polled(a_poller(world), world.queue) == Counter(matched=1)
    assert status(world, message_id) is Status.ACKNOWLEDGED
    (event,) = history_of(world, message_id).of(EventType.RESPONSE)
    assert event.details.get("checksum") == recorded
    assert in_words(event).endswith(f"; checksum {recorded}") is (recorded is not None)
    received = world.ledger.find_received(MAILBOX, answer)
    assert received is not None
    assert stored.received(world.bucket.objects[received.evidence_key])[0] == world.mesh.delivered_ever[answer][1]


def test_with_a_wrong_checksum_what_names_no_waiting_message_is_set_aside(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    message_id = sent(world)
    for code in ("20013", "30001"):
        world.answer(message_id, code)
    poll(world)
    assert status(world, message_id) is Status.DELIVERED
    with_checksum(monkeypatch, "0" * 64, wrong=True)
    world.answer(message_id, "30002")
    assert polled(a_poller(world), world.queue) == Counter(unmatched=1)
    assert status(world, message_id) is Status.DELIVERED
    assert (
        "it answers a message that waits for no response, and the checksum does not agree" in world.topic.published[-1]
    )
    for body, headers in ((b"<x/>", {}), (b"", {"message_type": "REPORT"}), (b"x", {"workflow_id": "OTHER"})):
        assert "checksum" in unmatched(world, body, **headers) or body == b"<x/>"
    assert world.inbox() == []


def test_of_a_message_that_cannot_even_be_served_its_headers_are_kept(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = world.answer(sent(world), "20013")

    def damaged(_client: Client, _mesh_message_id: str, sink: Any, **_: Any) -> Any:
        sink.write(b"half of it")
        raise DamagedContent("download", "it is truncated")

    monkeypatch.setattr(Client, "download_into", damaged)
    assert polled(a_poller(world), world.queue) == Counter(unmatched=1)
    received = world.ledger.find_received(MAILBOX, answer)
    assert received is not None
    body, headers = stored.received(world.bucket.objects[received.evidence_key])
    assert (body, headers["sender"]) == (b"", PRACTICE)


def unmatched(world: World, body: bytes, **headers: Any) -> str:
    """Have something come in that is for a person; give what it says of why."""
    sent_by: dict[str, Any] = {"sender": PRACTICE, "workflow_id": f"{WORKFLOW}_ACK", "message_type": "DATA"}
    before = len(world.topic.published)
    world.mesh.deliver(MAILBOX, body, **(sent_by | headers))
    assert polled(a_poller(world), world.queue) == Counter(unmatched=1)
    (told,) = world.topic.published[before:]
    return told


def test_what_cannot_be_understood_is_kept_and_a_person_knows_why(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "on a workflow that carries no acknowledgements" in unmatched(world, b"<x/>", workflow_id="OTHER")
    unmatched(world, b"<x/>")
    with monkeypatch.context() as patched:
        patched.setattr(KeptMessage, "whole", None)
        assert "it is longer than any acknowledgement" in unmatched(world, b"<x/>")
    world.answer("11111111-1111-4111-8111-111111111111", "20013", stray=True)
    (_, (_, body)) = world.mesh.inboxes[MAILBOX].popitem()
    assert "it is a response that names no message of ours" in unmatched(world, body)
    unreadable = body.replace(b"11111111-1111-4111-8111-111111111111", b"UNREADABLE-IN-ORIGINAL-MESSAGE")
    assert "could not read the id of our message" in unmatched(world, unreadable)
    assert world.inbox() == []


def test_an_answer_to_another_mailboxs_message_is_not_this_ones(world: World) -> None:
    message_id = sent(world)
    world.answer(message_id, "20013")
    (_, (headers, body)) = world.mesh.inboxes[MAILBOX].popitem()
    world.mesh.deliver(
        "Y90002OT001", body, sender=PRACTICE, workflow_id=headers.workflow_id, message_type=headers.message_type
    )
    assert polled(a_poller(world), world.queue, "Y90002OT001") == Counter(unmatched=1)
    assert "it answers a message of another mailbox" in world.topic.published[0]
    assert status(world, message_id) is Status.SENT


@pytest.mark.requirement("GPCM-SD-094")
def test_a_report_of_success_is_no_failure_and_a_person_knows(world: World) -> None:
    message_id = sent(world)
    (upload,) = world.mesh.copies(message_id)
    told = unmatched(
        world, b"", message_type="REPORT", workflow_id=WORKFLOW, linked_message_id=upload.id, status_code="00",
        status_event="SEND", status_success=True,
    )  # fmt: skip
    assert "report of success" in told
    assert status(world, message_id) is Status.SENT


@pytest.mark.requirement("GPCM-SD-094")
@pytest.mark.parametrize("code", ["14", "EPL-153", "WRIGHT"])
def test_a_report_is_recorded_with_the_code_and_what_it_means(world: World, code: str) -> None:
    message_id = sent(world)
    (upload,) = world.mesh.copies(message_id)
    world.mesh.deliver(
        MAILBOX, b"", message_type="REPORT", workflow_id=WORKFLOW, linked_message_id=upload.id, status_code=code,
        status_event="SEND", status_success=False,
    )  # fmt: skip
    assert polled(a_poller(world), world.queue) == Counter(matched=1)
    (event,) = history_of(world, message_id).of(EventType.REPORT)
    assert event.details["linked_mesh_message_id"] == upload.id
    assert event.details["code"] == known_code(code)
    assert event.details["description"] == ERROR_CODES.get(code, "not a code that we know; see the evidence store")


def test_what_goes_while_it_is_acknowledged_was_taken_in(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.answer(sent(world), "20013")
    monkeypatch.setattr(Client, "acknowledge", lambda *_: (_ for _ in ()).throw(NotFound("acknowledge", "404")))
    assert polled(a_poller(world), world.queue) == Counter(matched=1)


def test_credentials_that_mesh_does_not_accept_end_the_poll(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    message_id = sent(world)
    for code in ("20013", "30001"):
        world.answer(message_id, code)
    refused = []

    def refuse(*_: Any, **__: Any) -> Any:
        refused.append(1)
        raise Authentication("download", "answered 403", status=403)

    with monkeypatch.context() as patched:
        patched.setattr(Client, "download_into", refuse)
        for _ in range(8):
            with pytest.raises(Authentication):
                polled(a_poller(world, most_tries=1), world.queue)
            world.clock.advance(HIDDEN)
            assert not world.queue.queues["inbox"], "no try is counted"
    assert len(refused) == 16, "each was asked for once a poll"
    assert polled(a_poller(world), world.queue) == Counter(matched=2)


def test_credentials_that_no_longer_hold_are_found_out_before_a_message_is_tried_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.answer(sent(world), "20013")

    def refuse(*_: Any, **__: Any) -> Any:
        raise Authentication("any", "answered 403", status=403)

    poller = a_poller(world)
    poller.poll(MAILBOX)
    with monkeypatch.context() as patched:
        for call in ("download_into", "handshake"):
            patched.setattr(Client, call, refuse)
        assert failing_runs(world, poller, Authentication) == 2
    assert not world.queue.queues["inbox"], "no try is counted: the next poll lists the message"
    assert polled(poller, world.queue) == Counter(matched=1)


def test_an_entry_of_a_mailbox_whose_credentials_cannot_be_read_is_left_to_the_next_poll(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.answer(sent(world), "20013")
    poller = a_poller(world)
    poller.poll(MAILBOX)
    with monkeypatch.context() as patched:
        patched.setattr(Connections, "to", lambda *_: (_ for _ in ()).throw(CredentialsError("the secret is damaged")))
        assert failing_runs(world, poller, CredentialsError) == 1
    assert not world.queue.queues["inbox"]


def withhold(monkeypatch: pytest.MonkeyPatch, *withheld: str) -> None:
    """Let MESH refuse to hand out these messages."""
    download = Client.download_into

    def refuse(client: Client, mesh_message_id: str, sink: Any, **how: Any) -> Any:
        if mesh_message_id in withheld:
            raise Authentication("download", "answered 403", status=403)
        return download(client, mesh_message_id, sink, **how)

    monkeypatch.setattr(Client, "download_into", refuse)


def test_a_message_that_mesh_does_not_let_us_have_does_not_stop_the_inbox_and_is_set_aside(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    message_id = sent(world)
    withheld, *_ = [world.answer(message_id, code) for code in ("20013", "20013", "30001")]
    withhold(monkeypatch, withheld)
    poller = a_poller(world, most_tries=2)
    poller.poll(MAILBOX)
    for runs in (2, 1, 0):
        assert failing_runs(world, poller, Authentication) == runs
        assert status(world, message_id) is Status.DELIVERED
        world.clock.advance(HIDDEN)
    assert polled(poller, world.queue) == Counter(quarantined=1)
    assert world.inbox() == [withheld], "it stays in MESH"
    assert subjects(world) == ["Something came in that belongs to no message"]


@pytest.mark.parametrize("third", ["is served", "was quarantined", "is withheld as well"])
def test_two_messages_that_mesh_withholds_are_at_fault_only_where_it_serves_another(
    world: World, monkeypatch: pytest.MonkeyPatch, third: str
) -> None:
    message_id = sent(world)
    *withheld, other = [world.answer(message_id, code) for code in ("20013", "20013", "30001")]
    if third == "was quarantined":
        a_poller(world)._quarantine(MAILBOX, other)
    elif third == "is withheld as well":
        withheld.append(other)
    withhold(monkeypatch, *withheld)
    poller = a_poller(world)
    poller.poll(MAILBOX)
    failing_runs(world, poller, Authentication)
    world.clock.advance(HIDDEN)
    alone = {entry.mesh_message_ids[0] for entry in entries(world) if entry.alone}
    assert alone == (set(withheld) if third == "is served" else set())


def test_an_answer_that_names_a_held_request_belongs_to_no_message() -> None:
    world = World(Watched(), hold=timedelta(hours=1))
    world.drop("one")
    world.deliver_intake(world.process("builder"))
    (held,) = world.records()
    assert held.status is Status.HELD
    world.answer(held.message_id, "20013")
    poll(world)
    assert history_of(world, held.message_id) == held.history
    assert subjects(world) == ["Something came in that belongs to no message"]


def test_where_mesh_does_not_let_us_track_an_answer_is_judged_by_the_directory(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    message_id = sent(world)

    def refuse(*_: Any) -> Any:
        raise Authentication("tracking", "answered 403", status=403)

    monkeypatch.setattr(Client, "tracking", refuse)
    world.answer(message_id, "20013")
    world.answer(message_id, "30001")
    for _ in range(MOST_ROUTING_QUESTIONS):
        poll(world)
    assert status(world, message_id) is Status.DELIVERED
    assert world.topic.published == []


@pytest.mark.parametrize(
    "error",
    [
        ClientError({"Error": {"Code": "ValidationException", "Message": ""}}, "UpdateItem"),
        ClientError({"Error": {"Code": "KeyTooLongError", "Message": ""}}, "PutObject"),
        ClientError(
            {"Error": {"Code": "TransactionCanceledException", "Message": ""},
             "CancellationReasons": [{"Code": "None"}, {"Code": "ValidationError"}]},
            "TransactWriteItems",
        ),
        ParamValidationError(report="x"),
    ],
    ids=("ValidationException", "KeyTooLongError", "ValidationError", "ParamValidationError"),
)  # fmt: skip
def test_what_a_message_makes_aws_refuse_is_set_aside_like_any_other_fault_of_its_own(
    world: World, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    world.answer(sent(world), "20013")
    monkeypatch.setattr(Client, "download_into", lambda *_, **__: (_ for _ in ()).throw(error))
    poller = a_poller(world, most_tries=2)
    poller.poll(MAILBOX)
    for runs in (2, 1, 0):
        assert failing_runs(world, poller, type(error)) == runs
        world.clock.advance(HIDDEN)
    assert polled(poller, world.queue) == Counter(quarantined=1)


def test_a_matched_answer_is_received_under_its_message(world: World) -> None:
    message_id = sent(world)
    answer = world.answer(message_id, "20013")
    poll(world)
    received = world.ledger.find_received(MAILBOX, answer)
    assert received is not None
    assert received.outcome == message_id
    assert stored.received(world.bucket.objects[received.evidence_key])[0] == world.mesh.delivered_ever[answer][1]


def test_the_largest_message_is_what_mesh_carries() -> None:
    assert (Poller.largest, Poller.interval) == (20_000_000_000, timedelta(minutes=5))


@pytest.mark.parametrize(
    ("came", "outcomes", "level", "matches"),
    [
        ((), (Level.INFRASTRUCTURE,), Level.INFRASTRUCTURE, True),
        (("20013",), (Level.INFRASTRUCTURE,), Level.INFRASTRUCTURE, False),
        (("20013",), (Level.BUSINESS,), Level.BUSINESS, True),
        (("20013",), (Level.INFRASTRUCTURE, Level.BUSINESS), Level.BUSINESS, False),
        (("20013",), (), Level.BUSINESS, True),
        (("20013",), (), Level.INFRASTRUCTURE, False),
        (("20013", "30001"), (), Level.UNKNOWN, False),
    ],
)
def test_a_reference_names_the_message_that_waits_for_every_level_of_the_answer(
    world: World, came: tuple[str, ...], outcomes: tuple[Level, ...], level: Level, matches: bool
) -> None:
    message_id = sent(world)
    for code in came:
        world.answer(message_id, code)
    poll(world)
    said = tuple(Outcome(level=level, verdict=Verdict.POSITIVE, code=None) for level in outcomes)
    answer: Any = SimpleNamespace(
        identifier="", sender_reference="one", outcomes=said, level=level, timestamp=world.clock.time
    )
    found = a_poller(world)._original(MAILBOX, answer)
    assert (found is not None and found.message_id == message_id) is matches


def test_a_message_that_fails_does_not_hold_up_the_others(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    message_id = sent(world)
    poison, *_ = [world.answer(message_id, code) for code in ("20013", "30001", "20013")]
    download = Client.download_into

    def fails(client: Client, mesh_message_id: str, sink: Any, **how: Any) -> Any:
        if mesh_message_id == poison:
            raise ValueError("a fault of ours")
        return download(client, mesh_message_id, sink, **how)

    with monkeypatch.context() as patched:
        patched.setattr(Client, "download_into", fails)
        for _ in range(2):
            with pytest.raises(ValueError, match="a fault of ours"):
                polled(a_poller(world), world.queue)
            assert world.inbox() == [poison]
    assert status(world, message_id) is Status.DELIVERED


@pytest.mark.parametrize(
    "error",
    [
        NotSent("download", "no connection"),
        LedgerBusyError("busy"),
        UnreadError("DynamoDB left items unread"),
        ClientError({"Error": {"Code": "SlowDown", "Message": ""}}, "PutObject"),
        EndpointConnectionError(endpoint_url="s3"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_aws_or_the_network_cannot_do_just_now_is_no_try(
    world: World, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    message_id = sent(world)
    world.answer(message_id, "20013")
    with monkeypatch.context() as patched:
        patched.setattr(Client, "download_into", lambda *_, **__: (_ for _ in ()).throw(error))
        for _ in range(3):
            with pytest.raises(type(error)):
                polled(a_poller(world, most_tries=1), world.queue)
            assert not world.queue.queues["inbox"], "no try is counted"
            world.clock.advance(HIDDEN)
    assert polled(a_poller(world, most_tries=1), world.queue) == Counter(matched=1)
    assert world.topic.published == []


def test_a_message_that_another_collector_received_is_not_set_aside(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    message_id = sent(world)
    world.answer(message_id, "20013")
    poller = a_poller(world, most_tries=0)
    poller.poll(MAILBOX)
    (listed,) = world.queue.receive_message(QueueUrl="inbox", VisibilityTimeout=0)["Messages"]
    entry = replace(as_entry(listed), alone=True, receives=1)
    monkeypatch.setattr(Client, "acknowledge", lambda *_: (_ for _ in ()).throw(NotFound("acknowledge", "404")))
    read = Ledger.find_all_received

    def find_all_received(ledger: Ledger, mailbox: str, ids: Any) -> Any:
        known = read(ledger, mailbox, ids)
        if not known and not world.topic.published:
            monkeypatch.undo()
            a_poller(world).collect(replace(entry, alone=False))
        return known

    monkeypatch.setattr(Ledger, "find_all_received", find_all_received)
    assert poller.collect(entry) == Counter(seen_before=1)
    assert (status(world, message_id), world.topic.published) == (Status.ACKNOWLEDGED, [])


def test_an_answer_whose_message_leaves_the_ledger_meanwhile_goes_to_a_person(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.answer(sent(world), "20013")
    monkeypatch.setattr(Ledger, "record", lambda *_, **__: None)
    assert polled(a_poller(world), world.queue) == Counter(unmatched=1)
    assert "its message has left the ledger" in world.topic.published[0]


def test_an_answer_that_waits_until_mesh_says_where_its_message_went_costs_no_try(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.answer(sent(world), "20013")
    Silent(monkeypatch, times=2)
    polls = [polled(a_poller(world, most_tries=1), world.queue) for _ in range(3)]
    assert not world.queue.queues["inbox"]
    assert polls == [Counter(waiting=1), Counter(waiting=1), Counter(matched=1)]


def test_an_answer_by_reference_that_does_not_say_when_it_was_written_is_nobodys(world: World) -> None:
    sent(world)
    level = Level.INFRASTRUCTURE
    answer: Any = SimpleNamespace(identifier="", sender_reference="one", outcomes=(), level=level, timestamp=None)
    assert a_poller(world)._original(MAILBOX, answer) is None
    answer.timestamp = world.clock.time
    assert a_poller(world)._original(MAILBOX, answer) is not None
