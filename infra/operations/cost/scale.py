"""What 10, 1,000 and 10,000 messages a second need, worked out from the measured calls, beside each quota.

Quotas are AWS's defaults for London as its documentation had them in 2026; nearly all can be raised.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from infra.operations.cost.bill import Assumptions, seconds
from infra.operations.cost.usage import Measurement, Message

RATES = (10, 1_000, 10_000)
"""Messages a second, sustained."""


@dataclass(frozen=True)
class Limit:
    """Something that there is only so much of."""

    name: str
    quota: float | None
    """None where nobody has published one."""
    unit: str
    what_changes: str


@dataclass(frozen=True)
class Need:
    """How much of it a rate takes."""

    limit: Limit
    amounts: tuple[float, ...]
    """For each of `RATES`."""

    def bites(self, environment: int) -> bool:
        """Whether it is more than there is."""
        return self.limit.quota is not None and self.amounts[environment] > self.limit.quota


@dataclass(frozen=True)
class _Taken:
    """What one message takes of each function and service."""

    message: Message
    measurement: Measurement
    given: Assumptions

    def seconds(self, function: str, mesh_calls: float) -> float:
        memory = self.measurement.fixed.memory_megabytes[function]
        return seconds(self.message.use, function, memory, self.given, mesh_calls)

    def calls(self, *actions: str) -> float:
        return sum(made.get(action, 0) for made in self.message.use.calls.values() for action in actions)


_Amount = Callable[[_Taken], float]

_LIMITS: tuple[tuple[Limit, _Amount], ...] = (
    (
        Limit("PDS, where a mailbox asks it", 5, "questions/s", "NHS England grants an application more, by agreement"),
        lambda _: 1,
    ),
    (
        Limit("builders at once", 1_000, "runs", "`builder.maximum_concurrency`; 1,000 is also the account's default"),
        lambda taken: taken.seconds("builder", 0),
    ),
    (
        Limit("senders at once", 1_000, "runs", "`sender.maximum_concurrency`; MESH's own time is most of it"),
        lambda taken: taken.seconds("sender", taken.given.uploads),
    ),
    (
        Limit(
            "pollers at once", 1_000, "runs",
            "one mailbox is polled by one run at a time: as many mailboxes as this, or several runs for one",
        ),
        lambda taken: taken.seconds("poller", taken.given.collections / taken.given.collected_at_once),
    ),
    (
        Limit("Lambda, all functions", 1_000, "runs", "ask for more; new accounts have less"),
        lambda taken: (
            taken.seconds("builder", 0)
            + taken.seconds("sender", taken.given.uploads)
            + taken.seconds("poller", taken.given.collections / taken.given.collected_at_once)
        ),
    ),
    (
        Limit("DynamoDB, writes", 40_000, "units/s", "ask for more, and warm the table up before such a load"),
        lambda taken: taken.message.use.write_units,
    ),
    (
        Limit("DynamoDB, reads", 40_000, "units/s", "ask for more"),
        lambda taken: taken.message.use.read_units,
    ),
    (
        Limit("S3, one prefix, writes", 3_500, "requests/s", "keys begin with ids: S3 splits a prefix as load lasts"),
        lambda taken: taken.calls("s3:PUT", "s3:POST"),
    ),
    (
        Limit("S3, one prefix, reads", 5_500, "requests/s", "as above"),
        lambda taken: taken.calls("s3:GET", "s3:HEAD"),
    ),
    (
        Limit("EventBridge, invocations", 2_250, "events/s", "what is more comes late; direct requests go past it"),
        lambda _: 1,
    ),
    (
        Limit("SQS, in flight on one queue", 120_000, "messages", "standard queues, not FIFO; nothing to do"),
        lambda taken: taken.seconds("sender", taken.given.uploads) * 5,
    ),
    (
        Limit("KMS", 10_000, "requests/s", "bucket keys and data keys used again keep it low; ask for more"),
        lambda taken: (
            taken.calls("secretsmanager:GetSecretValue")
            + taken.calls("s3:PUT", "s3:POST", "s3:GET", "s3:HEAD") * taken.given.bucket_key_share
        ),
    ),
    (
        Limit("Secrets Manager", 10_000, "requests/s", "read every five minutes by each process"),
        lambda taken: taken.calls("secretsmanager:GetSecretValue"),
    ),
    (
        Limit("Systems Manager, parameters", 40, "requests/s", "read every five minutes by each process; ask for more"),
        lambda taken: taken.calls("ssm:GetParameter"),
    ),
    (
        Limit("SNS, if one in a hundred fails", 300, "publications/s", "the least of any region; ask for more"),
        lambda _: 0.01,
    ),
    (
        Limit("MESH, all calls", None, "calls/s", "no quota is published: agree on the rate with NHS England first"),
        lambda taken: taken.given.uploads + taken.given.collections,
    ),
    (
        Limit("logs", None, "KB/s", "Lambda's own way has no quota of ours; the bill grows, see docs/cost.md"),
        lambda taken: taken.message.use.log_bytes / 1024,
    ),
)  # fmt: skip


def needs(measurement: Measurement, kind: str, given: Assumptions) -> list[Need]:
    """Work out what each rate takes of everything that there is only so much of."""
    taken = _Taken(measurement.kinds[kind], measurement, given)
    return [Need(limit, tuple(rate * amount(taken) for rate in RATES)) for limit, amount in _LIMITS]


def of_one_mailbox(measurement: Measurement, kind: str, given: Assumptions) -> float:
    """Give how many messages a second one mailbox keeps up with: one run at a time, four minutes in five."""
    taken = _Taken(measurement.kinds[kind], measurement, given)
    return 0.8 / taken.seconds("poller", given.collections / given.collected_at_once)


def first_to_bite(found: list[Need], environment: int) -> list[str]:
    """Name what a rate has too little of, the scarcest first."""
    biting = [need for need in found if need.bites(environment)]
    return [
        need.limit.name
        for need in sorted(biting, key=lambda need: -need.amounts[environment] / (need.limit.quota or math.inf))
    ]


def as_markdown(found: list[Need], one_mailbox: float) -> str:
    """Write the table of docs/scale.md; what is more than the quota is bold. `one_mailbox`: see `of_one_mailbox`."""
    rates = " | ".join(f"{rate:,}/s" for rate in RATES)
    lines = [f"| of | {rates} | quota | what changes |", "|---|" + "---:|" * (len(RATES) + 1) + "---|"]
    for need in found:
        amounts = [
            f"**{_short(amount)}**" if need.bites(environment) else _short(amount)
            for environment, amount in enumerate(need.amounts)
        ]
        quota = "not published" if need.limit.quota is None else f"{need.limit.quota:,.0f} {need.limit.unit}"
        lines.append(f"| {need.limit.name} | {' | '.join(amounts)} | {quota} | {need.limit.what_changes} |")
    for environment, rate in enumerate(RATES):
        biting = first_to_bite(found, environment)
        lines += ["", f"At {rate:,} a second {_said(biting)}."]
    lines += ["", f"One mailbox, polled every five minutes, keeps up with about {_short(one_mailbox)} a second."]
    return "\n".join(lines)


def _said(biting: list[str]) -> str:
    if not biting:
        return "no default quota is met"
    return f"these bite, the scarcest first: {'; '.join(biting)}"


def _short(amount: float) -> str:
    """Write two figures that count."""
    if amount == 0:
        return "0"
    digits = max(1 - math.floor(math.log10(abs(amount))), 0)
    return f"{round(amount, 2 - 1 - math.floor(math.log10(abs(amount)))):,.{digits}f}"
