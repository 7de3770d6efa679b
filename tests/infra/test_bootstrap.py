"""CloudFormation's permissions to deploy: those for the templates' resources, on the product's names, and no more."""

import json
import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App

from infra import app as command
from infra.bootstrap.__main__ import Deployer, UnknownTypeError
from infra.bootstrap.permissions import DATA_DELETIONS, PERMISSIONS
from tests.infra.templates import Properties, Template

Body = Mapping[str, Any]

LONGEST_POLICY = 6_144
"""Characters without white space that IAM takes in a managed policy."""
VALUES = {"AWS::AccountId": "444455556666", "AWS::Region": "eu-west-2", "AWS::Partition": "aws"}

EVERYWHERE = {
    # What AWS documents only * for, what has no name before it is made, and what is bound by a condition instead.
    *("cloudwatch:DescribeAlarms", "logs:DescribeLogGroups", "secretsmanager:GetRandomPassword"),
    *("kms:CreateKey", "kms:TagResource", "guardduty:CreateMalwareProtectionPlan"),
    *(f"lambda:{verb}EventSourceMapping" for verb in ("Create", "Get", "Update", "Delete")),
    *(f"ec2:Describe{what}" for what in ("SecurityGroups", "Subnets", "Vpcs", "NetworkInterfaces", "Instances")),
    *("ec2:DescribeVpcEndpoints", "ec2:DescribeRouteTables", "ec2:DescribeSecurityGroupRules"),
}
NAMES = {
    "AWS::CloudWatch::Dashboard": ("DashboardName", "arn:aws:cloudwatch::444455556666:dashboard/{}"),
    "AWS::CodePipeline::Pipeline": ("Name", "arn:aws:codepipeline:eu-west-2:444455556666:{}"),
    "AWS::IAM::Role": ("RoleName", "arn:aws:iam::444455556666:role/{}"),
    "AWS::SSM::Parameter": ("Name", "arn:aws:ssm:eu-west-2:444455556666:parameter{}"),
    "AWS::Scheduler::ScheduleGroup": ("Name", "arn:aws:scheduler:eu-west-2:444455556666:schedule-group/{}"),
    "AWS::Scheduler::Schedule": ("GroupName", "arn:aws:scheduler:eu-west-2:444455556666:schedule/{}/name"),
    "AWS::SecretsManager::Secret": ("Name", "arn:aws:secretsmanager:eu-west-2:444455556666:secret:{}-AbCdEf"),
    "AWS::StepFunctions::StateMachine": ("StateMachineName", "arn:aws:states:eu-west-2:444455556666:stateMachine:{}"),
}
"""The names that our templates choose, and the resource that each makes. CloudFormation makes the others, from the
stack's name, but for layers and projects, which get their logical id."""
LOGICAL = {
    "AWS::CodeBuild::Project": "arn:aws:codebuild:eu-west-2:444455556666:project/{}-AbCdEf",
    "AWS::Lambda::LayerVersion": "arn:aws:lambda:eu-west-2:444455556666:layer:{}:1",
}


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> list[Body]:
    """The pipeline's own templates, and those of the environments that it delivers to."""
    folder = tmp_path_factory.mktemp("pipeline")
    command.synthesize(command.PIPELINE, folder)
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.rglob("*.template.json"))]


@pytest.fixture(scope="module")
def bodies(templates: dict[str, Template], pipeline: list[Body]) -> list[Body]:
    """Every template that can be deployed to AWS, production with everything optional included."""
    return [*(template.body for name, template in templates.items() if name != "local"), *pipeline]


def types(bodies: Iterable[Body]) -> set[str]:
    return {resource["Type"] for body in bodies for resource in body["Resources"].values()}


def policies(folder: Path, bodies: Iterable[Body], kept: tuple[str, ...] = ()) -> dict[str, list[Properties]]:
    """The policies' statements, with names and numbers for CloudFormation's parameters."""
    app = App(context=command.cdk_context(), outdir=str(folder))
    stack = Deployer(app, templates=bodies, kept=kept)
    written = app.synth().get_stack_by_name(stack.stack_name).template
    return {
        name: resolved(resource["Properties"]["PolicyDocument"]["Statement"])
        for name, resource in written["Resources"].items()
        if resource["Type"] == "AWS::IAM::ManagedPolicy"
    }


