"""What an organisation may ask for besides: a network, a bound on every role, locked evidence, gradual releases."""

import json
from pathlib import Path
from typing import Any

import pytest

from gpconnect_messaging.documents.gate import limits
from infra import environments
from infra.configuration import MailboxSettings, Version
from tests.infra.templates import Template, referred, synthesize, with_changes, with_deployment

SECRET = "AWS::SecretsManager::Secret"

FUNCTIONS = ("BuilderFunctionName", "SenderFunctionName", "PollerFunctionName")


def test_every_role_stays_within_the_boundary(fortified_prod: Template, prod: Template) -> None:
    boundary = fortified_prod.configuration.deployment.permissions_boundary
    assert boundary
    roles = fortified_prod.of_type("IAM::Role").values()
    assert {role["PermissionsBoundary"] for role in roles} == {boundary}
    assert not any("PermissionsBoundary" in role for role in prod.of_type("IAM::Role").values())


def test_evidence_cannot_be_deleted_while_it_is_locked(fortified_prod: Template, prod: Template) -> None:
    locked = prod.named("EvidenceBucketName")["ObjectLockConfiguration"]["Rule"]["DefaultRetention"]
    assert locked == {"Mode": "GOVERNANCE", "Days": 30}
    for bucket in ("DropBucketName", "OutboxBucketName"):
        assert "Rule" not in fortified_prod.named(bucket).get("ObjectLockConfiguration", {})


# Network


@pytest.mark.parametrize("function", FUNCTIONS)
def test_functions_run_in_the_network_and_reach_port_443_only(fortified_prod: Template, function: str) -> None:
    network = fortified_prod.configuration.deployment.network
    assert network
    placed = fortified_prod.named(function)["VpcConfig"]
    assert placed["SubnetIds"] == list(network.subnets)
    [group] = [referred(reference) for reference in placed["SecurityGroupIds"]]
    properties = fortified_prod.of_type("EC2::SecurityGroup")[group]
    assert [(rule["FromPort"], rule["ToPort"]) for rule in properties["SecurityGroupEgress"]] == [(443, 443)]
    assert "SecurityGroupIngress" not in properties


def test_aws_is_reached_through_endpoints_that_serve_this_account_only(fortified_prod: Template) -> None:
    endpoints = fortified_prod.of_type("EC2::VPCEndpoint").values()
    assert {endpoint["ServiceName"].removeprefix("com.amazonaws.eu-west-2.") for endpoint in endpoints} == {
        *("s3", "dynamodb"),
        *("sqs", "sns", "ssm", "secretsmanager", "logs", "monitoring", "events", "lambda", "kms"),
    }
    for endpoint in endpoints:
        [statement] = endpoint["PolicyDocument"]["Statement"]
        assert statement["Condition"] == {"StringEquals": {"aws:PrincipalAccount": {"Ref": "AWS::AccountId"}}}
        if endpoint["VpcEndpointType"] == "Interface":
            assert endpoint["PrivateDnsEnabled"] is True


def test_a_function_may_join_the_network_and_its_code_may_not(fortified_prod: Template, prod: Template) -> None:
    joining = [
        statement
        for policy in fortified_prod.of_type("IAM::Policy").values()
        for statement in policy["PolicyDocument"]["Statement"]
        if "ec2:CreateNetworkInterface" in statement["Action"]
    ]
    assert len(joining) == len(FUNCTIONS)
    for statement in joining:
        assert statement["Condition"] == {"Null": {"lambda:SourceFunctionArn": "true"}}
    assert "ec2:" not in json.dumps(prod.body)


# Releases


@pytest.mark.parametrize(
    ("name", "how"), [("prod", "Canary10Percent10Minutes"), ("fortified", "Linear10PercentEvery1Minute")]
)
def test_a_new_version_takes_over_little_by_little_and_goes_back_if_it_fails(
    templates: dict[str, Template], name: str, how: str
) -> None:
    template = templates[name]
    groups = template.of_type("CodeDeploy::DeploymentGroup")
    alarms = template.of_type("CloudWatch::Alarm")
    shifted = set()
    for function in FUNCTIONS:
        update = template.body["Resources"][template.live(function)]["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"]
        group = referred(update["DeploymentGroupName"])
        shifted.add(group)
        properties = groups[group]
        assert how in json.dumps(properties["DeploymentConfigName"])
        assert properties["AutoRollbackConfiguration"] == {
            "Enabled": True,
            "Events": ["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_REQUEST", "DEPLOYMENT_STOP_ON_ALARM"],
        }
        configured = properties["AlarmConfiguration"]
        assert configured["Enabled"] is True
        watched = {alarms[referred(alarm["Name"])]["MetricName"] for alarm in configured["Alarms"]}
        dead_letters = {"ApproximateNumberOfMessagesVisible"} if function != "PollerFunctionName" else set[str]()
        assert watched == {"Errors"} | dead_letters
    assert shifted == set(groups)


