"""How long the console's pages take with many messages in the table: `make bench-console`.

The table is on the emulator, seeded by batch writes with encounters as the ledger writes them. Each page must be
made within 200 ms of the server's time, the median of several; the board must have read everything before.
"""

import argparse
import random
import statistics
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gpcm.console.application import console
from gpcm.console.context import ConsoleContext
from gpcm.console.flow import FlowWatch
from gpcm.console.message_cache import MessageCache
from gpcm.console.operators import OperatorsAtThisMachine
from gpconnect_messaging.ledger.table import item
from infra.local import emulator
from infra.local.emulator import LocalSession
from infra.local.environments import environment
from infra.local.processes import SupervisorClient
from tests.fakes.ledger_table import create_ledger_table
from tests.identifiers import ids_of
from tests.unit.ledger.events import BUILT, OVERDUE, accepted, response, started
from tests.unit.operations.an_environment import TABLE, PlaceInMemory
from tests.unit.operations.console.a_console import HOST, Browser

LIMIT_SECONDS = 0.2
_TIMES = 9
_BATCH = 25
_MAILBOXES = ("Y90001OT001", "Y90002OT001", "Y90003OT001")


def items(count: int, now: datetime) -> Iterator[dict[str, Any]]:
    """Give the items of so many messages, a month's worth, most of them delivered, as the ledger writes them."""
    some = random.Random(4711)
    for begin in range(0, count, _OF_ONE_LEDGER):
        place = PlaceInMemory()
        for number in range(begin, min(begin + _OF_ONE_LEDGER, count)):
            place.clock.time = now - timedelta(seconds=number * 30 * 86_400 / count)
            mailbox, encounter = some.choice(_MAILBOXES), f"encounter {number}"
            message_id = str(ids_of(mailbox, encounter).message_id(1))
            ends = _ENDS[0] if number % 20 else some.choice(_ENDS[1:])
            place.have(message_id, BUILT, started(), accepted(), *ends, mailbox=mailbox, encounter=encounter)
        for values in place.dynamodb.items.values():
            yield values | ({"body": bytes(values["body"].value)} if "body" in values else {})


_OF_ONE_LEDGER = 1_000
_ENDS = ((response("20013"), response("30001")), (response("30002"),), (OVERDUE,), ())
"""What happened to a sent message: delivered, rejected, overdue, sent."""


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
        client.batch_write_item(RequestItems={TABLE: [{"PutRequest": {"Item": item(values)}} for values in batch]})

    def batches() -> Iterator[list[dict[str, Any]]]:
        batch: list[dict[str, Any]] = []
        for values in items(count, datetime.now(UTC)):
            batch.append(values)
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
    place.client = {
        "dynamodb": client,
        "lambda": place.client("lambda"),
        "s3": place.bucket,
        "sns": place.topic,
    }.__getitem__
    board = MessageCache(place.search, place.notifications.open, now=place.now)
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
