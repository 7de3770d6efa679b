"""A notification that is not acknowledged is escalated to a second person, once."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from botocore.exceptions import EndpointConnectionError

from gpconnect_messaging.ledger.deadlines import due_at
from gpconnect_messaging.ledger.events import LedgerEvent, held, withdrawal
from gpconnect_messaging.ledger.history import MessageHistory
from gpconnect_messaging.ledger.notifications import UnknownNotificationError, to_escalate
from gpconnect_messaging.ledger.records import MessageRecord, RaisedNotification, Received
from gpconnect_messaging.ledger.stored_names import NotificationType
from gpconnect_messaging.steps import escalate
from tests.fakes.faults import Fault, aws_error, fail
from tests.fakes.product import MAILBOX, TIMEOUTS, Product
from tests.identifiers import ids_of, key_of
from tests.unit.ledger.events import BUILT, OVERDUE, accepted, at, refused, started


class Watch(Product):
    """The notification path over memory."""

    def __init__(self) -> None:
        super().__init__(drop=None, escalate_after_seconds=3600)

    def fail(self, encounter: str = "4711", events: tuple[LedgerEvent, ...] = (BUILT, started(), refused())) -> str:
        """Have a message refused (or other events) and the notification delivered; return the notification id."""
        change = self.ledger.create(a_record(self, events, encounter))
        self.notifier.notify(change.notifications)
        (notification,) = change.notifications
        return notification.id

    def after(self, wait: timedelta) -> int:
        self.clock.advance(wait)
        return self.escalates()

    def escalates(self, time_left: Callable[[], bool] = lambda: True) -> int:
        """Run the step on what is due, as the poller does; return how many notifications it escalated."""
        return self.escalation.run(self.sweep.due(), time_left).notifications_escalated

    def due_escalations(self, at: datetime) -> list[RaisedNotification]:
        """The notifications that the step would find at a time."""
        due = (self.ledger.encounter(work.key) for work in self.ledger.due(at))
        return [raised for encounter in due for raised in to_escalate(encounter, at)]


def id_of(encounter: str) -> str:
    """The id of an encounter's message."""
    return str(ids_of(MAILBOX, encounter).message_id(1))


def a_record(watch: Watch, events: tuple[LedgerEvent, ...], encounter: str = "4711") -> MessageRecord:
    """A message with these events."""
    return MessageRecord(
        message_id=id_of(encounter), request_id=id_of(encounter), mailbox=MAILBOX, encounter=encounter,
        encounter_key=key_of(MAILBOX, encounter), version=1, created_at=watch.clock(), history=MessageHistory(events),
    )  # fmt: skip


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.mark.requirement("1.5:GPCM-SD-044", "1.5:GPCM-SD-045")
def test_a_notification_that_nobody_acknowledges_is_escalated_once(watch: Watch) -> None:
    notification_id = watch.fail()
    assert [watch.after(timedelta(minutes=20)) for _ in range(6)] == [0, 0, 1, 0, 0, 0]
    assert [attributes["route"] for attributes in watch.topic.attributes] == [
        f"{MAILBOX}/first",
        f"{MAILBOX}/escalation",
    ]
    first, second = watch.topic.published
    assert first.startswith("GP Connect Messaging: MESH refused a message")
    assert second.startswith("GP Connect Messaging, escalated: MESH refused a message")
    assert f"This notification: {notification_id}" in first
    assert f"This notification: {notification_id}" in second
    assert [item.notification.id for item in watch.book.open()] == [notification_id], (
        "open until a person acknowledges it"
    )


def test_a_notification_is_put_off_until_its_time_is_over_and_escalated_at_that_moment(watch: Watch) -> None:
    watch.fail()
    assert watch.after(timedelta(minutes=20)) == 0
    watch.sweep.run()
    assert watch.ledger.due(watch.clock()) == [], "it is not looked at every minute"
    (waiting,) = watch.due_escalations(watch.clock() + timedelta(days=1))
    assert waiting.told_at is not None
    watch.clock.time = waiting.told_at + timedelta(hours=1)
    escalation = replace(watch.escalation, now=lambda: watch.clock.time)
    assert escalation.run(watch.ledger.due(watch.clock.time)).notifications_escalated == 1


