"""An operator sends again: what is chosen, what is proposed, what is done, and what becomes of it in the steps."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from gpconnect_messaging.derived_ids import request_again_id
from gpconnect_messaging.ledger import events as ledger_events
from gpconnect_messaging.ledger.history import MessageHistory
from gpconnect_messaging.ledger.stored_names import EventType, Status
from gpconnect_messaging.operators import ActorError
from gpconnect_messaging.replay.policy import ResendAction, ResendMode
from gpconnect_messaging.replay.rate_limiter import RateLimiter
from gpconnect_messaging.replay.resend import Choice, ChoiceError
from gpconnect_messaging.steps.message_pipeline import UnknownRequestError
from tests.examples import request_data
from tests.fakes.mesh import Mood
from tests.fakes.product import SAMPLE, TIMEOUTS, Product
from tests.identifiers import key_of

ENCOUNTER: str = request_data(SAMPLE)["encounter"]


class Operated(Product):
    """The product, and an operator at it."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**({"hold_window_seconds": 0} | settings))

    def takes_in(self) -> None:
        """The builder takes in what was ordered."""
        for request_id in self.resubmitted.take():
            self.builder.resubmitted(request_id)

    def refused(self) -> str:
        """A message that MESH refused, for a reason that is mended now."""
        self.mesh.mood = Mood.REFUSES
        built = self.asks()
        self.works()
        assert self.status(built) is Status.REFUSED
        self.mesh.mood = Mood.TAKES
        return built.message_id


@pytest.fixture
def product() -> Operated:
    return Operated()


@pytest.fixture
def invalid(product: Operated) -> str:
    """A request that is refused for a setting of its mailbox, which is mended now."""
    mended = product.mailbox
    product.mailbox = replace(mended, max_message_bytes=1000)
    built = product.asks()
    assert product.status(built) is Status.INVALID
    product.mailbox = mended
    return built.message_id


def test_a_request_that_was_refused_for_a_setting_is_taken_in_once_it_is_mended(
    product: Operated, invalid: str
) -> None:
    (done,) = product.sends_again(status=Status.INVALID)
    assert (done.action, done.becomes) == (ResendAction.RESUBMIT, str(request_again_id(invalid)))
    product.takes_in()
    (message,) = product.ledger.find_by_encounter(key_of(product.mailbox.mailbox, ENCOUNTER))[-1:]
    assert (message.status, message.version, message.request_id) == (Status.BUILT, 1, done.becomes)
    assert product.row(invalid).status is Status.INVALID, "what was told stays true"


def test_a_dry_run_changes_nothing(product: Operated, invalid: str) -> None:
    before = product.table.items
    assert [each.action for each in product.proposed(ids=(invalid,))] == [ResendAction.RESUBMIT]
    assert product.table.items == before
    assert not product.resubmitted.waiting


def test_a_request_is_taken_in_again_once_however_often_that_is_asked(product: Operated, invalid: str) -> None:
    product.sends_again(ids=(invalid,))
    product.resubmitted.take()  # the queue's message is lost, or the operator's machine died before it
    product.sends_again(ids=(invalid,))
    product.takes_in()
    (again,) = product.sends_again(ids=(invalid,))
    assert (again.action, again.becomes) == (ResendAction.NONE, str(request_again_id(invalid)))
    assert len(product.ledger.find_by_encounter(key_of(product.mailbox.mailbox, ENCOUNTER))) == 2
    assert not product.resubmitted.waiting


def test_a_request_that_a_newer_one_has_taken_over_is_left(product: Operated, invalid: str) -> None:
    product.asks()
    (left,) = product.sends_again(ids=(invalid,))
    assert left.action is ResendAction.NONE
    assert "newer request" in left.why


def test_what_a_newer_request_overtakes_on_its_way_is_superseded(product: Operated, invalid: str) -> None:
    product.sends_again(ids=(invalid,))
    newer = product.asks()
    product.takes_in()
    assert product.row(str(request_again_id(invalid))).status is Status.SUPERSEDED
    assert product.status(newer) is Status.BUILT


def test_nobody_takes_a_request_in_again_without_an_order(product: Operated, invalid: str) -> None:
    with pytest.raises(UnknownRequestError):
        product.builder.resubmitted(str(request_again_id(invalid)))


