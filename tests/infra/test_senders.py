"""Who may put what where: policies of the drop bucket, of the senders' queues and of keys, as AWS evaluates them."""

import json
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App
from aws_cdk.assertions import Annotations, Match
from pydantic import ValidationError

from infra import app as command
from infra import environments
from infra.configuration import LONGEST_BUCKET_POLICY, MailboxSettings, Sender, _bucket_policy_bytes
from tests.infra.policies import Call, allowed, our_role
from tests.infra.templates import (
    HUB,
    PHARMACY,
    SENDERS,
    SUPPLIER,
    Template,
    production,
    referred,
    synthesize,
    with_changes,
    with_deployment,
)

ROOT = Path(__file__).parents[2]
DROP = "arn:aws:s3:::drop"
KEY = "arn:aws:kms:eu-west-2:444455556666:key/records"
QUEUE = "arn:aws:sqs:eu-west-2:444455556666:queue"
OF_SUPPLIER = "arn:aws:iam::888800002222:role/anything"
ADMIN = "arn:aws:iam::444455556666:role/admin"
STRANGER = "arn:aws:iam::777700003333:role/stranger"
ENCRYPTION = "s3:x-amz-server-side-encryption"
KEY_ID = f"{ENCRYPTION}-aws-kms-key-id"


def puts(template: Template, who: str, key: str, *, by_its_own: bool = False, **context: str) -> bool:
    """Whether the drop bucket's policy lets a principal put an object; `by_its_own`: the principal's policy does."""
    drop = template.output("DropBucketName")
    bucket = template.named("DropBucketName")
    [rule] = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    names = {drop: DROP, referred(rule["ServerSideEncryptionByDefault"]["KMSMasterKeyID"]): KEY}
    call = Call(
        who, "s3:PutObject", f"{DROP}/{key}", {name.replace("__", ":"): value for name, value in context.items()}
    )
    statements = template.policy_statements("S3::BucketPolicy", "Bucket", drop)
    return allowed(statements, call, names, by_its_own=by_its_own)


@pytest.mark.parametrize(
    ("who", "key"),
    [
        (HUB, "hub/1/request.json"),
        (PHARMACY, "pharmacy/1/report.pdf"),
        (OF_SUPPLIER, "suppliers/online/1/request.json"),
        (SUPPLIER, "suppliers/online/1/request.json"),
    ],
)
def test_a_sender_may_put_under_its_prefix(fortified_prod: Template, who: str, key: str) -> None:
    assert puts(fortified_prod, who, key)


@pytest.mark.parametrize("by_its_own", [False, True])
@pytest.mark.parametrize("who", [HUB, PHARMACY, OF_SUPPLIER, ADMIN, STRANGER])
@pytest.mark.parametrize(
    "key",
    [
        "hub/1/request.json", "pharmacy/1/request.json", "suppliers/online/1/request.json", "hub2/1/request.json",
        "request.json", "Hub/1/request.json", "suppliers/1/request.json", "synthetic/1/request.json", "hub", "/hub/1",
    ],
)  # fmt: skip
def test_nobody_else_may_put_there_or_anywhere_else_whatever_its_own_policies_allow(
    fortified_prod: Template, who: str, key: str, by_its_own: bool
) -> None:
    own = {HUB: "hub/", PHARMACY: "pharmacy/", OF_SUPPLIER: "suppliers/online/"}.get(who, "none/")
    assert puts(fortified_prod, who, key, by_its_own=by_its_own) is key.startswith(own)


def test_guardduty_may_put_the_object_with_which_it_tries_its_permissions(fortified_prod: Template) -> None:
    assert fortified_prod.configuration.malware_scan is not None
    [plan] = fortified_prod.of_type("GuardDuty::MalwareProtectionPlan").values()
    scanner = our_role(plan["Role"]["Fn::GetAtt"][0])
    assert puts(fortified_prod, scanner, "malware-protection-resource-validation-object", by_its_own=True)
    assert not puts(fortified_prod, scanner, "hub/1/request.json", by_its_own=True)