def test_codedeploy_may_move_our_aliases_and_no_others(prod: Template) -> None:
    [role] = {referred(group["ServiceRoleArn"]) for group in prod.of_type("CodeDeploy::DeploymentGroup").values()}
    ours = {prod.output(function) for function in FUNCTIONS}
    allowed: list[tuple[set[str], Any]] = []
    for policy in prod.of_type("IAM::Policy").values():
        if role in map(referred, policy["Roles"]):
            for statement in policy["PolicyDocument"]["Statement"]:
                action, resource = statement["Action"], statement["Resource"]
                actions = {action} if isinstance(action, str) else set(action)
                allowed.append((actions, resource if isinstance(resource, list) else [resource]))
    assert [resource for actions, resource in allowed if "cloudwatch:DescribeAlarms" in actions] == [
        ["arn:aws:cloudwatch:eu-west-2:444455556666:alarm:*"]
    ]
    moved = {
        referred(resource)
        for actions, resources in allowed
        if "lambda:UpdateAlias" in actions
        for resource in resources
    }
    assert moved == ours
    assert {action for actions, _ in allowed for action in actions} == {
        *("cloudwatch:DescribeAlarms", "lambda:GetAlias", "lambda:GetProvisionedConcurrencyConfig"),
        "lambda:UpdateAlias",
    }


def test_an_environment_may_change_at_once_and_set_no_concurrency_aside(tmp_path: Path) -> None:
    small = with_deployment(environments.load("dev"), reserve_concurrency=False)
    template = synthesize(small, tmp_path)
    for function in FUNCTIONS:
        assert "ReservedConcurrentExecutions" not in template.named(function)
        assert "UpdatePolicy" not in template.body["Resources"][template.live(function)]


# Organisations


def test_an_environment_may_let_active_content_pass_and_keeps_room_for_opening_documents(tmp_path: Path) -> None:
    dev = environments.load("dev")
    allowing = synthesize(with_changes(dev, active_content="allow"), tmp_path).named("BuilderFunctionName")
    assert allowing["Environment"]["Variables"]["ACTIVE_CONTENT"] == "allow"
    assert dev.active_content == "refuse"
    # The document check's process may use its limit in addition to the builder's idle memory.
    assert 0.4 * allowing["MemorySize"] >= limits.DATA_BYTES / limits.MEGABYTE
    assert allowing["Timeout"] / 2 >= limits.WALL_SECONDS


def test_another_organisation_is_a_line_of_configuration_and_changes_no_other_resource(tmp_path: Path) -> None:
    dev = environments.load("dev")
    another = MailboxSettings(mailbox="Y90003OT001", ods_code="Y90003", specification=Version.V1_5)
    one = synthesize(dev, tmp_path / "one")
    two = synthesize(with_changes(dev, mailboxes=(*dev.mailboxes, another)), tmp_path / "two")
    before, after = one.body["Resources"], two.body["Resources"]
    added = {name: resource for name, resource in after.items() if name not in before}
    versions = {name for name in added if "CurrentVersion" in name}
    kinds = [resource["Type"] for name, resource in added.items() if name not in versions]
    assert set(kinds) == {"AWS::CloudWatch::Alarm", "AWS::SSM::Parameter", "AWS::Scheduler::Schedule", SECRET}
    for kind in ("AWS::SSM::Parameter", "AWS::Scheduler::Schedule", SECRET):
        assert kinds.count(kind) == 1
    for resource in added.values():
        if resource["Type"] in ("AWS::SSM::Parameter", SECRET):
            assert resource["Properties"]["Name"].endswith("/mailboxes/Y90003OT001")
    changed = {name for name in before if name in after and before[name] != after[name]}
    # One more run of the poller can be under way at once, and nothing else differs: no role, no code, no key.
    poller = one.output("PollerFunctionName")
    assert changed - {one.live("PollerFunctionName")} <= {poller}
    grown = after[poller]["Properties"].pop("ReservedConcurrentExecutions")
    assert grown == before[poller]["Properties"].pop("ReservedConcurrentExecutions") + 1
    assert before[poller] == after[poller]
