"""The daily balance finds whatever was lost, wherever it was lost, and says of what is open why it is.

The builder's own adapters write the receipts and the rows, over memory; then something is taken away.
"""

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gpconnect_messaging.ledger.balances import Reckoning
from gpconnect_messaging.ledger.encounter_table import pk_of
from gpconnect_messaging.ledger.events import request_refused
from gpconnect_messaging.ledger.reconciliation import UNKNOWN_MAILBOX, Balance, MailboxBalance, Row, asked_of_mesh
from gpconnect_messaging.ledger.records import Received
from gpconnect_messaging.ledger.stored_names import EventType, Status
from gpconnect_messaging.mailboxes.directory import CredentialsError
from gpconnect_messaging.mesh.errors import Authentication, Refused, RetryLater
from gpconnect_messaging.steps import reconcile
from tests.fakes.ledger_state import LedgerState
from tests.fakes.product import WINDOW, Product
from tests.identifiers import key_of
from tests.model.effects import Watched
from tests.model.world import World
from tests.unit.ledger.events import BUILT, OVERDUE
from tests.unit.steps.night import DAY, DELIVERED, EVENING, MAILBOX, NIGHT, OTHER, SENT, Night


@pytest.fixture
def night() -> Night:
    return Night()


def of(made: Balance, mailbox: str = MAILBOX) -> MailboxBalance:
    return made.mailboxes[mailbox]


def test_a_day_on_which_nothing_was_lost_balances(night: Night) -> None:
    for name in ("a", "b"):
        night.build(name, *DELIVERED)
    night.build("c", *SENT)
    night.receive("request-d", OTHER)
    night.refuse("request-d", request_refused(at=EVENING, reasons=["patient: is missing"]))
    made = night.reckon_now(DAY)
    counts = of(made)
    assert made.wrong == 0
    assert (counts.received, counts.settled, counts.open) == (4, 3, 1), "counted where the ledger says that it belongs"
    assert counts.statuses == {"DELIVERED": 2, "SENT": 1, "INVALID": 1}
    assert night.notified() == []


def test_every_open_message_has_its_reason(night: Night) -> None:
    message_id = night.build("a", BUILT)
    made = night.reckon_now(DAY)
    assert of(made).open_messages == {message_id: "BUILT: looked at again at 2026-11-20T21:40:00+00:00"}
    assert (of(made).received, of(made).open, made.wrong) == (1, 1, 0)


@pytest.mark.parametrize("lost", ["the encounter and its pointer", "the encounter alone"])
def test_a_request_whose_encounter_was_lost_is_missed_and_told(night: Night, lost: str) -> None:
    night.build("a", *DELIVERED)
    night.lose(night.build("b", *DELIVERED))
    if lost == "the encounter and its pointer":
        night.table.delete_item(Key={"pk": {"S": "REQUEST#request-b"}, "sk": {"S": "REQUEST"}})
    made = night.reckon()
    assert of(made, UNKNOWN_MAILBOX).lost == ["request-b"], "what the encounter said is lost with it"
    assert (made.total("received"), of(made).settled, made.wrong) == (2, 1, 1)
    assert night.notified() == ["The day's balance does not add up"]
    assert "lost: 1" in night.topic.published[0]
    assert night.topic.attributes[0]["route"] == "-/first"


def test_a_request_that_the_builder_never_read_is_missed(night: Night) -> None:
    night.evidence.receipt("request-a")
    made = night.reckon()
    assert of(made, UNKNOWN_MAILBOX).lost == ["request-a"]


def test_a_missing_copy_to_another_recipient_is_missed(night: Night) -> None:
    night.receive("request-a")
    night.store("request-a", *DELIVERED, messages=2)
    made = night.reckon()
    assert (of(made).incomplete, of(made).received, of(made).settled) == (["request-a"], 1, 0)
    night.store("request-a", BUILT, number=1, messages=2)
    assert of(night.reckon(DAY)).incomplete == []


def test_a_request_that_just_came_is_not_lost_yet(night: Night) -> None:
    night.clock.time = NIGHT
    night.receive("request-a")
    made = night.reckon(NIGHT.date())
    unknown = of(made, UNKNOWN_MAILBOX)
    assert (unknown.arriving, unknown.lost, made.wrong) == (["request-a"], [], 0)


def test_a_message_without_a_receipt_shows_that_receipts_were_lost(night: Night) -> None:
    night.store("request-a", *DELIVERED)
    made = night.reckon()
    assert of(made).without_receipt == ["request-a"]


