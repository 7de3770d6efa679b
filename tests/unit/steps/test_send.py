"""The sender uploads once what may be uploaded, and records whatever became of the upload."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gpconnect_messaging.ledger import events as ledger_events
from gpconnect_messaging.ledger.deadlines import due_at
from gpconnect_messaging.ledger.events import LedgerEvent
from gpconnect_messaging.ledger.status_rules import status_of
from gpconnect_messaging.ledger.stored_names import EventType, Status
from gpconnect_messaging.mailboxes.directory import CredentialsError
from gpconnect_messaging.mesh.errors import (
    Authentication,
    MeshError,
    NotFound,
    NotSent,
    Refused,
    RetryLater,
    Uncertain,
)
from gpconnect_messaging.mesh.models import OutboundMessage, SendReceipt, Tracking
from gpconnect_messaging.steps.send import NotAuthorisedError, PostponedError, UnknownMessageError
from gpconnect_messaging.storage import DamagedMessageError, NotThereError, StorageError, StoredMessage
from tests.fakes.mesh import Client, Connections, Mood, Upload
from tests.fakes.product import LEASE, TIMEOUTS
from tests.unit.steps.sending import CHUNKED, MESSAGE_ID, Sending

SECOND = timedelta(seconds=1)
OUTCOMES = (
    EventType.UPLOAD_ACCEPTED, EventType.UPLOAD_REFUSED, EventType.UPLOAD_POSTPONED, EventType.UPLOAD_UNCERTAIN,
    EventType.RECIPIENT_UNRESOLVED,
)  # fmt: skip


def kinds(sending: Sending) -> list[EventType]:
    """The kinds of the message's events, after the first."""
    return [event.kind for event in sending.history.events[1:]]


def raising(error: Exception) -> Any:
    """A call that raises this error."""

    def call(*_: Any, **_named: Any) -> Any:
        raise error

    return call


def test_a_message_that_mesh_takes_is_sent_once_whatever_the_queue_brings() -> None:
    sending = Sending()
    assert [sending.send() for _ in range(3)] == [Status.SENT] * 3
    assert sending.copies == [sending.content]
    assert kinds(sending) == [EventType.UPLOAD_STARTED, EventType.UPLOAD_ACCEPTED]


def test_the_lease_is_recorded_before_the_upload() -> None:
    sending = Sending()
    sending.send(Mood.LOSES_UNHEARD)
    (started,) = sending.events(EventType.UPLOAD_STARTED)
    assert started.details["attempt"] == 1
    assert started.details["chunks"] == 1
    assert started.details["lease_until"] == (started.at + LEASE).isoformat()


def test_a_message_that_the_ledger_does_not_have_is_an_error() -> None:
    sending = Sending()
    with pytest.raises(UnknownMessageError):
        sending.sender.send("00000000-0000-8000-8000-000000000009")


@pytest.mark.parametrize("mood", [Mood.BUSY, Mood.UNREACHABLE])
def test_an_upload_that_never_left_goes_back_to_the_queue_and_may_be_repeated(mood: Mood) -> None:
    sending = Sending()
    for attempt in (1, 2):
        with pytest.raises(PostponedError):
            sending.send(mood)
        assert sending.events(EventType.UPLOAD_POSTPONED)[-1].details["attempt"] == attempt
        assert status_of(sending.history) is Status.BUILT
    assert sending.send() is Status.SENT
    assert len(sending.copies) == 1


def test_a_refused_upload_is_never_retried() -> None:
    sending = Sending()
    assert sending.send(Mood.REFUSES) is Status.REFUSED
    assert sending.send() is Status.REFUSED
    assert sending.copies == []
    assert [event.details["http_status"] for event in sending.events(EventType.UPLOAD_REFUSED)] == [417]
    assert sending.notified() == ["MESH refused a message"]