def resolved(value: Any) -> Any:
    match value:
        case {"Fn::Join": [str(separator), list(parts)]}:
            return separator.join(map(resolved, parts))
        case {"Ref": str(name)}:
            return VALUES[name]
        case dict():
            return {name: resolved(inner) for name, inner in value.items()}
        case list():
            return [resolved(inner) for inner in value]
        case _:
            return value


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def allowed(found: Mapping[str, list[Properties]]) -> list[tuple[str, str, Any]]:
    """Every action, resource and condition that is allowed."""
    return [
        (action, resource, statement.get("Condition"))
        for statements in found.values()
        for statement in statements
        if statement["Effect"] == "Allow"
        for action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
    ]


def test_every_type_of_our_templates_has_permissions_and_no_other_has(bodies: list[Body]) -> None:
    assert set(PERMISSIONS) == types(bodies)


def test_a_type_without_permissions_is_refused_by_its_name() -> None:
    with pytest.raises(UnknownTypeError, match="AWS::EC2::Instance"):
        Deployer(App(), templates=[{"Resources": {"Server": {"Type": "AWS::EC2::Instance"}}}])


def test_an_environments_policies_are_about_what_it_has(templates: dict[str, Template], tmp_path: Path) -> None:
    dev, prod = templates["dev"].body, templates["prod"].body
    services = {
        name: {action.partition(":")[0] for action, _, _ in allowed(policies(tmp_path / name, [body]))}
        for name, body in (("dev", dev), ("prod", prod))
    }
    assert services["prod"] - services["dev"] == {"codedeploy", "guardduty"}
    assert not services["prod"] & {"ec2", "states", "codebuild", "codepipeline"}
    needed = {action for kind in types([dev]) for grant in PERMISSIONS[kind] for action in grant.full_actions}
    assert {action for action, _, _ in allowed(policies(tmp_path / "again", [dev]))} == needed


def test_nothing_is_allowed_wholesale(bodies: list[Body], tmp_path: Path) -> None:
    for action, resource, _ in allowed(policies(tmp_path, bodies)):
        assert "*" not in action
        if resource == "*":
            assert action in EVERYWHERE
        elif not re.search("gpconnect-?messaging", resource):
            service = action.partition(":")[0]
            assert service in {"kms", "ec2", "lambda", "codebuild", "codedeploy", "guardduty"} or (
                action in {"s3:GetObject", "s3:GetObjectVersion"} and resource.startswith("arn:aws:s3:::cdk-")
            ) or action.endswith(":PassConnection"), (action, resource)  # fmt: skip


def test_who_deploys_reads_no_secret_and_nothing_of_patients(bodies: list[Body], tmp_path: Path) -> None:
    found = allowed(policies(tmp_path, bodies))
    assert {resource for action, resource, _ in found if action.startswith("s3:GetObject")} == {
        "arn:aws:s3:::cdk-*-assets-444455556666-eu-west-2/*"
    }
    assert not {action for action, _, _ in found} & {
        *("secretsmanager:GetSecretValue", "dynamodb:GetItem", "dynamodb:Query", "dynamodb:Scan"),
        *("sqs:ReceiveMessage", "logs:GetLogEvents", "lambda:InvokeFunction"),
    }


def test_every_name_that_a_template_chooses_is_one_that_is_allowed(bodies: list[Body], tmp_path: Path) -> None:
    patterns = {resource for _, resource, _ in allowed(policies(tmp_path, bodies)) if resource != "*"}
    tried = set()
    for logical_id, resource in ((name, resource) for body in bodies for name, resource in body["Resources"].items()):
        kind, properties = resource["Type"], resource.get("Properties", {})
        if kind in NAMES and isinstance(name := properties.get(NAMES[kind][0]), str):
            arn = NAMES[kind][1].format(name)
        elif kind in LOGICAL:
            arn = LOGICAL[kind].format(logical_id)
        else:
            continue
        tried.add(kind)
        assert any(fnmatchcase(arn, pattern) for pattern in patterns), arn
    assert tried >= {*NAMES, *LOGICAL}


def test_stacks_have_the_name_and_the_tags_that_the_permissions_are_bound_to(templates: dict[str, Template]) -> None:
    for template in templates.values():
        manifest = json.loads((template.folder / "manifest.json").read_text(encoding="utf-8"))
        environment = template.configuration.name
        stack = manifest["artifacts"][f"gpconnect-messaging-{environment}"]
        assert stack["type"] == "aws:cloudformation:stack"
        assert stack["properties"]["tags"] == {"product": "gpconnect-messaging", "environment": environment}