def test_a_sender_may_do_nothing_else_with_the_bucket(fortified_prod: Template) -> None:
    statements = fortified_prod.policy_statements("S3::BucketPolicy", "Bucket", fortified_prod.output("DropBucketName"))
    actions = [
        action
        for statement in statements
        if statement["Effect"] == "Allow"
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    ]
    assert set(actions) == {"s3:PutObject", "s3:AbortMultipartUpload"}


@pytest.mark.parametrize("page", ["guides/drop-a-request.md", "security.md", "deploy.md"])
def test_the_documentation_names_what_senders_are_given_of_the_bucket_and_its_key(
    fortified_prod: Template, page: str
) -> None:
    bucket = fortified_prod.output("DropBucketName")
    encryption = fortified_prod.named("DropBucketName")["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    statements = [
        *fortified_prod.policy_statements("S3::BucketPolicy", "Bucket", bucket),
        *fortified_prod.key_statements(encryption[0]["ServerSideEncryptionByDefault"]["KMSMasterKeyID"]),
    ]
    of_hub = [
        statement
        for statement in statements
        if statement["Effect"] == "Allow" and HUB in json.dumps(statement["Principal"])
    ]
    given = {action for statement in of_hub for action in statement["Action"]}
    # S3 decrypts the parts of an upload to put them together.
    assert given == {"s3:PutObject", "s3:AbortMultipartUpload", "kms:GenerateDataKey", "kms:Decrypt"}
    text = (ROOT / "docs" / page).read_text()
    assert all(f"`{action}`" in text for action in given)


@pytest.mark.parametrize(
    ("headers", "possible"),
    [
        ({}, True),
        ({ENCRYPTION: "aws:kms", KEY_ID: KEY}, True),
        ({KEY_ID: KEY}, True),
        ({ENCRYPTION: "aws:kms", KEY_ID: KEY.replace("records", "theirs")}, False),
        ({KEY_ID: "arn:aws:kms:eu-west-2:999900001111:key/records"}, False),
        ({ENCRYPTION: "aws:kms:dsse", KEY_ID: "alias/aws/s3"}, False),
        ({ENCRYPTION: "AES256"}, False),
        # S3 would take the account's managed key, and not the bucket's.
        ({ENCRYPTION: "aws:kms"}, False),
        ({f"{ENCRYPTION}-customer-algorithm": "AES256"}, False),
    ],
)
def test_nothing_is_put_under_another_key_than_ours(
    template: Template, fortified_prod: Template, headers: dict[str, str], possible: bool
) -> None:
    context: dict[str, Any] = {name.replace(":", "__", 1): value for name, value in headers.items()}
    assert puts(template, ADMIN, "anywhere/request.json", by_its_own=True, **context) is possible
    assert puts(fortified_prod, HUB, "hub/request.json", **context) is possible


def test_without_senders_the_accounts_own_policies_decide(prod: Template) -> None:
    assert puts(prod, ADMIN, "anywhere/request.json", by_its_own=True)
    assert not puts(prod, ADMIN, "anywhere/request.json")
    assert not puts(prod, STRANGER, "anywhere/request.json")


