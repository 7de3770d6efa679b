"""Dead letters go back to their queue: looked at without being consumed, moved without being lost, harmless twice."""

import json
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from gpconnect_messaging.ledger.stored_names import Status
from gpconnect_messaging.operators import ActorError
from gpconnect_messaging.replay.rate_limiter import RateLimiter
from gpconnect_messaging.replay.redrive import DeadLetter, Kind, Lane, Redrive
from tests.crash_injection import Crasher
from tests.fakes.product import Product
from tests.fakes.sqs import Sqs
from tests.identifiers import IDENTIFIERS

FIRST = datetime(2026, 11, 20, 21, tzinfo=UTC)
SECRET = "9658218865"


class Operated(Product):
    """The product, its dead letters, and an operator at them."""

    def __init__(self, lane: Lane) -> None:
        super().__init__(hold_window_seconds=0)
        self.sqs = Sqs(self.clock, "dead", "live", "https://sqs/123456789012/gpconnect-messaging-prod-intake-of-hub")
        self.crasher = Crasher(self.sqs, "send_message", "delete_message")
        self.redrive = Redrive(
            lane=lane, sqs=cast("Any", self.sqs), dead_letters_url="dead", queue_url="live", ledger=self.ledger,
            trail=self.trail, identifiers=lambda: IDENTIFIERS, now=self.clock,
        )  # fmt: skip

    def dead(self, body: str, *, at: datetime = FIRST, group: str | None = "Y90001OT001", **how: Any) -> str:
        """Have a dead letter; return SQS's id."""
        return self.sqs.put("dead", body, at=at, group=group, receives=4, **how)

    def letters(self) -> list[str]:
        """The bodies of the dead letters."""
        return self.sqs.bodies("dead")

    def hidden(self) -> bool:
        """Whether a dead letter is hidden from others."""
        return self.sqs.receive_message(QueueUrl="dead", VisibilityTimeout=0) == {}

    def moves(self, **how: Any) -> list[DeadLetter]:
        pace = RateLimiter(1000, sleep=lambda _: None)
        return list(self.redrive.run(actor="operator-7", reason="mended", pace=pace, **how))

    def dead_message(self) -> str:
        """A built message whose queue message died; return its id."""
        built = self.asks(encounter=str(uuid.uuid4()))
        self.queue.take()
        self.dead(json.dumps({"message_id": built.message_id}))
        return built.message_id


@pytest.fixture
def sending() -> Operated:
    return Operated(Lane.SEND)


@pytest.fixture
def intake() -> Operated:
    return Operated(Lane.INTAKE)


def an_event(key: str = f"{SECRET}/request.json") -> dict[str, Any]:
    return {
        "source": "aws.s3", "detail-type": "Object Created", "time": FIRST.isoformat(),
        "detail": {"bucket": {"name": "drop"}, "object": {"key": key, "version-id": "v1"}},
    }  # fmt: skip


def test_looking_consumes_nothing_and_shows_nothing_personal(intake: Operated) -> None:
    event, whole = json.dumps(an_event()), json.dumps({"patient": SECRET})
    later = FIRST + timedelta(hours=1)
    intake.dead(whole, at=later)
    intake.dead(event, ERROR_CODE="THROTTLING", group=None)
    dropped, queued = intake.redrive.look()
    assert (dropped.kind, queued.kind) == (Kind.DROPPED, Kind.QUEUED)
    assert dropped.subject == str(IDENTIFIERS.dropped_request_id("drop", f"{SECRET}/request.json", "v1"))
    assert queued.subject == str(IDENTIFIERS.queued_request_id(whole.encode()))
    assert (dropped.error, queued.queued_at, queued.receives) == ("THROTTLING", later, 5)
    assert SECRET not in repr([dropped, queued])
    assert len(intake.letters()) == 2
    assert not intake.hidden()
    assert intake.sqs.sent == []


@pytest.mark.parametrize("listed", [{"listed": ["20260304120000000001_AB12CD", "B"]}, {"alone": "A"}])
def test_listed_messages_go_back_once_to_the_inbox_queue(listed: dict[str, Any]) -> None:
    inbox = Operated(Lane.INBOX)
    body = json.dumps({"mailbox": "Y90001OT001", **listed})
    inbox.dead(body)
    inbox.dead(body)
    (moved,) = inbox.moves()
    assert (moved.kind, moved.status, moved.mailbox) == (Kind.LISTED, None, None)
    assert moved.subject in ("20260304120000000001_AB12CD", "A")
    assert inbox.sqs.sent[0]["MessageBody"] == body
    assert len(inbox.letters()) == 1


@pytest.mark.parametrize("listed", [{"listed": []}, {"alone": f"{SECRET} {SECRET}"}, {"listed": [1]}, {}])
def test_what_names_no_messages_of_an_inbox_stays_and_is_not_shown(listed: dict[str, Any]) -> None:
    inbox = Operated(Lane.INBOX)
    inbox.dead(json.dumps({"mailbox": "Y90001OT001", **listed}))
    [letter] = inbox.redrive.look()
    assert (letter.kind, letter.moves, SECRET in repr(letter)) == (Kind.UNREADABLE, False, False)


def test_a_canary_is_called_one_and_stays(intake: Operated, sending: Operated) -> None:
    canary_id = str(uuid.uuid4())
    intake.dead(json.dumps({"kind": "canary", "canary": canary_id}), group="canaries")
    sending.dead(json.dumps({"canary": canary_id}), group="canaries")
    for operated in (intake, sending):
        [letter] = operated.redrive.look()
        assert (letter.kind, letter.subject, letter.moves) == (Kind.CANARY, None, False)


