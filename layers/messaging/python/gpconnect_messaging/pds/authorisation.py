"""Access tokens: requested with a signed JWT, cached until shortly before they end, shared by a process's threads.

After a refused JWT the secret is read again, in case the key was rotated, and tried once more. Source: as
`credentials`.
"""

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx

from gpconnect_messaging.mesh.answers import http_date, retry_after
from gpconnect_messaging.pds.answers import json_object
from gpconnect_messaging.pds.credentials import ApplicationCredentials
from gpconnect_messaging.pds.errors import Authentication, PdsError, RetryLater, Unavailable, WrongClock
from gpconnect_messaging.pds.exchange import ANSWER_SECONDS, Answered, exchange
from gpconnect_messaging.pds.vault import ApplicationVault

_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_MARGIN = timedelta(seconds=30)
"""A token is renewed this long before it ends, so that it does not end in flight."""
_TOLERATED_SKEW = 30.0
_DAY = 86_400
_BEARER = re.compile(r"[!-~]{1,10000}")
"""Characters that a header can carry; RFC 6750 allows fewer."""
_OPERATION = "token"

# The platform names the refused part of the JWT in words, not in codes.
_REFUSED_PARTS = (
    ("'kid'", "no public key is registered for the application under the secret's key_id"),
    ("'iss'", "the secret's application_key is not an application of this environment"),
    ("'aud'", "the token URL is not the platform's own: check the environment's PDS address"),
    ("signature", "the secret's private_key does not belong to the public key that is registered under its key_id"),
    ("public key", "no public key is registered for the application"),
    ("JWKS", "the application's registered JWKS address cannot be reached by the platform"),
    ("'jti'", "the JWT was used before"),
)


@dataclass(frozen=True, slots=True)
class _Token:
    text: str = field(repr=False)
    until: datetime
    credentials: ApplicationCredentials


class Authorisation:
    """Provides the current token."""

    def __init__(
        self,
        http: httpx.Client,
        token_url: str,
        vault: ApplicationVault,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._http = http
        self._token_url = token_url
        self._vault = vault
        self._clock = clock
        self._token: _Token | None = None
        self._asking = threading.Lock()

    def token(self, seconds: float = ANSWER_SECONDS) -> str:
        """Return a valid token, waiting up to `seconds` for a new one (twice that for a rotated key).

        Raises PdsError, CredentialsError.
        """
        with self._asking:
            credentials = self._vault.credentials()
            token = self._token
            if token is None or token.credentials != credentials or self._clock() >= token.until:
                self._token = token = self._ask_again_if_refused(credentials, seconds)
            return token.text

    def refused(self, token: str) -> None:
        """Forget a token that PDS did not accept, unless another replaced it meanwhile."""
        with self._asking:
            if self._token is not None and self._token.text == token:
                self._token = None

    def check(self) -> None:
        """Try the credentials without a lookup. Raises PdsError, CredentialsError."""
        with self._asking:
            self._vault.forget()
            self._token = self._ask(self._vault.credentials(), ANSWER_SECONDS)

    def _ask_again_if_refused(self, credentials: ApplicationCredentials, seconds: float) -> _Token:
        try:
            return self._ask(credentials, seconds)
        except WrongClock:
            raise
        except Authentication:
            self._vault.forget()
            afresh = self._vault.credentials()
            if afresh == credentials:
                raise
        return self._ask(afresh, seconds)

    def _ask(self, credentials: ApplicationCredentials, seconds: float) -> _Token:
        asked_at = self._clock()
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": _ASSERTION_TYPE,
            "client_assertion": credentials.assertion(self._token_url, asked_at),
        }
        request = self._http.build_request("POST", self._token_url, data=form)
        answer = exchange(self._http, _OPERATION, request, seconds)
        if answer.status != 200:
            raise self._failure(answer, asked_at)
        content = json_object(answer.body) or {}
        text, lasts = content.get("access_token"), _seconds(content.get("expires_in"))
        if not isinstance(text, str) or not _BEARER.fullmatch(text) or lasts is None:
            raise Unavailable(_OPERATION, "the answer holds no token", status=answer.status)
        return _Token(text, asked_at + timedelta(seconds=lasts) - _MARGIN, credentials)

    def _failure(self, answer: Answered, asked_at: datetime) -> PdsError:
        status = answer.status
        if status == 429:
            wait = retry_after(answer.headers.get("Retry-After"), asked_at)
            return RetryLater(_OPERATION, "too many requests", status=status, retry_after=wait)
        if status not in (400, 401, 403):
            return Unavailable(_OPERATION, f"answered {status}", status=status)
        description = str((json_object(answer.body) or {}).get("error_description", ""))
        theirs = http_date(answer.headers.get("Date"))
        skew = (asked_at - theirs).total_seconds() if theirs else None
        part = next((sentence for phrase, sentence in _REFUSED_PARTS if phrase in description), None)
        # A clock that is off as well must not hide a rotated key: the part that the platform names comes first.
        if "'exp'" in description or (part is None and skew is not None and abs(skew) > _TOLERATED_SKEW):
            return WrongClock(_OPERATION, _clock_problem(skew), status=status)
        part = part or "the signed JWT was not accepted"
        return Authentication(_OPERATION, f"{part} (answered {status})", status=status)


def _clock_problem(skew: float | None) -> str:
    if skew is None or abs(skew) < 1:
        return "the signed JWT's times were refused: this machine's clock is wrong"
    return f"this machine's clock is {abs(skew):.0f} seconds {'ahead of' if skew > 0 else 'behind'} PDS's: correct it"


def _seconds(value: object) -> int | None:
    """Read `expires_in`, which the platform writes as text; more than a day counts as a day."""
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        value = int(value[:9])
    return min(value, _DAY) if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