@pytest.mark.parametrize(
    ("output", "service", "who"),
    [("DropBucketName", "s3", {HUB, PHARMACY, SUPPLIER}), ("IntakeQueueUrl", "sqs", {HUB, PHARMACY})],
)
def test_a_sender_uses_the_key_through_the_service_alone(
    fortified_prod: Template, output: str, service: str, who: set[str]
) -> None:
    named = fortified_prod.named(output)
    key = (
        named["KmsMasterKeyId"]
        if "KmsMasterKeyId" in named
        else named["BucketEncryption"]["ServerSideEncryptionConfiguration"][0]["ServerSideEncryptionByDefault"][
            "KMSMasterKeyID"
        ]
    )
    sid = f"SendersThrough{service.capitalize()}"
    [statement] = [candidate for candidate in fortified_prod.key_statements(key) if candidate.get("Sid") == sid]
    assert set(statement["Principal"]["AWS"]) == who
    assert statement["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]
    assert statement["Condition"] == {"StringEquals": {"kms:ViaService": f"{service}.eu-west-2.amazonaws.com"}}


def own_queue(template: Template, sender: str) -> tuple[str, Any]:
    logical_id = template.output(f"IntakeQueueUrlOf{sender.capitalize()}")
    return logical_id, template.of_type("SQS::Queue")[logical_id]


@pytest.mark.parametrize(
    ("who", "by_its_own", "possible"),
    [
        (HUB, False, True),
        (PHARMACY, False, False),
        (PHARMACY, True, False),
        (OF_SUPPLIER, False, False),
        (STRANGER, False, False),
        (ADMIN, False, False),
        # An operator redrives dead letters there.
        (ADMIN, True, True),
    ],
)
def test_a_senders_queue_is_for_its_principals(
    fortified_prod: Template, who: str, by_its_own: bool, possible: bool
) -> None:
    logical_id, _ = own_queue(fortified_prod, "hub")
    statements = fortified_prod.policy_statements("SQS::QueuePolicy", "Queues", logical_id)
    call = Call(who, "sqs:SendMessage", QUEUE)
    assert allowed(statements, call, {logical_id: QUEUE}, by_its_own=by_its_own) is possible
    for other in ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:PurgeQueue"):
        assert not allowed(statements, Call(who, other, QUEUE), {logical_id: QUEUE})


@pytest.mark.parametrize(
    ("who", "possible"), [(HUB, False), (PHARMACY, False), (ADMIN, True), (our_role("TheBuilder"), True)]
)
def test_no_senders_role_puts_on_the_shared_queue_whatever_its_own_policies_allow(
    fortified_prod: Template, who: str, possible: bool
) -> None:
    logical_id = fortified_prod.output("IntakeQueueUrl")
    statements = fortified_prod.policy_statements("SQS::QueuePolicy", "Queues", logical_id)
    call = Call(who, "sqs:SendMessage", QUEUE)
    assert allowed(statements, call, {logical_id: QUEUE}, by_its_own=True) is possible
    assert not allowed(statements, call, {logical_id: QUEUE})


def test_a_senders_queue_is_like_the_shared_one_and_shares_its_dead_letters(fortified_prod: Template) -> None:
    shared = fortified_prod.named("IntakeQueueUrl")
    for sender in ("hub", "pharmacy"):
        _, queue = own_queue(fortified_prod, sender)
        assert queue["QueueName"] == f"gpconnect-messaging-prod-intake-of-{sender}"
        assert {**queue, "QueueName": None} == {**shared, "QueueName": None}
        assert queue["RedrivePolicy"]["maxReceiveCount"] == 5
    assert len(fortified_prod.of_type("SQS::Queue")) == 8, "intake, send and inbox with dead letters, and the senders'"


def test_each_queue_feeds_the_builder_and_is_watched_to_be_enabled(fortified_prod: Template) -> None:
    own = {own_queue(fortified_prod, sender)[0] for sender in ("hub", "pharmacy")}
    live = fortified_prod.live("BuilderFunctionName")
    mappings = fortified_prod.of_type("Lambda::EventSourceMapping")
    of_builder = {name: mapping for name, mapping in mappings.items() if live in json.dumps(mapping["FunctionName"])}
    assert {referred(mapping["EventSourceArn"]) for mapping in of_builder.values()} == {
        fortified_prod.output("IntakeQueueUrl"), *own,
    }  # fmt: skip
    assert all(mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"] for mapping in of_builder.values())
    assert {mapping["BatchSize"] for mapping in of_builder.values()} == {1}, "a killed run costs one request a try"
    concurrency = [mapping["ScalingConfig"]["MaximumConcurrency"] for mapping in of_builder.values()]
    assert sorted(concurrency) == [2, 2, 10]
    assert fortified_prod.named("BuilderFunctionName")["ReservedConcurrentExecutions"] == sum(concurrency)
    watched = fortified_prod.named("PollerFunctionName")["Environment"]["Variables"]["EVENT_SOURCE_MAPPINGS"]
    asked = [
        statement["Resource"]
        for policy in fortified_prod.of_type("IAM::Policy").values()
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Action"] == "lambda:GetEventSourceMapping"
    ]
    for name in of_builder:
        assert name in json.dumps(watched)
        assert name in json.dumps(asked)


def test_a_senders_queue_rings_when_its_work_waits(fortified_prod: Template) -> None:
    for sender in ("hub", "pharmacy"):
        logical_id, _ = own_queue(fortified_prod, sender)
        [alarm] = [
            alarm
            for alarm in fortified_prod.of_type("CloudWatch::Alarm").values()
            if alarm.get("MetricName") == "ApproximateAgeOfOldestMessage"
            and logical_id in json.dumps(alarm["Dimensions"])
        ]
        assert f"sender {sender}" in alarm["AlarmDescription"]
        assert alarm["AlarmDescription"].endswith("#intake-age")


def test_the_builder_is_told_of_the_senders_and_reads_no_others_parameter(fortified_prod: Template) -> None:
    variables = fortified_prod.named("BuilderFunctionName")["Environment"]["Variables"]
    assert variables["SENDERS"] == "hub=hub/,pharmacy=pharmacy/,online-supplier=suppliers/online/"
    path = variables["SENDER_PARAMETERS"]
    parameters = {
        parameter["Name"]: json.loads(parameter["Value"])
        for parameter in fortified_prod.of_type("SSM::Parameter").values()
        if parameter["Name"].startswith(path)
    }
    assert parameters == {f"{path}/{sender.name}": {"mailboxes": list(sender.mailboxes)} for sender in SENDERS}
    role = referred(fortified_prod.named("BuilderFunctionName")["Role"])
    reads = [
        resource
        for policy in fortified_prod.of_type("IAM::Policy").values()
        if role in map(referred, policy["Roles"])
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Action"] == "ssm:GetParameter"
        for resource in (statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]])
    ]
    assert sum("senders" in json.dumps(statement) or "Senders" in json.dumps(statement) for statement in reads) == len(
        SENDERS
    )


