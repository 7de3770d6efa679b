"""Nothing of a held message expires, however it came into the ledger; TTL is an expiry and never more."""

from datetime import timedelta
from typing import Any

import pytest

from gpconnect_messaging.derived_ids import REGISTERED_PRACTICE
from gpconnect_messaging.ledger import encounter_format
from gpconnect_messaging.ledger.audit import AuditTrail
from gpconnect_messaging.ledger.deadlines import Timeouts
from gpconnect_messaging.ledger.events import held, resend_ordered
from gpconnect_messaging.ledger.history import MessageHistory
from gpconnect_messaging.ledger.holds import Held, HeldItems, UnknownMessageError
from gpconnect_messaging.ledger.precedence import RequestTimes
from gpconnect_messaging.ledger.records import MessageRecord, Origin, Received
from gpconnect_messaging.ledger.store import Ledger
from gpconnect_messaging.ledger.table import item
from tests.fakes.clock import Clock
from tests.fakes.dynamodb import Table
from tests.identifiers import ids_of, key_of
from tests.unit.ledger.events import BUILT, accepted, at, response, started

MAILBOX = "Y90001OT001"
IDS = ids_of(MAILBOX, "e")
MESSAGE, COPY = str(IDS.message_id(1)), str(IDS.message_id(1, "other"))
STATE = f"ENCOUNTER#{IDS.key}", "STATE"
KEPT = timedelta(days=90)


class Kept:
    def __init__(self) -> None:
        self.table = Table()
        client: Any = self.table
        self.clock = Clock(at(10))
        patience = Timeouts(requeue_after=timedelta(minutes=10), resolve_after=timedelta(minutes=15))
        self.ledger = Ledger(client, "ledger", patience, self.clock, kept_for=KEPT)
        self.items = HeldItems(client, "ledger", patience, self.clock, kept_for=KEPT)
        self.ledger.claim("request", IDS, ("v",), at(0), recipients=(REGISTERED_PRACTICE, "other"))
        self.ledger.create(
            MessageRecord(
                message_id=MESSAGE, request_id="request", mailbox=MAILBOX,
                encounter="e", encounter_key=IDS.key,
                version=1,
                created_at=at(0), history=MessageHistory((BUILT,)),
            )
        )  # fmt: skip
        self.ledger.create(  # as a request has that waited before it became the message
            MessageRecord(
                message_id="request", request_id="request", mailbox=MAILBOX,
                encounter="e", encounter_key=IDS.key,
                version=0,
                created_at=at(0), history=MessageHistory((BUILT,)),
            )
        )  # fmt: skip
        for event in (started(), accepted(), response("20013")):
            self.ledger.record(MESSAGE, event)
        received = Received(mailbox=MAILBOX, mesh_message_id="R20013", at=at(3), evidence_key="k", outcome=MESSAGE)
        self.ledger.received(received)

    def archived(self) -> None:
        """The archiver lets all that there is expire, as it does with an encounter that the archive has."""
        for values in self.table.items.values():
            self.table.put_item(Item=item({**values, "body": values["body"].value} if "body" in values else values)
                                | {"expires_at": {"N": "2000000000"}})  # fmt: skip

    def expiring(self) -> set[tuple[str, str]]:
        items = self.table.items.items()
        # What tells the archiver to look again holds nothing of the message.
        return {key for key, values in items if "expires_at" in values and key[1] != "AGAIN"}


def test_nothing_expires_that_the_archive_does_not_have() -> None:
    kept = Kept()
    assert kept.expiring() == set()
    kept.archived()
    assert kept.expiring() == {key for key in kept.table.items if key[1] != "AGAIN"}
    kept.ledger.record(MESSAGE, response("30001"))
    assert STATE not in kept.expiring(), "it changed: the archive does not have it as it is"


