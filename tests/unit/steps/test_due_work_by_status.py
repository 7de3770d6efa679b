"""The sweep does the due work by status, counts it, and leaves changed messages alone."""

from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from gpconnect_messaging.itk3.response_codes import Level, Verdict
from gpconnect_messaging.ledger import events as ledger_events
from gpconnect_messaging.ledger.deadlines import due_at
from gpconnect_messaging.ledger.encounter_table import STATE, pk_of
from gpconnect_messaging.ledger.encounters import Encounter
from gpconnect_messaging.ledger.events import LedgerEvent
from gpconnect_messaging.ledger.status_rules import status_of
from gpconnect_messaging.ledger.store import DueWork
from gpconnect_messaging.ledger.stored_names import EventType, Status
from gpconnect_messaging.steps import due_work
from gpconnect_messaging.steps.due_work import SweepResult
from tests.fakes.faults import fail
from tests.fakes.mesh import Mood
from tests.fakes.product import LEASE, MAILBOX, TIMEOUTS
from tests.identifiers import ids_of
from tests.unit.steps.sending import MESSAGE_ID, Sending

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


class SweptMessage(Sending):
    """A message, and the sweep that looks after it."""

    def after(self, wait: timedelta) -> dict[str, int]:
        """Let time pass and sweep; give the counts that are not 0."""
        self.clock.advance(wait)
        return {name: count for name, count in asdict(self.sweep.run()).items() if count}

    def hold(self, *events: LedgerEvent) -> str:
        """Have a request that is held, or being released."""
        held = ledger_events.held(
            at=self.clock(), release_at=self.clock() + timedelta(hours=1), by_a_person=False, requirement="", why=""
        )
        request_id = str(ids_of(MAILBOX, "e2").message_id(0))
        return self.has(request_id, held, *events, encounter="e2", version=0).message_id

    def must_be_known(self, warn_at: datetime) -> None:
        """Have a message that was built with this time, by which a person must be notified."""
        built = self.events(EventType.BUILT)[0]
        warned = replace(built, details={**built.details, "warn_at": warn_at.isoformat()})
        del self.table._items[pk_of(self.row(MESSAGE_ID).encounter_key), STATE]
        self.ledger._remembered.clear()
        self.has(MESSAGE_ID, warned, encounter="e1", created_at=self.clock() - SECOND)


@pytest.fixture
def message() -> SweptMessage:
    return SweptMessage()


def test_nothing_counts_where_nothing_is_due(message: SweptMessage) -> None:
    assert message.after(TIMEOUTS.requeue_after - MINUTE) == {}
    assert SweepResult() == SweepResult(
        released=0, queued_again=0, leases_ended=0, overdue=0, running_late=0, notifications_told=0, left=0
    )


def test_a_message_that_no_sender_took_is_queued_again_and_again(message: SweptMessage) -> None:
    for times in (1, 2):
        assert message.after(TIMEOUTS.requeue_after + SECOND) == {"queued_again": 1}
        assert message.queue.take() == [MESSAGE_ID]
        assert message.after(SECOND) == {}
        assert len(message.events(EventType.QUEUED_AGAIN)) == times
    assert [event.details["why"] for event in message.events(EventType.QUEUED_AGAIN)] == ["BUILT", "BUILT"]
    assert [event.identity for event in message.events(EventType.QUEUED_AGAIN)] == ["queued-again-1", "queued-again-2"]


def test_a_sender_that_died_leaves_an_uncertain_upload_which_goes_again_after_its_wait(message: SweptMessage) -> None:
    message.record(ledger_events.upload_started(at=message.clock(), attempt=1, lease=LEASE))
    assert message.after(LEASE - SECOND) == {}
    assert message.after(2 * SECOND) == {"leases_ended": 1}
    assert status_of(message.history) is Status.UNCERTAIN
    (uncertain,) = message.events(EventType.UPLOAD_UNCERTAIN)
    assert (uncertain.details["attempt"], uncertain.source) == (1, "poller")
    assert message.after(TIMEOUTS.resolve_after - SECOND) == {}
    assert message.after(2 * SECOND) == {"queued_again": 1}
    assert message.queue.take() == [MESSAGE_ID]
    assert message.send() is Status.SENT


