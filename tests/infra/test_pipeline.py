"""The pipeline: stages, commands, and roles that it may assume in the environments."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App
from pydantic import ValidationError

from infra import app as command
from infra import environments
from infra.constructs.synthetic_reports import PIPELINE_ROLE
from infra.pipeline.configuration import DELIVERY, Delivery
from infra.pipeline.stack import CDK_VERSION, STACK_NAME
from tests.infra.test_command import run

Template = Mapping[str, Any]

COMPARED = (".template.json", ".assets.json")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The synthesized pipeline, and every environment in it; the rules were applied to all."""
    folder = tmp_path_factory.mktemp("pipeline")
    app = App(context=command.cdk_context(), outdir=str(folder))
    command.build_pipeline(app)
    app.synth()
    return folder


@pytest.fixture(scope="module")
def pipeline(folder: Path) -> Template:
    body: Template = json.loads((folder / f"{STACK_NAME}.template.json").read_text(encoding="utf-8"))
    return body


@pytest.fixture(scope="module")
def stages(pipeline: Template) -> dict[str, list[str]]:
    """Actions by stage, in running order."""
    [properties] = of_type(pipeline, "CodePipeline::Pipeline")
    return {
        stage["Name"]: [action["Name"] for action in sorted(stage["Actions"], key=lambda entry: int(entry["RunOrder"]))]
        for stage in properties["Stages"]
    }


def environment(folder: Path, name: str) -> Template:
    [path] = (folder / f"assembly-{name}").glob("*.template.json")
    body: Template = json.loads(path.read_text(encoding="utf-8"))
    return body


def of_type(template: Template, kind: str) -> list[Any]:
    return [resource["Properties"] for resource in template["Resources"].values() if resource["Type"] == f"AWS::{kind}"]


def commands(pipeline: Template) -> dict[str, str]:
    """Commands of the projects, by description."""
    return {
        project["Description"].rsplit("/", 1)[1]: project["Source"]["BuildSpec"]
        for project in of_type(pipeline, "CodeBuild::Project")
        if isinstance(project["Source"].get("BuildSpec"), str)
    }


def test_two_syntheses_of_the_pipeline_and_of_all_its_environments_are_identical(folder: Path, tmp_path: Path) -> None:
    done = run("--environment", "pipeline", path="", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    written = sorted(path.relative_to(folder) for path in folder.rglob("*.json") if path.name.endswith(COMPARED))
    assert {path.parent.name for path in written} == {"", "assembly-Dev", "assembly-Int", "assembly-Prod"}
    for path in written:
        assert (tmp_path / "cdk.out" / path).read_bytes() == (folder / path).read_bytes(), path


def test_a_change_is_built_then_changes_the_pipeline_and_then_goes_from_dev_to_int_to_prod(
    stages: dict[str, list[str]],
) -> None:
    assert list(stages) == ["Source", "Build", "UpdatePipeline", "Assets", "Dev", "Int", "Prod"]


def test_dev_and_int_are_tried_after_their_deployment_and_prod_waits_for_a_person(stages: dict[str, list[str]]) -> None:
    assert stages["Dev"][-1] == "Smoke"
    assert stages["Int"][-1] == "EndToEnd"
    assert stages["Prod"][0] == "Approve"
    for name in ("Dev", "Int", "Prod"):
        assert [action for action in stages[name] if action.endswith("Deploy")]


def test_approval_is_a_persons(pipeline: Template) -> None:
    [properties] = of_type(pipeline, "CodePipeline::Pipeline")
    [approval] = [
        action
        for stage in properties["Stages"]
        for action in stage["Actions"]
        if action["ActionTypeId"]["Category"] == "Approval"
    ]
    assert approval["ActionTypeId"]["Provider"] == "Manual"


def test_the_checks_run_before_anything_is_built(pipeline: Template) -> None:
    synth = commands(pipeline)["Synth"]
    words = ("make check", "make supply-chain", "make synth ENVIRONMENT=pipeline")
    assert [synth.index(word) for word in words] == sorted(synth.index(word) for word in words)


@pytest.mark.parametrize(("step", "reach"), [("Smoke", "BUILT"), ("EndToEnd", "DELIVERED")])
def test_an_environment_is_tried_with_a_report_of_its_first_mailbox(pipeline: Template, step: str, reach: str) -> None:
    runs = commands(pipeline)[step]
    mailbox = environments.load("int").mailboxes[0]
    assert "python -m infra.operations.synthetic_report" in runs
    assert f"--mailbox {mailbox.mailbox} --ods-code {mailbox.ods_code} --reach {reach}" in runs


def test_the_command_line_that_deploys_is_the_makefiles() -> None:
    makefile = (Path(command.__file__).parents[1] / "Makefile").read_text(encoding="utf-8")
    assert re.findall(r"aws-cdk@([\d.]+)", makefile) == [CDK_VERSION]


def test_the_pipeline_may_drop_reports_about_test_people_and_ask_what_became_of_them(folder: Path) -> None:
    for name in ("Dev", "Int"):
        template = environment(folder, name)
        logical_id, role = next(
            (logical_id, resource["Properties"])
            for logical_id, resource in template["Resources"].items()
            if resource["Type"] == "AWS::IAM::Role"
            and "synthetic-reports" in str(resource["Properties"].get("RoleName"))
        )
        [trust] = role["AssumeRolePolicyDocument"]["Statement"]
        assert DELIVERY.account in json.dumps(trust["Principal"])
        pipelines_role = f"arn:aws:iam::{DELIVERY.account}:role/{PIPELINE_ROLE}"
        assert trust["Condition"] == {"ArnEquals": {"aws:PrincipalArn": pipelines_role}}
        [policy] = [
            candidate for candidate in of_type(template, "IAM::Policy") if {"Ref": logical_id} in candidate["Roles"]
        ]
        statements = policy["PolicyDocument"]["Statement"]
        assert {statement["Action"] for statement in statements} == {
            *("s3:PutObject", "kms:GenerateDataKey", "dynamodb:BatchGetItem", "dynamodb:Query", "kms:Decrypt")
        }
        [put] = [statement for statement in statements if statement["Action"] == "s3:PutObject"]
        assert json.dumps(put["Resource"]).count("/synthetic/*") == 1


def test_no_test_person_comes_to_production(folder: Path) -> None:
    assert "synthetic-reports" not in json.dumps(environment(folder, "Prod"))


def test_the_pipeline_deploys_what_a_person_would(folder: Path) -> None:
    for name in ("Dev", "Int", "Prod"):
        [stack] = [
            artifact["properties"]["stackName"]
            for artifact in json.loads((folder / f"assembly-{name}" / "manifest.json").read_text())[
                "artifacts"
            ].values()
            if artifact["type"] == "aws:cloudformation:stack"
        ]
        assert stack == f"gpconnect-messaging-{name.lower()}"


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("account", "1"),
        ("region", "London"),
        ("repository", "gpconnect-messaging"),
        ("branch", ""),
        ("connection", "arn:aws:iam::777788889999:role/connection"),
        ("patience_minutes", 1),
    ],
)
def test_a_wrong_pipeline_is_refused_by_its_field(field: str, wrong: object) -> None:
    with pytest.raises(ValidationError, match=field):
        Delivery(**{**DELIVERY.model_dump(), field: wrong})
