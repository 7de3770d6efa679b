import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from gpconnect_messaging.mailboxes.directory import (
    CredentialsError,
    CredentialVault,
    MailboxDirectory,
    UnknownMailboxError,
)
from gpconnect_messaging.mailboxes.settings import MailboxSettingsError


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Parameters:
    """Parameter Store, as far as the directory uses it."""

    def __init__(self, **values: dict[str, Any]) -> None:
        self.values = values
        self.reads = 0

    def get_parameter(self, Name: str) -> dict[str, Any]:  # noqa: N803 - boto3's own name
        self.reads += 1
        try:
            return {"Parameter": {"Value": json.dumps(self.values[Name.removeprefix("/mailboxes/")])}}
        except KeyError:
            raise ClientError({"Error": {"Code": "ParameterNotFound"}}, "GetParameter") from None


class Secrets:
    """Secrets Manager, as far as the vault uses it."""

    def __init__(self, **values: str) -> None:
        self.values = values

    def get_secret_value(self, SecretId: str) -> dict[str, Any]:  # noqa: N803 - boto3's own name
        try:
            return {"SecretString": self.values[SecretId.replace("/", "_")]}
        except KeyError:
            raise ClientError({"Error": {"Code": "ResourceNotFoundException"}}, "GetSecretValue") from None


def directory(parameters: Parameters, clock: Clock) -> MailboxDirectory:
    return MailboxDirectory(parameters, "/mailboxes", clock)  # type: ignore[arg-type]


def vault(secrets: Secrets, clock: Clock | None = None) -> CredentialVault:
    return CredentialVault(secrets, "mailboxes", "mesh", clock or Clock())  # type: ignore[arg-type]


def test_settings_are_kept_for_five_minutes_and_then_read_afresh() -> None:
    clock, parameters = Clock(), Parameters(Y90001OT001={"mailbox": "Y90001OT001", "ods_code": "Y90001"})
    mailboxes = directory(parameters, clock)
    assert mailboxes.settings("Y90001OT001").specification == "2.0"
    parameters.values["Y90001OT001"]["specification"] = "1.5"
    assert mailboxes.settings("Y90001OT001").specification == "2.0"
    assert parameters.reads == 1
    clock.now = 301
    assert mailboxes.settings("Y90001OT001").specification == "1.5"


def test_an_unknown_mailbox_is_told_from_a_wrong_one() -> None:
    mailboxes = directory(Parameters(Y90001OT001={"mailbox": "OTHER", "ods_code": "Y90001"}), Clock())
    with pytest.raises(UnknownMailboxError):
        mailboxes.settings("Y90009OT001")
    with pytest.raises(MailboxSettingsError):
        mailboxes.settings("Y90001OT001")


def test_credentials_join_the_mailboxs_secret_and_the_environments() -> None:
    secrets = Secrets(mailboxes_Y90001OT001='{"password": "p"}', mesh='{"shared_key": "k"}')
    credentials = vault(secrets).credentials("Y90001OT001")
    assert (credentials.password, credentials.shared_key) == ("p", "k")


def test_a_rotated_secret_is_read_at_once_when_mesh_refused_the_old_one() -> None:
    secrets = Secrets(mailboxes_Y90001OT001='{"password": "old"}', mesh='{"shared_key": "k"}')
    kept = vault(secrets)
    kept.credentials("Y90001OT001")
    secrets.values["mailboxes_Y90001OT001"] = '{"password": "new"}'
    assert kept.credentials("Y90001OT001").password == "old"
    kept.forget("Y90001OT001")
    assert kept.credentials("Y90001OT001").password == "new"


@pytest.mark.parametrize(
    "secrets",
    [
        Secrets(),
        Secrets(mailboxes_Y90001OT001='{"password": "p"}'),
        Secrets(mailboxes_Y90001OT001="p4ssword", mesh='{"shared_key": "k"}'),
        Secrets(mailboxes_Y90001OT001="[]", mesh='{"shared_key": "k"}'),
        Secrets(mailboxes_Y90001OT001='{"password": ""}', mesh='{"shared_key": "k"}'),
    ],
)
def test_an_unusable_secret_is_named_and_not_shown(secrets: Secrets) -> None:
    with pytest.raises(CredentialsError) as error:
        vault(secrets).credentials("Y90001OT001")
    assert "p4ssword" not in str(error.value)
