"""The capacity that 10, 1,000 and 10,000 messages a second need, from the measured calls, compared with AWS quotas.

The quotas are the defaults for London in AWS's documentation of 2026. Nearly all can be raised.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from infra.cost.bill import Assumptions, seconds, waits_of_message
from infra.cost.usage import Measurement, Message

COLLECTORS = 10
"""The default of `poller.maximum_concurrency`."""
RATES = (10, 1_000, 10_000)
"""Messages a second, sustained."""


@dataclass(frozen=True)
class Limit:
    """A limited resource."""

    name: str
    quota: float | None
    """None if no quota is published."""
    unit: str
    note: str
    """How to raise the limit, or how to need less."""


@dataclass(frozen=True)
class Need:
    """The demand on a limited resource."""

    limit: Limit
    amounts: tuple[float, ...]
    """By rate, in the order of `RATES`."""

    def exceeds_quota(self, rate_index: int) -> bool:
        """Whether a rate needs more than the quota."""
        return self.limit.quota is not None and self.amounts[rate_index] > self.limit.quota


@dataclass(frozen=True)
class _UseOfMessage:
    """The use of functions and services by one message."""

    message: Message
    measurement: Measurement
    assumptions: Assumptions

    def seconds(self, function: str) -> float:
        memory = self.measurement.fixed.memory_megabytes[function]
        waits = waits_of_message(self.message, self.assumptions)[function]
        return seconds(self.message.use, function, memory, self.assumptions, waits)

    def calls(self, *actions: str) -> float:
        return sum(counts.get(action, 0) for counts in self.message.use.calls.values() for action in actions)


_Amount = Callable[[_UseOfMessage], float]

_LIMITS: tuple[tuple[Limit, _Amount], ...] = (
    (
        Limit("PDS, where a mailbox asks it", 5, "questions/s", "NHS England grants an application more, by agreement"),
        lambda use: use.message.pds_questions,
    ),
    (
        Limit("builders at once", 1_000, "runs", "`builder.maximum_concurrency`; 1,000 is also the account's default"),
        lambda use: use.seconds("builder"),
    ),
    (
        Limit("senders at once", 1_000, "runs", "`sender.maximum_concurrency`; MESH's own time is most of it"),
        lambda use: use.seconds("sender"),
    ),
    (
        Limit(
            "pollers at once", 1_000, "runs",
            "`poller.maximum_concurrency`, which the mailboxes share",
        ),
        lambda use: use.seconds("poller"),
    ),
    (
        Limit("Lambda, all functions", 1_000, "runs", "ask for more; new accounts have less"),
        lambda use: use.seconds("builder") + use.seconds("sender") + use.seconds("poller"),
    ),
    (
        Limit("DynamoDB, writes", 40_000, "units/s", "ask for more, and warm the table up before such a load"),
        lambda use: use.message.use.write_units,
    ),
    (
        Limit("DynamoDB, reads", 40_000, "units/s", "ask for more"),
        lambda use: use.message.use.read_units,
    ),
    (
        Limit("S3, one prefix, writes", 3_500, "requests/s", "keys begin with ids: S3 splits a prefix as load lasts"),
        lambda use: use.calls("s3:PUT", "s3:POST"),
    ),
    (
        Limit("S3, one prefix, reads", 5_500, "requests/s", "as above"),
        lambda use: use.calls("s3:GET", "s3:HEAD"),
    ),
    (
        Limit("EventBridge, invocations", 2_250, "events/s", "events beyond come late; direct requests do not use it"),
        lambda _: 1,
    ),
    (
        Limit("SQS, in flight on one queue", 120_000, "messages", "standard queues, not FIFO; nothing to do"),
        lambda use: use.seconds("sender") * 5,
    ),
    (
        Limit("KMS", 10_000, "requests/s", "bucket keys and data keys used again keep it low; ask for more"),
        lambda use: (
            use.calls("secretsmanager:GetSecretValue")
            + use.calls("s3:PUT", "s3:POST", "s3:GET", "s3:HEAD") * use.assumptions.bucket_key_share
        ),
    ),
    (
        Limit("Secrets Manager", 10_000, "requests/s", "every instance reads every five minutes"),
        lambda use: use.calls("secretsmanager:GetSecretValue"),
    ),
    (
        Limit("Systems Manager, parameters", 40, "requests/s", "every instance reads every five minutes; ask for more"),
        lambda use: use.calls("ssm:GetParameter"),
    ),
    (
        Limit("SNS, if one in a hundred fails", 300, "publications/s", "the least of any region; ask for more"),
        lambda _: 0.01,
    ),
    (
        Limit("MESH, all calls", None, "calls/s", "no quota is published: agree on the rate with NHS England first"),
        lambda use: use.assumptions.uploads + use.assumptions.collections,
    ),
    (
        Limit("logs", None, "KB/s", "no quota; the cost grows with them, see docs/cost.md"),
        lambda use: use.message.use.log_bytes / 1024,
    ),
)  # fmt: skip


def needs(measurement: Measurement, kind: str, assumptions: Assumptions) -> list[Need]:
    """Calculate the demand of all rates on the limited resources."""
    use = _UseOfMessage(measurement.kinds[kind], measurement, assumptions)
    return [Need(limit, tuple(rate * amount(use) for rate in RATES)) for limit, amount in _LIMITS]


def mailbox_capacity(measurement: Measurement, kind: str, assumptions: Assumptions) -> float:
    """Return how many messages a second one mailbox can receive with the default `poller.maximum_concurrency`."""
    use = _UseOfMessage(measurement.kinds[kind], measurement, assumptions)
    return COLLECTORS / use.seconds("poller")


def exceeded_quotas(demand: list[Need], rate_index: int) -> list[str]:
    """Return the names of the quotas that a rate exceeds, the scarcest first."""
    exceeded = [need for need in demand if need.exceeds_quota(rate_index)]
    return [
        need.limit.name
        for need in sorted(exceeded, key=lambda need: -need.amounts[rate_index] / (need.limit.quota or math.inf))
    ]


def as_markdown(demand: list[Need], messages_a_second_of_mailbox: float) -> str:
    """Write the table of docs/scale.md, with exceeded quotas in bold."""
    rates = " | ".join(f"{rate:,}/s" for rate in RATES)
    lines = [f"| of | {rates} | quota | what changes |", "|---|" + "---:|" * (len(RATES) + 1) + "---|"]
    for need in demand:
        amounts = [
            f"**{_short(amount)}**" if need.exceeds_quota(rate_index) else _short(amount)
            for rate_index, amount in enumerate(need.amounts)
        ]
        quota = "not published" if need.limit.quota is None else f"{need.limit.quota:,.0f} {need.limit.unit}"
        lines.append(f"| {need.limit.name} | {' | '.join(amounts)} | {quota} | {need.limit.note} |")
    for rate_index, rate in enumerate(RATES):
        lines += ["", f"At {rate:,} a second {_exceeded_in_words(exceeded_quotas(demand, rate_index))}."]
    lines += [
        "",
        f"One mailbox, with {COLLECTORS} runs that collect, keeps up with about {_short(messages_a_second_of_mailbox)} "
        "a second, and with more runs with as much more.",
    ]
    return "\n".join(lines)


def _exceeded_in_words(quotas: list[str]) -> str:
    if not quotas:
        return "no default quota is exceeded"
    return f"these quotas are exceeded, the scarcest first: {'; '.join(quotas)}"


def _short(amount: float) -> str:
    """Write a number with two significant figures."""
    if amount == 0:
        return "0"
    digits = max(1 - math.floor(math.log10(abs(amount))), 0)
    return f"{round(amount, 2 - 1 - math.floor(math.log10(abs(amount)))):,.{digits}f}"