def test_an_upload_whose_answer_is_lost_waits_before_the_same_bytes_go_again() -> None:
    sending = Sending()
    assert sending.send(Mood.TAKES_UNHEARD) is Status.UNCERTAIN
    assert sending.send() is Status.UNCERTAIN, "the wait is not over"
    assert len(sending.copies) == 1
    sending.clock.advance(TIMEOUTS.resolve_after - SECOND)
    assert sending.send() is Status.UNCERTAIN
    sending.clock.advance(2 * SECOND)
    assert sending.send() is Status.SENT
    assert sending.copies == [sending.content] * 2


def test_the_sweep_may_let_an_uncertain_upload_go_at_once() -> None:
    sending = Sending()
    sending.send(Mood.LOSES_UNHEARD)
    sending.record(ledger_events.queued_again(at=sending.clock(), times=1, why="UNCERTAIN"))
    assert sending.send() is Status.SENT


def test_what_was_queued_again_before_the_last_upload_does_not_shorten_its_wait() -> None:
    sending = Sending()
    sending.record(ledger_events.queued_again(at=sending.clock(), times=1, why="BUILT"))
    sending.send(Mood.LOSES_UNHEARD)
    assert sending.send() is Status.UNCERTAIN


def test_a_busy_mesh_is_left_alone_for_as_long_as_it_asks_but_not_for_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    for asked, obeyed in ((60.0, timedelta(minutes=1)), (7_200.0, timedelta(minutes=15))):
        sending = Sending()

        def busy(_self: Client, *_: Any, asked: float = asked, **__: Any) -> Any:
            raise RetryLater("send", "answered 429", status=429, retry_after=asked)

        with monkeypatch.context() as patched:
            patched.setattr(Client, "send", busy)
            with pytest.raises(PostponedError):
                sending.send()
        sending.clock.advance(obeyed - SECOND)
        assert sending.send() is Status.BUILT, "not before MESH asked for"
        sending.clock.advance(2 * SECOND)
        assert sending.send() is Status.SENT


def test_refused_credentials_are_an_error_of_their_own() -> None:
    sending = Sending()
    with pytest.raises(NotAuthorisedError):
        sending.refused_credentials().send(MESSAGE_ID)
    assert status_of(sending.history) is Status.BUILT
    assert kinds(sending) == [EventType.UPLOAD_STARTED, EventType.UPLOAD_POSTPONED]


def test_a_message_that_was_damaged_in_store_never_leaves_and_costs_no_attempt() -> None:
    sending = Sending()
    sending.damage()
    with pytest.raises(DamagedMessageError):
        sending.send()
    assert kinds(sending) == []
    assert sending.mesh.uploads == {}


def test_a_damaged_long_message_is_never_completed() -> None:
    sending = Sending(CHUNKED)
    sending.damage()
    with pytest.raises(DamagedMessageError):
        sending.send()
    assert sending.copies == []
    assert status_of(sending.history) is Status.BUILT


def test_a_message_that_is_not_stored_costs_no_attempt() -> None:
    sending = Sending()
    del sending.outgoing.objects[f"messages/{MESSAGE_ID}"]
    with pytest.raises(NotThereError):
        sending.send()
    assert kinds(sending) == []


def test_what_the_client_would_not_send_costs_no_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    sending = Sending()
    monkeypatch.setattr(Client, "check", lambda *_: (_ for _ in ()).throw(ValueError("the subject is too long")))
    with pytest.raises(ValueError, match="the subject is too long"):
        sending.send()
    assert kinds(sending) == []


def test_of_two_senders_one_uploads(monkeypatch: pytest.MonkeyPatch) -> None:
    sending = Sending()
    record = sending.ledger.record
    answers: list[Any] = []

    def another_is_faster(message_id: str, event: LedgerEvent, **how: Any) -> Any:
        if event.kind is EventType.UPLOAD_STARTED and not answers:
            answers.append(record(message_id, event))  # the other sender's, a moment before
        return record(message_id, event, **how)

    monkeypatch.setattr(sending.ledger, "record", another_is_faster)
    assert sending.send() is Status.SENDING
    assert sending.mesh.uploads == {}


