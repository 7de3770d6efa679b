"""Gives the poller a million bodies that a stranger could send, under its memory limit: `make fuzz`.

    python -m tests.fuzz [--bodies 1000000] [--seed 1] [--whole-every 100]

Bodies are mutants of genuine responses of every code and shape, the same for the same seed, and now and then one that
was written to use up memory or time. Each goes through `Poller._understand`, which reads it and looks for the message
that it answers; one in `--whole-every` is downloaded, kept, recorded and acknowledged as well. The ledger and the
evidence store are in memory.

The poller is in a process of its own, which is held to the memory size that the template gives the function, by what
is resident, as the local run holds it (`infra.local.memory`). The exit code is 0 only where no body killed it, raised
anything, or took half a second of processor time.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from itertools import islice
from typing import Any, cast

from gpconnect_messaging.ledger.deadlines import Timeouts
from gpconnect_messaging.ledger.store import Ledger
from gpconnect_messaging.mesh.models import MessageHeaders
from gpconnect_messaging.notifications import Notifier
from gpconnect_messaging.queues import Listed
from gpconnect_messaging.steps.poll import Poller
from gpconnect_messaging.storage import Evidence
from infra import environments
from infra.local.deployment import LIBRARY
from infra.local.environments import ROOT
from infra.local.memory import MEGABYTE, peak_memory, watch
from tests.fakes.clock import Clock
from tests.fakes.dynamodb import Table
from tests.fakes.s3 import Bucket
from tests.fakes.sns import Topic
from tests.hostile_responses import HOSTILE, mutants, responses
from tests.identifiers import IDENTIFIERS

SLOWEST_SECONDS = 0.5
MAILBOX = "Y90001OT001"
MEMORY_MEGABYTES = environments.load("local").poller.memory_megabytes
_PATIENCE = Timeouts(requeue_after=timedelta(minutes=10), resolve_after=timedelta(minutes=15))
_REPORT_EVERY = 2_000
_FRESH_EVERY = 5_000


@dataclass
class Result:
    """What came of the bodies so far. Seconds are processor time of one body, memory is the process's in MB."""

    bodies: int = 0
    whole: int = 0
    slowest_seconds: float = 0.0
    seconds: float = 0.0
    peak_megabytes: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    kills: int = 0

    @property
    def well(self) -> bool:
        """Whether every body was read or refused, in time and within the memory."""
        return not self.kills and not self.errors and self.slowest_seconds < SLOWEST_SECONDS


class Inbox:
    """MESH as the poller sees it, with one message at a time in the inbox."""

    mailbox = MAILBOX

    def __init__(self) -> None:
        self.body = b""
        self.number = 0

    def headers(self) -> MessageHeaders:
        """Describe a response, as MESH does."""
        return MessageHeaders(
            message_id=f"M{self.number:020}", sender="A20047OT001", recipient=MAILBOX,
            workflow_id="GPCONNECT_SEND_DOCUMENT_ACK",
        )  # fmt: skip

    def handshake(self) -> None:
        """Find that MESH is there."""

    def download_into(self, _message_id: str, sink: Any, **_: object) -> MessageHeaders:
        """Write the body in blocks."""
        for start in range(0, len(self.body), 256 * 1024):
            sink.write(self.body[start : start + 256 * 1024])
        return self.headers()

    def acknowledge(self, _message_id: str) -> None:
        """Take the message out of the inbox."""

    def certificate_expires(self, _mailbox: str) -> None:
        """Say nothing."""

    def authorised(self, _mailbox: str, act: Any) -> Any:
        """Act with this mailbox."""
        return act(self)


def poller(inbox: Inbox) -> Poller:
    """Make the poller over stores in memory."""
    clock = Clock()
    ledger = Ledger(cast("Any", Table()), "ledger", _PATIENCE, clock)
    return Poller(
        evidence=Evidence(cast("Any", Bucket(clock)), "evidence", clock), ledger=ledger, mesh=cast("Any", inbox),
        notifier=Notifier(cast("Any", Topic()), "topic", ledger), now=clock,
        identifiers=IDENTIFIERS, queue=cast("Any", None),
    )  # fmt: skip