def test_a_request_that_was_held_for_days_is_not_taken_for_one_without_a_receipt(night: Night) -> None:
    night.receive("request-a")
    night.hold("a")
    night.clock.time = NIGHT + timedelta(days=3)
    night.store("request-a", *DELIVERED)
    made = night.reckon(NIGHT.date() + timedelta(days=3))
    assert made.total("without_receipt") == 0


def test_a_request_that_is_held_is_open_and_its_messages_carry_on_when_it_is_released(night: Night) -> None:
    for name in "abc":
        night.hold(name)
    night.clock.advance(timedelta(minutes=5))
    (under_way,) = night.release("b", *SENT)
    night.release("c", *DELIVERED, messages=2)
    night.clock.advance(timedelta(minutes=5))
    made = night.reckon_now(DAY)
    counts = of(made)
    assert (counts.received, counts.settled, counts.open, made.wrong) == (3, 1, 2, 0)
    assert counts.open_messages.keys() == {"request-a", under_way}
    assert counts.statuses == {"HELD": 1, "SENT": 1, "DELIVERED": 2}


def test_a_request_that_an_earlier_balance_left_open_and_that_was_released_since_is_accounted_for(night: Night) -> None:
    night.hold("a")
    assert night.reckon_now(DAY).total("open_messages") == 1
    night.clock.advance(timedelta(days=1))
    night.release("a", *DELIVERED, messages=2)
    assert night.reckon_now(DAY + timedelta(days=1)).wrong == 0


@pytest.mark.parametrize("days", [0, 1], ids=["on its day", "on a later day"])
def test_a_message_that_is_lost_after_its_request_was_released_is_missed(night: Night, days: int) -> None:
    night.hold("a")
    if days:
        assert night.reckon_now(DAY).wrong == 0
    night.clock.advance(timedelta(days=days))
    ids = night.release("a", *DELIVERED, messages=2)
    night.clock.time = NIGHT + timedelta(days=days)
    night.lose_message(ids[1])
    made = night.reckon()
    assert made.day == DAY + timedelta(days=days)
    assert (of(made).incomplete, made.wrong) == (["request-a"], 1)
    night.lose_message(ids[0])
    assert of(night.reckon(made.day)).incomplete == ["request-a"], "if none is left, too"


def test_a_message_that_was_delivered_before_midnight_and_noted_as_released_after_is_not_missed(night: Night) -> None:
    night.hold("a")
    night.release("a", *DELIVERED)
    after = "2026-11-21T00:05:00.000000Z"
    LedgerState(night.table).change_body(
        pk_of(key_of(MAILBOX, "request-a")), lambda body: body["messages"]["request-a"].update(changed_at=after)
    )
    assert night.reckon(DAY + timedelta(days=1)).wrong == 0


@pytest.mark.requirement("GPCM-SD-CS-076", "GPCM-SD-CS-077")
def test_whatever_becomes_of_a_request_leaves_a_record_by_which_it_is_accounted_for() -> None:
    product = Product()
    product.asks()
    superseding = product.asks()
    product.later(WINDOW + timedelta(minutes=1))
    assert product.row(superseding.message_id).history.of(EventType.RELEASED)
    product.asks(encounter="another", clinically_relevant=False)
    product.asks(encounter="another", patient__nhs_number="not a number")
    product.builder.queued(b"no request at all")
    product.builder.dropped("drop", "nothing/there/request.json", "1", None, "")
    product.withdraws()
    product.withdraws(encounter="mistyped")
    product.asks(encounter="waiting")
    step = product.reconciliation
    made = [step.run(DAY), step.run(DAY + timedelta(days=1))]
    days = [result for result in made if isinstance(result, Balance)]
    assert [balance.total("received") for balance in days] == [2, 7]
    assert [balance.wrong for balance in days] == [0, 0]
    (last,) = days[1:]
    assert sum((counts.statuses for counts in last.mailboxes.values()), Counter()) == {
        "NOT_REQUIRED": 1, "INVALID": 3, "TELL_PRACTICE": 1, "WITHDRAWN": 1, "HELD": 1,
    }  # fmt: skip


def test_what_is_received_before_midnight_and_built_after_balances_on_both_days(night: Night) -> None:
    night.clock.time = datetime(2026, 11, 20, 23, 59, 59, tzinfo=UTC)
    night.receive("request-a")
    night.clock.time += timedelta(seconds=5)
    night.store("request-a", *DELIVERED)
    assert night.reckon().wrong == 0
    assert night.reckon(NIGHT.date()).wrong == 0


def test_a_message_that_an_earlier_balance_left_open_is_missed_when_it_vanishes(night: Night) -> None:
    kept, lost = night.build("a", *SENT), night.build("b", *SENT)
    assert night.reckon().wrong == 2, "neither was looked at for hours"
    night.lose(lost)
    night.clock.time = NIGHT + timedelta(days=1)
    made = night.reckon()
    assert made.day == DAY + timedelta(days=1)
    assert of(made).vanished == [lost]
    assert kept in of(made).open_messages