def test_a_sender_whose_attempt_was_overtaken_does_not_upload(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other sender's attempt began and ended between our look at the message and our own attempt."""
    sending = Sending()
    record = sending.ledger.record
    others: list[LedgerEvent] = []

    def overtaken(message_id: str, event: LedgerEvent, **how: Any) -> Any:
        if event.kind is EventType.UPLOAD_STARTED and not others:
            others.append(event)
            record(message_id, ledger_events.upload_started(at=event.at, attempt=2, lease=LEASE))
            record(message_id, ledger_events.upload_postponed(at=event.at, attempt=2, why="no connection"))
        return record(message_id, event, **how)

    monkeypatch.setattr(sending.ledger, "record", overtaken)
    assert sending.send() is Status.BUILT
    assert sending.mesh.uploads == {}


def test_a_message_that_is_withdrawn_at_the_last_moment_does_not_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    sending = Sending()
    record = sending.ledger.record

    def withdrawn_first(message_id: str, event: LedgerEvent, **how: Any) -> Any:
        record(message_id, ledger_events.withdrawn(at=event.at, by_request_id="r2"))
        return record(message_id, event, **how)

    monkeypatch.setattr(sending.ledger, "record", withdrawn_first)
    assert sending.send() is Status.WITHDRAWN
    assert sending.mesh.uploads == {}


def test_a_version_waits_for_the_one_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    sending = Sending()
    monkeypatch.setattr(sending.ledger, "earlier_left", lambda _record: False)
    assert sending.send() is Status.BUILT
    assert kinds(sending) == []


def test_a_recipient_without_one_mailbox_is_a_persons_to_decide() -> None:
    sending = Sending(to="")
    sending.mesh.practice = "B30099OT001"
    assert sending.send() is Status.REFUSED
    (unresolved,) = sending.events(EventType.RECIPIENT_UNRESOLVED)
    assert unresolved.details == {"attempt": 1, "organisation": "A20047", "mailboxes": 0}
    assert sending.mesh.uploads == {}


def test_a_recipient_that_mesh_looks_up_is_recorded_with_the_upload() -> None:
    sending = Sending(to="")
    assert sending.send() is Status.SENT
    (accepted,) = sending.events(EventType.UPLOAD_ACCEPTED)
    assert accepted.details["resolved_mailbox"] == "A20047OT001"
    assert sending.history.destinations == {"A20047OT001"}


# Long messages


def test_a_long_message_goes_in_chunks_under_one_id() -> None:
    sending = Sending(CHUNKED)
    recorded: list[LedgerEvent] = []
    sending.ledger._watch = lambda _, events: recorded.extend(
        event for event in events if event.kind is EventType.CHUNK_ACCEPTED
    )
    assert sending.send() is Status.SENT
    assert sending.copies == [sending.content]
    assert [(event.details["number"], event.details["end"]) for event in recorded] == [(1, 4_000), (2, 8_000)]
    assert {event.details["mesh_message_id"] for event in recorded} == {"OUT000001"}
    assert sending.events(EventType.CHUNK_ACCEPTED) == recorded[1:], "of the chunks of an upload the last is kept"


def test_a_message_of_one_part_that_is_too_long_for_memory_goes_from_the_outbox(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Sending, "longest_gzipped", 100)
    sending = Sending(101)
    assert sending.outgoing.objects[f"messages/{MESSAGE_ID}"].endswith(sending.content), "its parts can be read"
    assert sending.send() is Status.SENT
    assert sending.copies == [sending.content]
    assert sending.events(EventType.CHUNK_ACCEPTED) == []


def test_a_short_message_is_verified_before_it_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sending, "longest_gzipped", 100)
    sending = Sending(100)
    monkeypatch.setattr(sending.sender.outbox, "read", None)
    assert sending.send() is Status.SENT


def test_without_time_a_long_message_goes_on_in_the_next_run() -> None:
    sending = Sending(CHUNKED)
    for accepted in (1, 2):
        with pytest.raises(PostponedError, match=f"before chunk {accepted + 1} of 3"):
            sending.send(time_left=lambda: False)
        assert [event.details["number"] for event in sending.events(EventType.CHUNK_ACCEPTED)] == [accepted]
    assert sending.send(time_left=lambda: False) is Status.SENT, "one chunk is always sent"
    assert sending.copies == [sending.content]


