"""The secret that message, request and document ids are derived with: made once, never rotated, kept with the table."""

from aws_cdk import RemovalPolicy
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from infra.configuration import Configuration
from infra.constructs.acknowledgement import acknowledge
from infra.constructs.functions import MessagingFunction
from infra.constructs.keys import ContentKey


class IdentifiersSecret(Construct):
    """A random secret of 64 characters, which outlives the stack wherever the ledger's table does."""

    def __init__(self, scope: Construct, construct_id: str, *, configuration: Configuration, key: ContentKey) -> None:
        super().__init__(scope, construct_id)
        self._key = key
        self.secret_name = f"{configuration.path}/identifiers"
        self._secret = secretsmanager.Secret(
            self,
            "Secret",
            secret_name=self.secret_name,
            description="Derives ids. Never change it; keep and restore it together with the ledger's table",
            removal_policy=RemovalPolicy.RETAIN if configuration.keep_data else RemovalPolicy.DESTROY,
            generate_secret_string=secretsmanager.SecretStringGenerator(
                secret_string_template="{}",  # noqa: S106 - a template without any value
                generate_string_key="secret",
                password_length=64,
                exclude_punctuation=True,
            ),
        )
        # Through the resource and not through `encryption_key=`, which would write the services of this key again.
        resource = self._secret.node.default_child
        if not isinstance(resource, secretsmanager.CfnSecret):
            raise TypeError("a secret's default child is its resource")
        resource.kms_key_id = key.key_arn
        acknowledge(
            self._secret,
            "AwsSolutions-SMG4",
            "NIST+HIPAA:SecretsManagerRotationEnabled",
            because="Ids must stay the same for as long as the ledger does: with another secret every repeated request "
            "would become a new message.",
        )

    def grant_read(self, function: MessagingFunction) -> None:
        """Let a function derive ids."""
        function.allow("secretsmanager:GetSecretValue", on=[self._secret.secret_arn])
        self._key.grant_through("secretsmanager", function, "kms:Decrypt")
