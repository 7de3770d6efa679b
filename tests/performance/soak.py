"""Sends messages through the whole product on this machine, past a MESH that fails, and balances the books.

The deployed functions, queues, buckets and ledger on the emulator; the local MESH with its faults on; a practice that
answers. Then four books are held against each other: what was asked (here), the ledger, MESH's own store, and what the
practice received and answered; and against them the product's own daily reconciliation, which knows nothing of the
soak. Ends with status 1 where they do not balance.

    python -m tests.performance.soak [--messages 10000] [--rate 0.1] [--seed 1]

Writes `soak.json` and a picture of the flow over time, `soak.svg`, into `.build/reports`.
"""

import argparse
import json
import random
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from gpcm.dropping import drop
from gpcm.functions import FunctionFailedError, invoke
from gpconnect_messaging.ledger.history import MessageHistory
from gpconnect_messaging.ledger.status_rules import status_of
from gpconnect_messaging.ledger.stored_names import EventType, Status
from infra.local.environments import BUILD
from infra.local.ledger import Message
from infra.local.run import LocalRun, Product
from tests.examples import REQUESTS, request_data
from tests.performance.flow import picture

REPORTS = BUILD / "reports"
MAILBOX = "Y90001OT001"
WAITING_AT_MOST = 60
"""Requests and messages on the queues: the next are asked for when there are fewer."""
WORK_SECONDS = 3
"""How often the schedules' work is done: the emulator has one thread, which the messages need as well."""
READ_SECONDS = 20
"""How often the ledger is read whole towards the end."""
REPORT_SECONDS = 15
DEADLINE_SECONDS = 60
"""How long an acknowledgement is waited for, so that a busy machine's practice is not taken for a silent one."""
_PDF = (REQUESTS / "consultation-report-2.0" / "report.pdf").read_bytes()
_GIVEN = "practitioner__name__given"


@dataclass(frozen=True)
class Kind:
    """A sort of request: how it is changed from the sample, and where its message must end."""

    name: str
    share: int
    changes: Mapping[str, Any]
    ends: Status


KINDS = (
    Kind("delivered", 86, {}, Status.DELIVERED),
    Kind("not known at the practice", 3, {_GIVEN: ["30002"]}, Status.REJECTED),
    Kind("not valid to the practice", 2, {_GIVEN: ["20009"]}, Status.REJECTED),
    Kind("answered by nobody", 2, {_GIVEN: ["noresponse"]}, Status.OVERDUE),
    Kind("half answered", 1, {_GIVEN: ["infonly"]}, Status.OVERDUE),
    Kind("not known to MESH", 3, {"patient__nhs_number": "9990000042"}, Status.UNDELIVERED),
    Kind("against the rules", 3, {"patient__nhs_number": "9990000043"}, Status.INVALID),
)


@dataclass
class Books:
    """What a soak found. It balances where `wrong` is empty."""

    messages: int
    seconds: float = 0.0
    fed_seconds: float = 0.0
    statuses: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    uploads: int = 0
    received: int = 0
    answers: int = 0
    second_copies: int = 0
    faults: int = 0
    notifications: int = 0
    reconciled: Counter[str] = field(default_factory=Counter)
    """What the product's own reconciliation says of the same requests."""
    open: Counter[str] = field(default_factory=Counter)
    """Messages that wait for something, by what they wait for."""
    wrong: list[str] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        return self.messages / self.seconds if self.seconds else 0.0

    def __str__(self) -> str:
        lines = [
            f"{self.messages} requests in {self.seconds:.0f} s: {self.per_second:.1f} a second, "
            f"{self.faults} faults at MESH",
            f"  asked for   {_listed(self.asked)}",
            f"  the ledger  {_listed(self.statuses)}",
            f"  MESH        {self.uploads} messages of ours, {self.second_copies} of them second copies",
            f"  practice    {self.received} received, {self.answers} answers",
            f"  told        {self.notifications} notifications",
            f"  reconciled  {_listed(self.reconciled)}",
            f"  open        {_listed(self.open) or 'none'}",
            "the books balance" if not self.wrong else f"{len(self.wrong)} WRONG: " + "; ".join(self.wrong[:10]),
        ]
        return "\n".join(lines)


def _listed(counted: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counted.items()))