def try_bodies(bodies: Iterator[bytes], whole_every: int, result: Result) -> Iterator[Result]:
    """Give bodies to the poller; yield the result after each."""
    inbox = Inbox()
    step = poller(inbox)
    for number, body in enumerate(bodies):
        if number % _FRESH_EVERY == 0:
            step = poller(inbox)  # what is kept in memory would count as the poller's
        inbox.body, inbox.number = body, number
        began = time.process_time()
        try:
            if whole_every and number % whole_every == 0:
                result.whole += 1
                entry = Listed(MAILBOX, (inbox.headers().message_id,), True, step.now(), 1, "")
                outcome = f"whole step: {next(iter(step.collect(entry)))}"
            else:
                outcome = _kind(step._understand(cast("Any", inbox), inbox.headers(), body, ""))
        except Exception as error:  # noqa: BLE001 - that is what is looked for
            outcome = f"error: {type(error).__name__}"
            result.errors.append(f"body {number}: {type(error).__name__}")
        spent = time.process_time() - began
        result.bodies += 1
        result.seconds += spent
        result.slowest_seconds = max(result.slowest_seconds, spent)
        result.outcomes[outcome] = result.outcomes.get(outcome, 0) + 1
        yield result


def _kind(found: Any) -> str:
    why = getattr(found, "why", None)
    return "answers a message" if why is None else re.sub(r"[0-9]+", "N", why)


def bodies(seed: int, count: int) -> Iterator[bytes]:
    """Give every genuine response and every hostile body once, and then mutants."""
    genuine = responses()
    yield from islice(_all(seed, genuine), count)


def _all(seed: int, genuine: list[bytes]) -> Iterator[bytes]:
    for make in HOSTILE.values():
        yield make()
    yield from genuine
    yield from mutants(seed, genuine)


def work(seed: int, count: int, whole_every: int) -> None:
    """Be the process under the limit: print a line of JSON now and then, and one at the end."""
    result = Result()
    for result in try_bodies(bodies(seed, count), whole_every, result):  # noqa: B020 - it is the same one
        if result.bodies % _REPORT_EVERY == 0 or result.bodies == count:
            result.peak_megabytes = peak_memory("self") // MEGABYTE
            print(json.dumps(asdict(result)), flush=True)


def fuzz(seed: int, count: int, whole_every: int, *, megabytes: int = MEMORY_MEGABYTES, show: bool = True) -> Result:
    """Run the poller in a process under its limit, and return the result."""
    command = [sys.executable, "-m", "tests.fuzz", "--work", *("--seed", str(seed)), *("--bodies", str(count))]
    result = Result()
    with _watched([*command, "--whole-every", str(whole_every)], megabytes) as (lines, watched):
        began = time.monotonic()
        for line in lines:
            result = Result(**json.loads(line))
            if show:
                pace = result.bodies / (time.monotonic() - began)
                print(
                    f"\r{result.bodies:>9,} bodies, {pace:,.0f} a second, slowest {result.slowest_seconds:.3f} s, "
                    f"{result.peak_megabytes} MB", end="", file=sys.stderr, flush=True,
                )  # fmt: skip
    if show:
        print(file=sys.stderr)
    result.kills = int(watched[0].killed)
    result.peak_megabytes = max(result.peak_megabytes, watched[0].peak // MEGABYTE)
    if not result.kills and result.bodies != count:
        result.errors.append(f"the process ended after {result.bodies} bodies")
    return result


@contextmanager
def _watched(command: list[str], megabytes: int) -> Iterator[tuple[Iterator[str], list[Any]]]:
    """Start a process under a memory limit: give its lines, and, after it has ended, what the watcher saw."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / LIBRARY)))}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment)
    seen: list[Any] = []
    watcher = threading.Thread(
        target=lambda: seen.append(watch(process.pid, megabytes * MEGABYTE, lambda: process.poll() is None))
    )
    watcher.start()
    try:
        yield iter(process.stdout or ()), seen
    finally:
        process.kill() if sys.exc_info()[0] else process.wait()
        watcher.join()
        if process.stdout:
            process.stdout.close()


def main() -> int:
    """Fuzz, and say how it went."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--bodies", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--whole-every", type=int, default=100, help="every so many bodies go through the whole step")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        work(given.seed, given.bodies, given.whole_every)
        return 0
    began = time.monotonic()
    result = fuzz(given.seed, given.bodies, given.whole_every)
    for outcome, count in Counter(result.outcomes).most_common():
        print(f"{count:>9,}  {outcome}")
    for error in result.errors[:20]:
        print(error)
    print(
        f"{result.bodies:,} bodies (seed {given.seed}), {result.whole:,} of them through the whole polling step, in "
        f"{time.monotonic() - began:,.0f} s.\nKills: {result.kills}. Errors: {len(result.errors)}. Slowest body: "
        f"{result.slowest_seconds:.3f} s of processor time (limit {SLOWEST_SECONDS}). Peak memory: "
        f"{result.peak_megabytes} MB of {MEMORY_MEGABYTES}."
    )
    return 0 if result.well else 1


if __name__ == "__main__":
    sys.exit(main())
