"""Signed JWTs: what the token endpoint checks, what we make of its refusals, and how a key is changed under way."""

import base64
import json
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gpconnect_messaging.pds.answers import Found
from gpconnect_messaging.pds.credentials import ApplicationCredentials
from gpconnect_messaging.pds.errors import Authentication, CredentialsError, RetryLater, Unavailable, WrongClock
from infra.local.pds.service import Answered
from tests.fakes.pds import URL, World, private_key, secret


@pytest.fixture
def world() -> World:
    return World()


def test_the_jwt_is_what_the_platform_asks_for(world: World) -> None:
    world.lookup()
    form = dict(pair.split("=") for pair in world.seen[0].content.decode().split("&"))
    assertion = form["client_assertion"]
    head, payload, _ = assertion.split(".")
    header, claims = (json.loads(base64.urlsafe_b64decode(part + "==")) for part in (head, payload))
    assert header == {"alg": "RS512", "kid": "one", "typ": "JWT"}
    assert claims["iss"] == claims["sub"] == "test-application"
    assert claims["aud"] == f"{URL}/oauth2/token"
    assert 0 < claims["exp"] - world.clock().timestamp() <= 300
    assert jwt.decode(
        assertion, private_key("one").public_key(), algorithms=["RS512"], audience=claims["aud"],
        options={"verify_exp": False},
    ) == claims  # fmt: skip


def test_no_jwt_is_used_twice(world: World) -> None:
    for _ in range(3):
        world.pds.desk.withdraw_all()
        world.lookup()
    assert world.pds.desk.given == 3


def test_a_rotated_key_is_used_at_once_when_the_old_one_is_refused(world: World) -> None:
    world.lookup()
    world.secrets.values["pds"] = secret("two")
    world.register(["two"])
    world.pds.desk.withdraw_all()
    world.lookup()
    assert world.secrets.read == 2


def test_a_rotated_key_is_used_within_five_minutes_while_the_old_one_still_works(world: World) -> None:
    world.register(["one", "two"])
    world.lookup()
    world.secrets.values["pds"] = secret("two")
    world.time.sleep(299)
    world.lookup()
    assert world.pds.desk.given == 1
    world.time.sleep(2)
    world.lookup()
    assert world.pds.desk.given == 2, "a token of the old key is given up with it"


def test_a_refused_key_that_was_not_rotated_is_told_and_not_tried_on(world: World) -> None:
    world.register(["two"])
    with pytest.raises(Authentication, match="no public key is registered for the application under the secret's key"):
        world.lookup()
    assert len(world.seen) == 1


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"key_id": "unknown"}, "under the secret's key_id"),
        ({"application_key": "another"}, "application_key is not an application of this environment"),
        ({"private_key": "two"}, "private_key does not belong to the public key"),
    ],
)
def test_each_refusal_says_what_to_correct(world: World, changes: dict[str, str], problem: str) -> None:
    if "private_key" in changes:
        changes = {"private_key": secret("two")["private_key"]}
    world.secrets.values["pds"] |= changes
    with pytest.raises(Authentication, match=problem):
        world.client.check()


def test_a_wrong_token_address_is_named(world: World) -> None:
    world.pds.desk.token_url = "https://elsewhere.example.org/oauth2/token"
    with pytest.raises(Authentication, match="the token URL is not the platform's own"):
        world.client.check()


@pytest.mark.parametrize(
    ("ahead", "said"),
    [(3600, "3600 seconds behind"), (-400, "400 seconds ahead of"), (-100, "100 seconds ahead of")],
)
def test_a_wrong_clock_is_called_one_and_by_how_much(world: World, ahead: int, said: str) -> None:
    world.pds.ahead = ahead
    with pytest.raises(WrongClock, match=f"this machine's clock is {said} PDS's: correct it"):
        world.client.check()
    assert world.secrets.read == 1, "no other key would help"


def test_a_clock_that_is_off_too_does_not_hide_a_key_that_was_rotated(world: World) -> None:
    world.lookup()
    world.pds.ahead = -45
    world.pds.desk.withdraw_all()
    world.register(["two"])
    world.secrets.values["pds"] = secret("two")
    assert isinstance(world.lookup(), Found)
    assert world.secrets.read == 2


