"""Reads mailbox settings from Parameter Store and credentials from Secrets Manager, and caches both for five minutes.

So a changed setting or a rotated secret takes effect without a deployment.
"""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from gpconnect_messaging.cache import KEPT_SECONDS, TtlCache, read_parameter, read_secret
from gpconnect_messaging.mailboxes.settings import MailboxSettings, MailboxSettingsError
from gpconnect_messaging.quoting import mailbox_id

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_ssm import SSMClient

    from gpconnect_messaging.mesh.credentials import MailboxCredentials


class UnknownMailboxError(Exception):
    """No such sending mailbox is configured in this environment."""


class CredentialsError(Exception):
    """A mailbox's secret, or the environment's, is missing or unusable: an administrator must correct it."""


class MailboxDirectory:
    """The settings of the sending mailboxes."""

    def __init__(self, client: "SSMClient", prefix: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._prefix = prefix
        self._cache: TtlCache[MailboxSettings] = TtlCache(KEPT_SECONDS, clock)

    def settings(self, mailbox: str) -> MailboxSettings:
        """Find a mailbox's settings. Raises UnknownMailboxError, MailboxSettingsError.

        A malformed mailbox id is not looked up, since AWS logs the call.
        """
        if mailbox_id(mailbox) != mailbox:
            raise UnknownMailboxError("no such mailbox is configured")
        return self._cache.get(mailbox, lambda: self._read(mailbox))

    def _read(self, mailbox: str) -> MailboxSettings:
        text = read_parameter(self._client, f"{self._prefix}/{mailbox}")
        if text is None:
            raise UnknownMailboxError("no such mailbox is configured")
        settings = MailboxSettings.from_json(text)
        if settings.mailbox != mailbox:
            raise MailboxSettingsError("mailbox settings: mailbox: is not the one that the parameter is named for")
        return settings


class CredentialVault:
    """The credentials of the sending mailboxes."""

    def __init__(
        self,
        client: "SecretsManagerClient",
        mailbox_secrets: str,
        mesh_secret: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._mailbox_secrets = mailbox_secrets
        self._mesh_secret = mesh_secret
        self._cache: TtlCache[MailboxCredentials] = TtlCache(KEPT_SECONDS, clock)

    def credentials(self, mailbox: str) -> "MailboxCredentials":
        """Find a mailbox's credentials. Raises CredentialsError."""
        return self._cache.get(mailbox, lambda: self._read(mailbox))

    def forget(self, mailbox: str) -> None:
        """Read the mailbox's secret again next time: MESH did not accept the present one."""
        self._cache.forget(mailbox)

    def _read(self, mailbox: str) -> "MailboxCredentials":
        from gpconnect_messaging.mesh.credentials import MailboxCredentials

        try:
            secret = read_secret(self._client, f"{self._mailbox_secrets}/{mailbox}")
            return MailboxCredentials.from_secrets(mailbox, secret, read_secret(self._client, self._mesh_secret))
        except ValueError as error:
            raise CredentialsError(str(error)) from None
