"""Writes what was measured where CloudWatch finds it: in the function's log, in Embedded Metric Format.

Each metric is there for the service, and for each of its mailboxes. A function that is killed before it ends takes its
measurements with it; the ledger has what they were taken of.
"""

import warnings
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import wraps
from typing import ParamSpec, TypeVar

from aws_lambda_powertools.metrics import EphemeralMetrics

from gpconnect_messaging.measurements import Measurement, Measurements

# A run that measured nothing is no fault, and would say so in the log of every new process.
warnings.filterwarnings("ignore", message="No application metrics to publish", category=UserWarning)

P = ParamSpec("P")
T = TypeVar("T")

measurements = Measurements()
"""What this process measured and has not written yet."""


def measured(function: Callable[P, T]) -> Callable[P, T]:
    """Write what was measured when the function ends, however it ends."""

    @wraps(function)
    def measuring(*arguments: P.args, **named: P.kwargs) -> T:
        try:
            return function(*arguments, **named)
        finally:
            write(measurements.take())

    return measuring


def write(taken: Sequence[Measurement]) -> None:
    """Write measurements, a line for each mailbox."""
    by_mailbox: dict[str | None, list[Measurement]] = defaultdict(list)
    for each in taken:
        by_mailbox[each.mailbox].append(each)
    for mailbox, its in by_mailbox.items():
        metrics = EphemeralMetrics()
        if mailbox is not None:
            metrics.add_dimensions(service=str(metrics.service), mailbox=mailbox)
        for each in its:
            metrics.add_metric(name=each.name, unit=each.unit.value, value=each.value)
        metrics.flush_metrics()