@pytest.mark.requirement("1.5:GPCM-SD-045")
@pytest.mark.parametrize(("answered", "missing"), [(False, ["infrastructure", "business"]), (True, ["business"])])
def test_a_late_acknowledgement_is_overdue_and_a_person_is_notified(
    message: SweptMessage, answered: bool, missing: list[str]
) -> None:
    message.send()
    if answered:
        (mesh_id,) = message.history.mesh_message_ids
        message.record(ledger_events.routed(at=message.clock(), mesh_message_id=mesh_id, mailbox="A20047OT001"))
        message.record(
            ledger_events.response(
                at=message.clock(), mesh_message_id="R", from_mailbox="A20047OT001", from_organisation=None,
                code="20013",
                level=Level.INFRASTRUCTURE, verdict=Verdict.POSITIVE,
            )
        )  # fmt: skip
    due = timedelta(days=7 if answered else 2)
    assert message.after(due - MINUTE) == {}
    assert message.after(2 * MINUTE) == {"overdue": 1}
    assert message.events(EventType.ACKNOWLEDGEMENT_OVERDUE)[0].details["missing"] == missing
    assert len(message.topic.published) == 1
    assert message.after(timedelta(days=30)) == {}


def test_a_held_request_is_offered_to_the_builder_when_its_window_is_over(message: SweptMessage) -> None:
    held = message.hold()
    assert message.after(timedelta(hours=1) - MINUTE).get("released") is None
    assert message.after(2 * MINUTE)["released"] == 1
    assert message.intake.take() == [held]


def test_a_release_that_no_builder_finished_is_offered_again(message: SweptMessage) -> None:
    held = message.hold(ledger_events.release_started(at=message.clock(), version=1))
    assert message.after(TIMEOUTS.requeue_after + SECOND)["released"] == 1
    assert message.intake.take() == [held]
    assert message.queue.take() == [MESSAGE_ID], "and the message that was as old went to the sender"


def test_a_message_that_runs_late_is_notified_once_and_goes_on(message: SweptMessage) -> None:
    message.must_be_known(message.clock() + 5 * MINUTE)
    assert message.after(4 * MINUTE) == {}
    assert message.after(2 * MINUTE) == {"running_late": 1}
    assert len(message.topic.published) == 1
    assert message.after(TIMEOUTS.requeue_after) == {"queued_again": 1}
    assert len(message.topic.published) == 1


def test_a_message_that_runs_late_and_that_no_sender_took_is_queued_in_the_same_sweep(message: SweptMessage) -> None:
    message.must_be_known(message.clock() + MINUTE)
    assert message.after(TIMEOUTS.requeue_after + SECOND) == {"running_late": 1, "queued_again": 1}
    assert message.queue.take() == [MESSAGE_ID]


def test_what_a_newer_release_has_plans_for_is_left_and_a_person_knows(message: SweptMessage) -> None:
    message.record(
        LedgerEvent(
            kind=EventType("paused by tomorrow's release"), identity="paused", at=message.clock(), source="", details={}
        )
    )
    assert message.after(TIMEOUTS.requeue_after + MINUTE) == {"running_late": 1}
    assert message.queue.take() == []
    assert message.after(timedelta(days=1)) == {}


def test_a_message_that_another_sweep_finds_late_first_is_left_to_it(
    message: SweptMessage, monkeypatch: pytest.MonkeyPatch
) -> None:
    message.record(
        LedgerEvent(
            kind=EventType("paused by tomorrow's release"), identity="paused", at=message.clock(), source="", details={}
        )
    )
    record = message.ledger.record

    def overtaken(message_id: str, event: LedgerEvent, **how: Any) -> Any:
        record(message_id, replace(event, at=message.clock()))
        return record(message_id, event, **how)

    monkeypatch.setattr(message.ledger, "record", overtaken)
    assert message.after(TIMEOUTS.requeue_after + MINUTE) == {}


@pytest.mark.parametrize("kinds", [4, 9, 60])
def test_in_time_every_message_comes_first(message: SweptMessage, kinds: int) -> None:
    first = set()
    for _ in range(kinds):
        message.clock.advance(MINUTE)
        first.add(message.sweep._rotated(range(kinds))[0])
    assert first == set(range(kinds))


def test_a_sent_message_does_not_run_late(message: SweptMessage) -> None:
    message.send()
    assert message.after(timedelta(hours=4)) == {}


