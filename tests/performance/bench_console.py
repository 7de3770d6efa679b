"""How long the console's pages take with many messages in the table: `make bench-console`.

The table is on the emulator, seeded by batch writes with rows and facts as the ledger writes them. Each page must be
made within 200 ms of the server's time, the median of several; the board must have read everything before.
"""

import argparse
import random
import statistics
import sys
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gpcm.console.application import console
from gpcm.console.context import ConsoleContext, LedgerSource
from gpcm.console.flow import FlowWatch
from gpcm.console.message_cache import MessageCache
from gpcm.console.operators import OperatorsAtThisMachine
from gpconnect_messaging.ledger.event_feed import EventFeed
from gpconnect_messaging.ledger.stored_names import Status
from gpconnect_messaging.ledger.table import in_time, item, shard, text
from infra.local import emulator
from infra.local.emulator import LocalSession
from infra.local.environments import environment
from infra.local.processes import SupervisorClient
from tests.fakes.ledger_table import create_ledger_table
from tests.identifiers import key_of
from tests.unit.operations.an_environment import TABLE, PlaceInMemory
from tests.unit.operations.console.a_console import HOST, Browser

LIMIT_SECONDS = 0.2
_TIMES = 9
_BATCH = 25
_MAILBOXES = ("Y90001OT001", "Y90002OT001", "Y90003OT001")


def rows(count: int, now: datetime) -> Iterator[dict[str, Any]]:
    """Give the items of so many messages, a month's worth, most of them delivered."""
    some = random.Random(4711)
    for number in range(count):
        at = now - timedelta(seconds=number * 30 * 86_400 / count)
        message_id = str(uuid.UUID(int=some.getrandbits(128), version=5))
        status = Status.DELIVERED if number % 20 else some.choice([Status.REJECTED, Status.OVERDUE, Status.SENT])
        pk, mailbox = f"MESSAGE#{message_id}", some.choice(_MAILBOXES)
        encounter = key_of(mailbox, message_id)
        yield {
            "pk": pk, "sk": "MESSAGE", "message_id": message_id, "request_id": message_id, "mailbox": mailbox,
            "encounter": message_id, "encounter_key": encounter, "version": 1, "created_at": text(at), "revision": 3,
            "status": status.value, "status_shard": f"{status.value}#{shard(message_id)}", "changed_at": text(at),
            "mesh_message_ids": [], "possible_copies": 1, "messages": 1,
        }  # fmt: skip
        for identity, kind, details in _facts():
            yield {
                "pk": pk, "sk": f"EVENT#{identity}", "kind": kind, "source": "sender", "details": details,
                "message_id": message_id, "mailbox": mailbox, **in_time(message_id + identity, at),
            }  # fmt: skip


def _facts() -> Iterator[tuple[str, str, str]]:
    yield "built", "built", '{"sha256": "00", "size": 1, "infrastructure_seconds": 60, "business_seconds": 60}'
    yield "upload-1", "upload started", '{"attempt": 1, "lease_until": "2026-01-01T00:00:00+00:00", "chunks": 1}'


def main() -> int:
    """Seed, read, measure; 1 where a page takes too long."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=100_000)
    count = parser.parse_args().messages
    with (
        TemporaryDirectory() as folder,
        SupervisorClient(Path(folder) / "scratch", Path(folder) / "logs") as supervisor,
    ):
        session = LocalSession(emulator.start(supervisor, environment("emulator", supervisor)))
        client = session.client("dynamodb")
        create_ledger_table(client, TABLE)
        began = time.monotonic()
        _seed(client, count)
        print(f"{count:,} messages seeded in {time.monotonic() - began:.0f} s")
        slow = _measure(client)
        session.close()
    return 1 if slow else 0


def _seed(client: Any, count: int) -> None:
    def write(batch: list[dict[str, Any]]) -> None:
        client.batch_write_item(RequestItems={TABLE: [{"PutRequest": {"Item": item(each)}} for each in batch]})

    def batches() -> Iterator[list[dict[str, Any]]]:
        batch: list[dict[str, Any]] = []
        for each in rows(count, datetime.now(UTC)):
            batch.append(each)
            if len(batch) == _BATCH:
                yield batch
                batch = []
        if batch:
            yield batch

    with ThreadPoolExecutor(4) as threads:
        for _ in threads.map(write, batches()):
            pass


def _measure(client: Any) -> list[str]:
    place = PlaceInMemory()
    place.clock.time = datetime.now(UTC)
    place.client = {"dynamodb": client, "lambda": place.client("lambda"), "s3": place.bucket}.__getitem__
    board = MessageCache(LedgerSource(EventFeed(client, TABLE, place.now), place.notifications), now=place.now)
    operators = OperatorsAtThisMachine(place.now)
    application = console(
        ConsoleContext(place, board, FlowWatch(place, begin=lambda _: None)),
        operators,
        hosts=frozenset({HOST}),
        suggested_actor="x",
    )
    signed_in = operators.sign_in(operators.code, "a.nurse")
    browser = Browser(application, signed_in.cookie)
    began = time.monotonic()
    board.refresh()
    print(f"{len(board.view().rows):,} rows on the board in {time.monotonic() - began:.0f} s")
    began = time.monotonic()
    board.refresh()
    print(f"what happened since read in {time.monotonic() - began:.1f} s")
    view = board.view()
    some, last = view.rows[0].message_id, view.rows[-1]
    pages = {
        "today": "/",
        "list, first page": "/messages",
        "list, last page": f"/messages?after={(view.rows[-51].created_at).isoformat().replace('+', '%2B')}~0",
        "list, one status": "/messages?status=REJECTED",
        "list, one mailbox, one day": f"/messages?mailbox={_MAILBOXES[0]}&since={last.created_at:%Y-%m-%d}",
        "a message": f"/messages/{some}",
        "notifications": "/notifications",
        "sending again, asked": f"/messages/{some}/resend",
    }
    slow = []
    for name, path in pages.items():
        took = []
        for _ in range(_TIMES):
            began = time.perf_counter()
            browser.get(f"/{signed_in.path}{path}")
            took.append(time.perf_counter() - began)
        median, worst = statistics.median(took), max(took)
        print(f"{name:28} {median * 1000:6.0f} ms, at worst {worst * 1000:.0f} ms")
        if median > LIMIT_SECONDS:
            slow.append(name)
    if slow:
        print(f"over {LIMIT_SECONDS * 1000:.0f} ms: {', '.join(slow)}", file=sys.stderr)
    return slow


if __name__ == "__main__":
    sys.exit(main())
