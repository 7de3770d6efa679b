"""Synthesize environments, and read their templates as people do: by what a resource is, not by its hashed id."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aws_cdk import App

from infra import app as command
from infra.configuration import LIVE_MESH_HOST, Configuration, MailboxSettings, OrganisationContacts

Properties = Mapping[str, Any]


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
    """An invented production environment: the strictest configuration there is."""
    return Configuration(
        name="prod",
        account="123456789012",
        mesh_url=f"https://{LIVE_MESH_HOST}",
        nhs_numbers="live",
        mailboxes=tuple(
            MailboxSettings(mailbox=f"{ods_code}OT001", ods_code=ods_code)
            for ods_code in ("Y90001", "Y90002", "Y90003")
        ),
        contacts=("on-call@example.org", "safety@example.org"),
        escalation_contacts=("director@example.org",),
        organisations=(
            OrganisationContacts(
                mailboxes=("Y90002OT001",),
                contacts=("hub@example.net", "https://desk.example.net/notices/4711"),
                escalation_contacts=("medical.director@example.net",),
            ),
            OrganisationContacts(mailboxes=("Y90003OT001",), contacts=("pharmacy@example.com",)),
        ),
        keep_data=True,
    )


def synthesize(configuration: Configuration, folder: Path) -> Template:
    """Synthesize an environment into a folder, as the command does, cdk-nag included."""
    app = App(context=command.cdk_context(), outdir=str(folder))
    command.build(configuration, app)
    app.synth()
    path = folder / f"{command.stack_name(configuration)}.template.json"
    return Template(configuration=configuration, folder=folder, body=json.loads(path.read_text(encoding="utf-8")))
