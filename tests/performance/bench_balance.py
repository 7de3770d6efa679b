"""Reckons a large day under the poller's memory limit, run after run: `make bench-balance`.

    python -m tests.performance.bench_balance [--requests 1000000] [--lost 3]

The day is one of held reports: for each a receipt, the request's row and its message's row; and as many receipts the
day before. DynamoDB and S3 are stood in for by generators, which make each page when it is asked for and have no memory
of their own; what is kept in S3 goes into files. Everything between is the product's: adapters, files, reckoning.

The poller is in a process of its own, which is held to the memory size that the template gives the function, by what is
resident (`infra.local.memory`). Each of its runs has the processor time that Lambda gives the function in its timeout
(a whole core comes with 1,769 MB), less the reserve; what AWS and MESH make it wait is not in it, and the calls are
counted. The exit code is 0 only where the day was reckoned and exactly what was lost is missed.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from gpconnect_messaging import wiring
from gpconnect_messaging.balance_entries import write_left_open
from gpconnect_messaging.ledger import encounter_format
from gpconnect_messaging.ledger.balances import Balances, Reckoning
from gpconnect_messaging.ledger.deadlines import Timeouts
from gpconnect_messaging.ledger.encounter_table import STATE
from gpconnect_messaging.ledger.reconciliation import Balance, LeftOpen
from gpconnect_messaging.ledger.table import SHARDS, TIME_SHARDS, item
from gpconnect_messaging.mesh.client import MeshClient
from gpconnect_messaging.replay.rate_limiter import RateLimiter
from gpconnect_messaging.steps.reconcile import Reconciliation, Unfinished
from gpconnect_messaging.storage import Evidence
from infra import environments
from infra.local.deployment import LIBRARY
from infra.local.environments import ROOT
from infra.local.memory import MEGABYTE, peak_memory, watch

DAY = date(2026, 11, 20)
NOW = datetime(2026, 11, 21, 3, tzinfo=UTC)
MAILBOXES = 10
OPEN_EVERY = 50
"""One in so many messages is not answered yet."""
POLLER = environments.load("prod").poller
WHOLE_CORE_MEGABYTES = 1_769
"""The memory size with which Lambda gives a function one whole core ("Configure Lambda function memory")."""
TIMEOUTS = Timeouts(requeue_after=timedelta(minutes=10), resolve_after=timedelta(minutes=15))
_RESERVE_SECONDS = 10
_S3_PAGE = 1_000
_DYNAMODB_PAGE = 1_400
"""About so many rows are a megabyte, which is what a query gives at a time."""
_HOURS = 24
_LOADED = (wiring, MeshClient)
"""What the poller has loaded besides."""


@dataclass
class Result:
    """What came of it. Seconds are processor time, memory is the process's in MB."""

    requests: int = 0
    entries: int = 0
    parts: int = 0
    runs: list[float] = field(default_factory=list)
    part_seconds: list[float] = field(default_factory=list)
    peak_megabytes: int = 0
    calls: dict[str, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    killed: bool = False

    def report(self) -> str:
        """Write it for a person."""
        return "\n".join(
            (
                f"{self.requests:,} requests, {self.entries:,} entries: {len(self.runs)} runs, {self.parts} parts",
                f"processor time: {sum(self.runs):.0f} s in all, at most {max(self.runs, default=0):.1f} s in a run, "
                f"{max(self.part_seconds, default=0):.2f} s in a part",
                f"resident memory: at most {self.peak_megabytes} of {POLLER.memory_megabytes} MB"
                + (", and killed" if self.killed else ""),
                "calls: " + ", ".join(f"{count:,} {name}" for name, count in sorted(self.calls.items())),
                "balance: " + ", ".join(f"{name} {count:,}" for name, count in self.counts.items()),
            )
        )


@dataclass
class LargeDay:
    """The clients of S3, DynamoDB and MESH, for a day of so many requests, of which the first few are lost.

    Request number n was received in hour n % 24. One in `OPEN_EVERY` is sent, and not answered yet.
    """

    requests: int
    lost: int
    folder: Path
    calls: Counter[str] = field(default_factory=Counter)
    items: dict[tuple[str, str], Any] = field(default_factory=dict)

    def request_id(self, number: int, day: date = DAY) -> str:
        """Name a request; within an hour ids are in the order of the numbers."""
        return f"{number:08x}-0000-8000-8000-{hashlib.sha256(f'{day}{number}'.encode()).hexdigest()[:12]}"

    def message_id(self, number: int) -> str:
        """Name its message."""
        return f"{hashlib.sha256(str(number).encode()).hexdigest()[:8]}-0000-8000-9000-{number:012x}"

    # S3

    def get_paginator(self, operation: str) -> Any:
        """List receipts, or query the index by status."""
        return SimpleNamespace(paginate=self._receipts if operation == "list_objects_v2" else self._entries)

    def _receipts(self, *, Prefix: str, StartAfter: str = "", **_: Any) -> Iterator[Any]:  # noqa: N803
        day = date.fromisoformat(Prefix.split("/")[1])
        hour, number = 0, -1
        if StartAfter:
            hour, number = int(StartAfter.split("/")[2]), int(StartAfter.split("/")[3][:8], 16)
        page: list[Any] = []
        for each_hour in range(hour, _HOURS):
            at = datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=each_hour, minutes=30)
            first = number + _HOURS if each_hour == hour and StartAfter else each_hour
            for each in range(first, self.requests, _HOURS):
                page.append({"Key": f"{Prefix}{each_hour:02}/{self.request_id(each, day)}", "LastModified": at})
                if len(page) == _S3_PAGE:
                    self.calls["S3 list"] += 1
                    yield {"Contents": page}
                    page = []
        self.calls["S3 list"] += 1
        yield {"Contents": page}

    def put_object(self, *, Key: str, Body: bytes, **_: Any) -> None:  # noqa: N803
        """Write a file."""
        self.calls["S3 put"] += 1
        file = self.folder / Key
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(Body)

    def get_object(self, *, Key: str, Range: str = "", **_: Any) -> Any:  # noqa: N803
        """Read a file, or a part of it."""
        self.calls["S3 get"] += 1
        with (self.folder / Key).open("rb") as file:
            first, last = Range.removeprefix("bytes=").split("-") if Range else ("0", "")
            file.seek(int(first))
            content = file.read(int(last) - int(first) + 1 if last else -1)
        return {"Body": SimpleNamespace(read=lambda: content)}

    # DynamoDB

    def _entries(self, **query: Any) -> Iterator[Any]:
        """Query an index: open encounters by shard, or the day's requests; nothing failed."""
        kind, _, shard = query["ExpressionAttributeValues"][":shard"]["S"].rpartition("#")
        numbers: Iterable[int] = ()
        after = query.get("ExclusiveStartKey")
        number = int(after["pk"]["S"][-12:] if kind == "WORK" else after["pk"]["S"][8:16], 16) if after else -1
        if kind == "WORK":
            numbers = (each for each in range(0, self.requests, OPEN_EVERY) if each % SHARDS == int(shard))
        elif kind == str(DAY):
            numbers = range(int(shard), self.requests, TIME_SHARDS)
        page: list[Any] = []
        for each in numbers:
            if each <= number or each < self.lost:
                continue
            page.append(self._open(each) if kind == "WORK" else self._pointer(each))
            if len(page) == query.get("Limit", _DYNAMODB_PAGE):
                self.calls["DynamoDB query"] += 1
                yield {"Items": page, "LastEvaluatedKey": {name: page[-1][name] for name in ("pk", "sk")}}
                page = []
        self.calls["DynamoDB query"] += 1
        yield {"Items": page}

    def _open(self, number: int) -> Any:
        return {"pk": {"S": f"ENCOUNTER#{self.message_id(number)[14:]}"}, "sk": {"S": STATE}}

    def _pointer(self, number: int) -> Any:
        words = {
            "pk": f"REQUEST#{self.request_id(number)}", "sk": "REQUEST",
            "encounter_key": self.message_id(number)[14:], "mailbox": f"Y9{number % MAILBOXES:04}OT001",
        }  # fmt: skip
        return {name: {"S": value} for name, value in words.items()}

    def batch_get_item(self, *, RequestItems: Any) -> Any:  # noqa: N803
        """Read encounters, and pointers to them; a lost request has nothing."""
        self.calls["DynamoDB batch"] += 1
        found = []
        for key in RequestItems["ledger"]["Keys"]:
            pk = key["pk"]["S"]
            is_pointer = pk.startswith("REQUEST#")
            number = int(pk[8:16] if is_pointer else pk[-12:], 16)
            if number >= self.lost and (is_pointer or pk == f"ENCOUNTER#{self.message_id(number)[14:]}"):
                found.append(self._pointer(number) if is_pointer else self._encounter(number))
        return {"Responses": {"ledger": found}, "UnprocessedKeys": {}}

    def _encounter(self, number: int) -> Any:
        message_id, request_id, hour = self.message_id(number), self.request_id(number), f"{DAY}T{number % _HOURS:02}"
        mesh_id, at, answered = f"MESH{number:020}", f"{hour}:30:00.000000Z", f"{hour}:35:00.000000Z"
        codes = (("20013", "infrastructure"), ("30001", "business")) if number % OPEN_EVERY else ()
        responses = [
            ["response", f"response-R{code}{mesh_id}", answered, f"MESH R{code}{mesh_id}",
             {"mesh_message_id": f"R{code}{mesh_id}", "code": code, "level": level, "verdict": "positive",
              "from_mailbox": "A20047OT001", "from_organisation": "A20047"}]
            for code, level in codes
        ]  # fmt: skip
        common = {"request": request_id, "created_at": at, "changed_at": answered}
        body = {
            "mailbox": f"Y9{number % MAILBOXES:04}OT001",
            "encounter": f"encounter {number}",
            "versions": {"1": {"request": request_id, "messages": [message_id], "recipients": ["registered-practice"]}},
            "requests": {request_id: {"claim": {"version": 1, "created_at": at}}},
            "messages": {
                request_id: {**common, "events": [
                    ["released", "released", at, "builder", {"message_ids": [message_id]}],
                ]},
                message_id: {**common, "version": 1, "events": [
                    ["built", "built", at, "builder", {
                        "sha256": "0" * 64, "size": 1, "infrastructure_seconds": 172_800, "business_seconds": 604_800,
                        "to_mailbox": "A20047OT001", "to_organisation": "A20047"}],
                    ["upload started", "upload-1", at, "sender", {"attempt": 1, "lease_until": answered, "chunks": 1}],
                    ["upload accepted", "upload-accepted-1", at, "sender", {"attempt": 1, "mesh_message_id": mesh_id}],
                    *responses,
                ]},
            },
        }  # fmt: skip
        packed = encounter_format.pack(body)
        return self._open(number) | {"v": {"N": "1"}, "revision": {"N": "7"}, "body": {"B": packed}}

    def get_item(self, *, Key: Any, **_: Any) -> Any:  # noqa: N803
        """Read what was written; a lost request has nothing."""
        self.calls["DynamoDB get"] += 1
        found = self.items.get((Key["pk"]["S"], Key["sk"]["S"]))
        return {"Item": found} if found else {}

    def transact_write_items(self, *, TransactItems: Any) -> None:  # noqa: N803
        """Write."""
        self.calls["DynamoDB write"] += 1
        for each in TransactItems:
            put = each["Put"]["Item"]
            self.items[put["pk"]["S"], put["sk"]["S"]] = put

    # MESH

    def authorised(self, _mailbox: str, act: Any) -> Any:
        """Know every message."""
        self.calls["MESH tracking"] += 1
        return act(SimpleNamespace(tracking=lambda _mesh_message_id: None))