@pytest.mark.requirement("GPC-SD09")
def test_nothing_of_a_held_message_expires_and_what_is_recorded_later_does_not_either() -> None:
    kept = Kept()
    kept.archived()
    assert kept.items.apply(MESSAGE) == Held("request", MAILBOX, ("R20013",), tuple(sorted((MESSAGE, "request"))))
    assert kept.expiring() == set()
    change = kept.ledger.record(MESSAGE, response("30002", mesh_message_id="S"))
    assert change is not None
    assert change.notifications
    assert change.record.legal_hold
    kept.ledger.record(MESSAGE, resend_ordered(at=at(11), actor="operator-7", attempts=1))
    kept.ledger.record(MESSAGE, started(2, 12))
    kept.ledger.record(MESSAGE, accepted(2, 13))
    assert ("MESH#MESH2", "SENT") in kept.table.items
    kept.ledger.claim("later", IDS, (), at(20))
    assert ("REQUEST#later", "REQUEST") in kept.table.items
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
    kept.archived()
    kept.items.apply("waiting")
    assert kept.ledger.start_release("waiting", ids_of(MAILBOX, "f"), at(6), recipients=[REGISTERED_PRACTICE])
    assert {("REQUEST#waiting", "REQUEST"), (f"ENCOUNTER#{key_of(MAILBOX, 'f')}", "STATE")} & kept.expiring() == set()


def test_a_fact_that_was_being_recorded_when_the_hold_was_placed_does_not_undo_it() -> None:
    kept = Kept()
    kept.archived()

    def meanwhile(_history: MessageHistory) -> bool:
        if STATE in kept.expiring():
            kept.items.apply(MESSAGE)
        return True

    kept.ledger.record(MESSAGE, response("30001", mesh_message_id="S"), only_if=meanwhile)
    assert kept.ledger.find(MESSAGE).legal_hold  # type: ignore[union-attr]
    assert kept.expiring() == set()


def test_a_lifted_hold_leaves_it_to_the_archiver_what_expires() -> None:
    kept = Kept()
    kept.archived()
    kept.items.apply(MESSAGE)
    kept.items.lift(MESSAGE)
    assert kept.expiring() == set()
    record = kept.ledger.find(MESSAGE)
    assert record is not None
    assert not record.legal_hold


@pytest.mark.requirement("GPC-SD09")
def test_what_another_held_message_of_the_encounter_needs_stays_when_one_is_lifted() -> None:
    kept = Kept()
    kept.ledger.create(
        MessageRecord(
            message_id=COPY, request_id="request", mailbox=MAILBOX, encounter="e", encounter_key=IDS.key,
            version=1, recipient="other",
            created_at=at(0), history=MessageHistory((BUILT,)),
        )
    )  # fmt: skip
    kept.archived()
    kept.items.apply(MESSAGE)
    kept.items.apply(COPY)
    lifted = kept.items.lift(MESSAGE)
    assert (lifted.freed.request_id, set(lifted.still_held)) == ("request", {COPY})
    assert kept.expiring() == set(), "they share the encounter, and all that it has"
    assert kept.ledger.encounter(IDS.key).legal_hold
    kept.items.lift(COPY)
    assert not kept.ledger.encounter(IDS.key).legal_hold


@pytest.mark.requirement("GPC-SD09")
@pytest.mark.parametrize("lifted", ["request", MESSAGE])
def test_a_request_and_the_message_that_it_became_can_each_be_held_for_itself(lifted: str) -> None:
    kept = Kept()
    kept.archived()
    for own_id in ("request", MESSAGE):
        kept.items.apply(own_id)
    kept.items.lift(lifted)
    assert kept.expiring() == set()
    assert kept.ledger.encounter(IDS.key).legal_hold
    kept.items.lift(MESSAGE if lifted == "request" else "request")
    assert not kept.ledger.encounter(IDS.key).legal_hold


@pytest.mark.requirement("GPC-SD09")
def test_the_parts_and_the_actions_of_a_held_message_do_not_expire(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encounter_format, "LARGEST_BODY", 1)
    kept = Kept()
    trail = AuditTrail(kept.table, "ledger", kept.clock, kept_for=KEPT)  # type: ignore[arg-type]
    trail.record("a.nurse", "message shown in full", message_id=MESSAGE)
    parts = {key for key in kept.table.items if key[1].startswith("PART#")}
    assert parts
    kept.archived()
    assert parts < kept.expiring()
    kept.items.apply(MESSAGE)
    trail.record("a.nurse", "message shown again", message_id=MESSAGE)
    kept.ledger.record(MESSAGE, response("30001"))
    assert len({key for key in kept.table.items if key[1].startswith("PART#")}) > len(parts)
    assert kept.expiring() == set()


def test_an_unknown_message_cannot_be_held() -> None:
    with pytest.raises(UnknownMessageError):
        Kept().items.apply("another")