def test_keys_are_ours_by_their_tag(bodies: list[Body], tmp_path: Path) -> None:
    found = [condition for action, _, condition in allowed(policies(tmp_path, bodies)) if action.startswith("kms:")]
    for condition in found:
        named = condition["StringEquals"]
        assert "gpconnect-messaging" in (named.get("aws:ResourceTag/product"), named.get("aws:RequestTag/product"))


def test_a_role_is_ours_and_goes_to_the_services_that_our_roles_trust_and_to_no_other(
    bodies: list[Body], tmp_path: Path
) -> None:
    found = [call for call in allowed(policies(tmp_path, bodies)) if call[0].startswith("iam:")]
    assert {resource for _, resource, _ in found} == {"arn:aws:iam::444455556666:role/gpconnect-messaging-*"}
    [passed] = [condition for action, _, condition in found if action == "iam:PassRole"]
    trusted = {
        principal["Service"]
        for body in bodies
        for resource in body["Resources"].values()
        if resource["Type"] == "AWS::IAM::Role"
        for statement in resource["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        if isinstance(principal := statement["Principal"], dict) and isinstance(principal.get("Service"), str)
    }
    assert set(passed["StringEquals"]["iam:PassedToService"]) == trusted
    assert not {action for action, _, _ in found} & {
        *("iam:AttachRolePolicy", "iam:CreatePolicy", "iam:CreatePolicyVersion", "iam:DeleteRolePermissionsBoundary"),
    }, "it cannot add to its own permissions"


def test_where_an_organisation_bounds_roles_none_is_made_without_its_boundary(
    fortified_prod: Template, prod: Template, tmp_path: Path
) -> None:
    boundary = fortified_prod.configuration.deployment.permissions_boundary
    bound = {"StringEquals": {"iam:PermissionsBoundary": boundary}}
    making = ("iam:CreateRole", "iam:PutRolePolicy", "iam:PutRolePermissionsBoundary")
    for name, template, expected in (("with", fortified_prod, bound), ("without", prod, None)):
        found = allowed(policies(tmp_path / name, [template.body]))
        assert [condition for action, _, condition in found if action in making] == [expected] * len(making)


def test_what_production_keeps_cannot_be_removed_whatever_a_template_says(prod: Template, tmp_path: Path) -> None:
    retained = {
        resource["Type"] for resource in prod.body["Resources"].values() if resource.get("DeletionPolicy") == "Retain"
    } - {"AWS::Lambda::Version"}
    refused = [
        statement
        for statements in policies(tmp_path / "prod", [prod.body], kept=("prod",)).values()
        for statement in statements
        if statement["Effect"] == "Deny"
    ]
    names, keys = refused
    assert set(names["Action"]) == set(DATA_DELETIONS)
    assert {f"AWS::{action.split(':')[0]}".lower() for action in [*names["Action"], *keys["Action"]]} == {
        kind.rpartition("::")[0].lower() for kind in retained
    }
    for resource in names["Resource"]:
        assert "gpconnect-messaging-prod-*" in resource or "gpconnect-messaging/prod/*" in resource
    assert set(keys["Action"]) == {"kms:DisableKey", "kms:ScheduleKeyDeletion"}
    assert keys["Condition"] == {"StringEquals": {"aws:ResourceTag/environment": "prod"}}
    others = policies(tmp_path / "dev", [prod.body])
    assert all(statement["Effect"] == "Allow" for statements in others.values() for statement in statements)


def test_each_policy_is_as_short_as_iam_demands(bodies: list[Body], tmp_path: Path) -> None:
    found = policies(tmp_path, bodies, kept=("int", "prod"))
    assert len(found) <= 10
    for name, statements in found.items():
        written = json.dumps({"Version": "2012-10-17", "Statement": statements}, separators=(",", ":"))
        assert len(written) <= LONGEST_POLICY, name


def test_make_bootstrap_gives_cloudformation_these_policies() -> None:
    makefile = (Path(command.__file__).parents[1] / "Makefile").read_text(encoding="utf-8")
    [recipe] = re.findall(r"^bootstrap:.*\n((?:\t.*\n)+)", makefile, flags=re.MULTILINE)
    assert "-m infra.bootstrap" in recipe
    assert '--cloudformation-execution-policies "$$(' in recipe