def test_chunks_that_were_cut_otherwise_are_not_continued() -> None:
    sending = Sending(CHUNKED)
    sending.mesh.uploads["OLD"] = Upload("OLD", f"{MESSAGE_ID}.xml", {1: b"x"}, 3)
    sending.record(
        ledger_events.chunk_accepted(
            at=sending.clock(), attempt=1, mesh_message_id="OLD", number=1, chunks=3, end=3_999
        )
    )
    assert sending.send() is Status.SENT
    assert sending.history.mesh_message_ids == ("OUT000002",)


def test_a_beginning_that_mesh_has_lost_is_begun_anew() -> None:
    sending = Sending(CHUNKED)
    with pytest.raises(PostponedError):
        sending.send(time_left=lambda: False)
    sending.mesh.uploads.clear()
    with pytest.raises(PostponedError, match="no longer knows"):
        sending.send()
    assert sending.history.partial_uploads == ()
    assert sending.send() is Status.SENT
    assert sending.copies == [sending.content]


@pytest.mark.parametrize(
    ("word", "status"),
    [
        *((word, Status.SENT) for word in ("accepted", "acknowledged", "error", "undeliverable", "undelivered")),
        ("a word of tomorrow", Status.UNCERTAIN),
    ],
)
def test_mesh_says_what_became_of_an_upload_whose_answer_was_lost(
    monkeypatch: pytest.MonkeyPatch, word: str, status: Status
) -> None:
    sending = Sending(CHUNKED)
    lose_the_answer(monkeypatch, lambda _client, known: Tracking(message_id=known, status=word, recipient=""))
    assert sending.send() is status
    (tracked,) = sending.events(EventType.UPLOAD_TRACKED)
    known = "a status that we do not know" if status is Status.UNCERTAIN else word
    assert tracked.details == {"attempt": 1, "mesh_message_id": "M1", "mesh_status": known}
    if status is Status.SENT:
        assert sending.history.mesh_message_ids == ("M1",)


def test_an_upload_of_which_mesh_lacks_chunks_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    sending = Sending(CHUNKED)
    lose_the_answer(monkeypatch, lambda _client, known: Tracking(message_id=known, status="uploading", recipient=""))
    with pytest.raises(PostponedError, match="has not all chunks"):
        sending.send()
    assert sending.events(EventType.UPLOAD_TRACKED)[0].details["mesh_status"] == "uploading"
    assert "abandoned" not in sending.events(EventType.UPLOAD_POSTPONED)[0].details


def test_an_upload_that_mesh_does_not_know_is_begun_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    sending = Sending(CHUNKED)

    def unknown(_client: Client, _known: str) -> Tracking:
        raise NotFound("tracking", "answered 404")

    lose_the_answer(monkeypatch, unknown)
    with pytest.raises(PostponedError, match="unknown to MESH"):
        sending.send()
    assert sending.events(EventType.UPLOAD_TRACKED)[0].details["mesh_status"] == "unknown to MESH"
    assert sending.events(EventType.UPLOAD_POSTPONED)[0].details["abandoned"] == "M1"


def test_without_mesh_s_word_an_upload_stays_uncertain(monkeypatch: pytest.MonkeyPatch) -> None:
    sending = Sending(CHUNKED)

    def silent(_client: Client, _known: str) -> Tracking:
        raise MeshError("tracking", "answered 500")

    lose_the_answer(monkeypatch, silent)
    assert sending.send() is Status.UNCERTAIN
    assert sending.events(EventType.UPLOAD_TRACKED) == []


def lose_the_answer(monkeypatch: pytest.MonkeyPatch, tracking: Any) -> None:
    """Let the answer to every chunk be lost, MESH's id M1 be known, and tracking answer so."""

    def lost(_self: Client, *_: Any, **_named: Any) -> Any:
        raise Uncertain("send_part", "the answer was lost", message_id="M1")

    monkeypatch.setattr(Client, "send_part", lost)
    monkeypatch.setattr(Client, "tracking", tracking)