def test_the_pipelines_reports_are_a_sender_of_their_own(tmp_path: Path) -> None:
    own = Sender(name="hub", principals=(HUB,), mailboxes=("Y90001OT001",))
    account = "777788889999"
    dev = with_changes(environments.load("dev"), account="444455556666", senders=(own,))
    template = synthesize(with_deployment(dev, synthetic_reports_from=account), tmp_path)
    role = "arn:aws:iam::444455556666:role/gpconnect-messaging-dev-synthetic-reports"
    assert puts(template, role, "synthetic/1/request.json", by_its_own=True)
    assert not puts(template, role, "hub/1/request.json", by_its_own=True)
    assert not puts(template, ADMIN, "synthetic/1/request.json", by_its_own=True)
    assert (
        template.named("BuilderFunctionName")["Environment"]["Variables"]["SENDERS"] == "hub=hub/,synthetic=synthetic/"
    )
    [parameter] = [
        candidate
        for candidate in template.of_type("SSM::Parameter").values()
        if candidate["Name"].endswith("/synthetic")
    ]
    assert json.loads(parameter["Value"]) == {"mailboxes": ["Y90001OT001"]}


@pytest.mark.parametrize(("name", "senders", "warned"), [("prod", (), 1), ("prod", SENDERS, 0), ("dev", (), 0)])
def test_production_without_senders_is_warned_of_at_synthesis(
    tmp_path: Path, name: str, senders: tuple[Sender, ...], warned: int
) -> None:
    usual = production() if name == "prod" else environments.load(name)
    stack = command.build(
        with_changes(usual, senders=senders), App(context=command.cdk_context(), outdir=str(tmp_path))
    )
    found = Annotations.from_stack(stack).find_warning("*", Match.string_like_regexp("No senders are configured"))
    assert len(found) == warned


# Configuration


