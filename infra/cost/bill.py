"""Calculates costs from measured calls and prices. All functions are pure.

`Assumptions` has the values that the local run cannot measure. The command line can change them.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from infra.configuration import DROP_MINUTES
from infra.cost.prices import Item, Prices
from infra.cost.usage import Fixed, Measurement, Message, Runs, Use

Quantities = Mapping[Item, float]
"""Number of units by item."""

MILLION = 1_000_000
GIGABYTE = 2**30
HOURS_A_MONTH = 730
MINUTES_A_MONTH = HOURS_A_MONTH * 60
DAYS_A_MONTH = HOURS_A_MONTH / 24
_QUEUE_FED = ("builder", "sender")
_CANARY = Use(
    calls={
        "poller": {"dynamodb:UpdateItem": 1, "dynamodb:TransactWriteItems": 1, "sqs:SendMessage": 1},
        "builder": {"dynamodb:UpdateItem": 1, "sqs:SendMessage": 1},
        "sender": {"dynamodb:UpdateItem": 2, "dynamodb:GetItem": 1},
    },
    sent={},
    # DynamoDB charges twice for an item that a transaction writes.
    write_units=6,
    read_units=1,
    runs={"builder": Runs(runs=1, seconds=0.02), "sender": Runs(runs=1, seconds=0.02)},
    log_bytes=1_000,
)
"""The calls of a canary, from the code of `steps/canary.py`: nothing measures a canary alone."""
_NOTHING_DUE = Use(
    calls={"poller": {"dynamodb:GetItem": 2}},
    sent={},
    write_units=0,
    read_units=2,
    runs={"poller": Runs(runs=1, seconds=0.01)},
    log_bytes=543,
)
"""The calls of a run that finds no listing of the drop due, from the code of `steps/list_drop.py`."""
_KEYS_OF_A_LIST_CALL = 1_000
LISTING_RUNS_A_DAY = 24 * 60 / DROP_MINUTES
# Lambda's guide: one vCPU at 1,769 MB, and in proportion below.
_MEGABYTES_OF_A_VCPU = 1_769


@dataclass(frozen=True)
class Assumptions:
    """Values that the local run cannot measure."""

    aws_call_seconds: float = 0.01
    """How long a function waits for a call of an AWS service."""
    mesh_call_seconds: float = 0.2
    """How long a function waits for a call of MESH."""
    pds_call_seconds: float = 0.2
    """How long the builder waits for an answer of PDS."""
    uploads: float = 1
    """MESH calls of the sender for a message."""
    collections: float = 5
    """MESH calls of the poller for a message: it downloads and acknowledges two responses, and asks where MESH routed
    the message."""
    collected_at_once: float = 4
    """How many messages the poller collects in parallel, when many wait. It waits for AWS in parallel, too."""
    slower: float = 1.0
    """Factor by which computing takes longer on Lambda than on the measuring machine."""
    bucket_key_share: float = 0.01
    """The share of S3's requests that reach KMS: a bucket key saves up to 99 in 100."""
    platform_log_bytes: float = 600
    """Bytes that Lambda itself logs for a run (START and REPORT)."""
    document_bytes: float = 100_000
    """Bytes by which a usual document is larger than the measured one."""
    compression: float = 0.76
    """The share of a message that is left when it goes out compressed: nothing but base64 is taken out of a PDF."""
    compression_at_rest: float = 0.76
    """The same share of the stored message, which is what is sent."""
    scanned: float = 0
    """1 if GuardDuty scans the drop (`malware_scan`): the request and the document of a message."""
    dropped_objects: float = 2
    """The request and the document of a message."""
    listed_days: float = 7
    """How long a dropped object is on the hourly list (`retention.drop_listed_days`)."""
    list_call_seconds: float = 0.1
    """How long the poller takes to list a thousand objects of the drop, waiting and computing."""
    listing_run_seconds: float = 230
    """How long a run of the listing works: `poller.timeout_seconds`, less the ten in which it starts nothing."""
    compare_seconds: float = 0.005
    """How long the poller takes to compare a message's objects with the ledger, for both lists."""
    compare_read_units: float = 6
    """What both lists read of the ledger: the request's content, id, pointer and encounter; twice the document."""
    payload_months: float = 1
    """How long payloads are kept."""
    audit_months: float = 96
    """How long a message's history is kept."""
    ever_months: float = 240
    """How long rows without an end are kept."""
    archive_bytes: float = 640
    """A message's bytes in the archive, with the index: 520 and 120 for held reports; 0: the table keeps everything."""
    archive_after_days: float = 142
    """How long the table keeps what goes into the archive: 120 days, half a month more on average, and the grace."""
    archive_writes: float = 6
    """The items of a message that the archiver lets expire."""
    log_months: float = 3
    idle_receives_a_month: float = 648_000
    """Receives of an empty queue that Lambda reads: five pollers that ask every 20 seconds."""
    canaries_a_month: float = 2_920
    """One every quarter of an hour (`timings.canary_minutes`)."""
    key_requests_of_a_canary: float = 6
    """Requests of KMS: two queues that encrypt and decrypt, and the ledger for the builder and the sender."""
    key_reuse_seconds: float = 300
    """How long SQS, SNS and DynamoDB use a data key before they ask KMS for another."""
    secrets_of_a_poll: float = 2
    """The mailbox's credentials and MESH's, which a poll reads again after five minutes."""


