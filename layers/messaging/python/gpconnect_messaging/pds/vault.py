"""Reads the application's credentials from Secrets Manager, and caches them for five minutes.

So a rotated key takes effect without a deployment: within five minutes, and at once when PDS refuses the old one.
"""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from gpconnect_messaging.cache import KEPT_SECONDS, TtlCache, read_secret
from gpconnect_messaging.pds.credentials import ApplicationCredentials
from gpconnect_messaging.pds.errors import CredentialsError

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient


class ApplicationVault:
    """The credentials of the environment's one application."""

    def __init__(
        self, client: "SecretsManagerClient", secret: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._secret = secret
        self._cache: TtlCache[ApplicationCredentials] = TtlCache(KEPT_SECONDS, clock)

    def credentials(self) -> ApplicationCredentials:
        """Return the credentials. Raises CredentialsError."""
        return self._cache.get(self._secret, self._read)

    def forget(self) -> None:
        """Read the secret again next time: PDS did not accept the present one."""
        self._cache.forget(self._secret)

    def _read(self) -> ApplicationCredentials:
        try:
            secret = read_secret(self._client, self._secret)
        except ValueError as error:
            raise CredentialsError(str(error)) from None
        return ApplicationCredentials.from_secret(secret)