def test_a_clock_within_a_minute_does_no_harm(world: World) -> None:
    world.pds.ahead = -55
    world.client.check()


def test_a_refused_time_without_a_date_to_compare_is_a_wrong_clock_too(world: World) -> None:
    body = json.dumps({"error": "invalid_request", "error_description": "Invalid 'exp' claim"}).encode()
    world.pds.answer = lambda asked: Answered(400, {}, body)  # type: ignore[method-assign]
    with pytest.raises(WrongClock, match="this machine's clock is wrong"):
        world.client.check()


def test_the_check_names_no_patient(world: World) -> None:
    world.client.check()
    assert [request.url.path for request in world.seen] == ["/oauth2/token"]
    assert world.budget.reserved == 0


@pytest.mark.parametrize(
    ("answered", "error"),
    [
        (Answered(429, {"Retry-After": "7"}, b""), RetryLater),
        (Answered(503, {}, b""), Unavailable),
        (Answered(200, {}, b"<html>"), Unavailable),
        (Answered(200, {}, b'{"access_token": "", "expires_in": "599"}'), Unavailable),
        (Answered(200, {}, b'{"access_token": "x", "expires_in": "soon"}'), Unavailable),
        (Answered(200, {}, '{"access_token": "é\\n", "expires_in": "599"}'.encode()), Unavailable),
        (Answered(200, {}, b'{"access_token": ' + b"[" * 100_000), Unavailable),
        (Answered(302, {"Location": "https://elsewhere.example.org"}, b""), Unavailable),
        (Answered(403, {}, b"[]"), Authentication),
    ],
)
def test_every_other_answer_of_the_token_endpoint_has_its_meaning(
    world: World, answered: Answered, error: type[Exception]
) -> None:
    world.pds.answer = lambda asked: answered  # type: ignore[method-assign]
    with pytest.raises(error):
        world.client.check()


def _ec() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _short() -> str:
    key = generate_private_key(public_exponent=65537, key_size=1024)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"application_key": ""}, "application_key is missing or not text"),
        ({"key_id": None}, "key_id is missing or not text"),
        ({"private_key": 5}, "private_key is missing or not text"),
        ({"private_key": "SECRET-TEXT"}, "private_key is not an RSA private key in PEM without a passphrase"),
        ({"private_key": "ec"}, "private_key is not an RSA private key"),
        ({"private_key": "short"}, "private_key is shorter than 2048 bits"),
    ],
)
def test_an_unusable_secret_is_named_and_not_shown(changes: dict[str, Any], problem: str) -> None:
    made = {"ec": _ec, "short": _short}
    given = {name: made[value]() if value in made else value for name, value in changes.items()}
    with pytest.raises(CredentialsError, match=problem) as raised:
        ApplicationCredentials.from_secret(secret("one") | given)
    assert "SECRET-TEXT" not in repr(raised.value)


def test_a_missing_secret_is_named(world: World) -> None:
    world.secrets.get_secret_value = lambda **_: {"SecretString": "not JSON"}  # type: ignore[method-assign]
    with pytest.raises(CredentialsError, match="the secret pds is not a JSON object"):
        world.client.check()


@pytest.mark.parametrize("seconds", ["9" * 5000, 10**30])
def test_a_token_that_says_it_lasts_for_ever_is_kept_for_a_day_at_most(
    world: World, seconds: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = world.pds.desk.token
    monkeypatch.setattr(world.pds.desk, "token", lambda form: {**given(form), "expires_in": seconds})
    world.lookup()
    world.clock.advance(timedelta(days=1))
    world.lookup()
    assert world.pds.desk.given == 2


def test_a_token_is_kept_by_time_and_not_by_luck(world: World) -> None:
    world.pds.desk.lifetime_seconds = 20  # shorter than the margin: of use now, and never again
    world.lookup()
    world.lookup()
    assert world.pds.desk.given == 2
