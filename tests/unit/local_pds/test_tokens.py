"""The local token endpoint believes no JWT that NHS England's platform would not."""

from collections.abc import Callable
from typing import Any

import jwt
import pytest

from infra.local.pds.tokens import ASSERTION_TYPE, RefusedError, TokenService
from tests.fakes.pds import private_key

NOW = 1_800_000_000.0
URL = "https://pds.example.org/oauth2/token"
CLAIMS = {"iss": "app", "sub": "app", "aud": URL, "jti": "1", "exp": int(NOW) + 240}


@pytest.fixture
def desk() -> TokenService:
    return TokenService("app", URL, lambda: NOW, {"one": private_key("one").public_key()})


def form(headers: dict[str, Any] | None = None, key: str = "one", algorithm: str = "RS512", **claims: Any) -> Any:
    given = {name: value for name, value in (CLAIMS | claims).items() if value is not None}
    signed = jwt.encode(given, private_key(key), algorithm=algorithm, headers=headers or {"kid": "one"})
    return {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": signed,
    }


def test_a_right_jwt_gets_a_token_that_ends(desk: TokenService) -> None:
    given = desk.token(form())
    assert desk.accepts(given["access_token"])
    desk.clock = lambda: NOW + 600
    assert not desk.accepts(given["access_token"])
    assert not desk.accepts("another")


@pytest.mark.parametrize(
    ("wrong", "status", "said"),
    [
        (lambda: form(key="two"), 401, "JWT signature verification failed"),
        (lambda: form(algorithm="RS256"), 400, "must be 'RS512'"),
        (lambda: form({"kid": "another"}), 401, "no matching public key"),
        (lambda: form({"other": "x"}), 400, "Missing 'kid'"),
        (lambda: form(sub="else"), 400, "non-matching 'iss'/'sub'"),
        (lambda: form(iss="else", sub="else"), 401, "Invalid 'iss'/'sub'"),
        (lambda: form(aud=URL + "/"), 401, "'aud'"),
        (lambda: form(exp=int(NOW) + 301), 400, "more than 5 minutes"),
        (lambda: form(exp=int(NOW)), 400, "expired"),
        (lambda: form(exp=None), 400, "Missing 'exp'"),
        (lambda: form(jti=None), 400, "Missing 'jti'"),
        (lambda: form() | {"client_assertion": "a.b"}, 400, "Malformed"),
        (lambda: form() | {"client_assertion_type": "x"}, 400, "client_assertion_type"),
        (lambda: form() | {"grant_type": "password"}, 400, "grant_type"),
    ],
)
def test_a_wrong_jwt_gets_none_and_hears_why(
    desk: TokenService, wrong: Callable[[], Any], status: int, said: str
) -> None:
    with pytest.raises(RefusedError, match=said) as raised:
        desk.token(wrong())
    assert raised.value.status == status


def test_a_jwt_works_once(desk: TokenService) -> None:
    desk.token(form())
    with pytest.raises(RefusedError, match="Non-unique 'jti'"):
        desk.token(form())


def test_a_jwt_that_was_changed_after_it_was_signed_is_refused(desk: TokenService) -> None:
    head, _, signature = form()["client_assertion"].split(".")
    _, payload, _ = form(jti="2")["client_assertion"].split(".")
    with pytest.raises(RefusedError, match="signature"):
        desk.token(form() | {"client_assertion": f"{head}.{payload}.{signature}"})