def test_a_request_that_is_not_kept_any_longer_is_left(product: Operated, invalid: str) -> None:
    product.bucket.objects.pop(f"requests/{invalid}.json.gz")
    (left,) = product.sends_again(ids=(invalid,))
    assert "no longer exists" in left.why


@pytest.mark.requirement("GPCM-SD-CS-077")
def test_a_request_whose_consultation_was_deleted_is_left(product: Operated, invalid: str) -> None:
    product.withdraws()
    (left,) = product.sends_again(ids=(invalid,))
    assert left.action is ResendAction.NONE


def test_a_refused_message_goes_again_with_the_same_bytes_under_the_same_id(product: Operated) -> None:
    message_id = product.refused()
    bytes_before = product.message(message_id)
    (done,) = product.sends_again(status=Status.REFUSED)
    assert done.action is ResendAction.RESEND
    product.works()
    assert product.row(message_id).status is Status.SENT
    assert product.mesh.sent == [message_id]
    assert product.message(message_id) == bytes_before


def test_an_order_whose_queue_message_is_lost_is_found_by_the_sweep(product: Operated) -> None:
    message_id = product.refused()
    product.sends_again(ids=(message_id,))
    product.queue.take()
    product.later(TIMEOUTS.requeue_after)
    assert product.row(message_id).status is Status.SENT


def test_a_message_that_is_ordered_twice_is_sent_once(product: Operated) -> None:
    message_id = product.refused()
    product.sends_again(ids=(message_id,))
    (second,) = product.sends_again(ids=(message_id,))
    assert second.action is ResendAction.QUEUE_FOR_SENDER, "it waits for a sender already"
    product.works()
    product.works()
    assert product.mesh.sent == [message_id]


@pytest.mark.requirement("GPCM-SD-123", "1.5:GPCM-SD-036")
def test_a_rebuilt_message_is_the_next_version_of_its_encounter(product: Operated) -> None:
    message_id = product.refused()
    (done,) = product.sends_again(ResendMode.REBUILT, ids=(message_id,))
    product.takes_in()
    product.works()
    first, second = product.ledger.find_by_encounter(key_of(product.mailbox.mailbox, ENCOUNTER))
    assert (first.message_id, first.status) == (message_id, Status.REFUSED)
    assert (second.version, second.status, second.request_id) == (2, Status.SENT, done.becomes)
    (left,) = product.sends_again(ResendMode.REBUILT, ids=(message_id,))
    assert "later version" in left.why


def test_a_rebuilt_message_has_the_documents_that_were_checked(product: Operated) -> None:
    message_id = product.refused()
    product.put("report.pdf", b"%PDF of another patient")
    product.sends_again(ResendMode.REBUILT, ids=(message_id,))
    product.takes_in()
    claim = product.ledger.find_claim(str(request_again_id(product.row(message_id).request_id)))
    assert claim is not None
    assert set(claim.document_versions) == {"1"}


def test_what_changed_since_the_dry_run_is_left(product: Operated) -> None:
    message_id = product.refused()
    plan = product.proposed(ids=(message_id,))
    product.withdraws()
    (left,) = product.resend.carry_out(
        plan, ResendMode.UNCHANGED, actor="operator-7", reason="mended", pace=RateLimiter(10)
    )
    assert left.action is ResendAction.NONE
    product.works()
    assert product.mesh.sent == []


@pytest.mark.requirement("GPCM-SD-CS-077")
def test_a_deletion_while_an_overdue_message_goes_again_warns_of_the_copy_before(product: Operated) -> None:
    built = product.asks()
    product.works()
    late = ledger_events.acknowledgement_overdue(at=product.clock(), missing=["business"])
    product.ledger.record(built.message_id, late)
    product.sends_again(ids=(built.message_id,))
    withdrawal = product.withdraws()
    assert product.row(withdrawal.message_id).status is Status.TELL_PRACTICE
    product.works()
    assert product.mesh.sent == [built.message_id], "and the second copy is not sent"


