"""The check of the credentials, as a person runs it."""

import pytest
from botocore.exceptions import ClientError

from gpconnect_messaging.pds.__main__ import main
from tests.local_pds import URL, World

ARGUMENTS = ["--url", URL, "--secret", "pds"]


def test_accepted_credentials_are_said_to_be_so(capsys: pytest.CaptureFixture[str]) -> None:
    world = World()
    assert main(ARGUMENTS, lambda url, secret: world.client) == 0
    assert capsys.readouterr().out == "PDS accepts the application's credentials.\n"
    assert [request.url.path for request in world.seen] == ["/oauth2/token"], "no patient was named"


def test_refused_credentials_end_with_what_to_correct(capsys: pytest.CaptureFixture[str]) -> None:
    world = World()
    world.register(["two"])
    assert main(ARGUMENTS, lambda url, secret: world.client) == 1
    assert "no public key is registered for the application under the secret's key_id" in capsys.readouterr().out


def test_a_secret_that_may_not_be_read_is_said_to_be_so(capsys: pytest.CaptureFixture[str]) -> None:
    world = World()

    def refused(**_: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "arn"}}, "GetSecretValue")

    world.secrets.get_secret_value = refused  # type: ignore[method-assign,assignment]
    assert main(ARGUMENTS, lambda url, secret: world.client) == 1
    assert capsys.readouterr().out == "the secret could not be read: GetSecretValue: AccessDeniedException\n"
