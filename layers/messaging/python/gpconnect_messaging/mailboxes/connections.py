"""One MESH client per mailbox, cached while the credentials stay the same."""

import threading
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from gpconnect_messaging.cache import TtlCache
from gpconnect_messaging.mailboxes.directory import CredentialsError, CredentialVault
from gpconnect_messaging.mesh.client import MeshClient
from gpconnect_messaging.mesh.credentials import MailboxCredentials
from gpconnect_messaging.mesh.errors import Authentication, WrongClock
from gpconnect_messaging.mesh.models import EndpointLookup

_LOOKUPS_KEPT_SECONDS = 900
"""How long a directory answer is cached: practices change their mailboxes rarely."""

_Value = TypeVar("_Value")


class MeshConnections:
    """Opens MESH for the mailboxes of an environment. Safe to share between threads."""

    def __init__(self, url: str, vault: CredentialVault) -> None:
        self._url = url
        self._vault = vault
        self._open: dict[str, tuple[MailboxCredentials, MeshClient]] = {}
        self._opening = threading.Lock()
        self._lookups: TtlCache[EndpointLookup] = TtlCache(_LOOKUPS_KEPT_SECONDS)

    def to(self, mailbox: str) -> MeshClient:
        """Return the mailbox's client. Raises CredentialsError."""
        with self._opening:
            credentials = self._vault.credentials(mailbox)
            known, client = self._open.get(mailbox, (None, None))
            if client is None or known != credentials:
                if client is not None:
                    client.close()
                try:
                    client = MeshClient(self._url, credentials)
                except ValueError as error:  # the certificate or key is no usable PEM: the text says which
                    raise CredentialsError(str(error)) from None
                self._open[mailbox] = (credentials, client)
            return client

    def authorised(self, mailbox: str, act: Callable[[MeshClient], _Value]) -> _Value:
        """Call `act`, which must have had no effect if MESH refuses the credentials.

        After a refusal the secret is read again, in case it was rotated, and `act` is tried once more. A second refusal
        is raised, and a wrong clock at once, since no other secret would help. Raises the errors of `act`.
        """
        try:
            return act(self.to(mailbox))
        except WrongClock:
            raise
        except Authentication:
            self._vault.forget(mailbox)
        try:
            return act(self.to(mailbox))
        except Authentication:
            self._vault.forget(mailbox)
            raise

    def endpoint_lookup(self, mailbox: str, ods_code: str, workflow_id: str) -> EndpointLookup:
        """Ask, as a sending mailbox, which mailboxes of an organisation take a workflow; answers are cached.

        An empty answer is not cached, because the organisation may be enabling the workflow. Raises the errors of
        `MeshClient.endpoint_lookup`.
        """

        def ask() -> EndpointLookup:
            return self.authorised(mailbox, lambda client: client.endpoint_lookup(ods_code, workflow_id))

        name = _lookup_name(ods_code, workflow_id)
        lookup = self._lookups.get(name, ask)
        if not lookup.mailboxes:
            self._lookups.forget(name)
        return lookup

    def forget_lookup(self, ods_code: str, workflow_id: str) -> None:
        """Ask the directory again next time: MESH refused a message to the mailbox that it named."""
        self._lookups.forget(_lookup_name(ods_code, workflow_id))

    def certificate_expires(self, mailbox: str) -> datetime | None:
        """When the mailbox's client certificate ends; None without one. Raises CredentialsError."""
        return self._vault.credentials(mailbox).certificate_expires

    def close(self) -> None:
        """Close all connections."""
        for _, client in self._open.values():
            client.close()
        self._open.clear()


def _lookup_name(ods_code: str, workflow_id: str) -> str:
    return f"{ods_code}/{workflow_id}"
