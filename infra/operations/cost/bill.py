"""The sum: measured calls, times prices. Everything here is pure.

What is not measured is assumed, in one place (`Assumptions`), and can be changed at the command.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from infra.operations.cost.prices import Item, Prices
from infra.operations.cost.usage import Fixed, Measurement, Message, Runs, Use

Quantities = Mapping[Item, float]
"""How many of each item."""

MILLION = 1_000_000
GIGABYTE = 2**30
HOURS_A_MONTH = 730
MINUTES_A_MONTH = HOURS_A_MONTH * 60
_QUEUE_FED = ("builder", "sender")
_CANARY = Use(
    calls={
        "poller": {"dynamodb:UpdateItem": 1, "dynamodb:TransactWriteItems": 1, "sqs:SendMessage": 1},
        "builder": {"dynamodb:UpdateItem": 1, "sqs:SendMessage": 1},
        "sender": {"dynamodb:UpdateItem": 2, "dynamodb:GetItem": 1},
    },
    sent={},
    # The new item, in a transaction, is written for twice its size.
    write_units=6,
    read_units=1,
    runs={"builder": Runs(runs=1, seconds=0.02), "sender": Runs(runs=1, seconds=0.02)},
    log_bytes=1_000,
)
"""What a canary asks for, as `steps/canary.py` is written: nothing measures it alone."""
# Lambda's guide: one vCPU at 1,769 MB, and as much less as the memory is less.
_MEGABYTES_OF_A_VCPU = 1_769


@dataclass(frozen=True)
class Assumptions:
    """What the local run cannot tell."""

    aws_call_seconds: float = 0.01
    """How long a function waits for a call of an AWS service."""
    mesh_call_seconds: float = 0.2
    """How long it waits for MESH."""
    uploads: float = 1
    """MESH calls of the sender for a message."""
    collections: float = 4
    """MESH calls of the poller for a message: two acknowledgements, each downloaded and acknowledged."""
    collected_at_once: float = 4
    """How many of them the poller makes side by side, when many wait."""
    slower: float = 1.0
    """How much longer computing takes on Lambda's processor than on the measuring machine's."""
    traced: float = 0.05
    """The share of runs that X-Ray keeps, beside one a second."""
    bucket_key_share: float = 0.01
    """The share of S3's requests that reach KMS: a bucket key saves up to 99 in 100."""
    platform_log_bytes: float = 600
    """What Lambda itself writes of a run: its start and its report."""
    document_bytes: float = 100_000
    """How much longer a usual document is than the small one that was measured with."""
    scanned: float = 0
    """1 where GuardDuty scans the drop (`malware_scan`): each message's request and its document."""
    payload_months: float = 1
    """How long payloads are kept."""
    audit_months: float = 96
    """How long the ledger's rows are kept."""
    log_months: float = 3
    idle_receives_a_month: float = 648_000
    """Of a queue that Lambda reads and that is empty: five pollers, each asking every 20 seconds."""
    canaries_a_month: float = 2_920
    """One every quarter of an hour (`timings.canary_minutes`)."""
    key_reuse_seconds: float = 300
    """How long SQS, SNS and DynamoDB use a data key before they ask KMS for another."""


@dataclass(frozen=True)
class Line:
    """One line of a bill."""

    item: Item
    quantity: float
    usd: float


@dataclass(frozen=True)
class Bill:
    """What something costs, by item, the dearest first."""

    lines: tuple[Line, ...]

    @property
    def usd(self) -> float:
        """The sum."""
        return sum(line.usd for line in self.lines)

    def by_service(self, prices: Prices) -> dict[str, float]:
        """The sum of each service, the dearest first."""
        found: dict[str, float] = defaultdict(float)
        for line in self.lines:
            found[prices.price(line.item).service] += line.usd
        return dict(sorted(found.items(), key=lambda each: -each[1]))


def bill(quantities: Quantities, prices: Prices) -> Bill:
    """Price quantities."""
    lines = [Line(item, count, count * prices.usd(item)) for item, count in quantities.items() if count]
    return Bill(tuple(sorted(lines, key=lambda line: (-line.usd, line.item))))


def together(*each: Quantities) -> Quantities:
    """Add quantities up."""
    total: dict[Item, float] = defaultdict(float)
    for quantities in each:
        for item, count in quantities.items():
            total[item] += count
    return dict(total)


def times(quantities: Quantities, factor: float) -> Quantities:
    """Multiply quantities."""
    return {item: count * factor for item, count in quantities.items()}


def of_use(use: Use, memory_megabytes: Mapping[str, int], given: Assumptions, mesh: Mapping[str, float]) -> Quantities:
    """Work out what one use takes; `mesh` says how many MESH calls each function waits for."""
    calls: dict[str, float] = defaultdict(float)
    for made in use.calls.values():
        for action, count in made.items():
            calls[action] += count
    runs = {name: its.runs for name, its in use.runs.items()}
    s3_put = calls["s3:PUT"] + calls["s3:POST"] + calls["s3:LIST GET"] + calls["s3:LIST POST"]
    s3_get = calls["s3:GET"] + calls["s3:HEAD"] + calls["s3:LIST HEAD"]
    sent_to_queues = calls["sqs:SendMessage"]
    # Lambda receives and deletes a batch for each run that a queue feeds.
    received = 2 * sum(runs.get(name, 0) for name in _QUEUE_FED)
    logs = (use.log_bytes + given.platform_log_bytes * sum(runs.values())) / GIGABYTE
    secrets = calls["secretsmanager:GetSecretValue"]
    return {
        "lambda_request": sum(runs.values()),
        "lambda_gb_second": sum(
            seconds(use, name, memory, given, mesh.get(name, 0)) * memory / 1024
            for name, memory in memory_megabytes.items()
        ),
        "dynamodb_write_unit": use.write_units,
        "dynamodb_read_unit": use.read_units,
        "s3_put": s3_put,
        "s3_get": s3_get,
        "sqs_request": sent_to_queues + received,
        "sqs_fair_request": sent_to_queues + received,
        "sns_publish": calls["query:Publish"],
        "sns_email": calls["query:Publish"],
        "kms_request": secrets + (s3_put + s3_get) * given.bucket_key_share,
        "secrets_request": secrets,
        "logs_gb": logs,
        "logs_masked_gb": logs,
        "logs_gb_month": logs * given.log_months,
        "xray_trace": sum(runs.values()) * given.traced,
    }