def sender(**changes: Any) -> Sender:
    return Sender(**{"name": "hub", "principals": (HUB,), "mailboxes": ("Y90001OT001",), **changes})


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("name", "Hub"), ("name", "hub-"), ("name", "hub-2"), ("name", "h" * 31), ("name", ""),
        ("principals", ()), ("principals", ("*",)), ("principals", ("arn:aws:iam::999900001111:role/*",)),
        ("principals", ("999900001111",)), ("principals", ("arn:aws:sts::999900001111:assumed-role/a/b",)),
        ("mailboxes", ()), ("mailboxes", ("hub",)),
        ("prefix", "hub"), ("prefix", "/hub/"), ("prefix", "hub//"), ("prefix", "../hub/"), ("prefix", "hub/../"),
        ("prefix", "hub/*/"), ("prefix", "h?b/"), ("prefix", "hüb/"), ("prefix", "./"), ("prefix", "/"), ("prefix", ""),
        ("prefix", "${aws:username}/"), ("prefix", "a,b/"), ("prefix", "a=b/"), ("prefix", "hub/\n"),
        ("queue", "yes"),
    ],
)  # fmt: skip
def test_a_wrong_sender_is_refused_by_the_name_of_its_field(field: str, wrong: Any) -> None:
    with pytest.raises(ValidationError, match=field):
        sender(**{field: wrong})


OTHER = "arn:aws:iam::888800002222:role/other"


@pytest.mark.parametrize(
    ("senders", "words"),
    [
        ((sender(mailboxes=("Y90001OT001", "Y90009OT001")),), "senders names Y90009OT001, which mailboxes does not"),
        ((sender(mailboxes=("Y90001OT001",)),), "senders does not name Y90002OT001, Y90003OT001"),
        ((*SENDERS, sender(name="other")), "senders names Y90001OT001 more than once: a mailbox has one sender"),
        ((*SENDERS[:2], SENDERS[2].model_copy(update={"name": "hub"})), "senders names hub more than once"),
        ((*SENDERS[:2], SENDERS[2].model_copy(update={"prefix": "hub/online/"})), "of online-supplier lies within"),
        ((*SENDERS[:2], SENDERS[2].model_copy(update={"prefix": "hub/"})), "lies within that of"),
        ((*SENDERS[:2], SENDERS[2].model_copy(update={"prefix": "synthetic/"})), "lies within that of"),
        (
            (*SENDERS[:2], SENDERS[2].model_copy(update={"principals": tuple(f"{OTHER}{i:0500}" for i in range(20))})),
            "policy would exceed S3's limit",
        ),
    ],
)  # fmt: skip
def test_senders_that_do_not_fit_together_are_refused(senders: tuple[Sender, ...], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        with_changes(production(), senders=senders)


def test_a_name_that_begins_like_another_is_no_overlap() -> None:
    senders = (*SENDERS[:2], SENDERS[2].model_copy(update={"name": "hubtwo", "prefix": "hub2/"}))
    assert with_changes(production(), senders=senders).senders[2].folder == "hub2/"


def test_the_longest_policy_that_is_taken_is_one_that_s3_takes(tmp_path: Path) -> None:
    """The estimate is never below the policy that is deployed; a bucket's generated name has at most 63 characters."""
    mailboxes = tuple(MailboxSettings(mailbox=f"Y9{number:04}OT001", ods_code=f"Y9{number:04}") for number in range(60))

    def senders(count: int) -> tuple[Sender, ...]:
        return tuple(
            sender(
                name=f"sender{'x' * number}"[:30], prefix=f"folder-of-a-sender-{number:03}/",
                principals=(f"{OTHER}/{number:060}",), mailboxes=(settings.mailbox,),
            )
            for number, settings in enumerate(mailboxes[:count])
        )  # fmt: skip

    count = next(count for count in range(60, 0, -1) if _bucket_policy_bytes(senders(count)) <= LONGEST_BUCKET_POLICY)
    assert count >= 15
    configuration = with_changes(
        production(), mailboxes=mailboxes[:count], organisations=(), senders=senders(min(count, 24))
    )
    template = synthesize(configuration, tmp_path)
    drop = template.output("DropBucketName")
    text = json.dumps(template.policy_statements("S3::BucketPolicy", "Bucket", drop), separators=(",", ":"))
    join = json.dumps({"Fn::Join": ["", [{"Fn::GetAtt": [drop, "Arn"]}, ""]]}, separators=(",", ":"))
    assert len(text) - text.count(drop) * (len(join) - len("arn:aws:s3:::") - 63) <= LONGEST_BUCKET_POLICY