def test_a_message_of_two_chunks_goes_in_two() -> None:
    sending = Sending(6_000)
    assert sending.sender.send(MESSAGE_ID) is Status.SENT, "there is time, unless somebody says otherwise"
    assert [event.details["number"] for event in sending.events(EventType.CHUNK_ACCEPTED)] == [1]
    assert sending.copies == [sending.content]


def test_a_refusal_without_a_status_is_recorded_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    sending = Sending()
    monkeypatch.setattr(Client, "send", raising(Refused("send", "no")))
    assert sending.send() is Status.REFUSED
    assert sending.events(EventType.UPLOAD_REFUSED)[0].details == {"attempt": 1, "http_status": 0, "error": "no"}


def test_an_uncertain_upload_goes_again_at_the_moment_when_its_wait_is_over() -> None:
    sending = Sending()
    sending.send(Mood.LOSES_UNHEARD)
    due = due_at(sending.history, TIMEOUTS)
    assert due is not None
    assert replace(sending.sender, now=lambda: due).send(MESSAGE_ID) is Status.SENT


def test_mesh_is_given_what_the_envelope_says(monkeypatch: pytest.MonkeyPatch) -> None:
    for size in (200, CHUNKED):
        sending, given = Sending(size), list[OutboundMessage]()
        for name in ("send", "send_part"):
            real = getattr(Client, name)

            def noting(
                client: Client,
                outgoing: OutboundMessage,
                *rest: Any,
                _real: Any = real,
                _given: Any = given,
                **named: Any,
            ) -> Any:
                _given.append(outgoing)
                return _real(client, outgoing, *rest, **named)

            monkeypatch.setattr(Client, name, noting)
        assert sending.send() is Status.SENT
        (outgoing,) = set(given)
        assert outgoing == OutboundMessage(
            to="GPPROVIDER_9658218865_19331114_WRIGHT", workflow_id="GPCONNECT_SEND_DOCUMENT", subject="Report",
            local_id="Y90001", file_name=f"{MESSAGE_ID}.xml",
        )  # fmt: skip
        monkeypatch.undo()


def test_the_number_of_chunks_is_recorded_before_the_first_goes() -> None:
    sending = Sending(CHUNKED)
    sending.send()
    assert sending.events(EventType.UPLOAD_STARTED)[0].details["chunks"] == 3


def test_a_mailbox_that_mesh_refuses_is_looked_up_afresh_next_time(monkeypatch: pytest.MonkeyPatch) -> None:
    forgotten: list[tuple[str, str]] = []
    monkeypatch.setattr(Connections, "forget_lookup", lambda _self, *of: forgotten.append(of), raising=False)
    sending = Sending(to="")
    assert sending.send(Mood.REFUSES) is Status.REFUSED
    assert forgotten == [("A20047", "GPCONNECT_SEND_DOCUMENT")]
    assert Sending().send(Mood.REFUSES) is Status.REFUSED
    assert len(forgotten) == 1, "nobody was looked up"


def test_a_lookup_that_mesh_does_not_answer_is_postponed_as_an_upload_is(monkeypatch: pytest.MonkeyPatch) -> None:
    sending = Sending(to="")
    monkeypatch.setattr(Client, "endpoint_lookup", lambda *_: (_ for _ in ()).throw(NotSent("lookup", "no connection")))
    with pytest.raises(PostponedError, match="no connection"):
        sending.send()
    assert kinds(sending) == [EventType.UPLOAD_STARTED, EventType.UPLOAD_POSTPONED]
    assert sending.mesh.uploads == {}


def test_a_secret_that_cannot_be_read_is_the_keepers_to_correct(monkeypatch: pytest.MonkeyPatch) -> None:
    sending = Sending()
    monkeypatch.setattr(Client, "send", raising(CredentialsError("the secret is damaged")))
    with pytest.raises(NotAuthorisedError, match="the secret is damaged"):
        sending.send()
    (postponed,) = sending.events(EventType.UPLOAD_POSTPONED)
    assert postponed.details == {"attempt": 1, "why": "the secret is damaged"}


