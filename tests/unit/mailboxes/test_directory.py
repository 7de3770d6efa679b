import pytest

from gpconnect_messaging.mailboxes.directory import (
    CredentialsError,
    CredentialVault,
    MailboxDirectory,
    UnknownMailboxError,
)
from gpconnect_messaging.mailboxes.settings import MailboxSettingsError
from tests.fakes.clock import Seconds
from tests.fakes.parameter_store import Parameters
from tests.fakes.secrets_manager import Secrets

SETTINGS = {"mailbox": "Y90001OT001", "ods_code": "Y90001"}


def directory(parameters: Parameters, clock: Seconds) -> MailboxDirectory:
    return MailboxDirectory(parameters, "/mailboxes", clock)  # type: ignore[arg-type]


def vault(secrets: Secrets, clock: Seconds | None = None) -> CredentialVault:
    return CredentialVault(secrets, "mailboxes", "mesh", clock or Seconds())  # type: ignore[arg-type]


def test_settings_are_kept_for_five_minutes_and_then_read_afresh() -> None:
    clock, parameters = Seconds(), Parameters({"/mailboxes/Y90001OT001": SETTINGS})
    mailboxes = directory(parameters, clock)
    assert mailboxes.settings("Y90001OT001").specification == "2.0"
    parameters.values["/mailboxes/Y90001OT001"] = SETTINGS | {"specification": "1.5"}
    assert mailboxes.settings("Y90001OT001").specification == "2.0"
    assert parameters.asked == ["/mailboxes/Y90001OT001"]
    clock.seconds = 301
    assert mailboxes.settings("Y90001OT001").specification == "1.5"


def test_an_unknown_mailbox_is_told_from_a_wrong_one() -> None:
    mailboxes = directory(Parameters({"/mailboxes/Y90001OT001": SETTINGS | {"mailbox": "OTHER"}}), Seconds())
    with pytest.raises(UnknownMailboxError):
        mailboxes.settings("Y90009OT001")
    with pytest.raises(MailboxSettingsError):
        mailboxes.settings("Y90001OT001")


def test_credentials_join_the_mailboxs_secret_and_the_environments() -> None:
    secrets = Secrets({"mailboxes/Y90001OT001": '{"password": "p"}', "mesh": '{"shared_key": "k"}'})
    credentials = vault(secrets).credentials("Y90001OT001")
    assert (credentials.password, credentials.shared_key) == ("p", "k")


def test_a_rotated_secret_is_read_at_once_when_mesh_refused_the_old_one() -> None:
    secrets = Secrets({"mailboxes/Y90001OT001": '{"password": "old"}', "mesh": '{"shared_key": "k"}'})
    kept = vault(secrets)
    kept.credentials("Y90001OT001")
    secrets.values["mailboxes/Y90001OT001"] = '{"password": "new"}'
    assert kept.credentials("Y90001OT001").password == "old"
    kept.forget("Y90001OT001")
    assert kept.credentials("Y90001OT001").password == "new"


@pytest.mark.parametrize(
    "secrets",
    [
        Secrets({}),
        Secrets({"mailboxes/Y90001OT001": '{"password": "p"}'}),
        Secrets({"mailboxes/Y90001OT001": "p4ssword", "mesh": '{"shared_key": "k"}'}),
        Secrets({"mailboxes/Y90001OT001": "[]", "mesh": '{"shared_key": "k"}'}),
        Secrets({"mailboxes/Y90001OT001": '{"password": ""}', "mesh": '{"shared_key": "k"}'}),
    ],
)
def test_an_unusable_secret_is_named_and_not_shown(secrets: Secrets) -> None:
    with pytest.raises(CredentialsError) as error:
        vault(secrets).credentials("Y90001OT001")
    assert "p4ssword" not in str(error.value)
