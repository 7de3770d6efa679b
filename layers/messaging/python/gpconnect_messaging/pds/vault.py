"""Finds the application's credentials in Secrets Manager, and keeps them for five minutes.

So a rotated key takes effect without a deployment: within five minutes, and at once when PDS refuses the old one.
"""

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from gpconnect_messaging.mailboxes.keeping import Kept
from gpconnect_messaging.pds.credentials import ApplicationCredentials
from gpconnect_messaging.pds.errors import CredentialsError

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

_KEPT_SECONDS = 300


class ApplicationVault:
    """The credentials of the environment's one application."""

    def __init__(
        self, client: "SecretsManagerClient", secret: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._secret = secret
        self._kept: Kept[ApplicationCredentials] = Kept(_KEPT_SECONDS, clock)

    def credentials(self) -> ApplicationCredentials:
        """Find the credentials. Raises CredentialsError."""
        return self._kept.get(self._secret, self._read)

    def forget(self) -> None:
        """Read the secret afresh next time: PDS did not accept what we had."""
        self._kept.forget(self._secret)

    def _read(self) -> ApplicationCredentials:
        try:
            text = self._client.get_secret_value(SecretId=self._secret)["SecretString"]
        except ClientError as error:
            if error.response["Error"]["Code"] == "ResourceNotFoundException":
                raise CredentialsError(f"the secret {self._secret} does not exist or has no value") from None
            raise
        try:
            value = json.loads(text)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise CredentialsError(f"the secret {self._secret} is not a JSON object")
        return ApplicationCredentials.from_secret(value)
