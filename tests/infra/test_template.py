"""What the emulator of the local run does not enforce is asserted here, on every environment's template."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App, Stack

from gpconnect_messaging.settings import BuilderSettings, PollerSettings, SenderSettings
from infra.constructs.keys import ContentKey, ServiceNotNamedError
from tests.infra.templates import Template, production, referred, synthesize

QUEUES = ("IntakeQueueUrl", "SendQueueUrl", "InboxQueueUrl")
DEAD_LETTER_QUEUES = ("IntakeDeadLetterQueueUrl", "SendDeadLetterQueueUrl", "InboxDeadLetterQueueUrl")
LASTING = DEAD_LETTER_QUEUES[:2]
BUCKETS = ("DropBucketName", "OutboxBucketName", "EvidenceBucketName")
FUNCTIONS = ("BuilderFunctionName", "SenderFunctionName", "PollerFunctionName")
THIS_ACCOUNT = {"Ref": "AWS::AccountId"}
USES_OF_A_KEY = {"kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:ReEncryptTo"}
FED_BY_QUEUE = {
    "IntakeQueueUrl": "BuilderFunctionName",
    "SendQueueUrl": "SenderFunctionName",
    "InboxQueueUrl": "PollerFunctionName",
}


# Buckets


@pytest.mark.parametrize("bucket", BUCKETS)
def test_patients_data_in_s3_is_under_our_own_key(template: Template, bucket: str) -> None:
    [rule] = template.named(bucket)["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["BucketKeyEnabled"] is True
    default = rule["ServerSideEncryptionByDefault"]
    assert default["SSEAlgorithm"] == "aws:kms"
    assert referred(default["KMSMasterKeyID"]) in template.of_type("KMS::Key")


def test_every_bucket_is_versioned_private_encrypted_and_emptied_in_time(template: Template) -> None:
    buckets = template.of_type("S3::Bucket")
    assert len(buckets) == len(BUCKETS) + 1
    for bucket in buckets.values():
        assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
        assert bucket["BucketEncryption"]
        assert bucket["PublicAccessBlockConfiguration"] == dict.fromkeys(
            ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"), True
        )
        assert bucket["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
        for rule in bucket["LifecycleConfiguration"]["Rules"]:
            assert rule["Status"] == "Enabled"
            assert rule["ExpirationInDays"]
            assert rule["NoncurrentVersionExpiration"]
            assert rule["AbortIncompleteMultipartUpload"]


@pytest.mark.requirement("GPC-SD09")
def test_payloads_and_the_audit_trail_are_kept_as_long_as_configured(template: Template) -> None:
    retention = template.configuration.retention
    kept = {
        (bucket, rule.get("Prefix", "")): (
            rule["ExpirationInDays"], rule["NoncurrentVersionExpiration"]["NoncurrentDays"],
        )
        for bucket in BUCKETS
        for rule in template.named(bucket)["LifecycleConfiguration"]["Rules"]
    }  # fmt: skip
    payload = (retention.payload_days, retention.replaced_version_days)
    assert kept == {
        ("DropBucketName", ""): (retention.drop_listed_days, retention.payload_days - retention.drop_listed_days),
        ("OutboxBucketName", ""): payload,
        ("EvidenceBucketName", "requests/"): payload,
        ("EvidenceBucketName", "received/"): payload,
        ("EvidenceBucketName", "warnings/"): payload,
        ("EvidenceBucketName", "comparisons/"): payload,
        ("EvidenceBucketName", "receipts/"): (retention.audit_days, retention.replaced_version_days),
        ("EvidenceBucketName", "balances/"): (retention.audit_days, retention.replaced_version_days),
        ("EvidenceBucketName", "reckonings/"): (retention.replaced_version_days, retention.replaced_version_days),
        ("EvidenceBucketName", "archive/"): (retention.audit_days, retention.replaced_version_days),
        ("EvidenceBucketName", "archive-index/"): (retention.audit_days, retention.replaced_version_days),
    }
    for function in FUNCTIONS:
        assert template.named(function)["Environment"]["Variables"]["AUDIT_DAYS"] == str(retention.audit_days)


def test_a_dropped_file_stays_for_a_day_at_least_whatever_becomes_of_it(template: Template) -> None:
    """The hourly listing has seen a file many times before it is off the list, and the daily one a removed version."""
    [rule] = template.named("DropBucketName")["LifecycleConfiguration"]["Rules"]
    assert not {"TagFilters", "Prefix"} & set(rule), "one rule for all"
    assert rule["ExpirationInDays"] >= 1
    assert rule["NoncurrentVersionExpiration"]["NoncurrentDays"] >= 2
    expressions = [schedule["ScheduleExpression"] for schedule in template.of_type("Scheduler::Schedule").values()
                   if json.loads(schedule["Target"]["Input"]) == {"task": "drop"}]  # fmt: skip
    assert expressions == ["rate(5 minutes)"]


@pytest.mark.parametrize(
    ("payload_days", "listed_days", "expected"),
    [(1, 7, (1, 2)), (7, 7, (3, 4)), (14, 7, (7, 7)), (30, 7, (7, 23)), (30, 3, (3, 27)), (30, 20, (15, 15))],
)
def test_a_dropped_file_is_gone_when_payloads_are_and_a_replaced_one_stays_for_what_is_not_on_the_list(
    tmp_path: Path, payload_days: int, listed_days: int, expected: tuple[int, int]
) -> None:
    days = {"payload_days": payload_days, "drop_listed_days": listed_days}
    changed = production().retention.model_copy(update=days)
    template = synthesize(production().model_copy(update={"retention": changed}), tmp_path)
    [rule] = template.named("DropBucketName")["LifecycleConfiguration"]["Rules"]
    assert (rule["ExpirationInDays"], rule["NoncurrentVersionExpiration"]["NoncurrentDays"]) == expected


def test_by_default_a_replaced_file_stays_as_long_as_the_dead_letter_that_means_it() -> None:
    retention = production().retention
    assert retention.payload_days - retention.drop_listed_days > retention.intake_dead_letter_days


def test_every_folder_that_a_function_may_write_is_emptied_in_time(template: Template) -> None:
    written = set(re.findall(r'"/([a-z]+)/\*"', json.dumps(list(template.of_type("IAM::Policy").values()))))
    rules = template.named("EvidenceBucketName")["LifecycleConfiguration"]["Rules"]
    assert written - {"messages"} <= {rule["Prefix"].rstrip("/") for rule in rules}
    assert "receipts" in written


@pytest.mark.parametrize("bucket", BUCKETS)
def test_what_is_kept_of_a_message_can_be_put_under_a_legal_hold(template: Template, bucket: str) -> None:
    assert template.named(bucket)["ObjectLockEnabled"] is True
    locked = template.configuration.name == "prod" and bucket == "EvidenceBucketName"
    assert ("ObjectLockConfiguration" in template.named(bucket)) is locked, "only live evidence is locked by itself"


def test_under_a_legal_hold_of_the_environment_nothing_expires(tmp_path: Path) -> None:
    usual = production()
    held = synthesize(
        usual.model_copy(update={"retention": usual.retention.model_copy(update={"legal_hold": True})}), tmp_path
    )
    for bucket in held.of_type("S3::Bucket").values():
        for rule in bucket["LifecycleConfiguration"]["Rules"]:
            assert not {"ExpirationInDays", "NoncurrentVersionExpiration"} & set(rule)
            assert rule["AbortIncompleteMultipartUpload"]
    assert "TimeToLiveSpecification" not in held.named("LedgerTableName")


@pytest.mark.parametrize("bucket", BUCKETS)
def test_access_to_patients_data_is_logged(template: Template, bucket: str) -> None:
    destination = referred(template.named(bucket)["LoggingConfiguration"]["DestinationBucketName"])
    assert destination not in {template.output(name) for name in BUCKETS}
    [delivery] = [
        statement
        for statement in template.policy_statements("S3::BucketPolicy", "Bucket", destination)
        if statement["Effect"] == "Allow" and template.output(bucket) in json.dumps(statement["Condition"])
    ]
    assert delivery["Principal"] == {"Service": "logging.s3.amazonaws.com"}
    assert delivery["Action"] == "s3:PutObject"


def test_every_bucket_refuses_plain_http_and_old_tls(template: Template) -> None:
    for logical_id in template.of_type("S3::Bucket"):
        denials = [
            statement
            for statement in template.policy_statements("S3::BucketPolicy", "Bucket", logical_id)
            if statement["Effect"] == "Deny"
            and statement["Principal"] == {"AWS": "*"}
            and statement["Action"] == "s3:*"
        ]
        conditions = [denial["Condition"] for denial in denials]
        assert {"Bool": {"aws:SecureTransport": "false"}} in conditions
        assert {"NumericLessThan": {"s3:TlsVersion": 1.2}} in conditions
        for denial in denials:
            assert len(denial["Resource"]) == 2, "the bucket and its objects"


# Queues


@pytest.mark.parametrize("queue", [*QUEUES, *DEAD_LETTER_QUEUES])
def test_every_queue_is_encrypted_and_refuses_plain_http(template: Template, queue: str) -> None:
    if queue in QUEUES:
        assert referred(template.named(queue)["KmsMasterKeyId"]) in template.of_type("KMS::Key")
    else:
        assert template.named(queue)["SqsManagedSseEnabled"] is True
    statements = template.policy_statements("SQS::QueuePolicy", "Queues", template.output(queue))
    assert any(
        statement["Effect"] == "Deny"
        and statement["Principal"] == {"AWS": "*"}
        and statement["Action"] == "sqs:*"
        and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        for statement in statements
    )


def test_there_are_no_queues_but_those(template: Template) -> None:
    assert set(template.of_type("SQS::Queue")) == {template.output(name) for name in (*QUEUES, *DEAD_LETTER_QUEUES)}


@pytest.mark.parametrize(("queue", "dead_letters"), [*zip(QUEUES, DEAD_LETTER_QUEUES, strict=True)])
def test_a_dead_letter_outlives_its_source_and_comes_after_all_tries(
    template: Template, queue: str, dead_letters: str
) -> None:
    source, target = template.named(queue), template.named(dead_letters)
    receives = source["RedrivePolicy"]["maxReceiveCount"]
    # Of a received message: five tries alone, the one that quarantines it, and some that reach no function.
    assert receives == (10 if queue == "InboxQueueUrl" else 5)
    assert referred(source["RedrivePolicy"]["deadLetterTargetArn"]) == template.output(dead_letters)
    assert target["MessageRetentionPeriod"] > source["MessageRetentionPeriod"]
    # All tries fit into the time that a message is kept.
    assert source["MessageRetentionPeriod"] > receives * source["VisibilityTimeout"]
    assert "FifoQueue" not in source


@pytest.mark.parametrize(("queue", "function"), [*FED_BY_QUEUE.items()])
def test_a_message_stays_hidden_for_six_timeouts_of_its_function(template: Template, queue: str, function: str) -> None:
    hidden, timeout = template.named(queue)["VisibilityTimeout"], template.named(function)["Timeout"]
    if queue == "InboxQueueUrl":  # no longer than until the next poll, see ADR 56
        assert timeout < hidden <= 300
    else:
        assert hidden >= 6 * timeout


@pytest.mark.parametrize(("queue", "function"), [*FED_BY_QUEUE.items()])
def test_a_queue_feeds_one_function_a_little_at_a_time_and_takes_back_what_failed(
    template: Template, queue: str, function: str
) -> None:
    mappings = template.of_type("Lambda::EventSourceMapping").values()
    [mapping] = [mapping for mapping in mappings if referred(mapping["EventSourceArn"]) == template.output(queue)]
    assert _live_function(template, mapping) == function
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["ScalingConfig"]["MaximumConcurrency"] >= 2
    assert len(mappings) == len(FED_BY_QUEUE)


def test_what_must_work_when_the_key_does_not_is_not_under_it(template: Template) -> None:
    for name in (*DEAD_LETTER_QUEUES, "NoticePathTopicArn"):
        assert "KmsMasterKeyId" not in template.named(name)
    assert not any("KmsKeyId" in group for group in template.of_type("Logs::LogGroup").values()), "and the metrics"


def test_the_intake_keeps_a_week_and_dead_letters_as_long_as_sqs_keeps_anything(template: Template) -> None:
    day = 24 * 3600
    assert template.named("IntakeQueueUrl")["MessageRetentionPeriod"] == 7 * day
    for name in DEAD_LETTER_QUEUES:
        assert template.named(name)["MessageRetentionPeriod"] == 14 * day


# From the drop bucket to the builder


def test_a_dropped_request_and_nothing_else_is_announced_to_the_intake_queue(template: Template) -> None:
    assert template.named("DropBucketName")["NotificationConfiguration"] == {
        "EventBridgeConfiguration": {"EventBridgeEnabled": True}
    }
    [rule] = template.of_type("Events::Rule").values()
    assert rule["EventPattern"] == {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {
            "bucket": {"name": [{"Ref": template.output("DropBucketName")}]},
            "object": {
                "key": [
                    {"equals-ignore-case": "request.json"},
                    {"suffix": {"equals-ignore-case": "/request.json"}},
                ]
            },
        },
    }
    [target] = rule["Targets"]
    assert referred(target["Arn"]) == template.output("IntakeQueueUrl")
    assert referred(target["DeadLetterConfig"]["Arn"]) == template.output("IntakeDeadLetterQueueUrl")
    assert "RoleArn" not in target, "EventBridge reaches an encrypted queue through its policy, not through a role"


def test_no_function_is_deployed_beside_our_three(template: Template) -> None:
    assert set(template.of_type("Lambda::Function")) == {template.output(name) for name in FUNCTIONS}


@pytest.mark.parametrize("queue", ["IntakeQueueUrl", "IntakeDeadLetterQueueUrl"])
def test_only_our_rule_may_put_events_on_the_encrypted_intake_queues(template: Template, queue: str) -> None:
    [rule] = template.of_type("Events::Rule")
    [allowed] = [
        statement
        for statement in template.policy_statements("SQS::QueuePolicy", "Queues", template.output(queue))
        if statement["Effect"] == "Allow"
    ]
    assert allowed["Principal"] == {"Service": "events.amazonaws.com"}
    assert allowed["Action"] == "sqs:SendMessage"
    assert allowed["Condition"] == {"ArnEquals": {"aws:SourceArn": {"Fn::GetAtt": [rule, "Arn"]}}}


# Keys


def test_the_key_rotates_and_opens_to_no_one_outside_this_account(template: Template) -> None:
    assert len(template.of_type("KMS::Key")) == 1
    for key in template.of_type("KMS::Key").values():
        assert key["EnableKeyRotation"] is True
        for statement in key["KeyPolicy"]["Statement"]:
            assert statement["Effect"] == "Allow"
            assert not any("*" in action for action in _listed(statement["Action"]))
            match statement["Principal"]:
                case {"AWS": principal}:
                    assert json.dumps(principal).count(":root") == 1
                    assert "*" not in json.dumps(principal)
                case {"Service": str(service)}:
                    context = {"events.amazonaws.com": "aws:sqs:arn", "cloudwatch.amazonaws.com": "aws:sns:topicArn"}
                    [[condition, where]] = statement["Condition"]["ArnLike"].items()
                    assert condition == f"kms:EncryptionContext:{context[service]}", "no object, item or secret"
                    assert json.dumps(where).count(f":gpconnect-messaging-{template.configuration.name}-*") == 1
                    assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": THIS_ACCOUNT}
                case other:
                    raise AssertionError(f"unexpected principal {other}")


def test_nobody_uses_the_key_but_through_the_services_that_hold_its_content(template: Template) -> None:
    through: set[str] = set()
    for key in template.of_type("KMS::Key").values():
        for statement in key["KeyPolicy"]["Statement"]:
            actions = set(_listed(statement["Action"]))
            if "AWS" not in statement["Principal"]:
                continue
            if actions & USES_OF_A_KEY:
                assert set(statement["Condition"]) == {"StringEquals"}
                through |= set(_listed(statement["Condition"]["StringEquals"]["kms:ViaService"]))
            elif "kms:CreateGrant" in actions:
                assert actions == {"kms:CreateGrant"}
                assert statement["Condition"]["Bool"] == {"kms:GrantIsForAWSResource": "true"}
                [lender] = _listed(statement["Condition"]["StringEquals"]["kms:ViaService"])
                assert lender == "dynamodb.eu-west-2.amazonaws.com"
            else:
                assert "Condition" not in statement, "administration"
                assert not actions & {"kms:CreateGrant", "kms:Sign", "kms:Verify"}
    services = {host.removesuffix(".eu-west-2.amazonaws.com") for host in through}
    assert services == {"s3", "dynamodb", "secretsmanager", "sqs", "sns"}


def test_a_grant_through_a_service_that_the_key_refuses_fails_at_once() -> None:
    stack = Stack(App(), "Stack")
    key = ContentKey(stack, "Key", content="anything", keep=False)
    with pytest.raises(ServiceNotNamedError, match="lambda"):
        key.through("lambda")


def test_only_eventbridge_and_cloudwatch_use_the_key_without_a_caller(template: Template) -> None:
    key = template.named("LedgerTableName")["SSESpecification"]["KMSMasterKeyId"]
    put = {"kms:Decrypt", "kms:GenerateDataKey"}
    assert _services(template.key_statements(key)) == {"events.amazonaws.com": put, "cloudwatch.amazonaws.com": put}


# Ledger


def test_the_ledger_is_on_demand_restorable_and_encrypted(template: Template) -> None:
    [table] = template.of_type("DynamoDB::Table").values()
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["SSESpecification"]["SSEEnabled"] is True
    assert table["SSESpecification"]["SSEType"] == "KMS"
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    assert table["KeySchema"] == _key_schema("pk", "sk")


def test_the_ledger_is_found_by_work_attention_and_time(template: Template) -> None:
    table = template.named("LedgerTableName")
    assert {index["IndexName"]: index["KeySchema"] for index in table["GlobalSecondaryIndexes"]} == {
        "by_work": _key_schema("work_shard", "work_at"),
        "by_attention": _key_schema("attention_shard", "attention_at"),
        "by_time": _key_schema("time_shard", "at"),
    }
    shown = {
        index["IndexName"]: sorted(index["Projection"]["NonKeyAttributes"])
        for index in table["GlobalSecondaryIndexes"]
        if index["Projection"]["ProjectionType"] == "INCLUDE"
    }
    assert shown == {
        "by_work": ["mailbox", "notify_at", "statuses", "untold_since"],
        "by_attention": ["mailbox", "statuses"],
        "by_time": ["encounter_key", "mailbox"],
    }, "an index is small: no index holds an encounter's body"
    assert {attribute["AttributeType"] for attribute in table["AttributeDefinitions"]} == {"S"}


# Functions


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_runs_on_arm_with_python_3_13_json_logs_and_traces(template: Template, function: str) -> None:
    properties = template.named(function)
    assert properties["Architectures"] == ["arm64"]
    assert properties["Runtime"] == "python3.13"
    assert properties["Handler"] == "handler.handler"
    assert "TracingConfig" not in properties, "X-Ray would take the first run of every second"
    assert properties["LoggingConfig"]["LogFormat"] == "JSON"
    assert {referred(layer) for layer in properties["Layers"]} == set(template.of_type("Lambda::LayerVersion"))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_logs_to_its_own_group_for_the_configured_time(template: Template, function: str) -> None:
    groups = template.of_type("Logs::LogGroup")
    group = referred(template.named(function)["LoggingConfig"]["LogGroup"])
    assert groups[group]["RetentionInDays"] == template.configuration.retention.log_days
    assert len(groups) == len(FUNCTIONS) + (template.configuration.backfill is not None)
    assert len({referred(template.named(name)["LoggingConfig"]["LogGroup"]) for name in FUNCTIONS}) == len(FUNCTIONS)


def test_a_number_that_looks_like_a_patients_is_masked_in_every_log(template: Template) -> None:
    for group in template.of_type("Logs::LogGroup").values():
        policy = group["DataProtectionPolicy"]
        [custom] = policy["Configuration"]["CustomDataIdentifier"]
        for statement in policy["Statement"]:
            named = json.dumps(statement["DataIdentifier"])
            assert "data-identifier/NhsNumber-GB" in named
            assert custom["Name"] in named
        assert {name for statement in policy["Statement"] for name in statement["Operation"]} == {"Audit", "Deidentify"}
        assert re.fullmatch(r"[\w#=@/;, ^$?\[\]{}|\\*+.-]{1,200}", custom["Regex"]), "CloudWatch takes no other signs"
        finds = re.compile(custom["Regex"])
        for text in ('{"n":"9658218865"}', "number 965 821 8865.", "'965-821-8865'"):
            assert finds.search(text)
        for text in ('{"at":1795342802}', '"20261122104002994285_D59900"', '"0f96582188651c"', '"444455556666"'):
            assert not finds.search(text), "no time, MESH id, hash or account"


@pytest.mark.parametrize("function", FUNCTIONS)
def test_what_works_is_a_version_that_an_alias_names(template: Template, function: str) -> None:
    alias = template.of_type("Lambda::Alias")[template.live(function)]
    assert alias["Name"] == "live"
    assert "RoutingConfig" not in alias
    version = template.of_type("Lambda::Version")[alias["FunctionVersion"]["Fn::GetAtt"][0]]
    assert referred(version["FunctionName"]) == template.output(function)


def test_a_function_has_as_much_concurrency_set_aside_as_its_work_can_take_up(template: Template) -> None:
    configuration = template.configuration
    reserved = {name: template.named(name)["ReservedConcurrentExecutions"] for name in FUNCTIONS}
    assert reserved == {
        "BuilderFunctionName": configuration.builder.maximum_concurrency,
        "SenderFunctionName": configuration.sender.maximum_concurrency,
        "PollerFunctionName": configuration.poller_concurrency,
    }
    for mapping in template.of_type("Lambda::EventSourceMapping").values():
        function = _live_function(template, mapping)
        # A queue that started more runs than the function's concurrency would have them throttled.
        assert mapping["ScalingConfig"]["MaximumConcurrency"] <= reserved[function]


COMMON = {
    "LEDGER_TABLE",
    "NOTICES_TOPIC_ARN",
    "STALE_SECONDS",
    "AUDIT_DAYS",
    "POWERTOOLS_SERVICE_NAME",
    "POWERTOOLS_METRICS_NAMESPACE",
    "POWERTOOLS_LOG_LEVEL",
}
PDS = {"PDS_URL", "PDS_SECRET", "PDS_REQUESTS_PER_SECOND"}
DOCUMENT_WAIT = {"DOCUMENT_WAIT_SECONDS"}
SCAN = {"SCAN_PATIENCE_SECONDS"}
MESH = {"MESH_URL", "MAILBOX_SECRETS", "MESH_SECRET", "UNCERTAIN_SECONDS"}


@pytest.mark.parametrize(
    ("function", "variables"),
    [
        (
            "BuilderFunctionName",
            COMMON
            | {
                "ACTIVE_CONTENT",
                "NHS_NUMBERS",
                "IDENTIFIERS_SECRET",
                "MAILBOX_PARAMETERS",
                "DROP_BUCKET",
                "OUTBOX_BUCKET",
                "EVIDENCE_BUCKET",
                "SEND_QUEUE_URL",
                "INTAKE_QUEUE_URL",
                "MAXIMUM_RECEIVES",
            },
        ),
        ("SenderFunctionName", COMMON | MESH | {"OUTBOX_BUCKET", "LEASE_SECONDS"}),
        (
            "PollerFunctionName",
            COMMON
            | MESH
            | {
                "IDENTIFIERS_SECRET",
                "MAILBOX_PARAMETERS",
                "EVIDENCE_BUCKET",
                "INTAKE_QUEUE_URL",
                "SEND_QUEUE_URL",
                "INBOX_QUEUE_URL",
                "MAILBOX_POLL_MINUTES",
                "MESSAGES_AT_ONCE",
                "ESCALATE_AFTER_SECONDS",
                "DROP_BUCKET",
                "DROP_SETTLED_SECONDS",
                "MESH_QUESTIONS_A_DAY",
                "ARCHIVE_AFTER_DAYS",
                "CANARY_MINUTES",
                "EVENT_RULE",
                "EVENT_SOURCE_MAPPINGS",
                "KEYS",
            },
        ),
    ],
)
def test_a_function_is_told_what_it_needs_and_no_more(template: Template, function: str, variables: set[str]) -> None:
    told = template.named(function)["Environment"]["Variables"]
    more = set[str]()
    if function == "BuilderFunctionName":
        more |= PDS if template.configuration.pds else set()
    if function == "PollerFunctionName" and template.configuration.deployment.evidence_lock_days:
        more |= {"ARCHIVE_LOCK_DAYS"}
    if function != "SenderFunctionName":
        more |= DOCUMENT_WAIT | (SCAN if template.configuration.malware_scan else set())
    assert set(told) == variables | more
    assert told["POWERTOOLS_METRICS_NAMESPACE"] == "GPConnectMessaging"
    assert told["POWERTOOLS_SERVICE_NAME"] == function.removesuffix("FunctionName").lower()
    for name in ("LEDGER_TABLE", "DROP_BUCKET", "OUTBOX_BUCKET", "EVIDENCE_BUCKET", "SEND_QUEUE_URL"):
        if name in told:
            output = {"LEDGER_TABLE": "LedgerTableName", "SEND_QUEUE_URL": "SendQueueUrl"}.get(
                name, f"{name.removesuffix('_BUCKET').capitalize()}BucketName"
            )
            assert told[name] == {"Ref": template.output(output)}


@pytest.mark.parametrize(
    ("function", "settings"),
    [
        ("BuilderFunctionName", BuilderSettings),
        ("SenderFunctionName", SenderSettings),
        ("PollerFunctionName", PollerSettings),
    ],
)
def test_a_function_starts_with_what_it_is_told(
    template: Template, function: str, settings: type[BuilderSettings | SenderSettings | PollerSettings]
) -> None:
    told = template.named(function)["Environment"]["Variables"]
    deployed = {name: value if isinstance(value, str) else "known once deployed" for name, value in told.items()}
    assert settings.from_environment(deployed).stale_seconds == template.configuration.timings.stale_seconds


def test_timings_reach_the_functions_in_seconds(template: Template) -> None:
    timings = template.configuration.timings
    sender = template.named("SenderFunctionName")["Environment"]["Variables"]
    assert sender["LEASE_SECONDS"] == str(timings.lease_seconds)
    builder = template.named("BuilderFunctionName")["Environment"]["Variables"]
    poller = template.named("PollerFunctionName")["Environment"]["Variables"]
    assert builder["DOCUMENT_WAIT_SECONDS"] == poller["DOCUMENT_WAIT_SECONDS"] == str(timings.document_wait_seconds)
    assert builder["INTAKE_QUEUE_URL"] == {"Ref": template.output("IntakeQueueUrl")}
    assert sender["STALE_SECONDS"] == str(timings.stale_seconds)
    assert sender["UNCERTAIN_SECONDS"] == str(timings.uncertain_seconds)


def test_a_lease_outlives_the_run_that_took_it(template: Template) -> None:
    assert template.named("SenderFunctionName")["Timeout"] < template.configuration.timings.lease_seconds


# Mailboxes


def test_each_mailbox_has_its_settings_and_its_secret_under_this_environment(template: Template) -> None:
    prefix = f"gpconnect-messaging/{template.configuration.name}"
    mailboxes = {settings.mailbox: settings for settings in template.configuration.mailboxes}
    parameters = template.of_type("SSM::Parameter").values()
    published = {parameter["Name"]: json.loads(parameter["Value"]) for parameter in parameters}
    assert published == {
        f"/{prefix}/mailboxes/{mailbox}": json.loads(settings.to_json()) for mailbox, settings in mailboxes.items()
    }
    secrets = template.of_type("SecretsManager::Secret").values()
    assert {secret["Name"] for secret in secrets} == {
        f"{prefix}/mesh",
        f"{prefix}/identifiers",
        *(f"{prefix}/mailboxes/{mailbox}" for mailbox in mailboxes),
        *([f"{prefix}/pds"] if template.configuration.pds else []),
    }


def test_the_builder_is_told_where_pds_is_and_it_is_confined_as_mesh_is(local: Template, prod: Template) -> None:
    told = prod.named("BuilderFunctionName")["Environment"]["Variables"]
    assert told["PDS_URL"] == {"Ref": "PdsUrl"}
    assert told["PDS_SECRET"] == prod.body["Outputs"]["PdsSecretName"]["Value"]
    assert told["PDS_REQUESTS_PER_SECOND"] == "5"
    assert prod.body["Parameters"]["PdsUrl"]["AllowedValues"] == ["https://api.service.nhs.uk"]
    pattern = local.body["Parameters"]["PdsUrl"]["AllowedPattern"]
    assert re.fullmatch(pattern, "http://127.0.0.1:8701")
    assert not re.fullmatch(pattern, "http://127.0.0.1:8701@api.service.nhs.uk")


def test_no_secret_has_its_value_in_the_template(template: Template) -> None:
    for secret in template.of_type("SecretsManager::Secret").values():
        assert "SecretString" not in secret
        name = secret["Name"].rpartition("/")[2]
        fields = {"mesh": "shared_key", "pds": "application_key", "identifiers": "secret"}
        generated: dict[str, Any] = {"SecretStringTemplate": "{}", "GenerateStringKey": fields.get(name, "password")}
        if name == "identifiers":
            generated |= {"PasswordLength": 64, "ExcludePunctuation": True}
        assert secret["GenerateSecretString"] == generated


def test_the_secret_that_ids_are_derived_with_is_kept_with_the_table_and_never_rotated(prod: Template) -> None:
    name = prod.body["Outputs"]["IdentifiersSecretName"]["Value"]
    [secret] = [candidate for candidate in prod.of_type("SecretsManager::Secret").values() if candidate["Name"] == name]
    assert secret["KmsKeyId"] == prod.named("LedgerTableName")["SSESpecification"]["KMSMasterKeyId"]
    assert "AWS::SecretsManager::RotationSchedule" not in {
        resource["Type"] for resource in prod.body["Resources"].values()
    }
    told = {
        function: prod.named(f"{function}FunctionName")["Environment"]["Variables"].get("IDENTIFIERS_SECRET")
        for function in ("Builder", "Poller", "Sender")
    }
    assert told == {"Builder": name, "Poller": name, "Sender": None}, "the sender derives nothing"


def test_the_names_that_functions_are_told_are_the_names_that_exist(template: Template) -> None:
    told = {
        **template.named("BuilderFunctionName")["Environment"]["Variables"],
        **template.named("SenderFunctionName")["Environment"]["Variables"],
    }
    outputs = template.body["Outputs"]
    assert told["MAILBOX_PARAMETERS"] == outputs["MailboxParameters"]["Value"]
    assert told["MAILBOX_SECRETS"] == outputs["MailboxSecrets"]["Value"]
    assert told["MESH_SECRET"] == outputs["MeshSecretName"]["Value"]
    mailbox = template.configuration.mailboxes[0].mailbox
    names = {secret["Name"] for secret in template.of_type("SecretsManager::Secret").values()}
    assert {f"{told['MAILBOX_SECRETS']}/{mailbox}", told["MESH_SECRET"]} <= names
    [*parameters] = template.of_type("SSM::Parameter").values()
    assert f"{told['MAILBOX_PARAMETERS']}/{mailbox}" in {parameter["Name"] for parameter in parameters}


def test_only_a_local_run_can_be_pointed_at_another_mesh(template: Template) -> None:
    parameter = template.body["Parameters"]["MeshUrl"]
    url = template.configuration.mesh_url
    assert parameter["Default"] == url
    if template.configuration.name == "local":
        assert parameter["AllowedPattern"].startswith(r"^https?://(127\.0\.0\.1|localhost)")
        assert "AllowedValues" not in parameter
    else:
        assert parameter["AllowedValues"] == [url]
    for function in ("SenderFunctionName", "PollerFunctionName"):
        assert template.named(function)["Environment"]["Variables"]["MESH_URL"] == {"Ref": "MeshUrl"}


# Schedules


def test_each_mailbox_is_polled_and_due_work_is_looked_for(template: Template) -> None:
    schedules = template.of_type("Scheduler::Schedule").values()
    assert all(referred(schedule["Target"]["Arn"]) == template.live("PollerFunctionName") for schedule in schedules)
    assert all(schedule["State"] == "ENABLED" for schedule in schedules)
    tasks = [(schedule["ScheduleExpression"], json.loads(schedule["Target"]["Input"])) for schedule in schedules]
    expected: list[tuple[str, dict[str, Any]]] = [
        ("rate(5 minutes)", {"task": "mailbox", "mailbox": settings.mailbox})
        for settings in template.configuration.mailboxes
    ]
    expected.append(("rate(1 minute)", {"task": "due"}))
    expected.append(("rate(5 minutes)", {"task": "drop"}))
    expected.append(("cron(0/5 3-6 * * ? *)", {"task": "reconcile"}))
    expected.append(("cron(0/5 0-2,7-14 * * ? *)", {"task": "archive"}))
    assert sorted(tasks, key=str) == sorted(expected, key=str)


def test_a_missed_poll_is_made_up_by_the_next_one_and_never_repeated(template: Template) -> None:
    for schedule in template.of_type("Scheduler::Schedule").values():
        assert schedule["Target"]["RetryPolicy"]["MaximumRetryAttempts"] == 0
    [invocation] = template.of_type("Lambda::EventInvokeConfig").values()
    assert referred(invocation["FunctionName"]) == template.output("PollerFunctionName")
    assert invocation["MaximumRetryAttempts"] == 0
    assert template.live("PollerFunctionName") in json.dumps(invocation["Qualifier"]), "what the schedules invoke"


# Notifications and alarms


def test_notifications_reach_every_contact_encrypted_and_over_tls(template: Template) -> None:
    topic = template.output("NoticesTopicArn")
    assert referred(template.named("NoticesTopicArn")["KmsMasterKeyId"]) in template.of_type("KMS::Key")
    path = template.output("NoticePathTopicArn")
    subscriptions = template.of_type("SNS::Subscription").values()
    assert {(s["Protocol"], s["Endpoint"], referred(s["TopicArn"])) for s in subscriptions} == {
        (_protocol(contact), contact, to) for to in (topic, path) for contact in _environment_contacts(template)
    } | {(_protocol(contact), contact, topic) for contact in _organisations_contacts(template)}
    assert not any(
        "FilterPolicy" in subscription for subscription in subscriptions if referred(subscription["TopicArn"]) == path
    )
    statements = template.policy_statements("SNS::TopicPolicy", "Topics", topic)
    assert any(
        statement["Effect"] == "Deny"
        and statement["Principal"] == "*"
        and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        for statement in statements
    )


@pytest.mark.requirement("1.5:GPCM-SD-044", "1.5:GPCM-SD-045")
def test_each_notification_and_each_alarm_reaches_those_it_is_for_and_nobody_else(fortified_prod: Template) -> None:
    def told(**attributes: str) -> set[str]:
        return {
            str(subscription["Endpoint"])
            for subscription in fortified_prod.of_type("SNS::Subscription").values()
            if referred(subscription["TopicArn"]) == fortified_prod.output("NoticesTopicArn")
            and _passes(subscription.get("FilterPolicy", {}), attributes)
        }

    def notification(mailbox: str, telling: str) -> set[str]:
        return told(mailbox=mailbox, kind="overdue", telling=telling, route=f"{mailbox}/{telling}")

    assert told() == {"on-call@example.org", "safety@example.org"}, "an alarm"
    assert notification("-", "first") == {"on-call@example.org", "safety@example.org"}
    assert notification("-", "escalation") == {"director@example.org"}
    assert notification("Y90001OT001", "first") == {"on-call@example.org", "safety@example.org"}
    assert notification("Y90001OT001", "escalation") == {"director@example.org"}
    assert notification("Y90002OT001", "first") == {"hub@example.net", "https://desk.example.net/notifications/4711"}
    assert notification("Y90002OT001", "escalation") == {"medical.director@example.net"}
    assert notification("Y90003OT001", "first") == {"pharmacy@example.com"}
    assert notification("Y90003OT001", "escalation") == {"director@example.org"}


def test_without_an_escalation_contact_the_contacts_are_told_again(template: Template) -> None:
    if template.configuration.escalation_contacts:
        pytest.skip("this environment has one")
    for subscription in template.of_type("SNS::Subscription").values():
        route = {"telling": "escalation", "route": "Y90001OT001/escalation"}
        assert _passes(subscription.get("FilterPolicy", {}), route)


@pytest.mark.parametrize("output", ["NoticesTopicArn", "NoticePathTopicArn"])
def test_alarms_may_publish_to_the_topics(template: Template, output: str) -> None:
    statements = template.policy_statements("SNS::TopicPolicy", "Topics", template.output(output))
    [allowed] = [statement for statement in statements if statement["Effect"] == "Allow"]
    assert allowed["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert allowed["Action"] == "sns:Publish"
    assert allowed["Condition"] == {"StringEquals": {"aws:SourceAccount": THIS_ACCOUNT}}


def test_a_failing_notification_path_is_told_by_another_way(template: Template) -> None:
    path, notifications = template.output("NoticePathTopicArn"), template.output("NoticesTopicArn")
    watched = {}
    for alarm in template.of_type("CloudWatch::Alarm").values():
        if alarm["AlarmActions"] == [{"Ref": path}]:
            watched[alarm["MetricName"]] = alarm["Dimensions"], alarm["Threshold"], alarm["Statistic"]
    assert watched == {
        "NumberOfNotificationsFailed": (
            [{"Name": "TopicName", "Value": {"Fn::GetAtt": [notifications, "TopicName"]}}], 0, "Sum",
        ),
        "OldestUntoldNotice": ([{"Name": "service", "Value": "poller"}], 600, "Maximum"),
    }  # fmt: skip


def test_a_person_is_told_of_dead_letters_late_work_and_failed_runs(template: Template) -> None:
    watched: dict[tuple[str, str], set[float]] = {}
    for alarm in template.of_type("CloudWatch::Alarm").values():
        namespace = alarm.get("Namespace")  # none: an expression
        if namespace in (None, "GPConnectMessaging", "AWS/SNS", "AWS/Events") or alarm["MetricName"] == "Throttles":
            continue
        [dimension] = alarm["Dimensions"]
        watched.setdefault((alarm["MetricName"], referred(dimension["Value"])), set()).add(alarm["Threshold"])
        assert alarm["AlarmActions"] == [{"Ref": template.output("NoticesTopicArn")}]
        assert alarm["ComparisonOperator"] == "GreaterThanThreshold"
        assert alarm["EvaluationPeriods"] == 1
        assert alarm["TreatMissingData"] == "notBreaching"
        assert alarm["Period"] <= 300
        assert len(alarm["AlarmDescription"]) > 80, "it says what to do"
    thresholds = template.configuration.alarms
    assert watched == {
        **{("ApproximateNumberOfMessagesVisible", template.output(name)): {0, 9, 99} for name in LASTING},
        **{
            ("ApproximateAgeOfOldestMessage", template.output(name)): {thresholds.dead_letter_age_hours * 3600}
            for name in LASTING
        },
        # MESH still has what its dead letters name, and the next poll lists it.
        ("ApproximateNumberOfMessagesVisible", template.output("InboxDeadLetterQueueUrl")): {0},
        ("ApproximateAgeOfOldestMessage", template.output("InboxQueueUrl")): {thresholds.inbox_age_minutes * 60},
        **{("Errors", template.output(name)): {0} for name in FUNCTIONS},
        ("ApproximateAgeOfOldestMessage", template.output("IntakeQueueUrl")): {thresholds.intake_age_minutes * 60},
        ("ApproximateAgeOfOldestMessage", template.output("SendQueueUrl")): {thresholds.send_age_minutes * 60},
    }


MEASURED = ("NotAuthorised", "PdsNotAuthorised", "CertificateDaysLeft", "Imbalance")


def test_a_person_is_told_of_an_imbalance_of_refused_credentials_and_well_before_a_certificate_ends(
    template: Template,
) -> None:
    watched: dict[tuple[Any, ...], str] = {}
    for alarm in template.of_type("CloudWatch::Alarm").values():
        of_this = alarm.get("Namespace") == "GPConnectMessaging" and alarm["MetricName"] in MEASURED
        if of_this and alarm["TreatMissingData"] != "breaching":
            where = tuple(sorted((dimension["Name"], dimension["Value"]) for dimension in alarm["Dimensions"]))
            watched[alarm["MetricName"], where, alarm["Threshold"]] = alarm["ComparisonOperator"]
            assert alarm["AlarmActions"] == [{"Ref": template.output("NoticesTopicArn")}]
    expected: dict[tuple[Any, ...], str] = {
        ("NotAuthorised", (("service", "sender"),), 0): "GreaterThanThreshold",
        ("Imbalance", (("service", "poller"),), 0): "GreaterThanThreshold",
    }
    if template.configuration.pds:
        expected["PdsNotAuthorised", (("service", "builder"),), 0] = "GreaterThanThreshold"
    for settings in template.configuration.mailboxes:
        where = (("mailbox", settings.mailbox), ("service", "poller"))
        expected |= {("CertificateDaysLeft", where, days): "LessThanThreshold" for days in (60, 30, 7)}
    assert watched == expected


# The stack


def test_everything_stays_in_the_united_kingdom(template: Template) -> None:
    manifest = json.loads((template.folder / "manifest.json").read_text(encoding="utf-8"))
    [target] = [
        artifact["environment"]
        for artifact in manifest["artifacts"].values()
        if artifact["type"] == "aws:cloudformation:stack"
    ]
    account = template.configuration.account or "unknown-account"
    assert target == f"aws://{account}/eu-west-2"


def test_outputs_name_everything_that_people_and_tests_look_for(template: Template) -> None:
    assert set(template.body["Outputs"]) == {
        *BUCKETS,
        *QUEUES,
        *DEAD_LETTER_QUEUES,
        *FUNCTIONS,
        "LedgerTableName",
        "NoticesTopicArn",
        "NoticePathTopicArn",
        "MailboxParameters",
        "MailboxSecrets",
        "MeshSecretName",
        "IdentifiersSecretName",
        *({"PdsSecretName"} if template.configuration.pds else ()),
        *({"BackfillStateMachineArn"} if template.configuration.backfill else ()),
    }


def test_production_keeps_its_data_when_the_stack_goes(prod: Template) -> None:
    kinds = ("S3::Bucket", "DynamoDB::Table", "KMS::Key", "SQS::Queue", "Logs::LogGroup", "SecretsManager::Secret")
    for resource in prod.body["Resources"].values():
        if resource["Type"].removeprefix("AWS::") in kinds:
            assert resource["DeletionPolicy"] == "Retain"
            assert resource["UpdateReplacePolicy"] == "Retain"
    assert prod.named("LedgerTableName")["DeletionProtectionEnabled"] is True


def test_the_local_stack_can_be_deleted(local: Template) -> None:
    policies = {resource.get("DeletionPolicy", "Delete") for resource in local.body["Resources"].values()}
    assert policies == {"Delete"}


def _services(statements: list[Any]) -> dict[str, set[str]]:
    """Return what AWS services may do with a key."""
    return {
        statement["Principal"]["Service"]: set(statement["Action"])
        for statement in statements
        if "Service" in statement["Principal"]
    }


def _live_function(template: Template, mapping: Any) -> str:
    """Give the output that names the function whose alias an event source invokes."""
    name = json.dumps(mapping["FunctionName"])
    assert ":live" in name
    [function] = [candidate for candidate in FUNCTIONS if f'"{template.live(candidate)}"' in name]
    return function


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _passes(policy: Any, attributes: dict[str, str]) -> bool:
    """Apply a filter policy as SNS does: every attribute in it must match one of the attribute's rules."""
    return all(any(_matches(rule, attributes.get(name)) for rule in rules) for name, rules in policy.items())


