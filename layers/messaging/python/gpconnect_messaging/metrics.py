"""Writes measurements to the function's log in CloudWatch's Embedded Metric Format.

Metrics are published for the service and by mailbox. Measurements are lost when a function is killed; the ledger still
has the events.
"""

import warnings
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import wraps
from typing import ParamSpec, TypeVar

from aws_lambda_powertools.metrics import EphemeralMetrics

from gpconnect_messaging.measurements import Measurement, Measurements

# A run without measurements is normal; Powertools would warn in the log of every new process.
warnings.filterwarnings("ignore", message="No application metrics to publish", category=UserWarning)

P = ParamSpec("P")
T = TypeVar("T")

measurements = Measurements()
"""The measurements of this process that are not written yet."""


def measured(function: Callable[P, T]) -> Callable[P, T]:
    """Decorate a function to write the measurements when it ends, also with an error."""

    @wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        finally:
            write(measurements.take())

    return wrapper


def write(taken: Sequence[Measurement]) -> None:
    """Write measurements, one line per mailbox."""
    by_mailbox: dict[str | None, list[Measurement]] = defaultdict(list)
    for measurement in taken:
        by_mailbox[measurement.mailbox].append(measurement)
    for mailbox, of_mailbox in by_mailbox.items():
        metrics = EphemeralMetrics()
        if mailbox is not None:
            metrics.add_dimensions(service=str(metrics.service), mailbox=mailbox)
        for measurement in of_mailbox:
            metrics.add_metric(name=measurement.name, unit=measurement.unit.value, value=measurement.value)
        metrics.flush_metrics()