@dataclass(frozen=True, kw_only=True)
class Timed(Reconciliation):
    """The step, and what each part took."""

    part_seconds: list[float]

    def _part(self, reached: Reckoning, number: int) -> Balance:
        began = time.process_time()
        made = super()._part(reached, number)
        self.part_seconds.append(time.process_time() - began)
        return made


def reckon(requests: int, lost: int, folder: Path) -> Iterator[Result]:
    """Reckon the day, run after run, and give the result after each."""
    day = LargeDay(requests, lost, folder)
    client = cast("Any", day)
    evidence = Evidence(client, "evidence", lambda: NOW)
    _day_before(day, evidence)
    result = Result(requests=requests)
    step = Timed(
        evidence=evidence, balances=Balances(client, "ledger", TIMEOUTS, lambda: NOW), mesh=client,
        notifier=cast("Any", SimpleNamespace(raise_and_notify=len)),
        timeouts=TIMEOUTS,
        pace=RateLimiter(1e9, sleep=lambda _: None), now=lambda: NOW, part_seconds=result.part_seconds,
    )  # fmt: skip
    budget = (POLLER.timeout_seconds - _RESERVE_SECONDS) * min(1, POLLER.memory_megabytes / WHOLE_CORE_MEGABYTES)
    made: Balance | Unfinished | None = None
    while not isinstance(made, Balance):
        began = time.process_time()
        made = step.run(DAY, lambda began=began: time.process_time() - began < budget)  # type: ignore[misc]
        result.runs.append(round(time.process_time() - began, 2))
        if isinstance(made, Unfinished):
            result.entries, result.parts = made.entries, made.parts
        result.peak_megabytes, result.calls = peak_memory("self") // MEGABYTE, dict(day.calls)
        yield result
    reckoning = step.balances.reckoning(DAY)
    if reckoning:
        result.entries, result.parts = reckoning.entries, reckoning.parts
    names = ("received", "settled", "open", "lost", "incomplete", "without_receipt", "vanished", "open_messages")
    result.counts = {name: made.total(name) for name in names}
    result.lost = made.mailboxes["-"].lost if lost else []
    yield result


