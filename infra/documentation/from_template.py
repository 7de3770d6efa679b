"""Reference pages from production's template: alarms, and stores with retention, keys and roles.

The template is what CloudFormation deploys, so the pages cannot say more than the stack does.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from infra.documentation.tables import code, page, table

Body = Mapping[str, Any]

_MAILBOX = re.compile(r"[A-Z0-9]{6}OT\d{3}")
_HASH = re.compile(r"[0-9A-F]{8}$")
_HOLDS = {
    ("Drop", ""): "requests and documents as senders drop them: **patients' data**",
    (
        "Outbox",
        "messages/",
    ): "messages as sent (gzip'd up to 8 MiB), behind a line with MESH address and subject: **patients' data**",
    ("Evidence", "requests/"): "requests as they came, gzip'd: **patients' data**",
    (
        "Evidence",
        "received/",
    ): "responses and reports as they came from MESH, then a line with the headers, gzip'd: **patients' data**",
    ("Evidence", "warnings/"): "warnings of deleted consultations, with the patient's name: **patients' data**",
    ("Evidence", "comparisons/"): "differences between PDS and a request: **patients' data**",
    ("Evidence", "receipts/"): "empty objects named by hour and request id",
    ("Evidence", "balances/"): "the daily balances, with the open messages: ids, statuses and times",
    ("Evidence", "reckonings/"): "the parts of a balance: ids, statuses and times",
    ("Evidence", "archive/"): "settled encounters of older months, as the ledger had them",
    ("Evidence", "archive-index/"): "hashes of ids, and where the archive has the encounters",
    ("AccessLogs", ""): "who asked S3 for which key; senders choose keys, which may name a patient",
}
_READING, _WRITING = {"s3:GetObject", "dynamodb:GetItem", "sqs:ReceiveMessage"}, {
    "s3:PutObject", "dynamodb:PutItem", "sqs:SendMessage",
}  # fmt: skip


class UndescribedStoreError(Exception):
    """The stack has a store that the reference does not describe: describe it in `_HOLDS`."""


def alarms_page(template: Body) -> str:
    """Return the page of all alarms: the metric, the threshold, and what to do."""
    alarms: dict[str, tuple[str, ...]] = {}
    for logical_id, properties in _of_type(template, "CloudWatch::Alarm"):
        name = _MAILBOX.sub("MAILBOX", _HASH.sub("", logical_id).removeprefix("Alarms"))
        says = _MAILBOX.sub("MAILBOX", _text(properties["AlarmDescription"]))
        says = re.sub(r"Runbook: \S*runbook\.md(#\S+)", r"[Runbook](../runbook.md\1)", says)
        alarms[name] = (code(name), _rings(properties), says)
    return page(
        "Alarms",
        "production's template",
        "An alarm is for a fault that only a person can mend. Alarms go to the environment's contacts when they start "
        "and when they end; those of the notification path use a second topic. `MAILBOX` stands for any mailbox.",
        table(("alarm", "rings when", "what to do"), (row for _, row in sorted(alarms.items()))),
    )


def stores_page(template: Body) -> str:
    """Return the page of all stores: content, retention, key, and the functions with access.

    Raises UndescribedStoreError.
    """
    return page(
        "Stores",
        "production's template",
        "Days and hours are the [configuration's defaults](configuration.md#retention); the data's controller decides "
        "them. `read` and `write` name the functions whose roles allow it. The account's own roles decide who else may "
        "read ([Security](../security.md)). No role of this stack may delete an object or an item of the ledger.",
        table(
            ("store", "content", "kept", "key", "read", "write"),
            [*_buckets(template), *_tables(template), *_queues(template)],
        ),
        "## Besides",
        table(("store", "content", "kept", "key"), [*_logs(template), *_secrets(template), *_topics(template)]),
        f"Replaced or deleted versions of an object outside the drop stay for {_replaced(template)} days, so that a "
        "mistake can be undone.",
    )


def _buckets(template: Body) -> Iterator[tuple[str, ...]]:
    for logical_id, properties in _of_type(template, "S3::Bucket"):
        name = _HASH.sub("", logical_id).removeprefix("Storage")
        for rule in properties["LifecycleConfiguration"]["Rules"]:
            folder = rule.get("Prefix", "messages/" if name == "Outbox" else "")
            if (name, folder) not in _HOLDS:
                raise UndescribedStoreError(f"{name} {folder}")
            yield (
                f"{name} bucket {code(folder) if folder else ''}",
                _HOLDS[name, folder],
                _kept(rule, name),
                _key(properties["BucketEncryption"]),
                _roles(template, _READING, logical_id, f"/{folder}*"),
                _roles(template, _WRITING, logical_id, f"/{folder}*") if name != "Drop" else "senders",
            )


def _kept(rule: Body, bucket: str) -> str:
    if "ExpirationInDays" not in rule:
        return "until it is removed"
    days: int = rule["ExpirationInDays"]
    if bucket != "Drop":
        return f"{days} days"
    replaced: int = rule["NoncurrentVersionExpiration"]["NoncurrentDays"]
    return f"{days + replaced} days, the last {replaced} of them off the list; a replaced version {replaced} days"


def _tables(template: Body) -> Iterator[tuple[str, ...]]:
    for logical_id, properties in _of_type(template, "DynamoDB::Table"):
        yield (
            "Ledger table",
            "events, notifications and ids; no patient, but the sender chooses the encounter's id",
            f"{_days_of_audit(template)} days from the last change; an encounter's own item for ever",
            _key(properties["SSESpecification"]),
            _roles(template, _READING, logical_id, ""),
            _roles(template, _WRITING, logical_id, ""),
        )


def _queues(template: Body) -> Iterator[tuple[str, ...]]:
    for logical_id, properties in _of_type(template, "SQS::Queue"):
        name = _HASH.sub("", logical_id).replace("Work", "").replace("SendingInbox", "Inbox")
        name = name.replace("Queue", " queue").replace("DeadLetters", " dead letters")
        holds = (
            "references to dropped requests, and whole requests that were queued: **patients' data**"
            if name.startswith("Intake")
            else "message ids"
        )
        yield (
            name,
            holds,
            _time(properties["MessageRetentionPeriod"]),
            _key(properties),
            _roles(template, _READING, logical_id, ""),
            _roles(template, _WRITING, logical_id, ""),
        )


def _logs(template: Body) -> Iterator[tuple[str, ...]]:
    for logical_id, properties in _of_type(template, "Logs::LogGroup"):
        name = _HASH.sub("", logical_id).replace("Logs", "'s log")
        yield (
            name,
            "ids, statuses, reasons; what looks like an NHS number is masked",
            f"{properties['RetentionInDays']} days",
            _key(properties),
        )


def _secrets(template: Body) -> Iterator[tuple[str, ...]]:
    for logical_id, properties in _of_type(template, "SecretsManager::Secret"):
        name = _MAILBOX.sub("MAILBOX", _HASH.sub("", logical_id))
        yield (f"Secret {code(name)}", "credentials", "until it is removed", _key(properties))


def _topics(template: Body) -> Iterator[tuple[str, ...]]:
    for logical_id, properties in _of_type(template, "SNS::Topic"):
        yield (
            f"Topic {code(_HASH.sub('', logical_id))}",
            "notifications and alarms: ids, statuses and codes",
            "not kept",
            _key(properties),
        )


def _roles(template: Body, actions: set[str], logical_id: str, part: str) -> str:
    """Name the functions whose roles allow one of the actions on a part of a resource."""
    functions = set()
    for policy, properties in _of_type(template, "IAM::Policy"):
        for statement in properties["PolicyDocument"]["Statement"]:
            allowed = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            resources = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
            arns = [json.dumps(resource) for resource in resources]
            if actions & set(allowed) and any(logical_id in arn and _covers(arn, part) for arn in arns):
                functions.add(policy.partition("Role")[0].lower())
    return ", ".join(sorted(functions)) or "none"


def _covers(resource: str, part: str) -> bool:
    return not part or f'"{part}"' in resource


def _rings(alarm: Body) -> str:
    if "Metrics" in alarm:
        expression = next(query["Expression"] for query in alarm["Metrics"] if "Expression" in query)
        names = {
            query["Id"]: query["MetricStat"]["Metric"]["MetricName"]
            for query in alarm["Metrics"]
            if "MetricStat" in query
        }
        for name, metric in names.items():
            expression = expression.replace(name, metric)
        return f"{code(expression)} is above {alarm['Threshold']:g}"
    sign = {"GreaterThanThreshold": "above", "LessThanThreshold": "below", "GreaterThanOrEqualToThreshold": "at least",
            "LessThanOrEqualToThreshold": "at most"}[alarm["ComparisonOperator"]]  # fmt: skip
    times = alarm["EvaluationPeriods"]
    within = _time(alarm["Period"]) + (f", {times} times in a row" if times > 1 else "")
    return f"{code(alarm['MetricName'])} is {sign} {alarm['Threshold']:g} (checked every {within})"


def _key(encryption: Any) -> str:
    return "ours" if re.search(r'"RecordsKey[0-9A-F]{8}"', json.dumps(encryption)) else "AWS's own"


def _days_of_audit(template: Body) -> int:
    values = {
        properties["Environment"]["Variables"]["AUDIT_DAYS"]
        for _, properties in _of_type(template, "Lambda::Function")
        if "AUDIT_DAYS" in properties["Environment"]["Variables"]
    }
    (days,) = values
    return int(days)


def _replaced(template: Body) -> int:
    values = {
        rule["NoncurrentVersionExpiration"]["NoncurrentDays"]
        for logical_id, properties in _of_type(template, "S3::Bucket")
        for rule in properties["LifecycleConfiguration"]["Rules"]
        if not logical_id.startswith("StorageDrop")
    }
    (days,) = values
    return int(days)


def _time(seconds: int) -> str:
    for length, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds % length == 0:
            count = seconds // length
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{seconds} seconds"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else re.sub(r'[\[\]{}"]|Fn::Join:?|Ref:?', "", json.dumps(value))


def _of_type(template: Body, kind: str) -> list[tuple[str, Any]]:
    return [
        (logical_id, resource.get("Properties", {}))
        for logical_id, resource in template["Resources"].items()
        if resource["Type"] == f"AWS::{kind}"
    ]
