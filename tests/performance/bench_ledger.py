"""Measures the ledger: how many messages a second one machine can record, and what each costs in capacity units.

Against Amazon's DynamoDB Local, whose accounting of consumed capacity is the service's; its speed is this machine's,
not the service's. Each message lives its usual life: claimed, built, sent, both acknowledgements received.

    python -m tests.performance.bench_ledger [--messages 300] [--at-once 8]
"""

import argparse
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gpconnect_messaging.itk3.response_codes import Level, Verdict
from gpconnect_messaging.ledger import lifecycle
from gpconnect_messaging.ledger.lifecycle import History, Patience
from gpconnect_messaging.ledger.records import MessageRecord, Received
from gpconnect_messaging.ledger.store import SHARDS, Ledger
from tests.dynamodb_local.engine import EngineUnavailableError, dynamodb_local
from tests.ledger_table import INDEXES, create_ledger_table

MAILBOX = "Y90001OT001"
WANTED_PER_SECOND = 1_000
PARTITION_LIMIT = 1_000
"""Write units a second that one partition of a table or an index takes (DynamoDB's service quota)."""


class Capacity:
    """Sums up what DynamoDB says that each call consumed."""

    def __init__(self, client: Any) -> None:
        self.writes: Counter[str] = Counter()
        self.reads = self.calls = 0.0
        self._lock = threading.Lock()
        client.meta.events.register("provide-client-params.dynamodb", self._ask)
        client.meta.events.register("after-call.dynamodb", self._add)

    def _ask(self, params: dict[str, Any], model: Any, **_: Any) -> dict[str, Any]:
        asks = "ReturnConsumedCapacity" in (model.input_shape.members if model.input_shape else {})
        return {**params, "ReturnConsumedCapacity": "INDEXES"} if asks else params

    def _add(self, parsed: dict[str, Any], model: Any, **_: Any) -> None:
        consumed = parsed.get("ConsumedCapacity") or []
        with self._lock:
            self.calls += 1
            for each in consumed if isinstance(consumed, list) else [consumed]:
                if model.name in {"GetItem", "Query"}:
                    self.reads += each["CapacityUnits"]
                    continue
                self.writes["the table"] += each.get("Table", {}).get("CapacityUnits", 0)
                for index, units in each.get("GlobalSecondaryIndexes", {}).items():
                    self.writes[index] += units["CapacityUnits"]


def live(ledger: Ledger) -> None:
    """Record one message from its request to its second acknowledgement."""
    request_id, encounter, mesh_message_id = str(uuid.uuid4()), str(uuid.uuid4()), uuid.uuid4().hex.upper()
    message_id, now = str(uuid.uuid4()), datetime.now(UTC)
    claim = ledger.claim(request_id, MAILBOX, encounter, ("a" * 32,), now)
    built = lifecycle.built(
        at=now, sha256="0" * 64, size=100_000, infrastructure_due=timedelta(days=2), business_due=timedelta(days=5)
    )
    ledger.create(
        MessageRecord(
            message_id=message_id, request_id=request_id, mailbox=MAILBOX, encounter=encounter, version=claim.version,
            created_at=now, history=History((built,)),
        )
    )  # fmt: skip
    ledger.record(message_id, lifecycle.upload_started(at=now, attempt=1, lease=timedelta(minutes=3)))
    ledger.record(message_id, lifecycle.upload_accepted(at=now, attempt=1, mesh_message_id=mesh_message_id))
    for code, level in (("20013", Level.INFRASTRUCTURE), ("30001", Level.BUSINESS)):
        came = uuid.uuid4().hex.upper()
        ledger.find_received(MAILBOX, came)
        ledger.try_received(MAILBOX, came)
        ledger.record(
            message_id,
            lifecycle.response(
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


def main() -> int:
    """Run the bench and print it."""
    parser = argparse.ArgumentParser(prog="make bench-ledger")
    parser.add_argument("--messages", type=int, default=300)
    parser.add_argument("--at-once", type=int, default=8)
    arguments = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as folder, dynamodb_local(Path(folder)) as client:
            create_ledger_table(client, "ledger")
            ledger = Ledger(client, "ledger", Patience(stale=timedelta(minutes=10), uncertain=timedelta(minutes=15)))
            live(ledger)  # the engine warms up
            capacity = Capacity(client)
            begun = time.monotonic()
            with ThreadPoolExecutor(arguments.at_once) as threads:
                list(threads.map(lambda _: live(ledger), range(arguments.messages)))
            seconds = time.monotonic() - begun
    except EngineUnavailableError as error:
        print(f"not measured: {error}")
        return 0
    count = arguments.messages
    print(f"{count / seconds:.0f} messages a second on this machine's one engine, {arguments.at_once} at once")
    print(f"a message: {capacity.calls / count:.0f} calls, {capacity.reads / count:.1f} read units")
    for place in ("the table", *INDEXES):
        print(f"  {capacity.writes[place] / count:5.1f} write units in {place}")
    fullest = capacity.writes["by_due"] / count * WANTED_PER_SECOND / SHARDS
    print(
        f"at {WANTED_PER_SECOND} messages a second the fullest key, a shard of by_due ({SHARDS} shards), takes "
        f"{fullest:.0f} write units a second, of {PARTITION_LIMIT}"
    )
    return 1 if fullest > PARTITION_LIMIT / 2 else 0


if __name__ == "__main__":
    sys.exit(main())
