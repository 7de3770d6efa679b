"""The secret from which ids of messages, requests and documents derive: never rotated, kept with the table."""

from constructs import Construct

from infra.configuration import Configuration
from infra.constructs.functions import MessagingFunction
from infra.constructs.keys import ContentKey
from infra.constructs.secrets import unrotated_secret


class IdentifiersSecret(Construct):
    """A random secret of 64 characters, which outlives the stack if the ledger's table does."""

    def __init__(self, scope: Construct, construct_id: str, *, configuration: Configuration, key: ContentKey) -> None:
        super().__init__(scope, construct_id)
        self._key = key
        self.secret_name = f"{configuration.path}/identifiers"
        self._secret = unrotated_secret(
            self,
            "Secret",
            name=self.secret_name,
            description="Derives ids. Never change it; keep and restore it together with the ledger's table",
            field="secret",
            length=64,
            key=key,
            keep=configuration.keep_data,
            because="Ids must stay the same for as long as the ledger exists: with another secret a repeated request "
            "would become a new message.",
        )

    def grant_read(self, function: MessagingFunction) -> None:
        """Let a function derive ids."""
        function.allow("secretsmanager:GetSecretValue", on=[self._secret.secret_arn])
        self._key.grant_via("secretsmanager", function, "kms:Decrypt")
