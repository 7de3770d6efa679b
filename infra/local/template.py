"""Changes to the synthesized template for the emulator: the complete list, with reasons.

Everything else is created as on AWS. Delete a rewrite that the emulator no longer needs.
"""

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Template = dict[str, Any]


@dataclass(frozen=True)
class Rewrite:
    """A difference between the deployed template and the emulated one."""

    what: str
    reason: str
    apply: Callable[[Template], None]


NOT_EMULATED = ("AWS::CloudWatch::CompositeAlarm", "AWS::CodePipeline::Pipeline", "AWS::CodePipeline::Webhook")
"""Types that the emulator refuses to create. They take no part in sending a message."""


def _drop_unsupported_resources(template: Template) -> None:
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


def _rewrite_permissions_for_the_emulator(template: Template) -> None:
    for policy in resources(template, "AWS::IAM::Policy").values():
        for statement in policy["Properties"].get("PolicyDocument", {}).get("Statement", ()):
            match statement:
                case {"Action": "lambda:GetEventSourceMapping"}:
                    statement["Action"] = "lambda:ListEventSourceMappings"
                case {"Action": "events:DescribeRule", "Resource": {"Fn::GetAtt": [str(rule), "Arn"]}}:
                    statement["Resource"] = {
                        "Fn::Sub": f"arn:aws:events:${{AWS::Region}}:${{AWS::AccountId}}:rule/default/${{{rule}}}"
                    }


def _drop_layers(template: Template) -> None:
    for function in resources(template, "AWS::Lambda::Function").values():
        function["Properties"].pop("Layers", None)
    for name in resources(template, "AWS::Lambda::LayerVersion"):
        del template["Resources"][name]


REWRITES: tuple[Rewrite, ...] = (
    Rewrite(
        "composite alarms and pipelines are left out",
        "the emulator does not offer them",
        _drop_unsupported_resources,
    ),
    Rewrite(
        "a secret's Ref becomes its ARN",
        "CloudFormation returns a secret's ARN for Ref; the emulator returns the name, which no policy would match",
        _name_secrets_by_arn,
    ),
    Rewrite(
        "python3.13 becomes provided.al2023",
        "the emulator would run Python functions in a loop; with this, AWS's runtime client runs them",
        _run_functions_under_the_runtime_client,
    ),
    Rewrite(
        "events:DescribeRule names the event bus, and lambda:GetEventSourceMapping becomes ListEventSourceMappings",
        "AWS omits the default bus in a rule's ARN, the emulator does not; it also checks the list permission for a "
        "get",
        _rewrite_permissions_for_the_emulator,
    ),
    Rewrite(
        "layers are left out",
        "they hold packages for arm64; the local runtime environment has the same versions for this machine",
        _drop_layers,
    ),
)


def for_emulator(template: Mapping[str, Any]) -> Template:
    """Return a copy of the template with every rewrite applied."""
    rewritten: Template = copy.deepcopy(dict(template))
    for rewrite in REWRITES:
        rewrite.apply(rewritten)
    return rewritten


def resources(template: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Return the template's resources of one type, by logical id."""
    return {name: value for name, value in template["Resources"].items() if value["Type"] == kind}


def _referenced(node: Any) -> Iterator[str]:
    """Yield the logical ids that a part of a template refers to by Ref or Fn::GetAtt."""
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