def test_what_another_sweep_did_meanwhile_is_not_done_twice(
    message: SweptMessage, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = message.ledger.record

    def overtaken(message_id: str, event: LedgerEvent, **how: Any) -> Any:
        record(message_id, replace(event, at=message.clock()))
        return record(message_id, event, **how)

    monkeypatch.setattr(message.ledger, "record", overtaken)
    assert message.after(TIMEOUTS.requeue_after + SECOND) == {}
    assert message.queue.take() == []


def test_a_message_that_moved_on_since_it_was_seen_is_left(
    message: SweptMessage, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = message.ledger.record

    def moved_on(message_id: str, event: LedgerEvent, **how: Any) -> Any:
        record(message_id, ledger_events.upload_started(at=message.clock(), attempt=1, lease=LEASE))
        return record(message_id, event, **how)

    monkeypatch.setattr(message.ledger, "record", moved_on)
    assert message.after(TIMEOUTS.requeue_after + SECOND) == {}
    assert message.queue.take() == []


def due(*keys: str) -> Any:
    """What the index shows of encounters, whatever they are now."""
    return lambda now: [DueWork(key, now, frozenset({Status.BUILT}), None, None) for key in keys]


def test_an_encounter_that_the_index_still_shows_is_looked_at_afresh(
    message: SweptMessage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(message.ledger, "due", due(message.row(MESSAGE_ID).encounter_key, "gone"))
    assert message.after(MINUTE) == {}
    message.send()
    assert message.after(TIMEOUTS.requeue_after + SECOND) == {}


def test_what_is_due_at_this_very_moment_is_due(message: SweptMessage) -> None:
    due = due_at(message.history, TIMEOUTS)
    assert due is not None
    assert replace(message.sweep, now=lambda: due).run().queued_again == 1


def test_what_must_be_known_at_this_very_moment_is_notified(message: SweptMessage) -> None:
    warn_at = message.clock() + 5 * MINUTE
    message.must_be_known(warn_at)
    assert replace(message.sweep, now=lambda: warn_at).run().running_late == 1


def test_nothing_is_done_about_a_message_that_expects_nothing_whatever_says_that_it_is_due(
    message: SweptMessage, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert message.send(Mood.REFUSES) is Status.REFUSED
    monkeypatch.setattr(message.ledger, "due", due(message.row(MESSAGE_ID).encounter_key))
    monkeypatch.setattr(Encounter, "work_at", lambda *_: message.clock())
    monkeypatch.setattr(due_work, "due_at", lambda *_: message.clock())
    before = message.history
    assert message.after(MINUTE) == {}
    assert message.history == before


def test_without_time_everything_is_left_for_the_next_minute(message: SweptMessage) -> None:
    message.clock.advance(TIMEOUTS.requeue_after + SECOND)
    swept = message.sweep.run(lambda: False)
    assert (swept.left, swept.queued_again) == (1, 0)
    assert message.queue.take() == []


def test_a_notification_that_a_crash_left_is_sent(message: SweptMessage) -> None:
    message.mesh.moods.append(Mood.REFUSES)
    fault = fail(message.topic, "publish", TypeError("a crash"))
    with pytest.raises(TypeError):
        message.send()
    fault.end()
    assert message.after(2 * MINUTE) == {"notifications_told": 1}
    assert message.after(2 * MINUTE) == {}


@pytest.mark.parametrize(("minute", "first"), [(0, 0), (1, due_work._STRIDE % 10), (2, 2 * due_work._STRIDE % 10)])
def test_each_minute_begins_elsewhere(message: SweptMessage, minute: int, first: int) -> None:
    base = message.clock.time.replace(second=0, microsecond=0)
    offset = int(base.timestamp()) // 60 * due_work._STRIDE % 10
    message.clock.time = base + minute * MINUTE
    items = list(range(10))
    begin = (offset + first) % 10
    assert list(message.sweep._rotated(items)) == [*items[begin:], *items[:begin]]
    assert list(message.sweep._rotated([])) == []


def test_the_limits_are_what_the_documents_say(message: SweptMessage) -> None:
    assert (due_work.MOST_TOLD, message.sweep.at_once) == (200, 8)


def test_a_sent_message_whose_acknowledgement_is_late_does_not_run_late_too(message: SweptMessage) -> None:
    message.must_be_known(message.clock() + MINUTE)
    message.send()
    assert message.after(timedelta(days=2)) == {"overdue": 1}
