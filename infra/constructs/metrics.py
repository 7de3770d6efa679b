"""CloudWatch metrics that the functions emit. `docs/watching.md` lists them all."""

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch

from infra.constructs.functions import METRICS_NAMESPACE


def measured(
    name: str, *, by: str, every: Duration, statistic: str, mailbox: str | None = None, label: str | None = None
) -> cloudwatch.Metric:
    """Return a metric that the function `by` emits, of one mailbox or of all."""
    return cloudwatch.Metric(
        namespace=METRICS_NAMESPACE,
        metric_name=name,
        dimensions_map={"service": by} if mailbox is None else {"service": by, "mailbox": mailbox},
        period=every,
        statistic=statistic,
        label=label,
    )
