"""Nothing of a held message expires, however it came into the ledger; TTL is an expiry and never more."""

from datetime import timedelta
from typing import Any

import pytest

from gpconnect_messaging.derived_ids import REGISTERED_PRACTICE
from gpconnect_messaging.ledger.deadlines import Timeouts
from gpconnect_messaging.ledger.events import held
from gpconnect_messaging.ledger.history import MessageHistory
from gpconnect_messaging.ledger.holds import Held, HeldItems, UnknownMessageError
from gpconnect_messaging.ledger.precedence import RequestTimes
from gpconnect_messaging.ledger.records import MessageRecord, Origin, Received
from gpconnect_messaging.ledger.store import Ledger
from tests.fakes.clock import Clock
from tests.fakes.dynamodb import Table
from tests.identifiers import ids_of, key_of
from tests.unit.ledger.events import BUILT, accepted, at, response, started

MAILBOX = "Y90001OT001"
KEPT = timedelta(days=90)


class Kept:
    def __init__(self) -> None:
        self.table = Table()
        client: Any = self.table
        self.clock = Clock(at(10))
        patience = Timeouts(requeue_after=timedelta(minutes=10), resolve_after=timedelta(minutes=15))
        self.ledger = Ledger(client, "ledger", patience, self.clock, kept_for=KEPT)
        self.items = HeldItems(client, "ledger", self.clock, kept_for=KEPT)
        self.ledger.claim("request", ids_of(MAILBOX, "e"), ("v",), at(0))
        self.ledger.create(
            MessageRecord(
                message_id="message", request_id="request", mailbox=MAILBOX,
                encounter="e", encounter_key=key_of(MAILBOX, "e"),
                version=1,
                created_at=at(0), history=MessageHistory((BUILT,)),
            )
        )  # fmt: skip
        self.ledger.create(  # as a request has that waited before it became the message
            MessageRecord(
                message_id="request", request_id="request", mailbox=MAILBOX,
                encounter="e", encounter_key=key_of(MAILBOX, "e"),
                version=0,
                created_at=at(0), history=MessageHistory((BUILT,)),
            )
        )  # fmt: skip
        for event in (started(), accepted(), response("20013")):
            self.ledger.record("message", event)
        received = Received(mailbox=MAILBOX, mesh_message_id="R20013", at=at(3), evidence_key="k", outcome="message")
        self.ledger.received(received)

    def expiring(self) -> set[tuple[str, str]]:
        return {key for key, item in self.table.items.items() if "expires_at" in item}


def test_all_that_the_ledger_has_expires_after_its_time_but_for_the_encounters_own() -> None:
    kept = Kept()
    assert {key for key in kept.table.items if key not in kept.expiring()} == {
        (pk, sk) for pk, sk in kept.table.items if pk.startswith("ENCOUNTER#")
    }, "a version must never be given twice, and later ones wait for it"
    row = kept.table.items["MESSAGE#message", "MESSAGE"]
    assert row["expires_at"] == int((kept.clock() + KEPT).timestamp()), "counted from its last change"


def test_without_a_retention_nothing_expires() -> None:
    kept = Kept()
    client: Any = kept.table
    ledger = Ledger(client, "ledger", Timeouts(requeue_after=KEPT, resolve_after=KEPT), kept.clock)
    ledger.create(
        MessageRecord(
            message_id="other", request_id="o", mailbox=MAILBOX, encounter="e", encounter_key=key_of(MAILBOX, "e"),
            version=2, created_at=at(0),
            history=MessageHistory((BUILT,)),
        )
    )  # fmt: skip
    assert "expires_at" not in kept.table.items["MESSAGE#other", "MESSAGE"]


@pytest.mark.requirement("GPC-SD09")
def test_nothing_of_a_held_message_expires_and_what_is_recorded_later_does_not_either() -> None:
    kept = Kept()
    assert kept.items.apply("message") == Held("request", MAILBOX, ("R20013",), ("message", "request"))
    assert kept.expiring() == set()
    change = kept.ledger.record("message", response("30002", mesh_message_id="S"))
    assert change is not None
    assert change.notifications
    assert change.record.legal_hold
    assert kept.expiring() == set()