@dataclass(frozen=True)
class Line:
    """One line of a bill."""

    item: Item
    quantity: float
    usd: float


@dataclass(frozen=True)
class Bill:
    """Costs by item, the highest first."""

    lines: tuple[Line, ...]

    @property
    def usd(self) -> float:
        """The sum."""
        return sum(line.usd for line in self.lines)

    def by_service(self, prices: Prices) -> dict[str, float]:
        """The sum by service, the highest first."""
        sums: dict[str, float] = defaultdict(float)
        for line in self.lines:
            sums[prices.price(line.item).service] += line.usd
        return dict(sorted(sums.items(), key=lambda item: -item[1]))


def bill(quantities: Quantities, prices: Prices) -> Bill:
    """Price quantities."""
    lines = [Line(item, count, count * prices.usd(item)) for item, count in quantities.items() if count]
    return Bill(tuple(sorted(lines, key=lambda line: (-line.usd, line.item))))


def add_quantities(*parts: Quantities) -> Quantities:
    """Add quantities up."""
    total: dict[Item, float] = defaultdict(float)
    for quantities in parts:
        for item, count in quantities.items():
            total[item] += count
    return dict(total)


def multiply_quantities(quantities: Quantities, factor: float) -> Quantities:
    """Multiply quantities."""
    return {item: count * factor for item, count in quantities.items()}