def feed(run: Product, messages: int, dice: random.Random) -> Iterator[dict[str, Kind]]:
    """Ask for so many messages, most over the intake queue, some as files; give each request's id and kind."""
    store, queues = run.session.client("s3"), run.session.client("sqs")
    bucket = run.outputs["DropBucketName"]
    shared = f"soak/{uuid.uuid4()}/report.pdf"
    store.put_object(Bucket=bucket, Key=shared, Body=_PDF, ContentType="application/pdf")
    weights = [kind.share for kind in KINDS]
    for begun in range(0, messages, 10):
        kinds = dice.choices(KINDS, weights, k=min(10, messages - begun))
        asked: dict[str, Kind] = {}
        entries: list[Any] = []
        for number, kind in enumerate(kinds):
            changes = {"encounter": str(uuid.uuid4()), **kind.changes}
            if number == 0:
                body = json.dumps(request_data("consultation-report-2.0", **changes)).encode()
                asked[drop(run.session, bucket, body, {"report.pdf": _PDF}, identifiers=run.identifiers).request_id] = (
                    kind
                )
                continue
            changes |= {"request_id": str(uuid.uuid4())}
            request = request_data("consultation-report-2.0", **changes)
            request["documents"][0]["key"] = shared
            body = json.dumps(request).encode()
            asked[str(run.identifiers.queued_request_id(body))] = kind
            entries.append({"Id": str(number), "MessageBody": body.decode()})
        if entries:
            answer = queues.send_message_batch(QueueUrl=run.outputs["IntakeQueueUrl"], Entries=entries)
            assert not answer.get("Failed"), "the intake queue did not take everything"
        yield asked


def waiting(run: Product) -> int:
    """How many requests and messages are on the queues or being worked on."""
    queues = run.session.client("sqs")
    counts = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
    total = 0
    for name in ("IntakeQueueUrl", "SendQueueUrl"):
        asked: Any = list(counts)
        attributes: Any = queues.get_queue_attributes(QueueUrl=run.outputs[name], AttributeNames=asked)["Attributes"]
        total += sum(int(attributes[count]) for count in counts)
    return total


@dataclass
class Pace:
    """Does the schedules' work now and then, counts MESH's faults, and says how far the soak is."""

    run: Product
    report: Any
    begun: float = field(default_factory=time.monotonic)
    faults: int = 0
    _worked: float = 0.0
    _reported: float = field(default_factory=time.monotonic)

    def rest(self) -> None:
        """Let the product work for a moment; do the schedules' work if it is time."""
        if time.monotonic() - self._worked > WORK_SECONDS:
            self.work()
        else:
            time.sleep(0.1)

    def work(self) -> None:
        """Do the schedules' work of the one mailbox once; what fails for the faults comes round again."""
        self._worked = time.monotonic()
        for schedule in self.run.state.deployment.schedules:
            task = json.loads(schedule.input)
            if task["task"] == "due" or task.get("mailbox") == MAILBOX:
                with suppress(FunctionFailedError):
                    invoke(self.run.session, schedule.function, schedule.input)

    def say(self, done: int, of: int, what: str) -> None:
        """Report now and then: how many, how fast, and how long it will take at that speed."""
        if time.monotonic() - self._reported > REPORT_SECONDS:
            self._reported = time.monotonic()
            seconds = self._reported - self.begun
            left = (of - done) * seconds / done if done else 0
            self.report(
                f"  {done} of {of} {what} after {seconds:.0f} s, {done / seconds:.1f} a second, {left:.0f} s to go"
            )
            self.count_faults()

    def count_faults(self) -> None:
        """Count the faults that struck since last time; MESH remembers only so many requests."""
        self.faults += sum(bool(each["fault"]) for each in control(self.run, "GET", "requests"))
        control(self.run, "DELETE", "requests")


def soak(run: Product, *, messages: int, rate: float, seed: int, report: Any = print) -> tuple[Books, list[Message]]:
    """Feed, wait until every message is where it should be or time is up, and balance."""
    plan = {"rate": rate, "seed": seed, "stall_seconds": 0.1, "retry_after_seconds": 0}
    control(run, "PUT", "behaviour", {"keep_content": False})
    control(run, "PUT", "faults", plan)
    asked: dict[str, Kind] = {}
    first_day = datetime.now(UTC).date()
    before = reckoned(run, first_day)
    pace = Pace(run, report)
    try:
        for batch in feed(run, messages, random.Random(seed)):
            asked |= batch
            while waiting(run) >= WAITING_AT_MOST:
                pace.rest()
            pace.say(len(asked), messages, "asked for")
        fed = time.monotonic() - pace.begun
        end = time.monotonic() + 180 + messages / 20
        while True:
            pace.work()
            if waiting(run) and time.monotonic() < end:
                continue
            read = time.monotonic()
            found = _of(run, asked)
            # A message that MESH refused for a fault never comes to the end that was meant for it.
            settled = sum(each.status in {asked[each.request_id].ends, Status.REFUSED} for each in found)
            pace.say(settled, len(asked), "at their end")
            if settled >= len(asked) or time.monotonic() > end:
                break
            # To read it whole takes the emulator as long as so many messages do.
            while time.monotonic() - read < min(READ_SECONDS, len(asked) / 100):
                pace.rest()
    finally:
        pace.count_faults()
        control(run, "DELETE", "faults")
        control(run, "PUT", "behaviour", {"keep_content": True})
    pace.work()
    books = balance(run, asked)
    books.faults, books.fed_seconds, books.seconds = pace.faults, fed, time.monotonic() - pace.begun
    compare(books, before, reckoned(run, first_day), one_day=datetime.now(UTC).date() == first_day)
    return books, _of(run, asked)


