"""PDS: the application's secret, the address, and the grants.

The functions reach PDS over the internet, like MESH; there is no way in.
"""

from aws_cdk import CfnParameter
from constructs import Construct

from infra.configuration import Configuration, Pds
from infra.constructs.functions import MessagingFunction
from infra.constructs.keys import ContentKey
from infra.constructs.secrets import unrotated_secret


class DemographicsService(Construct):
    """The secret of the environment's application, with a random value until a person replaces it."""

    def __init__(
        self, scope: Construct, construct_id: str, *, configuration: Configuration, pds: Pds, key: ContentKey
    ) -> None:
        super().__init__(scope, construct_id)
        self._key = key
        self.secret_name = f"{configuration.path}/pds"
        self._pds = pds
        self._url = self._address(configuration)
        self._secret = unrotated_secret(
            self,
            "Application",
            name=self.secret_name,
            description="PDS: application_key, key_id, private_key of the environment's application",
            field="application_key",
            key=key,
            keep=configuration.keep_data,
            because="A person registers the public key with NHS England, so no rotation function could change it; "
            "docs/pds.md says how to replace it without an interruption.",
        )

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables of a function that asks PDS."""
        return {
            "PDS_URL": self._url,
            "PDS_SECRET": self.secret_name,
            "PDS_REQUESTS_PER_SECOND": str(self._pds.requests_per_second),
        }

    def grant_ask(self, function: MessagingFunction) -> None:
        """Let a function read the application's secret. The shared rate budget is in the ledger, with another grant."""
        function.allow("secretsmanager:GetSecretValue", on=[self._secret.secret_arn])
        self._key.grant_via("secretsmanager", function, "kms:Decrypt")

    def _address(self, configuration: Configuration) -> str:
        """Return PDS's address: a parameter, restricted like the MESH address."""
        local = configuration.name == "local"
        parameter = CfnParameter(
            self,
            "Url",
            description="PDS, without a path",
            default=self._pds.url,
            allowed_pattern=r"^https?://(127\.0\.0\.1|localhost)(:[0-9]+)?$" if local else None,
            allowed_values=None if local else [self._pds.url],
        )
        parameter.override_logical_id("PdsUrl")
        return str(parameter.value_as_string)