def test_the_time_of_a_notification_that_was_sent_late_counts_from_when_it_was_sent(watch: Watch) -> None:
    change = watch.ledger.create(a_record(watch, (BUILT, started(), refused())))
    watch.clock.advance(timedelta(minutes=30))
    watch.notifier.notify(change.notifications)
    assert [watch.after(wait) for wait in (timedelta(minutes=40), timedelta(minutes=25))] == [0, 1]


def test_without_time_no_notification_is_escalated(watch: Watch) -> None:
    watch.fail()
    watch.clock.advance(timedelta(hours=2))
    assert watch.escalates(lambda: False) == 0
    assert watch.escalates() == 1


def test_a_notification_that_another_run_escalates_is_left_to_it(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    watch.fail()
    watch.clock.advance(timedelta(hours=2))
    due = watch.sweep.due()
    (raised,) = watch.due_escalations(watch.clock())
    seen = watch.ledger.encounter(due[0].key)
    assert watch.book.take_escalation(raised.notification)
    monkeypatch.setattr(watch.ledger, "encounter", lambda _key: seen)
    assert watch.escalation.run(due).notifications_escalated == 0
    assert len(watch.topic.published) == 1


def test_one_run_leaves_time_for_the_other_due_work() -> None:
    assert escalate.MOST_LOOKED_AT == 200


_WAITS = held(at=at(0), release_at=at(165), by_a_person=True, requirement="GPCM-SD-CS-074", why="by a person")
_TOO_LATE = withdrawal(at=at(0), stopped=[], sent=["4710"], warning_key="warnings/4711.txt")


@pytest.mark.requirement("GPCM-SD-CS-074", "GPCM-SD-CS-077")
@pytest.mark.parametrize(
    ("event", "kind", "severity"), [(_WAITS, "waiting", "attention"), (_TOO_LATE, "tell-the-practice", "failure")]
)
def test_what_waits_for_a_person_is_escalated_though_the_sweep_never_comes_back_to_it(
    watch: Watch, event: LedgerEvent, kind: str, severity: str
) -> None:
    assert watch.fail(events=(event,)) == f"MESSAGE#{id_of('4711')}/{kind}"
    encounter = watch.ledger.encounter(key_of(MAILBOX, "4711"))
    assert due_at(encounter.records[id_of("4711")].history, TIMEOUTS) is None
    assert [watch.after(timedelta(minutes=20)) for _ in range(6)] == [0, 0, 1, 0, 0, 0]
    assert [(attributes["telling"], attributes["severity"]) for attributes in watch.topic.attributes] == [
        ("first", severity),
        ("escalation", severity),
    ]


def test_the_notification_of_a_late_withdrawal_says_where_its_warning_is(watch: Watch) -> None:
    watch.fail(events=(_TOO_LATE,))
    assert "the evidence bucket has the warning as warnings/4711.txt" in watch.topic.published[0]


def test_an_acknowledged_notification_is_not_escalated(watch: Watch) -> None:
    notification_id = watch.fail()
    other = watch.fail("4712")
    assert watch.book.acknowledge(notification_id, "a.nurse", watch.clock())
    assert [watch.after(timedelta(minutes=40)) for _ in range(3)] == [0, 1, 0]
    assert [item.notification.id for item in watch.book.open()] == [other]


def test_acknowledging_is_recorded_once_with_who_and_when(watch: Watch) -> None:
    notification_id = watch.fail()
    at = watch.clock()
    assert watch.book.acknowledge(notification_id, "a.nurse", at)
    assert not watch.book.acknowledge(notification_id, "a.doctor", watch.clock())
    events = [event for event in watch.trail.of_message(id_of("4711")) if event.what == "notification acknowledged"]
    assert [(event.actor, event.at, event.details) for event in events] == [
        ("a.nurse", at, {"notice": notification_id})
    ]


def test_what_is_acknowledged_before_it_could_be_told_stays_so(watch: Watch) -> None:
    change = watch.ledger.create(a_record(watch, (BUILT, started(), accepted(), OVERDUE)))
    (notification,) = change.notifications
    assert watch.book.take(notification)
    watch.book.acknowledge(notification.id, "a.nurse", watch.clock())
    watch.book.told(notification)
    assert [watch.after(timedelta(hours=1)) for _ in range(3)] == [0, 0, 0]
    assert watch.book.open() == []
    assert watch.due_escalations(watch.clock()) == [], "the sweep does not come back to it"


def test_a_notification_about_no_mailbox_of_ours_waits_the_environments_time(watch: Watch) -> None:
    received = Received(
        mailbox="Y99999OT001", mesh_message_id="m1", at=watch.clock(), evidence_key="received/m1", outcome="unmatched"
    )
    watch.notifier.notify(watch.ledger.received(received, unmatched_because="it names no message of ours"))
    assert [watch.after(timedelta(hours=2)) for _ in range(5)] == [0, 0, 0, 1, 0]


def test_an_unknown_notification_cannot_be_acknowledged(watch: Watch) -> None:
    watch.fail()
    for notification_id in (f"MESSAGE#{id_of('4711')}/overdue", f"MESSAGE#{id_of('4711')}/nonsense", id_of("4711"), ""):
        with pytest.raises(UnknownNotificationError):
            watch.book.acknowledge(notification_id, "a.nurse", watch.clock())
    with pytest.raises(ValueError, match="name the operator"):
        watch.book.acknowledge(f"MESSAGE#{id_of('4711')}/refused", " ", watch.clock())


def test_an_untold_notification_is_listed_while_somebody_tries_to_tell_it(watch: Watch) -> None:
    assert watch.sweep.due() == []
    received = Received(mailbox=MAILBOX, mesh_message_id="m1", at=watch.clock(), evidence_key="k", outcome="unmatched")
    (notification,) = watch.ledger.received(received, unmatched_because="it names no message of ours")
    watch.clock.advance(timedelta(minutes=7))
    assert watch.book.take(notification)
    assert [work.untold_since for work in watch.sweep.due()] == [notification.raised_at]
    watch.book.told(notification)
    assert [work.untold_since for work in watch.sweep.due()] == [None]
    assert not watch.book.take(notification), "due for escalation now, and not to be told a second time"


def test_the_words_of_every_kind_fit_when_escalated_too() -> None:
    from gpconnect_messaging.notifications import Delivery, write

    for kind in NotificationType:
        subject, body = write(
            kind, {"message_id": "4711"}, notification_id="MESSAGE#4711/x", telling=Delivery.ESCALATION
        )
        assert len(subject) <= 100
        assert body.startswith("This notification was not acknowledged")
        assert "Where to look:" in body


def escalated(error: Exception, about: str = "") -> tuple[Watch, Fault, int]:
    """Let three notifications become due, and SNS fail for those about one message; return how many it took."""
    watch = Watch()
    for message_id in ("4711", "4712", "4713"):
        watch.fail(message_id)
    watch.after(timedelta())  # they are put off until their mailbox's time is over
    watch.clock.advance(timedelta(hours=2))
    told = len(watch.topic.published)
    fault = fail(watch.topic, "publish", error, when=lambda call: about in call["Message"])
    with pytest.raises(type(error)):
        watch.escalates()
    return watch, fault, len(watch.topic.published) - told


@pytest.mark.parametrize("about", ["4711", "4712", "4713"])
def test_a_notification_that_sns_does_not_take_does_not_hold_up_the_escalation_of_others(about: str) -> None:
    watch, fault, told = escalated(aws_error("Publish", "InvalidParameter"), f"MESSAGE#{id_of(about)}")
    assert told == 2
    fault.end()
    assert watch.after(timedelta(minutes=2)) == 1, "it is escalated when SNS takes it, and the others are not again"


def test_where_sns_cannot_be_reached_the_escalations_are_left_for_the_next_run() -> None:
    watch, fault, told = escalated(EndpointConnectionError(endpoint_url="sns"))
    assert (told, fault.calls) == (0, 1)
    fault.end()
    assert watch.after(timedelta(minutes=2)) == 3
