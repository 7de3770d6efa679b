"""`make bootstrap`'s first half: a stack with the policies under which CloudFormation deploys an environment.

It is an app that `cdk` runs in an account that is not prepared yet, so that its stack needs no bootstrap itself. The
second half names its output, `Policies`, to `cdk bootstrap`, in place of AdministratorAccess.
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
from infra.bootstrap.permissions import KEPT, KEPT_KEYS, OURS, PATH, PERMISSIONS
from infra.pipeline.configuration import DELIVERY

STACK_NAME = "gpconnect-messaging-deployer"

_GROUPS: Mapping[str, tuple[str, ...]] = {
    "Data": ("DynamoDB", "GuardDuty", "KMS", "S3", "SNS", "SQS", "SSM", "SecretsManager"),
    "Functions": ("CloudWatch", "Events", "Lambda", "Logs", "Scheduler", "StepFunctions"),
    "Delivery": ("CodeBuild", "CodeDeploy", "CodePipeline", "EC2", "IAM"),
}
"""Which services' types are in which policy: one alone would be longer than IAM takes. None of them is ever empty."""
_BOUNDED = {"iam:CreateRole", "iam:PutRolePolicy", "iam:PutRolePermissionsBoundary"}

Template = Mapping[str, Any]


class UnknownTypeError(LookupError):
    """The templates have a type of resource without permissions: add it to `infra/bootstrap/permissions.py`."""


class Deployer(Stack):
    """The policies for what some templates have; `kept` are the environments that keep their data."""

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
        resources = [each for template in templates for each in template["Resources"].values()]
        types = {each["Type"] for each in resources}
        if unknown := sorted(types - PERMISSIONS.keys()):
            raise UnknownTypeError(f"no permissions for {', '.join(unknown)}")
        boundaries = [
            each["Properties"].get("PermissionsBoundary") for each in resources if each["Type"] == "AWS::IAM::Role"
        ]
        # Where every role has the organisation's boundary, none is made without it.
        boundary = boundaries[0] if boundaries and boundaries.count(boundaries[0]) == len(boundaries) else None
        refusals = [statement for environment in kept for statement in _refusals(environment)]
        policies = [
            iam.ManagedPolicy(
                self,
                name,
                description=f"What CloudFormation may do for GP Connect Messaging: {name.lower()}",
                statements=[
                    *_statements(sorted(each for each in types if each.split("::")[1] in services), boundary),
                    *(refusals if name == "Data" else ()),
                ],
            )
            for name, services in _GROUPS.items()
        ]
        CfnOutput(self, "Policies", value=Fn.join(",", [policy.managed_policy_arn for policy in policies]))


def _statements(types: Iterable[str], boundary: str | None) -> Iterator[iam.PolicyStatement]:
    """Allow what the types need; actions with the same resources and conditions in one statement."""
    merged: dict[str, tuple[set[str], Sequence[str], Mapping[str, Any]]] = {}
    for grant in (grant for each in types for grant in PERMISSIONS[each]):
        for action in grant.full_actions:
            conditions: Mapping[str, Any] = grant.conditions
            if boundary and action in _BOUNDED:
                conditions = {"StringEquals": {"iam:PermissionsBoundary": boundary}}
            key = json.dumps([grant.on, conditions])
            merged.setdefault(key, (set(), grant.on, conditions))[0].add(action)
    for actions, resources, conditions in merged.values():
        yield iam.PolicyStatement(actions=sorted(actions), resources=list(resources), conditions=conditions)


def _refusals(environment: str) -> Iterator[iam.PolicyStatement]:
    """Refuse, whatever a template says, to remove what an environment keeps."""

    def of_it(pattern: str) -> str:
        return pattern.replace(OURS, f"gpconnect-messaging-{environment}-*").replace(
            PATH, f"gpconnect-messaging/{environment}/*"
        )

    yield iam.PolicyStatement(
        effect=iam.Effect.DENY,
        actions=sorted(KEPT),
        resources=sorted({of_it(pattern) for patterns in KEPT.values() for pattern in patterns}),
    )
    yield iam.PolicyStatement(
        effect=iam.Effect.DENY,
        actions=list(KEPT_KEYS),
        resources=[f"arn:aws:kms:{Aws.REGION}:{Aws.ACCOUNT_ID}:key/*"],
        conditions={"StringEquals": {"aws:ResourceTag/environment": environment}},
    )


def synthesized(name: str) -> list[Template]:
    """Give the templates of an environment, or of the pipeline and of the environments that it delivers to."""
    with tempfile.TemporaryDirectory() as folder:
        environment_app.synthesize(name, Path(folder))
        return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(Path(folder).rglob("*.template.json"))]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command, which `cdk` calls with the environment to prepare for."""
    parser = argparse.ArgumentParser(prog="python -m infra.bootstrap", description=__doc__)
    parser.add_argument("--environment", choices=[*environments.names(), environment_app.PIPELINE], required=True)
    name = parser.parse_args(arguments).environment
    pipeline = name == environment_app.PIPELINE
    place = DELIVERY if pipeline else environments.load(name)
    kept = [each for each in (environments.names() if pipeline else (name,)) if environments.load(each).keep_data]
    app = App(context=environment_app.cdk_context(), outdir=os.environ.get("CDK_OUTDIR"))
    env = Environment(account=place.account, region=place.region)
    Deployer(app, env=env, templates=synthesized(name), kept=kept)
    app.synth()


if __name__ == "__main__":
    main()