def seconds(use: Use, function: str, memory_megabytes: int, given: Assumptions, mesh_calls: float) -> float:
    """Work out how long a function takes: it computes on its share of a processor, and waits for others."""
    runs = use.runs.get(function)
    computing = runs.seconds * given.slower if runs else 0.0
    share = min(memory_megabytes / _MEGABYTES_OF_A_VCPU, 1.0)
    waiting = sum(use.calls.get(function, {}).values()) * given.aws_call_seconds + mesh_calls * given.mesh_call_seconds
    return computing / share + waiting


def of_message(message: Message, fixed: Fixed, given: Assumptions) -> Quantities:
    """Work out what one message takes, from its drop to its last acknowledgement, and what is kept of it."""
    mesh = {"sender": given.uploads, "poller": given.collections / given.collected_at_once}
    in_the_message = given.document_bytes * 4 / 3  # base64
    stored = message.use.sent.get("s3:PUT", 0) + message.dropped_bytes + given.document_bytes + in_the_message
    return together(
        of_use(message.use, fixed.memory_megabytes, given, mesh),
        {
            # Its request and its document, put by the sender; S3 tells EventBridge of each, and one rule takes one.
            "s3_put": 2,
            # Of each: GuardDuty reads it, reads its tags and adds one; the builder reads them.
            "s3_get": 2 * 4 * given.scanned,
            "guardduty_object": 2 * given.scanned,
            "guardduty_gb": (message.dropped_bytes + given.document_bytes) / GIGABYTE * given.scanned,
            "eventbridge_event": 2,
            "sqs_request": 1,
            "s3_gb_month": stored / GIGABYTE * given.payload_months,
            "data_out_gb": (message.message_bytes + in_the_message) / GIGABYTE,
            "dynamodb_gb_month": (message.ledger_bytes + message.index_bytes) / GIGABYTE * given.audit_months,
            # Restoring is paid for by the table's size alone.
            "dynamodb_recovery_gb_month": message.ledger_bytes / GIGABYTE * given.audit_months,
        },
    )


def of_a_month(measurement: Measurement, given: Assumptions, *, mailboxes: int = 1) -> Quantities:
    """Work out what an environment takes in a month in which nobody sends anything."""
    fixed, schedules = measurement.fixed, measurement.schedules

    def runs(name: str, number: float, mesh_calls: float = 0) -> Quantities:
        use = of_use(schedules[name], fixed.memory_megabytes, given, {"poller": mesh_calls})
        return times(together(use, {"scheduler_invocation": 1}), number)

    days = HOURS_A_MONTH / 24
    functions = len(fixed.memory_megabytes)
    return together(
        runs("due", MINUTES_A_MONTH),
        # A handshake and a look into the inbox.
        runs("mailbox", mailboxes * MINUTES_A_MONTH / 5, mesh_calls=2),
        times(of_use(_CANARY, fixed.memory_megabytes, given, {}), given.canaries_a_month),
        runs("balance", days),
        # The schedule comes every five minutes of four hours; one of them makes a small day's balance.
        runs("reconcile", 47 * days),
        {
            "sqs_request": fixed.queues_with_a_consumer * given.idle_receives_a_month,
            "kms_key_month": fixed.keys,
            # Each function, with each key; and the poller asks every ten minutes whether each is enabled.
            "kms_request": functions * fixed.keys * HOURS_A_MONTH * 3600 / given.key_reuse_seconds
            + fixed.keys * MINUTES_A_MONTH / 10,
            "secret_month": fixed.secrets + mailboxes * fixed.secrets_of_a_mailbox,
            "alarm_month": fixed.alarms + mailboxes * fixed.alarms_of_a_mailbox,
            "dashboard_month": fixed.dashboards,
            "metric_month": fixed.metrics + mailboxes * fixed.metrics_of_a_mailbox,
        },
    )


def of_endpoints(interfaces: int, zones: int) -> Quantities:
    """Work out what interface endpoints take in a month, where an organisation demands a network."""
    return {"endpoint_hour": interfaces * zones * HOURS_A_MONTH}


def changed(given: Assumptions, changes: Iterable[str]) -> Assumptions:
    """Change assumptions by `name=value`. Raises ValueError, which says what is wrong."""
    known = {each.name for each in fields(Assumptions)}
    values: dict[str, Any] = {}
    for change in changes:
        name, _, value = change.partition("=")
        if name not in known:
            raise ValueError(f"there is no assumption {name!r}; there are {', '.join(sorted(known))}")
        try:
            values[name] = float(value)
        except ValueError:
            raise ValueError(f"{name} must be a number, not {value!r}") from None
        if values[name] < 0:
            raise ValueError(f"{name} must not be negative")
    return Assumptions(**{**{each.name: getattr(given, each.name) for each in fields(Assumptions)}, **values})
