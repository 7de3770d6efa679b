"""One MESH client per mailbox, kept while its credentials stay the same."""

from gpconnect_messaging.mailboxes.directory import CredentialVault
from gpconnect_messaging.mesh.client import MeshClient
from gpconnect_messaging.mesh.credentials import MailboxCredentials


class MeshConnections:
    """Opens MESH for the mailboxes of an environment."""

    def __init__(self, url: str, vault: CredentialVault) -> None:
        self._url = url
        self._vault = vault
        self._open: dict[str, tuple[MailboxCredentials, MeshClient]] = {}

    def to(self, mailbox: str) -> MeshClient:
        """Return the mailbox's client. Raises CredentialsError."""
        credentials = self._vault.credentials(mailbox)
        known, client = self._open.get(mailbox, (None, None))
        if client is None or known != credentials:
            if client is not None:
                client.close()
            client = MeshClient(self._url, credentials)
            self._open[mailbox] = (credentials, client)
        return client

    def close(self) -> None:
        """Close all connections."""
        for _, client in self._open.values():
            client.close()
        self._open.clear()

    def not_accepted(self, mailbox: str) -> None:
        """MESH did not accept the mailbox's credentials: read them afresh next time, in case they were rotated."""
        self._vault.forget(mailbox)
