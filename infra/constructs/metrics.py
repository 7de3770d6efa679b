"""The functions' own metrics, as alarms and dashboards name them. `docs/watching.md` lists them all."""

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch

from infra.constructs.functions import METRICS_NAMESPACE


def measured(
    name: str, *, by: str, every: Duration, statistic: str, mailbox: str | None = None, label: str | None = None
) -> cloudwatch.Metric:
    """Name a metric that a function of ours (`by`) gives, of one mailbox or of all."""
    return cloudwatch.Metric(
        namespace=METRICS_NAMESPACE,
        metric_name=name,
        dimensions_map={"service": by} if mailbox is None else {"service": by, "mailbox": mailbox},
        period=every,
        statistic=statistic,
        label=label,
    )
