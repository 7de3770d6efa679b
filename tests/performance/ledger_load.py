"""What each message costs the ledger, by partition key: worked out on paper from the calls that are really made.

By the rules of `infra.local.capacity`. The guide does not say that a transaction doubles an index's writes; they are
doubled here, so that the answer errs on the safe side.
"""

import threading
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from gpconnect_messaging.itk3.response_codes import Level, Verdict
from gpconnect_messaging.ledger import events as ledger_events
from gpconnect_messaging.ledger.deadlines import Timeouts
from gpconnect_messaging.ledger.history import MessageHistory
from gpconnect_messaging.ledger.records import MessageRecord, Received
from gpconnect_messaging.ledger.store import Ledger
from infra.local.capacity import written
from tests.fakes.dynamodb import Table
from tests.fakes.ledger_table import INDEXES
from tests.identifiers import ids_of, key_of

MAILBOX = "Y90001OT001"
PATIENCE = Timeouts(requeue_after=timedelta(minutes=10), resolve_after=timedelta(minutes=15))
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

    def transact_write_items(self, **how: Any) -> dict[str, Any]:
        targets = [each.get("Item") or each["Key"] for change in how["TransactItems"] for each in change.values()]
        return self._counted(targets, partial(Table.transact_write_items, self, **how), transaction=True)

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

    def _counted(
        self, targets: list[Any], write: Callable[[], dict[str, Any]], *, transaction: bool = False
    ) -> dict[str, Any]:
        with self._counting:
            self.calls += 1
            keys = [(target["pk"]["S"], target["sk"]["S"]) for target in targets]
            before = [self._items.get(key) for key in keys]
            answer = write()
            for key, old in zip(keys, before, strict=True):
                new = self._items[key]
                for place, its, units in written(old, new, INDEXES, transaction=transaction, indexes_double=True):
                    self.units[place, its] += units
            return answer


def live(ledger: Ledger) -> None:
    """Record one message from its request to its second acknowledgement."""
    request_id, encounter, mesh_message_id = str(uuid.uuid4()), str(uuid.uuid4()), uuid.uuid4().hex.upper()
    message_id, now = str(uuid.uuid4()), datetime.now(UTC)
    ledger.claim(request_id, ids_of(MAILBOX, encounter), ("a" * 32,), now)
    built = ledger_events.built(
        at=now,
        sha256="0" * 64,
        size=100_000,
        infrastructure_due=timedelta(days=2),
        business_due=timedelta(days=5),
        to_mailbox="A20047OT001",
    )
    ledger.create(
        MessageRecord(
            message_id=message_id, request_id=request_id, mailbox=MAILBOX,
            encounter=encounter, encounter_key=key_of(MAILBOX, encounter),
            version=1,
            created_at=now, history=MessageHistory((built,)),
        )
    )  # fmt: skip
    ledger.record(message_id, ledger_events.upload_started(at=now, attempt=1, lease=timedelta(minutes=3)))
    ledger.record(message_id, ledger_events.upload_accepted(at=now, attempt=1, mesh_message_id=mesh_message_id))
    for code, level in (("20013", Level.INFRASTRUCTURE), ("30001", Level.BUSINESS)):
        came = uuid.uuid4().hex.upper()
        ledger.find_received(MAILBOX, came)
        ledger.begin_received(MAILBOX, came)
        ledger.record(
            message_id,
            ledger_events.response(
                at=now, mesh_message_id=came, from_mailbox="A20047OT001", from_organisation="A20047", code=code,
                level=level, verdict=Verdict.POSITIVE,
            ),
        )  # fmt: skip
        ledger.received(
            Received(
                mailbox=MAILBOX, mesh_message_id=came, at=now, evidence_key=f"received/{MAILBOX}/{came}",
                outcome=message_id,
            )
        )  # fmt: skip


def tallied(messages: int) -> Tally:
    """The writes of so many messages, of as many encounters."""
    table: Any = Tally()
    ledger = Ledger(table, "ledger", PATIENCE)
    for _ in range(messages):
        live(ledger)
    tally: Tally = table
    return tally