def _matches(rule: Any, value: str | None) -> bool:
    match rule:
        case {"anything-but": list(values)}:
            return value is not None and value not in values
        case {"exists": False}:
            return value is None
        case str():
            return value == rule
        case other:
            raise AssertionError(f"unexpected rule {other}")


def _protocol(contact: str) -> str:
    return "https" if contact.startswith("https://") else "email"


def _environment_contacts(template: Template) -> set[str]:
    return {*template.configuration.contacts, *template.configuration.escalation_contacts}


def _organisations_contacts(template: Template) -> set[str]:
    return {
        contact
        for organisation in template.configuration.organisations
        for contact in (*organisation.contacts, *organisation.escalation_contacts)
    }


def _key_schema(partition: str, sort: str) -> list[dict[str, str]]:
    return [{"AttributeName": partition, "KeyType": "HASH"}, {"AttributeName": sort, "KeyType": "RANGE"}]


def test_the_builder_knows_how_often_its_queue_offers_a_request(template: Template) -> None:
    told = template.named("BuilderFunctionName")["Environment"]["Variables"]["MAXIMUM_RECEIVES"]
    offered = {
        queue["RedrivePolicy"]["maxReceiveCount"]
        for name, queue in template.of_type("SQS::Queue").items()
        if "RedrivePolicy" in queue and name != template.output("InboxQueueUrl")
    }
    assert offered == {int(told)}
