"""Mailboxes: their settings as parameters, their credentials as secrets.

The stack makes each secret with a random value that opens nothing, so that a function that runs before a person has put
the real one in is refused by MESH and sends nothing.
"""

from aws_cdk import ArnFormat, RemovalPolicy, Stack
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from infra.configuration import Configuration
from infra.constructs.acknowledgement import acknowledge
from infra.constructs.functions import MessagingFunction
from infra.constructs.keys import ContentKey


class Mailboxes(Construct):
    """One parameter and one secret per sending mailbox, and the secret that all of an environment share."""

    def __init__(self, scope: Construct, construct_id: str, *, configuration: Configuration) -> None:
        super().__init__(scope, construct_id)
        self.parameter_prefix = f"/{configuration.path}/mailboxes"
        self.secret_prefix = f"{configuration.path}/mailboxes"
        self.mesh_secret_name = f"{configuration.path}/mesh"
        removal = RemovalPolicy.RETAIN if configuration.keep_data else RemovalPolicy.DESTROY
        self.key = ContentKey(
            self,
            "SecretsKey",
            content="credentials of mailboxes, of MESH and of PDS",
            keep=configuration.keep_data,
            through=("secretsmanager",),
        )
        for settings in configuration.mailboxes:
            ssm.StringParameter(
                self,
                f"Settings{settings.mailbox}",
                parameter_name=f"{self.parameter_prefix}/{settings.mailbox}",
                description=f"How mailbox {settings.mailbox} sends",
                string_value=settings.model_dump_json(),
            )
            self._secret(
                f"Credentials{settings.mailbox}",
                name=f"{self.secret_prefix}/{settings.mailbox}",
                description=f"MESH mailbox {settings.mailbox}: password, client_certificate, client_key",
                key="password",
                removal=removal,
            )
        self._mesh = self._secret(
            "Mesh",
            name=self.mesh_secret_name,
            description="MESH: shared_key of the environment, ca_certificate",
            key="shared_key",
            removal=removal,
        )

    def grant_read_settings(self, function: MessagingFunction) -> None:
        """Let a function read the settings of any mailbox of this environment."""
        function.allow(
            "ssm:GetParameter",
            on=[
                # The name's leading slash is also the one between `parameter` and the name.
                Stack.of(self).format_arn(
                    service="ssm", resource="parameter", resource_name=f"{self.parameter_prefix.removeprefix('/')}/*"
                )
            ],
            wildcard_because="One parameter per mailbox of this environment, named by a request: one that is not "
            "there must be answered 'not found', which refuses the request, and not 'denied', which would retry it.",
        )

    def grant_read_credentials(self, function: MessagingFunction) -> None:
        """Let a function read the credentials of any mailbox of this environment, and the environment's own."""
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
            wildcard_because="One secret per mailbox of this environment, whose full names end in six characters that "
            "AWS chooses; a list of them would outgrow a role's policy with some eighty mailboxes.",
        )
        function.allow("secretsmanager:GetSecretValue", on=[self._mesh.secret_arn])
        self.key.grant_through("secretsmanager", function, "kms:Decrypt")

    def _secret(
        self, construct_id: str, *, name: str, description: str, key: str, removal: RemovalPolicy
    ) -> secretsmanager.Secret:
        secret = secretsmanager.Secret(
            self,
            construct_id,
            secret_name=name,
            description=description,
            removal_policy=removal,
            generate_secret_string=secretsmanager.SecretStringGenerator(
                secret_string_template="{}",  # noqa: S106 - a template without any value
                generate_string_key=key,
            ),
        )
        # Through the resource and not through `encryption_key=`, which would write the services of this key again.
        resource = secret.node.default_child
        if not isinstance(resource, secretsmanager.CfnSecret):
            raise TypeError("a secret's default child is its resource")
        resource.kms_key_id = self.key.key_arn
        acknowledge(
            secret,
            "AwsSolutions-SMG4",
            "NIST+HIPAA:SecretsManagerRotationEnabled",
            because="NHS England issues this credential and has no interface to change it: a person asks for the new "
            "value and puts it here, so no rotation function could.",
        )
        return secret