def reckoned(run: Product, first_day: date) -> Counter[str]:
    """Have the product make its own balance of each day since the first, and add them up.

    Counted are the one mailbox, and `-`: a request that cannot be read has no mailbox in the ledger.
    """
    found: Counter[str] = Counter()
    store, day = run.session.client("s3"), first_day
    while day <= datetime.now(UTC).date():
        for more in (True, True, False):
            try:
                run.invoke("poller", {"task": "reconcile", "day": day.isoformat()})
                break
            except FunctionFailedError:  # a busy machine; the schedule comes again, too
                if not more:
                    raise
        kept = store.get_object(Bucket=run.outputs["EvidenceBucketName"], Key=f"balances/{day}.json")
        made = json.loads(kept["Body"].read())
        found["wrong"] += made["wrong"]
        for its in (made["mailboxes"].get(mailbox, {}) for mailbox in (MAILBOX, "-")):
            found.update({name: its.get(name, 0) for name in ("received", "settled", "open")})
            found["arriving"] += len(its.get("arriving", ()))
        day += timedelta(days=1)
    return found


def compare(books: Books, before: Counter[str], after: Counter[str], *, one_day: bool) -> None:
    """Hold the product's own balance against the books, less what it had before.

    A request that came before midnight and was tried again after it is in the balance of both days.
    """
    books.reconciled = Counter({name: after[name] - before[name] for name in after})
    received = books.reconciled["received"]
    if books.reconciled["wrong"] > 0:
        books.wrong.append(f"the product's own balance is out by {books.reconciled['wrong']}")
    if received < books.messages or (received > books.messages and one_day):
        books.wrong.append(f"the product received {received}, {books.messages} were asked for")
    if one_day and not before["open"] and after["open"] != books.open.total():
        books.wrong.append(f"{books.open.total()} are open, the product's own balance has {after['open']}")


def _of(run: Product, asked: Mapping[str, Kind]) -> list[Message]:
    """The messages of these requests; a held request's own row is none, once it is released."""
    return [each for each in run.messages() if each.request_id in asked and each.status != Status.RELEASED]


def control(run: Product, method: str, path: str, body: Any = None) -> Any:
    """Use the local MESH's control endpoint."""
    answer = httpx.request(method, f"{run.mesh_url}/control/{path}", json=body, timeout=120, trust_env=False)
    answer.raise_for_status()
    return answer.json()


def balance(run: Product, asked: Mapping[str, Kind]) -> Books:
    """Hold the four books against each other."""
    books = Books(messages=len(asked), asked=Counter(kind.name for kind in asked.values()))
    messages = {message.message_id: message for message in _of(run, asked)}
    rows = Counter(message.request_id for message in messages.values())
    books.wrong += [f"request {each} is not in the ledger" for each in asked.keys() - rows.keys()]
    books.wrong += [f"request {each} has {count} rows" for each, count in rows.items() if count > 1]
    books.statuses = Counter(message.status for message in messages.values())
    copies = Counter(_uploads(run, messages))
    received, answers = _practice(run, messages)
    books.uploads, books.second_copies = copies.total(), copies.total() - len(copies)
    books.received, books.answers = received.total(), sum(map(len, answers.values()))
    for message_id, message in messages.items():
        books.wrong += [
            f"{message_id} is {message.status}: {fault}"
            for fault in _faults(message, asked[message.request_id], copies[message_id], answers.get(message_id, []))
        ]
        if message.status in {Status.HELD, Status.RELEASING}:
            books.open["the end of its hold window"] += 1
        elif message.status in {Status.BUILT, Status.SENDING, Status.SENT, Status.UNCERTAIN, Status.ACKNOWLEDGED}:
            books.open[MessageHistory(message.events).missing_acknowledgements[0] + " acknowledgement"] += 1
    books.wrong += [f"MESH has {each}, the ledger has not" for each in copies.keys() - messages.keys()]
    books.wrong += [f"the practice has {each}, MESH had not" for each in received.keys() - copies.keys()]
    told = _notifications(run, messages)
    books.notifications = len(told)
    books.wrong += [f"a notification of {subject} was raised and not told" for subject, at in told if not at]
    return books


