"""What the synthesized template must be given to stand on the emulator: the whole list, each entry with its reason.

Everything else is created as it would be on AWS. A rewrite that is not needed any more should go.
"""

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Template = dict[str, Any]


@dataclass(frozen=True)
class Rewrite:
    """One difference between the deployed template and the emulated one."""

    what: str
    reason: str
    apply: Callable[[Template], None]


NOT_EMULATED = ("AWS::CloudWatch::CompositeAlarm", "AWS::CodePipeline::Pipeline", "AWS::CodePipeline::Webhook")
"""Types that the emulator refuses to create. None of them takes part in sending a message."""


def _drop_what_is_not_emulated(template: Template) -> None:
    dropped = {name for name, resource in template["Resources"].items() if resource["Type"] in NOT_EMULATED}
    for name in dropped:
        del template["Resources"][name]
    outputs = template.get("Outputs", {})
    for name in [name for name, output in outputs.items() if dropped & set(_referenced(output))]:
        del outputs[name]


def _name_secrets_by_arn(template: Template) -> None:
    secrets = {name for name, value in template["Resources"].items() if value["Type"] == "AWS::SecretsManager::Secret"}

    def arn(node: Any) -> Any:
        if isinstance(node, dict):
            if set(node) == {"Ref"} and node["Ref"] in secrets:
                return {"Fn::GetAtt": [node["Ref"], "Id"]}
            return {key: arn(value) for key, value in node.items()}
        return [arn(item) for item in node] if isinstance(node, list) else node

    template["Resources"] = arn(template["Resources"])
    if "Outputs" in template:
        template["Outputs"] = arn(template["Outputs"])


def _run_functions_under_the_runtime_client(template: Template) -> None:
    for function in resources(template, "AWS::Lambda::Function").values():
        if str(function["Properties"].get("Runtime", "")).startswith("python"):
            function["Properties"]["Runtime"] = "provided.al2023"


def _name_what_is_asked_as_the_emulator_does(template: Template) -> None:
    for policy in resources(template, "AWS::IAM::Policy").values():
        for statement in policy["Properties"].get("PolicyDocument", {}).get("Statement", ()):
            match statement:
                case {"Action": "lambda:GetEventSourceMapping"}:
                    statement["Action"] = "lambda:ListEventSourceMappings"
                case {"Action": "events:DescribeRule", "Resource": {"Fn::GetAtt": [str(rule), "Arn"]}}:
                    statement["Resource"] = {
                        "Fn::Sub": f"arn:aws:events:${{AWS::Region}}:${{AWS::AccountId}}:rule/default/${{{rule}}}"
                    }


def _leave_layers_to_the_environment(template: Template) -> None:
    for function in resources(template, "AWS::Lambda::Function").values():
        function["Properties"].pop("Layers", None)
    for name in resources(template, "AWS::Lambda::LayerVersion"):
        del template["Resources"][name]


REWRITES: tuple[Rewrite, ...] = (
    Rewrite(
        "composite alarms and pipelines are left out",
        "the emulator does not offer them",
        _drop_what_is_not_emulated,
    ),
    Rewrite(
        "a secret's Ref becomes its ARN",
        "CloudFormation gives a secret's ARN for Ref; the emulator gives its name, which no policy would match",
        _name_secrets_by_arn,
    ),
    Rewrite(
        "python3.13 becomes provided.al2023",
        "the emulator would run a Python function in a loop of its own; so AWS's runtime client runs it instead",
        _run_functions_under_the_runtime_client,
    ),
    Rewrite(
        "permission to describe a rule names its bus, and that to get a mapping becomes that to list mappings",
        "AWS leaves the default bus out of a rule's ARN; the emulator asks for it, and takes getting for listing",
        _name_what_is_asked_as_the_emulator_does,
    ),
    Rewrite(
        "layers are left out",
        "they hold packages for arm64; the local runtime environment has the same versions for this machine",
        _leave_layers_to_the_environment,
    ),
)


def for_emulator(template: Mapping[str, Any]) -> Template:
    """Return the template with every rewrite applied. The given one is not changed."""
    rewritten: Template = copy.deepcopy(dict(template))
    for rewrite in REWRITES:
        rewrite.apply(rewritten)
    return rewritten


def resources(template: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Return the template's resources of one type, by logical id."""
    return {name: value for name, value in template["Resources"].items() if value["Type"] == kind}


def _referenced(node: Any) -> Iterator[str]:
    """Yield every logical id that a part of a template refers to by Ref or Fn::GetAtt."""
    if isinstance(node, dict):
        if isinstance(node.get("Ref"), str):
            yield node["Ref"]
        attribute = node.get("Fn::GetAtt")
        if attribute:
            yield attribute[0] if isinstance(attribute, list) else str(attribute).split(".")[0]
        for value in node.values():
            yield from _referenced(value)
    elif isinstance(node, list):
        for item in node:
            yield from _referenced(item)