def quantities_of_use(
    use: Use, memory_megabytes: Mapping[str, int], assumptions: Assumptions, waits: Mapping[str, float] | None = None
) -> Quantities:
    """Calculate the quantities of measured use. `waits` has the seconds that a function waits for others than AWS."""
    calls: dict[str, float] = defaultdict(float)
    for counts in use.calls.values():
        for action, count in counts.items():
            calls[action] += count
    runs = {name: measured.runs for name, measured in use.runs.items()}
    s3_put = calls["s3:PUT"] + calls["s3:POST"] + calls["s3:LIST GET"] + calls["s3:LIST POST"]
    s3_get = calls["s3:GET"] + calls["s3:HEAD"] + calls["s3:LIST HEAD"]
    sent_to_queues = calls["sqs:SendMessage"] + calls["sqs:SendMessageBatch"]
    # Lambda receives and deletes a batch for every run that a queue triggers.
    received = 2 * sum(runs.get(name, 0) for name in _QUEUE_FED)
    logs = (use.log_bytes + assumptions.platform_log_bytes * sum(runs.values())) / GIGABYTE
    secrets = calls["secretsmanager:GetSecretValue"]
    return {
        "lambda_request": sum(runs.values()),
        "lambda_gb_second": sum(
            seconds(use, name, memory, assumptions, (waits or {}).get(name, 0)) * memory / 1024
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
        "kms_request": secrets + (s3_put + s3_get) * assumptions.bucket_key_share,
        "secrets_request": secrets,
        "logs_gb": logs,
        "logs_masked_gb": logs,
        "logs_gb_month": logs * assumptions.log_months,
    }


def seconds(use: Use, function: str, memory_megabytes: int, assumptions: Assumptions, waits: float) -> float:
    """Calculate a function's duration: computing on a share of a processor, plus waiting for AWS and for others."""
    runs = use.runs.get(function)
    computing = runs.seconds * assumptions.slower if runs else 0.0
    share = min(memory_megabytes / _MEGABYTES_OF_A_VCPU, 1.0)
    return computing / share + sum(use.calls.get(function, {}).values()) * assumptions.aws_call_seconds + waits


def waits_of_message(message: Message, assumptions: Assumptions) -> dict[str, float]:
    """Return the seconds that every function waits for MESH and PDS, less what the poller's threads wait together."""
    collecting = assumptions.collections * assumptions.mesh_call_seconds
    aws = sum(message.use.calls.get("poller", {}).values()) * assumptions.aws_call_seconds
    return {
        "builder": message.pds_questions * assumptions.pds_call_seconds,
        "sender": assumptions.uploads * assumptions.mesh_call_seconds,
        "poller": (collecting + aws) / assumptions.collected_at_once - aws,
    }


def quantities_of_message(message: Message, fixed: Fixed, assumptions: Assumptions) -> Quantities:
    """Calculate what moving and recording one message takes, from the drop to the last acknowledgement."""
    in_the_message = assumptions.document_bytes * 4 / 3  # base64
    stored = (
        message.use.sent.get("s3:PUT", 0)
        + message.dropped_bytes
        + assumptions.document_bytes
        + in_the_message * assumptions.compression_at_rest
    )
    waits = waits_of_message(message, assumptions)
    return add_quantities(
        quantities_of_use(message.use, fixed.memory_megabytes, assumptions, waits),
        quantities_of_listing(fixed, assumptions),
        {
            # The sending system puts a request and a document. S3 sends two events, and one of them matches a rule.
            "s3_put": 2,
            # Per file: GuardDuty reads the file and the tags and adds a tag; the builder reads the tags.
            "s3_get": 2 * 4 * assumptions.scanned,
            "guardduty_object": 2 * assumptions.scanned,
            "guardduty_gb": (message.dropped_bytes + assumptions.document_bytes) / GIGABYTE * assumptions.scanned,
            "eventbridge_event": 2,
            # EventBridge puts the event on a queue; and Lambda receives and deletes the entries of the inbox queue.
            "sqs_request": 1 + 2 * (poller.runs if (poller := message.use.runs.get("poller")) else 0),
            "s3_gb_month": stored / GIGABYTE * assumptions.payload_months,
            "data_out_gb": (message.message_bytes + in_the_message) * assumptions.compression / GIGABYTE,
        },
    )


def list_calls(assumptions: Assumptions) -> tuple[float, float]:
    """Return how often a message's objects are listed, hourly and daily, in calls.

    Every object is on the hourly list for `listed_days`. The daily list has the version for as long as payloads are
    kept, and the delete marker from when the object is off the hourly list.
    """
    calls = assumptions.dropped_objects / _KEYS_OF_A_LIST_CALL
    payload_days = assumptions.payload_months * DAYS_A_MONTH
    return 24 * assumptions.listed_days * calls, (2 * payload_days - assumptions.listed_days) * calls


def seconds_of_listing(assumptions: Assumptions) -> float:
    """Calculate how long the poller works to find whether a message was announced."""
    return sum(list_calls(assumptions)) * assumptions.list_call_seconds + assumptions.compare_seconds


def requests_listed_a_day(assumptions: Assumptions) -> float:
    """Calculate how many requests a day the runs of the listing keep up with."""
    return LISTING_RUNS_A_DAY * assumptions.listing_run_seconds / seconds_of_listing(assumptions)


def quantities_of_listing(fixed: Fixed, assumptions: Assumptions) -> Quantities:
    """Calculate what the listings of the drop take for one message."""
    return {
        "s3_put": sum(list_calls(assumptions)),
        "dynamodb_read_unit": assumptions.compare_read_units,
        "lambda_gb_second": seconds_of_listing(assumptions) * fixed.memory_megabytes["poller"] / 1024,
    }


def quantities_of_keeping(message: Message, assumptions: Assumptions) -> Quantities:
    """Calculate what keeping one message's history takes: in the table with its indexes, and then in the archive."""
    in_table = in_indexes = 0.0
    ever, audit = assumptions.ever_months, assumptions.audit_months
    archived_after = assumptions.archive_after_days / DAYS_A_MONTH if assumptions.archive_bytes else ever
    for rows in message.rows:
        months = min(ever if rows.days is None else min(rows.days / DAYS_A_MONTH, audit), archived_after)
        in_table += rows.table_bytes * months
        in_indexes += rows.index_bytes * months
    return {
        "dynamodb_gb_month": (in_table + in_indexes) / GIGABYTE,
        # Point-in-time recovery is charged by the size of the table, without indexes.
        "dynamodb_recovery_gb_month": in_table / GIGABYTE,
        "s3_gb_month": assumptions.archive_bytes * max(audit - archived_after, 0) / GIGABYTE,
        "dynamodb_write_unit": assumptions.archive_writes if assumptions.archive_bytes else 0,
    }


def quantities_of_month(measurement: Measurement, assumptions: Assumptions, *, mailboxes: int = 1) -> Quantities:
    """Calculate the quantities of an environment in a month without messages."""
    fixed, schedules = measurement.fixed, measurement.schedules

    def runs(name: str, number: float, mesh_calls: float = 0) -> Quantities:
        waits = {"poller": mesh_calls * assumptions.mesh_call_seconds}
        use = quantities_of_use(schedules[name], fixed.memory_megabytes, assumptions, waits)
        return multiply_quantities(add_quantities(use, {"scheduler_invocation": 1}), number)

    polls = mailboxes * MINUTES_A_MONTH / 5
    secrets = polls * assumptions.secrets_of_a_poll
    return add_quantities(
        runs("due", MINUTES_A_MONTH),
        # A handshake, and listing the inbox.
        runs("mailbox", polls, mesh_calls=2),
        runs("drop", HOURS_A_MONTH),
        multiply_quantities(
            add_quantities(
                quantities_of_use(_NOTHING_DUE, fixed.memory_megabytes, assumptions), {"scheduler_invocation": 1}
            ),
            LISTING_RUNS_A_DAY * DAYS_A_MONTH - HOURS_A_MONTH,
        ),
        multiply_quantities(
            quantities_of_use(_CANARY, fixed.memory_megabytes, assumptions), assumptions.canaries_a_month
        ),
        runs("balance", DAYS_A_MONTH),
        # The schedule runs every five minutes for four hours; a single run makes a small day's balance.
        runs("reconcile", 47 * DAYS_A_MONTH),
        {
            "sqs_request": fixed.queues_with_a_consumer * assumptions.idle_receives_a_month,
            "kms_key_month": fixed.keys,
            # Sweeps read the ledger, polls read secrets; every ten minutes a sweep asks whether the key is enabled.
            "kms_request": HOURS_A_MONTH * 3600 / assumptions.key_reuse_seconds
            + secrets
            + assumptions.canaries_a_month * assumptions.key_requests_of_a_canary
            + fixed.keys * MINUTES_A_MONTH / 10,
            "secrets_request": secrets,
            "secret_month": fixed.secrets + mailboxes * fixed.secrets_of_a_mailbox,
            "alarm_month": fixed.alarms + mailboxes * fixed.alarms_of_a_mailbox,
            "metric_month": fixed.metrics + mailboxes * fixed.metrics_of_a_mailbox,
        },
    )


def quantities_of_metrics(fixed: Fixed, mailboxes: int) -> Quantities:
    """Calculate the metrics that messages add to a month if there are some in every hour of it."""
    metrics = fixed.metrics_of_messages + mailboxes * fixed.metrics_of_messages_of_a_mailbox
    return {"metric_month": metrics}


def quantities_of_endpoints(interfaces: int, zones: int) -> Quantities:
    """Calculate the quantities of interface endpoints in a month, for organisations that require a VPC."""
    return {"endpoint_hour": interfaces * zones * HOURS_A_MONTH}


def with_changes(assumptions: Assumptions, changes: Iterable[str]) -> Assumptions:
    """Return the assumptions with changes, such as `uploads=2`. Raises ValueError."""
    known = {field.name for field in fields(Assumptions)}
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
    return Assumptions(**{**{field.name: getattr(assumptions, field.name) for field in fields(Assumptions)}, **values})