def _faults(message: Message, kind: Kind, copies: int, answers: Sequence[str]) -> Iterator[str]:
    """What is wrong with one message: the ledger against MESH, the practice, and what was asked."""
    history = MessageHistory(message.events)
    status = Status(message.status)
    if status != kind.ends and status != Status.REFUSED:
        yield f"{kind.name} must end {kind.ends}"
    if status != status_of(history):
        yield f"its facts say {status_of(history)}"
    if status in {Status.INVALID, Status.REFUSED} and copies:
        yield "MESH has it all the same"
    if status not in {Status.INVALID, Status.REFUSED} and not copies:
        yield "MESH has no copy of it"
    if copies > history.possible_copies:
        yield f"MESH has {copies} copies, the ledger knows of {history.possible_copies}"
    recorded = {event.details["code"] for event in history.of(EventType.RESPONSE)}
    if set(answers) != recorded:
        yield f"the practice answered {sorted(set(answers))}, the ledger has {sorted(map(str, recorded))}"


def _uploads(run: Product, messages: Mapping[str, Message]) -> Iterator[str]:
    """The message id of every copy that MESH took from us."""
    for stored in control(run, "GET", f"messages?from={MAILBOX}"):
        message_id = dict(stored["headers"]).get("mex-filename", "").removesuffix(".xml")
        if message_id in messages or stored["status"] == "accepted":
            yield message_id


def _practice(run: Product, messages: Mapping[str, Message]) -> tuple[Counter[str], dict[str, list[str]]]:
    """What the practice says that it received, and how it answered: the codes, by message id."""
    received: Counter[str] = Counter()
    answers: dict[str, list[str]] = {}
    for line in (run.logs_folder / "practice.log").read_text(encoding="utf-8").splitlines():
        with suppress(ValueError):
            event = json.loads(line)
            message_id = event.get("message_id")
            if message_id in messages and event.get("practice") == "received":
                received[message_id] += 1
            elif message_id in messages and event.get("practice") == "answered":
                answers.setdefault(message_id, []).append(event["code"])
    return received, answers


def _notifications(run: Product, messages: Mapping[str, Message]) -> list[tuple[str, str]]:
    """Every notification of these messages, and when it was told, empty where it was not."""
    scan = run.session.resource("dynamodb").meta.client.get_paginator("scan")
    found = []
    for page in scan.paginate(TableName=run.outputs["LedgerTableName"]):
        items: list[Any] = page["Items"]
        for item in items:
            subject = str(item["pk"]).removeprefix("MESSAGE#")
            if str(item["sk"]).startswith("NOTICE#") and subject in messages:
                found.append((subject, str(item.get("told_at", ""))))
    return found


def statuses_over_time(messages: Iterable[Message]) -> list[tuple[datetime, Status | None, Status]]:
    """Every change of every message's status, in order of time, worked out from its facts."""
    changes: list[tuple[datetime, Status | None, Status]] = []
    for message in messages:
        before: Status | None = None
        for number, event in enumerate(message.events, 1):
            now = status_of(MessageHistory(message.events[:number]))
            if now is not before:
                changes.append((event.at, before, now))
                before = now
    return sorted(changes, key=lambda change: change[0])


def at_length(template: dict[str, Any]) -> None:
    """Let acknowledgements take their time: this machine's practice has one thread."""
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::SSM::Parameter":
            settings = json.loads(resource["Properties"]["Value"])
            for name in ("infrastructure_acknowledgement_seconds", "business_acknowledgement_seconds"):
                if name in settings:
                    settings[name] = DEADLINE_SECONDS
            resource["Properties"]["Value"] = json.dumps(settings)


def main() -> int:
    """Start everything, soak, balance, and say what was found."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--rate", type=float, default=0.1, help="share of requests to MESH that meet a fault")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with LocalRun(rest_seconds=0.5, adjust=at_length) as run:
        run.redeliver_after(20)
        books, messages = soak(run, messages=arguments.messages, rate=arguments.rate, seed=arguments.seed)
    REPORTS.mkdir(parents=True, exist_ok=True)
    (REPORTS / "soak.json").write_text(
        json.dumps(vars(books) | {"per_second": books.per_second}, indent=2) + "\n", encoding="utf-8"
    )
    flow: Path = REPORTS / "soak.svg"
    flow.write_text(picture(statuses_over_time(messages), str(books).splitlines()[0]), encoding="utf-8")
    print(books)
    print(f"the flow over time: {flow.relative_to(BUILD.parent)}")
    return 1 if books.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