def test_what_the_release_of_a_held_request_adds_does_not_expire_either() -> None:
    kept = Kept()
    event = held(at=at(0), release_at=at(5), by_a_person=False, requirement="", why="")
    waiting = MessageRecord(
        message_id="waiting", request_id="waiting", mailbox=MAILBOX, encounter="f", encounter_key=key_of(MAILBOX, "f"),
        version=0, created_at=at(0),
        history=MessageHistory((event,)),
    )  # fmt: skip
    kept.ledger.record_held(waiting, RequestTimes.at(at(0)), Origin(folder="f/", document_versions=("v",)))
    assert ("REQUEST#waiting", "ORIGIN") in kept.expiring()
    kept.items.apply("waiting")
    assert kept.ledger.start_release("waiting", ids_of(MAILBOX, "f"), at(6), recipients=[REGISTERED_PRACTICE])
    assert [key for key in kept.expiring() if key[0].endswith("#waiting")] == []
    assert ("REQUEST#waiting", "REQUEST") in kept.table.items


def test_a_fact_that_was_being_recorded_when_the_hold_was_placed_does_not_undo_it() -> None:
    kept = Kept()

    def meanwhile(_history: MessageHistory) -> bool:
        if not kept.table.items["MESSAGE#message", "MESSAGE"].get("legal_hold"):
            kept.items.apply("message")
        return True

    kept.ledger.record("message", response("30001", mesh_message_id="S"), only_if=meanwhile)
    assert kept.table.items["MESSAGE#message", "MESSAGE"]["legal_hold"]
    assert kept.expiring() == set()


def test_a_lifted_hold_lets_everything_expire_again() -> None:
    kept = Kept()
    before = kept.expiring()
    kept.items.apply("message")
    kept.items.lift("message")
    assert kept.expiring() == before
    record = kept.ledger.find("message")
    assert record is not None
    assert not record.legal_hold


@pytest.mark.requirement("GPC-SD09")
def test_what_another_held_message_of_the_encounter_needs_stays_when_one_is_lifted() -> None:
    kept = Kept()
    kept.ledger.create(
        MessageRecord(
            message_id="copy", request_id="request", mailbox=MAILBOX, encounter="e", encounter_key=key_of(MAILBOX, "e"),
            version=1, recipient="other",
            created_at=at(0), history=MessageHistory((BUILT,)),
        )
    )  # fmt: skip
    before = kept.expiring()
    kept.items.apply("message")
    kept.items.apply("copy")
    lifted = kept.items.lift("message")
    assert (lifted.freed.request_id, set(lifted.still_held)) == ("request", {"copy"})
    places = {"REQUEST#request", "MESSAGE#request", "MESSAGE#copy", "ID#request", "ID#copy"}
    shared = {key for key in before if key[0] in places}
    assert shared
    assert kept.expiring() == before - shared
    kept.items.lift("copy")
    assert kept.expiring() == before


@pytest.mark.requirement("GPC-SD09")
@pytest.mark.parametrize("lifted", ["request", "message"])
def test_a_request_and_the_message_that_it_became_can_each_be_held_for_itself(lifted: str) -> None:
    kept = Kept()
    for each in ("request", "message"):
        kept.items.apply(each)
    kept.items.lift(lifted)
    held_rows = {("MESSAGE#request", "MESSAGE"), ("REQUEST#request", "REQUEST")}
    if lifted == "request":
        held_rows |= {("MESSAGE#message", "MESSAGE")}
    assert kept.expiring() & held_rows == set()
    kept.items.lift("message" if lifted == "request" else "request")
    assert held_rows <= kept.expiring()


def test_an_unknown_message_cannot_be_held() -> None:
    with pytest.raises(UnknownMessageError):
        Kept().items.apply("another")