def test_what_is_moved_goes_back_as_it_was_with_the_time_when_it_first_came(intake: Operated) -> None:
    body = json.dumps({"patient": SECRET})
    intake.dead(body, own="attribute")
    (moved,) = intake.moves()
    assert moved.moved
    assert intake.letters() == []
    assert intake.sqs.sent == [
        {
            "QueueUrl": "live", "MessageBody": body, "MessageGroupId": "Y90001OT001",
            "MessageAttributes": {"QueuedAt": {"DataType": "String", "StringValue": FIRST.isoformat()}},
        }
    ]  # fmt: skip


@pytest.mark.parametrize(
    "body",
    ['{"patient": "9658218865"}', json.dumps({"release": str(uuid.uuid4())})],
    ids=["a request", "like a release"],
)
def test_what_came_on_a_senders_own_queue_goes_back_there(intake: Operated, body: str) -> None:
    arn = "arn:aws:sqs:eu-west-2:123456789012:gpconnect-messaging-prod-intake-of-hub"  # pragma: allowlist secret
    intake.dead(body, source=arn)
    intake.redrive = replace(intake.redrive, queue_url="https://sqs/123456789012/gpconnect-messaging-prod-Intake-1A2B")
    [letter] = intake.moves()
    assert (letter.kind, letter.moved) == (Kind.QUEUED, True)
    assert letter.subject == str(IDENTIFIERS.queued_request_id(body.encode(), "hub"))
    assert intake.sqs.sent[0]["QueueUrl"] == "https://sqs/123456789012/gpconnect-messaging-prod-intake-of-hub"


def test_what_came_on_the_shared_queue_goes_back_there(intake: Operated) -> None:
    intake.dead("{}", source="arn:aws:sqs:eu-west-2:123456789012:shared")
    intake.moves()
    assert intake.sqs.sent[0]["QueueUrl"] == "live"


def test_a_second_redrive_keeps_the_first_time(intake: Operated) -> None:
    intake.dead("{}", at=FIRST + timedelta(days=1), QueuedAt=FIRST.isoformat())
    intake.moves()
    assert intake.sqs.sent[0]["MessageAttributes"]["QueuedAt"]["StringValue"] == FIRST.isoformat()


def test_only_what_is_chosen_is_moved_and_the_rest_is_put_back(sending: Operated) -> None:
    ids = [sending.dead_message() for _ in range(3)]
    by_sqs = next(each for each, held in sending.sqs.queues["dead"].items() if ids[1] in held.body)
    moved = sending.moves(chosen={ids[0], by_sqs})
    assert {each.subject for each in moved} == {ids[0], ids[1]}
    assert [json.loads(body)["message_id"] for body in sending.letters()] == [ids[2]]
    assert not sending.hidden()


@pytest.mark.parametrize(
    "body", ['{"message_id": "11111111-1111-5111-8111-111111111111"}', "not JSON", "[]", '{"a": 1}']
)
def test_what_would_only_come_back_is_left_and_says_why(sending: Operated, body: str) -> None:
    sending.dead(body)
    (left,) = sending.moves()
    assert not left.moved
    assert "would become a dead letter again" in left.why
    assert len(sending.letters()) == 1


@pytest.mark.parametrize("word", ["release", "again"])
def test_an_order_that_nobody_gave_is_left(intake: Operated, word: str) -> None:
    intake.dead(json.dumps({word: "11111111-1111-5111-8111-111111111111"}))
    (left,) = intake.redrive.look()
    assert not left.moves


def test_what_would_become_of_each_is_said(sending: Operated) -> None:
    waiting, sent = sending.dead_message(), sending.dead_message()
    sending.sender.send(sent)
    known = {each.subject: each for each in sending.redrive.look()}
    assert known[waiting].status is Status.BUILT
    assert "sends it" in known[waiting].why
    assert "SENT already" in known[sent].why


@pytest.mark.parametrize("at", range(1, 9))  # before and after each of the four effects of two messages
def test_a_redrive_that_dies_anywhere_loses_nothing_and_sends_nothing_twice(sending: Operated, at: int) -> None:
    ids = {sending.dead_message() for _ in range(2)}
    with sending.crasher.dying_at(at):
        sending.moves()
    sending.clock.advance(timedelta(hours=12))
    sending.moves()
    assert sending.letters() == []
    for message in sending.sqs.sent:
        sending.sender.send(json.loads(message["MessageBody"])["message_id"])
    assert sorted(sending.mesh.sent) == sorted(ids)


def test_a_request_that_is_redriven_twice_becomes_one_message(intake: Operated) -> None:
    body, arrived = intake.prepares()
    first, second = intake.builder.queued(body, arrived), intake.builder.queued(body, arrived)
    assert first == second


def test_everything_that_is_moved_is_an_audit_event_before_it_is_moved(sending: Operated) -> None:
    message_id = sending.dead_message()
    with sending.crasher.dying_at(1):
        sending.moves()
    (event,) = (each for each in sending.trail.of_message(message_id) if each.what == "redrive")
    assert (event.actor, event.details["reason"]) == ("operator-7", "mended")


@pytest.mark.parametrize(("actor", "reason", "error"), [(SECRET, "mended", ActorError), ("operator-7", "", ValueError)])
def test_nothing_is_moved_without_a_name_and_a_reason(
    sending: Operated, actor: str, reason: str, error: type[Exception]
) -> None:
    sending.dead_message()
    with pytest.raises(error):
        list(sending.redrive.run(actor=actor, reason=reason, pace=RateLimiter(1)))
    assert sending.sqs.sent == []
