"""Sign-in: which operator makes a request.

An operator types the code from the console's terminal, and the id for the audit trail. Behind an identity provider,
another `Operators` would take both from the provider, and nothing else would change.

A signed-in browser has a cookie and a secret path. Browsers send cookies to all ports of a host: without the path,
another server on 127.0.0.1 would get the console's cookie.
"""

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

from gpconnect_messaging.operators import checked_actor

COOKIE = "gpcm-console"
LASTS = timedelta(hours=20)
"""How long a sign-in lasts: longer than any shift, so that it never expires during work (WCAG 2.2.1)."""

# No letters or digits that look alike. Twelve make 58 bits, and a wrong code costs a second.
_ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
_GROUPS, _GROUP = 3, 4


class CodeError(ValueError):
    """The code is not the one that the console wrote to its terminal."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """An operator's browser. `path` is the first path segment, `form_token` proves that a form is from the console."""

    actor: str
    path: str
    ends_at: datetime
    cookie: str = field(repr=False)
    form_token: str = field(repr=False)


class Operators(Protocol):
    """Identifies the operator of a request."""

    def who(self, path: str, cookie: str) -> SignedIn | None:
        """Return the operator who has both the first path segment and the cookie, or None."""


class OperatorsAtThisMachine:
    """Operators who can read the console's terminal."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        self._signed_in: dict[str, SignedIn] = {}
        self._lock = threading.Lock()
        self.code = "-".join(
            "".join(secrets.choice(_ALPHABET) for _ in range(_GROUP)) for _ in range(_GROUPS)
        )  # fmt: skip
        """The code for signing in."""

    def sign_in(self, code: str, actor: str) -> SignedIn:
        """Sign an operator in. Raises CodeError, or ActorError if the id is invalid or can be a patient's."""
        if not secrets.compare_digest(_normalised(code).encode(), _normalised(self.code).encode()):
            raise CodeError("the code is wrong")
        operator = SignedIn(
            actor=checked_actor(actor),
            path=secrets.token_urlsafe(16),
            ends_at=self._now() + LASTS,
            cookie=secrets.token_urlsafe(32),
            form_token=secrets.token_urlsafe(32),
        )
        with self._lock:
            self._signed_in = {
                path: signed_in for path, signed_in in self._signed_in.items() if signed_in.ends_at > self._now()
            }
            self._signed_in[operator.path] = operator
        return operator

    def sign_out(self, operator: SignedIn) -> None:
        """Sign an operator out."""
        with self._lock:
            self._signed_in.pop(operator.path, None)

    def who(self, path: str, cookie: str) -> SignedIn | None:
        """Return the operator who has both the first path segment and the cookie, or None."""
        operator = self._signed_in.get(path)
        if operator is None or operator.ends_at <= self._now():
            return None
        return operator if secrets.compare_digest(operator.cookie.encode(), cookie.encode()) else None


def _normalised(code: str) -> str:
    """Normalise a code: spaces, hyphens and case do not matter."""
    return "".join(code.split()).replace("-", "").upper()
