"""The token endpoint: it verifies a signed JWT without a library, and issues an access token.

A refusal has the status and the text of NHS England's platform. Source: "Application-restricted RESTful APIs - signed
JWT authentication", table of errors.
"""

import base64
import binascii
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA512

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LONGEST_SECONDS = 300
_JWT = "client_assertion JWT"


class RefusedError(Exception):
    """No token is issued: the status, the OAuth2 error and the description."""

    def __init__(self, status: int, error: str, description: str) -> None:
        super().__init__(description)
        self.status = status
        self.error = error
        self.description = description


@dataclass
class TokenService:
    """Verifies JWTs with the public keys of an application, and remembers the issued tokens.

    `keys` are public keys by `kid`. `clock` returns seconds since 1970.
    """

    application_key: str
    token_url: str
    clock: Callable[[], float]
    keys: dict[str, RSAPublicKey] = field(default_factory=dict)
    lifetime_seconds: int = 599
    given: int = 0
    _used: set[str] = field(default_factory=set)
    _tokens: dict[str, float] = field(default_factory=dict)

    def token(self, form: Mapping[str, str]) -> dict[str, str]:
        """Issue a token for a form. Raises RefusedError."""
        if form.get("grant_type") != "client_credentials":
            raise RefusedError(400, "unsupported_grant_type", "grant_type is invalid")
        if form.get("client_assertion_type") != ASSERTION_TYPE:
            raise RefusedError(400, "invalid_request", "Missing or invalid client_assertion_type")
        self._check(form.get("client_assertion", ""))
        token = secrets.token_urlsafe(24)
        self._tokens[token] = self.clock() + self.lifetime_seconds
        self.given += 1
        # The platform writes the number as text.
        return {"access_token": token, "expires_in": str(self.lifetime_seconds), "token_type": "Bearer"}

    def accepts(self, token: str) -> bool:
        """Whether the token was issued here and has not expired."""
        return self._tokens.get(token, 0.0) > self.clock()

    def withdraw_all(self) -> None:
        """Withdraw all issued tokens."""
        self._tokens.clear()

    def _check(self, assertion: str) -> None:
        try:
            head, payload, signature = (_decoded(part) for part in assertion.split("."))
            header, claims = json.loads(head), json.loads(payload)
        except ValueError:
            raise RefusedError(400, "invalid_request", "Malformed JWT in client_assertion") from None
        if header.get("alg") != "RS512":
            raise _invalid(400, f"Invalid 'alg' header in {_JWT} - unsupported JWT algorithm - must be 'RS512'")
        if "kid" not in header:
            raise _invalid(400, f"Missing 'kid' header in {_JWT}")
        self._check_issuer(claims)
        key = self.keys.get(str(header["kid"]))
        if key is None:
            raise _invalid(401, f"Invalid 'kid' header in {_JWT} - no matching public key")
        try:
            key.verify(signature, assertion.rpartition(".")[0].encode(), PKCS1v15(), SHA512())
        except InvalidSignature:
            raise RefusedError(401, "public_key error", "JWT signature verification failed") from None
        self._check_claims(claims)

    def _check_issuer(self, claims: Mapping[str, Any]) -> None:
        if not claims.get("iss") or claims.get("iss") != claims.get("sub"):
            raise _invalid(400, f"Missing or non-matching 'iss'/'sub' claims in {_JWT}")
        if claims["iss"] != self.application_key:
            raise _invalid(401, f"Invalid 'iss'/'sub' claims in {_JWT}")

    def _check_claims(self, claims: Mapping[str, Any]) -> None:
        if claims.get("aud") != self.token_url:
            raise _invalid(401, f"Missing or invalid 'aud' claim in {_JWT}")
        until, now = claims.get("exp"), self.clock()
        if until is None:
            raise _invalid(400, f"Missing 'exp' claim in {_JWT}")
        if not isinstance(until, int):
            raise _invalid(400, f"Invalid 'exp' claim in {_JWT} - must be an integer")
        if until <= now:
            raise _invalid(400, f"Invalid 'exp' claim in {_JWT} - JWT has expired")
        if until > now + LONGEST_SECONDS:
            raise _invalid(400, f"Invalid 'exp' claim in {_JWT} - more than 5 minutes in future")
        jti = claims.get("jti")
        if not isinstance(jti, str) or not jti:
            raise _invalid(400, f"Missing 'jti' claim in {_JWT}")
        if jti in self._used:
            raise _invalid(400, f"Non-unique 'jti' claim in {_JWT}")
        self._used.add(jti)


def _invalid(status: int, description: str) -> RefusedError:
    return RefusedError(status, "invalid_request", description)


def _decoded(part: str) -> bytes:
    try:
        return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        raise ValueError("not base64url") from None