def test_an_open_message_that_the_sweep_forgot_is_missed(night: Night) -> None:
    message_id = night.build("a", BUILT)
    assert of(night.reckon()).unattended == [message_id]


def test_an_overdue_message_is_settled_since_a_person_was_told(night: Night) -> None:
    night.build("a", *SENT, OVERDUE)
    made = night.reckon()
    assert (of(made).settled, of(made).open_messages, made.wrong) == (1, {}, 0)


def test_a_message_that_mesh_does_not_know_is_missed(night: Night) -> None:
    known, unknown = night.build("a", *SENT), night.build("b", *SENT)
    del night.mesh.uploads["MESH-b"]
    made = night.reckon()
    assert of(made).unknown_to_mesh == [unknown]
    assert made.asked_of_mesh == 2
    assert known not in of(made).unknown_to_mesh


SOON = timedelta(minutes=20)
"""By then MESH must know what it took; nothing else is due."""
FAILURES = [
    RetryLater("tracking", "MESH is busy"),
    Refused("tracking", "answered 403", status=403),
    Authentication("tracking", "answered 403", status=403),
    CredentialsError("the secret is not there"),
]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__)
def test_a_day_on_which_mesh_answers_nothing_does_not_balance(night: Night, failure: Exception) -> None:
    sent = [night.build(name, *SENT) for name in "abcdefg"]
    night.mesh.failures["tracking"] = failure
    night.clock.advance(SOON)
    made = night.reckon_now(DAY)
    counts = of(made)
    assert (made.must_be_known, made.asked_of_mesh, made.not_asked, counts.unknown_to_mesh) == (7, 0, 7, [])
    assert made.total("unanswered") == 5, "after so many MESH is left alone"
    assert set(counts.unanswered) < set(sent)
    assert night.notified() == ["The day's balance does not add up"]
    assert "unanswered: 5" in night.topic.published[0]


def test_a_question_without_an_answer_among_others_with_one_is_asked_again_another_night(night: Night) -> None:
    for name in "abc":
        night.build(name, *SENT)
    night.mesh.failures = {"MESH-b": RetryLater("tracking", "MESH is busy")}
    night.clock.advance(SOON)
    made = night.reckon_now(DAY)
    assert (made.asked_of_mesh, made.not_asked, of(made).unanswered, made.total("unanswered")) == (2, 1, [], 0)
    assert of(made).answered == 2


def test_a_mailbox_of_whose_messages_mesh_answers_none_does_not_balance_beside_others_that_do() -> None:
    rows = [
        Row(
            message_id=f"message-{number}", request_id="r", mailbox=mailbox, status=Status.SENT, created_at=EVENING,
            changed_at=EVENING, due_at=None,
        )
        for number, mailbox in enumerate((MAILBOX, MAILBOX, OTHER, OTHER))
    ]  # fmt: skip
    nothing = Balance(day=DAY, made_at=NIGHT, mailboxes={})
    answers = list(zip(rows, (True, None, None, None), strict=True))
    made = nothing.plus(asked_of_mesh(DAY, NIGHT, answers[:3])).plus(asked_of_mesh(DAY, NIGHT, answers[3:]))
    assert {name: counts.wrong for name, counts in made.mailboxes.items()} == {MAILBOX: 0, OTHER: 2}
    assert made.mailboxes[OTHER].unanswered == ["message-2", "message-3"]
    assert Balance.from_json(json.loads(json.dumps(made.as_json()))) == made
    later = made.plus(asked_of_mesh(DAY, NIGHT, [(rows[2], True)]))
    assert (later.wrong, later.fingerprint) == (0, "")


def test_that_mesh_answers_nothing_is_one_imbalance_whichever_messages_it_is_asked_about(night: Night) -> None:
    for name in "abcdefgh":
        night.build(name, *SENT)
    night.mesh.failures["tracking"] = RetryLater("tracking", "MESH is busy")
    night.clock.advance(SOON)
    first, second = night.reckon_now(DAY), night.reckon_now(DAY)
    assert of(first).unanswered != of(second).unanswered, "the tour goes on"
    assert night.notified() == ["The day's balance does not add up"]
    night.receive("request-lost")
    night.clock.advance(SOON)
    night.reckon_now(DAY)
    assert night.notified() == ["The day's balance does not add up"] * 2, "another imbalance is notified"