def test_why_an_upload_was_postponed_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    for problem in (NotSent("send", "no connection"), RetryLater("send", "answered 429", status=429)):
        sending = Sending()
        with monkeypatch.context() as patched:
            patched.setattr(Client, "send", raising(problem))
            with pytest.raises(PostponedError, match=problem.problem):
                sending.send()
        assert sending.events(EventType.UPLOAD_POSTPONED)[0].details == {"attempt": 1, "why": problem.problem}


def test_an_upload_that_is_damaged_on_its_way_is_postponed_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    sending = Sending(CHUNKED)
    monkeypatch.setattr(Client, "send_part", raising(StorageError("S3 is away")))
    with pytest.raises(StorageError):
        sending.send()
    assert sending.events(EventType.UPLOAD_POSTPONED)[0].details == {"attempt": 1, "why": "S3 is away"}


def test_an_uncertain_upload_is_recorded_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    sending = Sending()
    monkeypatch.setattr(Client, "send", raising(Uncertain("send", "the answer was lost")))
    assert sending.send() is Status.UNCERTAIN
    (uncertain,) = sending.events(EventType.UPLOAD_UNCERTAIN)
    assert (uncertain.details, uncertain.source) == ({"attempt": 1, "why": "the answer was lost"}, "sender")


def test_without_credentials_for_tracking_an_upload_stays_uncertain(monkeypatch: pytest.MonkeyPatch) -> None:
    sending = Sending(CHUNKED)

    def unreadable(_client: Client, _known: str) -> Tracking:
        raise CredentialsError("the secret is damaged")

    lose_the_answer(monkeypatch, unreadable)
    assert sending.send() is Status.UNCERTAIN


def test_what_a_newer_release_has_plans_for_is_not_uploaded() -> None:
    sending = Sending()
    paused = EventType("paused by tomorrow's release")
    sending.record(LedgerEvent(kind=paused, identity="paused", at=sending.clock(), source="builder", details={}))
    assert sending.send() is Status.BUILT
    assert sending.mesh.uploads == {}


def test_a_message_that_the_ledger_loses_meanwhile_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def forget(sending: Sending) -> None:
        for pk, sk in sending.table.item_keys():
            sending.table.delete_item(Key={"pk": {"S": pk}, "sk": {"S": sk}})
        sending.ledger._remembered.clear()

    before_the_lease, after_it = Sending(), Sending()
    opened = before_the_lease.sender.outbox.open

    def open_and_forget(message_id: str, sha256: str) -> StoredMessage:
        forget(before_the_lease)
        return opened(message_id, sha256)

    monkeypatch.setattr(before_the_lease.sender.outbox, "open", open_and_forget)

    def forgotten(*_: Any, **__: Any) -> SendReceipt:
        forget(after_it)
        return SendReceipt(message_id="M1")

    monkeypatch.setattr(Client, "send", forgotten)
    for sending in (before_the_lease, after_it):
        with pytest.raises(UnknownMessageError, match="the ledger has lost the message"):
            sending.send()


def test_a_message_that_was_read_for_refused_credentials_is_read_again_for_the_rotated_ones() -> None:
    """The hash of the content starts anew: it would not be the one that was built."""
    sending = Sending(CHUNKED)
    mesh, tries = sending.sender.mesh, list[bytes]()

    class RefusedOnce:
        def send_part(self, _outgoing: Any, _part: Any, blocks: Any, **_how: Any) -> SendReceipt:
            tries.append(b"".join(blocks))
            if len(tries) == 1:
                raise Authentication("send", "answered 403", status=403)
            return SendReceipt(message_id="MESH1")

    class Rotated:
        def authorised(self, _mailbox: str, act: Any) -> Any:
            try:
                return act(RefusedOnce())
            except Authentication:
                return act(RefusedOnce())

        def __getattr__(self, name: str) -> Any:
            return getattr(mesh, name)

    sending.sender = replace(sending.sender, mesh=Rotated())  # type: ignore[arg-type]
    assert sending.send() is Status.SENT
    assert tries[0] == tries[1]
    assert b"".join(tries[1:]) == sending.content
