"""Roles may do exactly what this file lists: a new permission must be added here, where a reviewer sees it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.infra.templates import Properties, Template, production, referred

LEDGER = {
    ("dynamodb:BatchGetItem", "Ledger"),
    ("dynamodb:GetItem", "Ledger"),
    ("dynamodb:PutItem", "Ledger"),
    ("dynamodb:Query", "Ledger"),
    ("dynamodb:UpdateItem", "Ledger"),
    ("kms:Decrypt through dynamodb", "records key"),
    ("kms:DescribeKey through dynamodb", "records key"),
    ("kms:Encrypt through dynamodb", "records key"),
    ("kms:GenerateDataKey through dynamodb", "records key"),
    ("kms:ReEncryptFrom through dynamodb", "records key"),
    ("kms:ReEncryptTo through dynamodb", "records key"),
}
NOTICES = {
    ("sns:Publish", "Notices"),
    ("kms:Decrypt through sns", "records key"),
    ("kms:GenerateDataKey through sns", "records key"),
}
SEND = {
    ("sqs:SendMessage", "Send"),
    ("kms:Decrypt through sqs", "records key"),
    ("kms:GenerateDataKey through sqs", "records key"),
}
SCANS = {("s3:GetObjectTagging", "Drop/*"), ("s3:GetObjectVersionTagging", "Drop/*")}
"""What the builder needs besides, where the drop is scanned: to see a verdict."""
SETTINGS = {("ssm:GetParameter", "parameter/{path}/mailboxes/*")}
CREDENTIALS = {
    ("secretsmanager:GetSecretValue", "secret:{path}/mailboxes/*"),
    ("secretsmanager:GetSecretValue", "mesh secret"),
    ("kms:Decrypt through secretsmanager", "records key"),
}
PDS = {
    ("secretsmanager:GetSecretValue", "PDS secret"),
    ("kms:Decrypt through secretsmanager", "records key"),
    ("s3:PutObject", "Evidence/comparisons/*"),
}
IDENTIFIERS = {
    ("secretsmanager:GetSecretValue", "identifiers secret"),
    ("kms:Decrypt through secretsmanager", "records key"),
}
WRITE_OBJECTS = {("kms:Decrypt through s3", "records key"), ("kms:GenerateDataKey through s3", "records key")}


_LOG_DELIVERY = {
    *("logs:CreateLogDelivery", "logs:DeleteLogDelivery", "logs:GetLogDelivery", "logs:ListLogDeliveries"),
    *("logs:UpdateLogDelivery", "logs:DescribeLogGroups", "logs:DescribeResourcePolicies", "logs:PutResourcePolicy"),
}
"""What Step Functions needs to log at all; AWS documents only * for them."""


def _logs(function: str) -> set[tuple[str, str]]:
    return {("logs:CreateLogStream", f"{function} logs"), ("logs:PutLogEvents", f"{function} logs")}


def _consume(queue: str) -> set[tuple[str, str]]:
    actions = ("DeleteMessage", "GetQueueAttributes", "ReceiveMessage")
    return {*((f"sqs:{action}", queue) for action in actions), ("kms:Decrypt through sqs", "records key")}


ARCHIVE = ("archive", "archive-index")
ALLOWED = {
    "Builder": LEDGER
    | NOTICES
    | SEND
    | SETTINGS
    | IDENTIFIERS
    | WRITE_OBJECTS
    | _logs("Builder")
    | _consume("Intake")
    | {
        ("sqs:SendMessage", "Intake"),
        ("s3:GetObject", "Drop/*"),
        ("s3:GetObjectVersion", "Drop/*"),
        ("s3:ListBucket", "Drop"),
        ("s3:ListBucketVersions", "Drop"),
        ("s3:PutObject", "Outbox/messages/*"),
        ("s3:PutObject", "Evidence/requests/*"),
        ("s3:PutObject", "Evidence/receipts/*"),
        ("s3:GetObject", "Evidence/requests/*"),
        ("s3:ListBucket", "Evidence"),
        ("s3:PutObject", "Evidence/warnings/*"),
        *(("s3:GetObject", f"Evidence/{folder}/*") for folder in ARCHIVE),
    },
    "Sender": LEDGER
    | NOTICES
    | CREDENTIALS
    | _logs("Sender")
    | _consume("Send")
    | {("s3:GetObject", "Outbox/messages/*"), ("kms:Decrypt through s3", "records key")},
    "Poller": LEDGER
    | NOTICES
    | SEND
    | SETTINGS
    | IDENTIFIERS
    | CREDENTIALS
    | WRITE_OBJECTS
    | _logs("Poller")
    | {
        *((f"sqs:{action}", "Inbox") for action in ("DeleteMessage", "GetQueueAttributes", "ReceiveMessage")),
        ("sqs:SendMessage", "Inbox"),
        ("sqs:SendMessage", "Intake"),
        ("s3:PutObject", "Evidence/received/*"),
        ("events:DescribeRule", "request rule"),
        ("lambda:GetEventSourceMapping", "Intake mapping"),
        ("lambda:GetEventSourceMapping", "Send mapping"),
        ("kms:DescribeKey", "records key"),
        ("dynamodb:Query", "Ledger/index/by_attention"),
        ("dynamodb:Query", "Ledger/index/by_time"),
        ("dynamodb:Query", "Ledger/index/by_work"),
        ("s3:ListBucket", "Drop"),
        ("s3:ListBucketVersions", "Drop"),
        ("s3:PutObject", "Evidence/balances/*"),
        ("s3:GetObject", "Evidence/balances/*"),
        ("s3:PutObject", "Evidence/reckonings/*"),
        ("s3:GetObject", "Evidence/reckonings/*"),
        *((action, f"Evidence/{folder}/*") for folder in ARCHIVE for action in ("s3:GetObject", "s3:PutObject")),
        ("s3:ListBucket", "Evidence"),
    },
}


@pytest.mark.parametrize("function", ALLOWED)
def test_a_function_may_do_what_it_needs_and_no_more(template: Template, function: str) -> None:
    role = referred(template.named(f"{function}FunctionName")["Role"])
    path = f"gpconnect-messaging/{template.configuration.name}"
    more = set[tuple[str, str]]()
    if function == "Builder":
        more |= PDS if template.configuration.pds else set()
        more |= SCANS if template.configuration.malware_scan else set()
    if function == "Poller" and template.configuration.deployment.evidence_lock_days:
        more |= {("s3:PutObjectRetention", "Evidence/archive/*")}
    expected = {(action, resource.format(path=path)) for action, resource in ALLOWED[function] | more}
    assert set(_permissions(template, role)) == expected


def test_the_scheduler_may_invoke_the_poller_and_do_nothing_else(template: Template) -> None:
    roles = {referred(schedule["Target"]["RoleArn"]) for schedule in template.of_type("Scheduler::Schedule").values()}
    [role] = roles
    assert set(_permissions(template, role)) == {("lambda:InvokeFunction", "Poller live")}
    [trust] = template.of_type("IAM::Role")[role]["AssumeRolePolicyDocument"]["Statement"]
    [group] = template.of_type("Scheduler::ScheduleGroup")
    assert trust["Principal"] == {"Service": "scheduler.amazonaws.com"}
    assert trust["Condition"]["StringEquals"]["aws:SourceAccount"] == {"Ref": "AWS::AccountId"}
    assert group in json.dumps(trust["Condition"]["StringEquals"]["aws:SourceArn"]) or {
        referred(trust["Condition"]["StringEquals"]["aws:SourceArn"])
    } == {group}


@pytest.mark.parametrize("function", ALLOWED)
def test_only_lambda_can_be_a_function(template: Template, function: str) -> None:
    role = template.of_type("IAM::Role")[referred(template.named(f"{function}FunctionName")["Role"])]
    [trust] = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Action"] == "sts:AssumeRole"
    assert trust["Principal"] == {"Service": "lambda.amazonaws.com"}


def test_each_function_has_a_role_of_its_own(template: Template) -> None:
    roles = [referred(template.named(f"{function}FunctionName")["Role"]) for function in ALLOWED]
    assert len(set(roles)) == len(roles)
    others = 1 if template.configuration.deployment.traffic_shift == "all at once" else 2
    others += template.configuration.backfill is not None
    others += template.configuration.malware_scan is not None
    expected = len(roles) + others
    assert len(template.of_type("IAM::Role")) == expected, "and the scheduler, CodeDeploy, a backfill and GuardDuty"


def test_no_role_takes_its_permissions_from_elsewhere(template: Template) -> None:
    for role in template.of_type("IAM::Role").values():
        assert "ManagedPolicyArns" not in role
        assert "Policies" not in role


def test_no_action_is_a_wildcard_and_only_a_backfills_logs_and_traces_have_no_resource(template: Template) -> None:
    for policy in template.of_type("IAM::Policy").values():
        for statement in policy["PolicyDocument"]["Statement"]:
            assert statement["Effect"] == "Allow"
            assert not {"NotAction", "NotResource"} & set(statement)
            assert not any("*" in action for action in _listed(statement["Action"]))
            if "*" in _listed(statement["Resource"]):
                actions = set(_listed(statement["Action"]))
                assert all(action.startswith("xray:") for action in actions - _LOG_DELIVERY)


def _permissions(template: Template, role: str) -> Iterator[tuple[str, str]]:
    """Return the actions and resources that a role's policies allow, in this file's names."""
    names = _names(template)
    for policy in template.of_type("IAM::Policy").values():
        if role not in map(referred, policy["Roles"]):
            continue
        for statement in policy["PolicyDocument"]["Statement"]:
            condition = _condition(statement)
            for action in _listed(statement["Action"]):
                for resource in _listed(statement["Resource"]):
                    yield f"{action}{condition}", _in_words(resource, names)


def _condition(statement: Properties) -> str:
    match statement.get("Condition"):
        case None:
            return ""
        case {"StringEquals": {"kms:ViaService": str(service), **others}} if not others:
            name, region = service.split(".", maxsplit=1)
            assert region == "eu-west-2.amazonaws.com"
            return f" through {name}"
        case other:
            raise AssertionError(f"unexpected condition {other}")


def _names(template: Template) -> dict[str, str]:
    """Return this file's names of resources, by logical id."""
    outputs = (
        *("DropBucketName", "OutboxBucketName", "EvidenceBucketName", "LedgerTableName", "NoticesTopicArn"),
        *("IntakeQueueUrl", "SendQueueUrl", "InboxQueueUrl", "PollerFunctionName"),
    )
    names = {}
    for output in outputs:
        name = output
        for suffix in ("BucketName", "TableName", "TopicArn", "QueueUrl", "FunctionName"):
            name = name.removesuffix(suffix)
        names[template.output(output)] = name
    for function in ALLOWED:
        names[referred(template.named(f"{function}FunctionName")["LoggingConfig"]["LogGroup"])] = f"{function} logs"
    names |= {
        referred(template.named("LedgerTableName")["SSESpecification"]["KMSMasterKeyId"]): "records key",
    }
    [rule] = template.of_type("Events::Rule")
    names[rule] = "request rule"
    for logical_id, mapping in template.of_type("Lambda::EventSourceMapping").items():
        names[logical_id] = f"{names[referred(mapping['EventSourceArn'])]} mapping"
    for logical_id, secret in template.of_type("SecretsManager::Secret").items():
        if secret["Name"].endswith("/mesh"):
            names[logical_id] = "mesh secret"
        if secret["Name"].endswith("/pds"):
            names[logical_id] = "PDS secret"
        if secret["Name"].endswith("/identifiers"):
            names[logical_id] = "identifiers secret"
    names[template.live("PollerFunctionName")] = "Poller live"
    return names


def _in_words(resource: Any, names: dict[str, str]) -> str:
    match resource:
        case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), "Arn"]} if name in names:
            return names[name]
        case {"Fn::Join": ["", [{"Fn::GetAtt": [str(name), "Arn"]}, str(rest)]]}:
            return f"{names[name]}{rest}"
        case {"Fn::Join": ["", [str(service), {"Ref": "AWS::AccountId"}, str(rest)]]}:
            assert service.startswith("arn:aws:")
            assert service.endswith(":eu-west-2:")
            return rest.removeprefix(":")
        case {"Fn::Join": ["", [*_, {"Ref": str(name)}]]} if name in names:
            return names[name]
        case str(name) if name.startswith("arn:aws:"):
            _, _, _, region, account, rest = name.split(":", maxsplit=5)
            assert (region, account) == ("eu-west-2", production().account)
            return rest
        case "*":
            return "*"
        case other:
            raise AssertionError(f"unexpected resource {other}")


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
