"""What each message costs the ledger, by partition key: worked out on paper from the calls that are really made.

By the rules of `infra.local.capacity`.
"""

import secrets
import threading
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum, auto
from functools import partial
from typing import Any

from gpconnect_messaging.derived_ids import REGISTERED_PRACTICE
from gpconnect_messaging.itk3.response_codes import Level, Verdict
from gpconnect_messaging.ledger import events as ledger_events
from gpconnect_messaging.ledger.deadlines import Timeouts
from gpconnect_messaging.ledger.history import MessageHistory
from gpconnect_messaging.ledger.precedence import RequestTimes
from gpconnect_messaging.ledger.records import MessageRecord, Origin, Received
from gpconnect_messaging.ledger.store import Ledger
from infra.local.capacity import written
from tests.fakes.clock import Clock
from tests.fakes.dynamodb import Table
from tests.fakes.ledger_table import INDEXES, SHOWN
from tests.identifiers import ids_of

MAILBOX = "Y90001OT001"
PATIENCE = Timeouts(requeue_after=timedelta(minutes=10), resolve_after=timedelta(minutes=15))
REGISTRATION = {"source": "PDS", "ods_code": "A20047", "name": "Millbrook Surgery", "nhs_number_status": "01"}
_WARNED_AFTER = timedelta(minutes=170)
"""Three hours are nearly over (GPCM-SD-CS-075)."""
PARTITION_LIMIT = 1_000
"""Write units a second that one partition of a table or an index takes (DynamoDB's quota)."""