def test_a_tour_that_ends_before_anything_was_asked_begins_again(night: Night) -> None:
    night.build("a", *SENT)
    night.balances.record(Reckoning(day=DAY - timedelta(days=9), began_at=EVENING), tour=json.dumps([10**6, None]))
    night.clock.advance(SOON)
    made = night.reckon_now(DAY)
    assert (night.mesh.tracked, made.asked_of_mesh, made.not_asked) == (["MESH-a"], 1, 0)


def test_mesh_is_asked_about_so_many_messages_and_no_more(night: Night) -> None:
    for name in "abcde":
        night.build(name, *SENT)
    night.step = replace(night.step, most_asked=3)
    made = night.reckon()
    assert (len(night.mesh.tracked), made.asked_of_mesh, made.not_asked) == (3, 3, 2)


def test_acknowledgements_without_a_message_are_listed_for_their_day(night: Night) -> None:
    for mesh_message_id, days in (("R1", 0), ("R2", 1)):
        received = Received(
            mailbox=MAILBOX, mesh_message_id=mesh_message_id, at=EVENING + timedelta(days=days),
            evidence_key=f"received/{mesh_message_id}", outcome="unmatched",
        )  # fmt: skip
        night.ledger.received(received, unmatched_because="it names no message of ours")
    made = night.reckon()
    assert of(made).unmatched == ["R1"]
    assert made.wrong == 0, "each has its own notification"


def test_the_balance_is_made_once_and_told_once_however_often_the_schedule_comes(night: Night) -> None:
    night.receive("request-a")
    assert night.reckon().wrong == 1
    assert night.step.run() is None
    assert night.reckon(DAY).wrong == 1
    assert night.notified() == ["The day's balance does not add up"]
    kept = json.loads(night.bucket.objects[f"balances/{DAY}.json"])
    assert (kept["balanced"], kept["mailboxes"][UNKNOWN_MAILBOX]["lost"]) == (False, ["request-a"])
    summary = night.table.items[f"BALANCE#{DAY}", "BALANCE"]
    assert (summary["wrong"], summary["counts"]["received"]) == (1, 1)


def test_another_imbalance_of_the_same_day_is_notified_again(night: Night) -> None:
    for request_id in ("request-a", "request-b"):
        night.clock.time = EVENING
        night.receive(request_id)
        assert night.reckon(DAY).wrong
        assert night.reckon(DAY).wrong, "the same one is not"
    assert night.notified() == ["The day's balance does not add up"] * 2
    night.clock.time = EVENING
    night.build("a", *DELIVERED)
    assert night.reckon(DAY).total("lost") == 1
    assert len(night.notified()) == 3, "as much is wrong as at first, and it is another request"


def test_a_receipt_says_when_and_which_and_nothing_of_what_the_request_says(night: Night) -> None:
    night.evidence.receipt("request-a")
    assert [key for key in night.bucket.objects if key.startswith("receipts/")] == [f"receipts/{DAY}/21/request-a"]
    assert night.bucket.objects[f"receipts/{DAY}/21/request-a"] == b""


def test_a_request_that_the_queue_brings_twice_is_one(night: Night) -> None:
    night.evidence.receipt("request-a")
    night.build("a", *DELIVERED)
    night.receive("request-a")
    made = night.reckon()
    assert (made.total("received"), made.total("settled"), made.wrong) == (1, 1, 0)


def test_a_request_that_waits_for_its_documents_and_then_for_their_scan_is_not_lost_before_its_time(
    night: Night,
) -> None:
    night.step = replace(night.step, longest_wait=timedelta(minutes=55))
    night.clock.time = EVENING
    night.receive("request-a")
    for minutes, kind in ((64, "arriving"), (66, "lost")):
        night.clock.time = EVENING + timedelta(minutes=minutes)
        assert night.reckon_now(DAY).total(kind) == 1


def test_a_request_whose_event_is_repeated_days_later_is_not_lost() -> None:
    """The second receipt is of a day on which the message does not change."""
    world = World(Watched())
    world.drop("one", announced=2)
    world.deliver_intake(world.process("builder"))
    (message,) = world.records()
    world.deliver_send(world.process("sender"))
    for code in ("20013", "30001"):
        world.answer(message.message_id, code)
    world.poll(world.process("poller"))
    world.clock.advance(timedelta(days=2))
    day = world.clock().date()
    world.deliver_intake(world.process("builder"))
    world.clock.advance(timedelta(days=1))
    made = world.reconciliation.run(day)
    assert isinstance(made, Balance)
    assert (made.total("received"), made.total("settled"), made.wrong) == (1, 1, 0)


def test_the_limits_are_what_the_documents_say(night: Night) -> None:
    assert (night.step.most_asked, reconcile.LOOKS_BACK) == (5_000, 7)
