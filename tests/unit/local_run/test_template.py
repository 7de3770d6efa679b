"""What the emulated template differs in from the deployed one, and nothing else."""

import copy
from typing import Any

from infra.local.template import REWRITES, Template, for_emulator

FUNCTION = {
    "Type": "AWS::Lambda::Function",
    "Properties": {
        "Runtime": "python3.13",
        "Handler": "handler.handler",
        "Layers": [{"Ref": "Library"}],
        "Role": {"Fn::GetAtt": ["Role", "Arn"]},
        "Code": {"S3Bucket": "assets", "S3Key": "abc.zip"},
    },
}


def template(**resources: Any) -> Template:
    return {"Resources": copy.deepcopy(resources)}


def test_a_template_that_needs_no_rewrite_is_created_as_it_is() -> None:
    given = template(Table={"Type": "AWS::DynamoDB::Table", "Properties": {"TableName": "ledger"}})
    assert for_emulator(given) == given


def test_the_given_template_stays_as_it_was() -> None:
    given = template(Function=FUNCTION)
    before = copy.deepcopy(given)
    for_emulator(given)
    assert given == before


def test_a_function_keeps_all_but_its_runtime_and_layers() -> None:
    given = template(Function=FUNCTION, Library={"Type": "AWS::Lambda::LayerVersion", "Properties": {}})
    rewritten = for_emulator(given)["Resources"]
    expected = {name: value for name, value in FUNCTION["Properties"].items() if name != "Layers"}  # type: ignore[attr-defined]
    assert rewritten == {
        "Function": {"Type": "AWS::Lambda::Function", "Properties": expected | {"Runtime": "provided.al2023"}}
    }


def test_a_function_that_is_not_python_keeps_its_runtime() -> None:
    node = template(Function={"Type": "AWS::Lambda::Function", "Properties": {"Runtime": "nodejs22.x"}})
    assert for_emulator(node)["Resources"]["Function"]["Properties"]["Runtime"] == "nodejs22.x"


def test_a_secrets_reference_becomes_its_arn_wherever_it_stands() -> None:
    given = template(
        Shared={"Type": "AWS::SecretsManager::Secret", "Properties": {}},
        Queue={"Type": "AWS::SQS::Queue", "Properties": {}},
        Policy={
            "Type": "AWS::IAM::Policy",
            "Properties": {"Statement": [{"Resource": [{"Ref": "Shared"}, {"Fn::Join": ["", [{"Ref": "Queue"}]]}]}]},
        },
    )
    given["Outputs"] = {"Secret": {"Value": {"Ref": "Shared"}}}
    rewritten = for_emulator(given)
    [statement] = rewritten["Resources"]["Policy"]["Properties"]["Statement"]
    assert statement["Resource"] == [{"Fn::GetAtt": ["Shared", "Id"]}, {"Fn::Join": ["", [{"Ref": "Queue"}]]}]
    assert rewritten["Outputs"]["Secret"]["Value"] == {"Fn::GetAtt": ["Shared", "Id"]}


def test_what_the_emulator_refuses_is_left_out_together_with_the_outputs_that_name_it() -> None:
    given = template(
        Quiet={"Type": "AWS::CloudWatch::CompositeAlarm", "Properties": {}},
        Alarm={"Type": "AWS::CloudWatch::Alarm", "Properties": {}},
    )
    given["Outputs"] = {"Quiet": {"Value": {"Fn::GetAtt": ["Quiet", "Arn"]}}, "Alarm": {"Value": {"Ref": "Alarm"}}}
    rewritten = for_emulator(given)
    assert list(rewritten["Resources"]) == ["Alarm"]
    assert list(rewritten["Outputs"]) == ["Alarm"]


def test_permissions_to_ask_about_a_rule_and_a_mapping_are_named_as_the_emulator_names_them() -> None:
    asked = [
        {"Action": "events:DescribeRule", "Resource": {"Fn::GetAtt": ["Rule", "Arn"]}},
        {"Action": "lambda:GetEventSourceMapping", "Resource": "arn:of-a-mapping"},
        {"Action": "sns:Publish", "Resource": "arn:of-a-topic"},
    ]
    policy = {"Type": "AWS::IAM::Policy", "Properties": {"PolicyDocument": {"Statement": asked}}}
    [rewritten] = for_emulator(template(Policy=policy))["Resources"].values()
    rule, mapping, topic = rewritten["Properties"]["PolicyDocument"]["Statement"]
    assert rule["Resource"] == {"Fn::Sub": "arn:aws:events:${AWS::Region}:${AWS::AccountId}:rule/default/${Rule}"}
    assert mapping["Action"] == "lambda:ListEventSourceMappings"
    assert topic == asked[2]


def test_every_rewrite_says_why_it_is_there() -> None:
    assert all(rewrite.what and rewrite.reason for rewrite in REWRITES)
