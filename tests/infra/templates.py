"""Synthesize environments, and find resources in their templates by role, not by hashed id."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aws_cdk import App

from infra import app as command
from infra import environments
from infra.configuration import (
    Backfill,
    Configuration,
    Deployment,
    MailboxSettings,
    Network,
    OrganisationContacts,
    Sender,
    Settings,
)

Properties = Mapping[str, Any]


HUB = "arn:aws:iam::999900001111:role/apps/hub"
PHARMACY = "arn:aws:iam::444455556666:role/pharmacy"
SUPPLIER = "arn:aws:iam::888800002222:root"
SENDERS = (
    Sender(name="hub", principals=(HUB,), mailboxes=("Y90001OT001",), queue=True),
    Sender(name="pharmacy", principals=(PHARMACY,), mailboxes=("Y90002OT001",), queue=True),
    Sender(name="online-supplier", principals=(SUPPLIER,), mailboxes=("Y90003OT001",), prefix="suppliers/online/"),
)
"""For `production`: of another account, of this one, and a whole account."""


@dataclass(frozen=True)
class Template:
    """A synthesized template beside the configuration that it came from."""

    configuration: Configuration
    folder: Path
    body: Mapping[str, Any]

    def of_type(self, kind: str) -> dict[str, Properties]:
        """Give the properties of every resource of a type (`SQS::Queue`), by logical id; there is at least one."""
        found = {
            name: resource.get("Properties", {})
            for name, resource in self.body["Resources"].items()
            if resource["Type"] == f"AWS::{kind}"
        }
        assert found, f"the template has no {kind}"
        return found

    def output(self, name: str) -> str:
        """Give the logical id of the resource that an output names."""
        match self.body["Outputs"][name]["Value"]:
            case {"Ref": str(logical_id)}:
                return logical_id
            case other:
                raise AssertionError(f"{name} refers to no resource: {other}")

    def named(self, output: str) -> Properties:
        """Give the properties of the resource that an output names."""
        properties: Properties = self.body["Resources"][self.output(output)]["Properties"]
        return properties

    def live(self, function: str) -> str:
        """Give the logical id of the alias of the function that an output names."""
        [alias] = [
            logical_id
            for logical_id, alias in self.of_type("Lambda::Alias").items()
            if referred(alias["FunctionName"]) == self.output(function)
        ]
        return alias

    def policy_statements(self, kind: str, attached: str, logical_id: str) -> list[Properties]:
        """Give the statements of the resource policies of a type that are attached to one resource."""
        return [
            statement
            for policy in self.of_type(kind).values()
            if logical_id in json.dumps(policy[attached])
            for statement in policy["PolicyDocument"]["Statement"]
        ]

    def key_statements(self, key: Any) -> list[Properties]:
        """Give the statements of the policy of the key that a resource names."""
        statements: list[Properties] = self.of_type("KMS::Key")[referred(key)]["KeyPolicy"]["Statement"]
        return statements


def referred(value: Any) -> str:
    """Give the logical id that `Ref` or `Fn::GetAtt` names."""
    match value:
        case {"Ref": str(logical_id)} | {"Fn::GetAtt": [str(logical_id), _]}:
            return logical_id
        case other:
            raise AssertionError(f"not a reference: {other}")


def production() -> Configuration:
    """The production environment: the strictest configuration there is, with three organisations in it."""
    return with_changes(
        environments.load("prod"),
        mailboxes=tuple(
            MailboxSettings(mailbox=f"{ods_code}OT001", ods_code=ods_code, pds_lookup=True)
            for ods_code in ("Y90001", "Y90002", "Y90003")
        ),
        contacts=("on-call@example.org", "safety@example.org"),
        escalation_contacts=("director@example.org",),
        organisations=(
            OrganisationContacts(
                mailboxes=("Y90002OT001",),
                contacts=("hub@example.net", "https://desk.example.net/notifications/4711"),
                escalation_contacts=("medical.director@example.net",),
            ),
            OrganisationContacts(mailboxes=("Y90003OT001",), contacts=("pharmacy@example.com",)),
        ),
    )


def fortified() -> Configuration:
    """Production in an organisation with special rules: every option is on."""
    return with_deployment(
        with_changes(production(), backfill=Backfill(requests_per_second=20), senders=SENDERS, dashboard=True),
        traffic_shift="linear",
        permissions_boundary="arn:aws:iam::444455556666:policy/boundary",
        network=Network(
            vpc="vpc-0123456789abcdef0",
            availability_zones=("eu-west-2a", "eu-west-2b"),
            subnets=("subnet-0123456789abcdef0", "subnet-0123456789abcdef1"),
            route_tables=("rtb-0123456789abcdef0", "rtb-0123456789abcdef1"),
        ),
        evidence_lock_days=30,
    )


def with_deployment(configuration: Configuration, **changes: Any) -> Configuration:
    """An environment that is deployed otherwise."""
    return with_changes(configuration, deployment=Deployment(**{**parts(configuration.deployment), **changes}))


def with_changes(configuration: Configuration, **changes: Any) -> Configuration:
    """An environment with other values, checked as any is."""
    return Configuration(**{**parts(configuration), **changes})


def parts(settings: Settings) -> dict[str, Any]:
    """The values of settings by field, groups as they are."""
    return {name: getattr(settings, name) for name in type(settings).model_fields}


def synthesize(configuration: Configuration, folder: Path) -> Template:
    """Synthesize an environment into a folder, as the command does, cdk-nag included."""
    app = App(context=command.cdk_context(), outdir=str(folder))
    command.build(configuration, app)
    app.synth()
    path = folder / f"{command.stack_name(configuration)}.template.json"
    return Template(configuration=configuration, folder=folder, body=json.loads(path.read_text(encoding="utf-8")))