def _day_before(day: LargeDay, evidence: Evidence) -> None:
    """Make the balance of the day before, which left open what is open still, and the next message of each."""
    left = [
        LeftOpen(
            message_id=day.message_id(number), request_id=day.request_id(number), mailbox="Y90000OT001", why="SENT"
        )
        for number in range(OPEN_EVERY, day.requests, OPEN_EVERY)
    ]
    files = [evidence.keep_open(DAY, write_left_open(left[start : start + 400])) for start in range(0, len(left), 400)]
    before = DAY - timedelta(days=1)
    made = Balance(day=before, made_at=NOW, mailboxes={}, open_files=tuple(files))
    key = evidence.keep_balance(before, json.dumps(made.as_json()).encode())
    day.items[f"BALANCE#{before}", "BALANCE"] = item({"evidence_key": key})
    day.calls.clear()


def bench(requests: int, lost: int, megabytes: int = POLLER.memory_megabytes) -> Result:
    """Reckon the day in a process of its own, under a memory limit."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tests.performance.bench_balance", "--requests", str(requests),
                   "--lost", str(lost), "--in", folder]  # fmt: skip
        environment = {"PYTHONPATH": f"{ROOT}:{LIBRARY}", "PATH": "/usr/bin:/bin"}
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment) as process:
            watched = watch(process.pid, megabytes * MEGABYTE, lives=lambda: process.poll() is None)
            assert process.stdout is not None
            lines = process.stdout.read().splitlines()
    result = Result(**json.loads(lines[-1])) if lines else Result(requests=requests)
    result.killed = watched.killed
    result.peak_megabytes = max(result.peak_megabytes, watched.peak // MEGABYTE)
    return result


def main() -> int:
    """Run the bench and print it."""
    parser = argparse.ArgumentParser(prog="make bench-balance")
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--lost", type=int, default=3)
    parser.add_argument("--in", dest="folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.folder:
        for result in reckon(arguments.requests, arguments.lost, arguments.folder):
            print(json.dumps(asdict(result)), flush=True)
        return 0
    result = bench(arguments.requests, arguments.lost)
    print(result.report())
    return int(result.killed or result.counts.get("lost") != arguments.lost)


if __name__ == "__main__":
    sys.exit(main())