@dataclass
class Tally(Table):
    """A table that counts the units of every write, by place and partition key."""

    calls: int = 0
    units: Counter[tuple[str, str]] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        Table.__init__(self)
        self._counting = threading.Lock()

    def get_item(self, **how: Any) -> dict[str, Any]:
        self.calls += 1
        return Table.get_item(self, **how)

    def query(self, **how: Any) -> dict[str, Any]:
        self.calls += 1
        return Table.query(self, **how)

    def put_item(self, **how: Any) -> dict[str, Any]:
        return self._counted([how["Item"]], partial(Table.put_item, self, **how))

    def update_item(self, **how: Any) -> dict[str, Any]:
        return self._counted([how["Key"]], partial(Table.update_item, self, **how))

    def place(self, name: str) -> int:
        """The units written to the table or to an index."""
        return sum(units for (place, _), units in self.units.items() if place == name)

    def share(self, name: str) -> float:
        """The units written to a key of the fullest kind of keys, such as a shard of a status: they share evenly."""
        kinds: dict[str, list[int]] = defaultdict(list)
        for (place, key), units in self.units.items():
            if place == name:
                kinds[key.partition("#")[0]].append(units)
        return max((sum(units) / len(units) for units in kinds.values()), default=0.0)

    def _counted(self, targets: list[Any], write: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        with self._counting:
            self.calls += 1
            keys = [(target["pk"]["S"], target["sk"]["S"]) for target in targets]
            before = [self._items.get(key) for key in keys]
            answer = write()
            for key, old in zip(keys, before, strict=True):
                for place, its, units in written(old, self._items[key], INDEXES, transaction=False, shown=SHOWN):
                    self.units[place, its] += units
            return answer


Answer = tuple[str, Level, Verdict]
DELIVERED: tuple[Answer, ...] = (
    ("20013", Level.INFRASTRUCTURE, Verdict.POSITIVE), ("30001", Level.BUSINESS, Verdict.POSITIVE),
)  # fmt: skip


class Stage(StrEnum):
    """How far a message lives."""

    HELD = auto()
    SENT = auto()
    ANSWERED = auto()


def live(
    ledger: Ledger,
    wait: Callable[[timedelta], object] = lambda _: None,
    *,
    held: bool = True,
    window: timedelta = timedelta(minutes=165),
    answers: Sequence[Answer] = DELIVERED,
    until: Stage = Stage.ANSWERED,
) -> str:
    """Record one message from its request to its last acknowledgement; return the message's id.

    A request that only lives until it is held has its own id. The values are as long, and as random, as real ones.
    """
    request_id, encounter = str(uuid.uuid4()), ids_of(MAILBOX, str(uuid.uuid4()))
    versions, came = (uuid.uuid4().hex,), ledger.now()
    asked = replace(RequestTimes.at(came), s3_object=secrets.token_hex(16), sequencer=secrets.token_hex(9).upper())
    origin = Origin(folder=f"reports/{uuid.uuid4()}/", document_versions=versions, arrived=came)
    about: dict[str, Any] = {
        "request_id": request_id, "mailbox": MAILBOX, "encounter": encounter.encounter, "encounter_key": encounter.key
    }  # fmt: skip
    ledger.find(request_id)
    if held:
        waits = ledger_events.held(
            at=came, release_at=came + window, by_a_person=False, requirement="GPCM-SD-CS-076",
            why="the hold window is open: an update may still replace it",
            warn_at=came + _WARNED_AFTER,
        )  # fmt: skip
        request = MessageRecord(
            **about, message_id=request_id, version=0, created_at=came, history=MessageHistory((waits,))
        )
        ledger.record_held(request, asked, origin)
        if until is Stage.HELD:
            return request_id
        wait(window)
        ledger.record(request_id, ledger_events.queued_again(at=ledger.now(), times=1, why="HELD"))
        wait(timedelta(seconds=5))
        claim = ledger.start_release(
            request_id, encounter, ledger.now(), recipients=[REGISTERED_PRACTICE], registration=REGISTRATION
        )
    else:
        claim = ledger.claim(
            request_id, encounter, versions, came, asked=asked, registration=REGISTRATION, origin=origin
        )
    assert claim is not None
    (message_id,) = claim.message_ids
    built = ledger_events.built(
        at=ledger.now(), sha256=secrets.token_hex(32), size=100_000 + secrets.randbelow(900_000),
        infrastructure_due=timedelta(days=1), business_due=timedelta(days=5), to_organisation="A20047",
        registration=REGISTRATION, arrived=came,
    )  # fmt: skip
    message = MessageRecord(
        **about, message_id=message_id, version=claim.version, created_at=claim.created_at,
        history=MessageHistory((built,)),
    )  # fmt: skip
    released = ledger_events.released(at=ledger.now(), message_ids=[message_id])
    ledger.create_all([message], released if held else None)
    wait(timedelta(seconds=3))
    ledger.record(message_id, ledger_events.upload_started(at=ledger.now(), attempt=1, lease=timedelta(minutes=3)))
    wait(timedelta(seconds=1))
    upload = new_mesh_id(ledger.now())
    ledger.record(message_id, ledger_events.upload_accepted(at=ledger.now(), attempt=1, mesh_message_id=upload))
    for code, level, verdict in answers if until is Stage.ANSWERED else ():
        wait(timedelta(minutes=20))
        now, answer = ledger.now(), new_mesh_id(ledger.now())
        ledger.find_received(MAILBOX, answer)
        routed = ledger_events.routed(at=now, mesh_message_id=upload, mailbox="A20047OT001")
        response = ledger_events.response(
            at=now, mesh_message_id=answer, from_mailbox="A20047OT001", from_organisation="A20047", code=code,
            level=level, verdict=verdict,
        )  # fmt: skip
        ledger.record(message_id, *([routed] if level is Level.INFRASTRUCTURE else ()), response)
        evidence_key = f"received/{MAILBOX}/{answer}"
        ledger.received(
            Received(
                mailbox=MAILBOX, mesh_message_id=answer, at=now, evidence_key=evidence_key, outcome=message_id
            )
        )  # fmt: skip
    return message_id


def new_mesh_id(at: datetime) -> str:
    """Return a MESH id as MESH gives it at a time."""
    return f"{at:%Y%m%d%H%M%S%f}_{secrets.randbelow(1_000_000):06}"


def tallied(messages: int, *, held: bool = True) -> Tally:
    """The writes of so many messages, of as many encounters."""
    clock, tally = Clock(datetime(2026, 11, 20, 12, 0, 0, 123_456, UTC)), Tally()
    ledger = Ledger(tally, "ledger", PATIENCE, clock, kept_for=timedelta(days=2_922))  # type: ignore[arg-type]
    for _ in range(messages):
        live(ledger, clock.advance, held=held)
    return tally
