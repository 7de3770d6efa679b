"""Mailboxes: settings as parameters, credentials as secrets.

The stack makes a secret with a random value. Until a person replaces it, MESH refuses the mailbox and nothing is sent.
"""

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from infra.configuration import Configuration
from infra.constructs.functions import MessagingFunction
from infra.constructs.keys import ContentKey
from infra.constructs.secrets import unrotated_secret


class Mailboxes(Construct):
    """A parameter and a secret for every sending mailbox, and the environment's shared secret."""

    def __init__(self, scope: Construct, construct_id: str, *, configuration: Configuration, key: ContentKey) -> None:
        super().__init__(scope, construct_id)
        self.parameter_prefix = f"/{configuration.path}/mailboxes"
        self.secret_prefix = f"{configuration.path}/mailboxes"
        self.mesh_secret_name = f"{configuration.path}/mesh"
        self._keep = configuration.keep_data
        self._key = key
        for settings in configuration.mailboxes:
            ssm.StringParameter(
                self,
                f"Settings{settings.mailbox}",
                parameter_name=f"{self.parameter_prefix}/{settings.mailbox}",
                description=f"How mailbox {settings.mailbox} sends",
                string_value=settings.to_json(),
            )
            self._secret(
                f"Credentials{settings.mailbox}",
                name=f"{self.secret_prefix}/{settings.mailbox}",
                description=f"MESH mailbox {settings.mailbox}: password, client_certificate, client_key",
                field="password",
            )
        self._mesh = self._secret(
            "Mesh",
            name=self.mesh_secret_name,
            description="MESH: shared_key of the environment, ca_certificate",
            field="shared_key",
        )

    def grant_read_settings(self, function: MessagingFunction) -> None:
        """Let a function read the settings of all mailboxes of this environment."""
        function.allow(
            "ssm:GetParameter",
            on=[
                # `format_arn` adds the slash between `parameter` and the name.
                Stack.of(self).format_arn(
                    service="ssm", resource="parameter", resource_name=f"{self.parameter_prefix.removeprefix('/')}/*"
                )
            ],
            wildcard_because="A request names the mailbox. For an unknown one AWS must respond 'not found', so that "
            "the builder refuses the request, and not 'denied', which would be retried.",
        )

    def grant_read_credentials(self, function: MessagingFunction) -> None:
        """Let a function read the credentials of all mailboxes, and the environment's shared secret."""
        function.allow(
            "secretsmanager:GetSecretValue",
            on=[
                Stack.of(self).format_arn(
                    service="secretsmanager",
                    resource="secret",
                    resource_name=f"{self.secret_prefix}/*",
                    arn_format=ArnFormat.COLON_RESOURCE_NAME,
                )
            ],
            wildcard_because="A secret's full name ends in six characters that AWS chooses; a list of secrets would "
            "outgrow a role's policy at about eighty mailboxes.",
        )
        function.allow("secretsmanager:GetSecretValue", on=[self._mesh.secret_arn])
        self._key.grant_via("secretsmanager", function, "kms:Decrypt")

    def _secret(self, construct_id: str, *, name: str, description: str, field: str) -> secretsmanager.Secret:
        return unrotated_secret(
            self,
            construct_id,
            name=name,
            description=description,
            field=field,
            key=self._key,
            keep=self._keep,
            because="NHS England issues this credential and offers no interface to change it: a person asks for a new "
            "value and puts it here.",
        )
