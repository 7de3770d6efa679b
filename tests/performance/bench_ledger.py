"""Measures the ledger on Amazon's DynamoDB Local: how many messages a second one machine can record.

Its speed is this machine's, not the service's. With it goes what each message costs on paper (see `ledger_load`).

    python -m tests.performance.bench_ledger [--messages 300] [--at-once 8]
"""

import argparse
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from gpconnect_messaging.ledger.store import Ledger
from gpconnect_messaging.ledger.table import SHARDS
from tests.dynamodb_local.engine import EngineUnavailableError, dynamodb_local
from tests.fakes.ledger_table import INDEXES, create_ledger_table
from tests.performance.ledger_load import PARTITION_LIMIT, PATIENCE, live, tallied

WANTED_PER_SECOND = 1_000
ON_PAPER = 500


def measured(messages: int, at_once: int) -> str:
    """Record so many messages on the engine, and say how fast it went."""
    try:
        with tempfile.TemporaryDirectory() as folder, dynamodb_local(Path(folder)) as client:
            create_ledger_table(client, "ledger")
            ledger = Ledger(client, "ledger", PATIENCE)
            live(ledger)  # the engine warms up
            begun = time.monotonic()
            with ThreadPoolExecutor(at_once) as threads:
                list(threads.map(lambda _: live(ledger), range(messages)))
            seconds = time.monotonic() - begun
    except EngineUnavailableError as error:
        return f"not measured: {error}"
    return f"{messages / seconds:.0f} messages a second on this machine's one engine, {at_once} at once"


def main() -> int:
    """Run the bench and print it."""
    parser = argparse.ArgumentParser(prog="make bench-ledger")
    parser.add_argument("--messages", type=int, default=300)
    parser.add_argument("--at-once", type=int, default=8)
    arguments = parser.parse_args()
    for held, kind in ((True, "held"), (False, "sent at once")):
        tally = tallied(ON_PAPER, held=held)
        places = ("the table", *INDEXES)
        units = sum(map(tally.place, places)) / ON_PAPER
        print(f"a message that is {kind} takes {tally.calls / ON_PAPER:.0f} calls and {units:.1f} write units:")
        for place in places:
            fullest = tally.share(place) / (1 if place == "the table" else ON_PAPER / WANTED_PER_SECOND)
            print(
                f"  {place:13} {tally.place(place) / ON_PAPER:5.1f}; at {WANTED_PER_SECOND} messages a second a key of "
                f"its fullest kind takes {fullest:4.0f} a second, of {PARTITION_LIMIT} that a partition can"
            )
    print(f"({SHARDS} shards)")
    print(measured(arguments.messages, arguments.at_once), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