@pytest.mark.requirement("1.5:GPCM-SD-045")
def test_a_person_is_notified_again_when_what_was_sent_again_is_not_answered_either(product: Operated) -> None:
    built = product.asks()
    product.works()
    for notified in (1, 2, 3):
        product.later(timedelta(days=8))
        product.later(timedelta(days=8))
        assert product.status(built) is Status.OVERDUE
        assert sum("An acknowledgement is overdue" in text for text in product.topic.published) == notified
        product.sends_again(ids=(built.message_id,))
        product.works()


def test_everything_that_is_done_is_an_audit_event_with_who_and_why(product: Operated) -> None:
    message_id = product.refused()
    product.sends_again(ids=(message_id,))
    product.sends_again(ids=(message_id,))
    product.works()
    events = [each for each in product.trail.of_message(message_id) if each.what == "re-send"]
    assert [(each.actor, each.details["reason"], each.details["action"]) for each in events] == [
        ("operator-7", "mended", ResendAction.RESEND), ("operator-7", "mended", ResendAction.QUEUE_FOR_SENDER)
    ]  # fmt: skip
    orders = product.row(message_id).history.of(EventType.RESEND_ORDERED)
    assert [each.details["actor"] for each in orders] == ["operator-7"]


@pytest.mark.parametrize(
    ("actor", "reason", "error"), [("9434765919", "mended", ActorError), ("operator-7", " ", ValueError)]
)
def test_nothing_is_done_without_a_name_and_a_reason(
    product: Operated, actor: str, reason: str, error: type[Exception]
) -> None:
    plan = product.proposed(ids=(product.refused(),))
    with pytest.raises(error):
        list(product.resend.carry_out(plan, ResendMode.UNCHANGED, actor=actor, reason=reason, pace=RateLimiter(10)))
    assert not product.queue.waiting


def test_messages_are_chosen_by_id_encounter_status_and_time(product: Operated) -> None:
    message_id = product.refused()
    begun = product.clock()
    other = product.asks(encounter="another")
    ids = {message_id, other.message_id}
    mailbox = product.mailbox.mailbox

    def chosen(**choice: Any) -> set[str]:
        return {each.message_id for each in product.proposed(**choice)} & ids

    assert chosen(ids=(message_id,)) == {message_id}
    assert chosen(mailbox=mailbox, encounter=ENCOUNTER) == {message_id}
    assert chosen(status=Status.REFUSED) == {message_id}
    assert chosen(status=Status.REFUSED, mailbox="Y90009OT001") == set()
    hour = timedelta(hours=1)
    assert chosen(since=begun - hour, until=begun + hour) == ids
    assert chosen(since=begun, until=begun + hour) == {other.message_id}
    assert chosen(since=begun - hour, until=begun, status=Status.REFUSED) == {message_id}
    assert chosen(since=begun - 2 * hour, until=begun - hour) == set()
    (unknown,) = product.proposed(ids=("nobody-knows-it",))
    assert (unknown.status, unknown.action) == (None, ResendAction.NONE)


NAIVE = datetime(2026, 11, 22)  # noqa: DTZ001 - that is what is refused


@pytest.mark.parametrize(
    "choice", [{}, {"mailbox": "Y90001OT001"}, {"encounter": "e"}, {"since": NAIVE}, {"since": NAIVE, "until": NAIVE}]
)
def test_half_a_choice_is_none(choice: dict[str, Any]) -> None:
    with pytest.raises(ChoiceError):
        Choice(**choice)


def test_the_pace_is_kept() -> None:
    slept: list[float] = []
    now = [100.0]

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    pace = RateLimiter(4, sleep=sleep, clock=lambda: now[0])
    for _ in range(5):
        pace.wait()
    assert slept == [0.25] * 4
    now[0] += 60
    pace.wait()
    pace.wait()
    assert slept == [0.25] * 5, "a pause is not made up for"


def test_a_deletion_in_the_moment_of_ordering_wins(product: Operated) -> None:
    message_id = product.refused()
    record, deletions = product.row(message_id), [product.withdraws]
    event = ledger_events.resend_ordered(at=product.clock(), actor="operator-7", attempts=1)

    def deleted_just_now(_history: MessageHistory) -> bool:
        if deletions:
            deletions.pop()()
        return True

    assert product.ledger.record(message_id, event, only_if=deleted_just_now, while_newest=True) is None
    assert product.row(message_id).history == record.history
