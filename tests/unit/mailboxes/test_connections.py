"""A client per mailbox, kept while its credentials stay the same."""

import json

import pytest

from gpconnect_messaging.mailboxes.connections import MeshConnections
from gpconnect_messaging.mailboxes.directory import CredentialsError, CredentialVault
from tests.fakes.secrets_manager import Secrets

MAILBOX = "Y90001OT001"


def connections(secrets: Secrets) -> tuple[MeshConnections, CredentialVault]:
    vault = CredentialVault(secrets, "mailboxes", "mesh")  # type: ignore[arg-type]
    return MeshConnections("http://127.0.0.1:1", vault), vault


def test_a_client_is_kept_until_its_credentials_change() -> None:
    secrets = Secrets({f"mailboxes/{MAILBOX}": {"password": "one"}, "mesh": {"shared_key": "k"}})
    mesh, vault = connections(secrets)
    first = mesh.to(MAILBOX)
    vault.forget(MAILBOX)
    assert mesh.to(MAILBOX) is first
    secrets.values[f"mailboxes/{MAILBOX}"] = {"password": "two"}
    vault.forget(MAILBOX)
    assert mesh.to(MAILBOX) is not first
    mesh.close()


def test_a_certificate_that_is_rotated_to_something_unusable_is_the_secrets_fault_and_not_shown() -> None:
    own = {"password": "one", "client_certificate": "SECRET-TEXT", "client_key": "SECRET-TEXT"}
    mesh, _ = connections(Secrets({f"mailboxes/{MAILBOX}": own, "mesh": {"shared_key": "k"}}))
    with pytest.raises(CredentialsError, match=f"of mailbox {MAILBOX} are not usable PEM") as raised:
        mesh.to(MAILBOX)
    assert "SECRET-TEXT" not in json.dumps([str(raised.value), repr(raised.value.__context__)])
