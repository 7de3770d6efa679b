"""First half of `make bootstrap`: a stack with the policies for CloudFormation's deployments of an environment.

`cdk` deploys this app before the account is bootstrapped, so the stack needs no bootstrap itself. The second half
passes the output `Policies` to `cdk bootstrap`, instead of AdministratorAccess.
"""

import argparse
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from aws_cdk import App, Aws, BootstraplessSynthesizer, CfnOutput, Environment, Fn, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra import app as environment_app
from infra import environments
from infra.bootstrap.permissions import DATA_DELETIONS, KEY_DELETIONS, OURS, PATH, PERMISSIONS
from infra.pipeline.configuration import DELIVERY

STACK_NAME = "gpconnect-messaging-deployer"

_GROUPS: Mapping[str, tuple[str, ...]] = {
    "Data": ("DynamoDB", "GuardDuty", "KMS", "S3", "SNS", "SQS", "SSM", "SecretsManager"),
    "Functions": ("CloudWatch", "Events", "Lambda", "Logs", "Scheduler", "StepFunctions"),
    "Delivery": ("CodeBuild", "CodeDeploy", "CodePipeline", "EC2", "IAM"),
}
"""AWS services by policy: a single policy would exceed IAM's limit. No policy is ever empty."""
_BOUNDED = {"iam:CreateRole", "iam:PutRolePolicy", "iam:PutRolePermissionsBoundary"}

Template = Mapping[str, Any]


class UnknownTypeError(LookupError):
    """The templates have a resource type without permissions: add it to `infra/bootstrap/permissions.py`."""


class Deployer(Stack):
    """The policies for the resources of some templates; `kept` are the environments that keep their data."""

    def __init__(
        self,
        scope: Construct,
        *,
        env: Environment | None = None,
        templates: Iterable[Template],
        kept: Sequence[str] = (),
    ) -> None:
        super().__init__(
            scope,
            STACK_NAME,
            stack_name=STACK_NAME,
            env=env,
            description="GP Connect Messaging: what CloudFormation may do when it deploys",
            analytics_reporting=False,
            synthesizer=BootstraplessSynthesizer(),
        )
        resources = [resource for template in templates for resource in template["Resources"].values()]
        types = {resource["Type"] for resource in resources}
        if unknown := sorted(types - PERMISSIONS.keys()):
            raise UnknownTypeError(f"no permissions for {', '.join(unknown)}")
        boundaries = [
            resource["Properties"].get("PermissionsBoundary")
            for resource in resources
            if resource["Type"] == "AWS::IAM::Role"
        ]
        # If every role has the organisation's boundary, no role may be made without it.
        boundary = boundaries[0] if boundaries and boundaries.count(boundaries[0]) == len(boundaries) else None
        refusals = [statement for environment in kept for statement in _refusals(environment)]
        policies = [
            iam.ManagedPolicy(
                self,
                name,
                description=f"What CloudFormation may do for GP Connect Messaging: {name.lower()}",
                statements=[
                    *_statements(sorted(type_ for type_ in types if type_.split("::")[1] in services), boundary),
                    *(refusals if name == "Data" else ()),
                ],
            )
            for name, services in _GROUPS.items()
        ]
        CfnOutput(self, "Policies", value=Fn.join(",", [policy.managed_policy_arn for policy in policies]))


def _statements(types: Iterable[str], boundary: str | None) -> Iterator[iam.PolicyStatement]:
    """Allow the actions that the types need; actions with the same resources and conditions share a statement."""
    merged: dict[str, tuple[set[str], Sequence[str], Mapping[str, Any]]] = {}
    for grant in (grant for type_ in types for grant in PERMISSIONS[type_]):
        for action in grant.full_actions:
            conditions: Mapping[str, Any] = grant.conditions
            if boundary and action in _BOUNDED:
                conditions = {"StringEquals": {"iam:PermissionsBoundary": boundary}}
            key = json.dumps([grant.on, conditions])
            merged.setdefault(key, (set(), grant.on, conditions))[0].add(action)
    for actions, resources, conditions in merged.values():
        yield iam.PolicyStatement(actions=sorted(actions), resources=list(resources), conditions=conditions)


def _refusals(environment: str) -> Iterator[iam.PolicyStatement]:
    """Deny the deletion of an environment's data, whatever a template says."""

    def of_environment(pattern: str) -> str:
        return pattern.replace(OURS, f"gpconnect-messaging-{environment}-*").replace(
            PATH, f"gpconnect-messaging/{environment}/*"
        )

    yield iam.PolicyStatement(
        effect=iam.Effect.DENY,
        actions=sorted(DATA_DELETIONS),
        resources=sorted({of_environment(pattern) for patterns in DATA_DELETIONS.values() for pattern in patterns}),
    )
    yield iam.PolicyStatement(
        effect=iam.Effect.DENY,
        actions=list(KEY_DELETIONS),
        resources=[f"arn:aws:kms:{Aws.REGION}:{Aws.ACCOUNT_ID}:key/*"],
        conditions={"StringEquals": {"aws:ResourceTag/environment": environment}},
    )


def synthesized(name: str) -> list[Template]:
    """Return the templates of an environment, or of the pipeline and the environments that it delivers to."""
    with tempfile.TemporaryDirectory() as folder:
        environment_app.synthesize(name, Path(folder))
        return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(Path(folder).rglob("*.template.json"))]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; `cdk` calls it with an environment."""
    parser = argparse.ArgumentParser(prog="python -m infra.bootstrap", description=__doc__)
    parser.add_argument("--environment", choices=[*environments.names(), environment_app.PIPELINE], required=True)
    name = parser.parse_args(arguments).environment
    pipeline = name == environment_app.PIPELINE
    target = DELIVERY if pipeline else environments.load(name)
    candidates = environments.names() if pipeline else (name,)
    kept = [candidate for candidate in candidates if environments.load(candidate).keep_data]
    app = App(context=environment_app.cdk_context(), outdir=os.environ.get("CDK_OUTDIR"))
    env = Environment(account=target.account, region=target.region)
    Deployer(app, env=env, templates=synthesized(name), kept=kept)
    app.synth()


if __name__ == "__main__":
    main()
