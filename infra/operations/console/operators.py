"""Who is at the console: the one place that says which operator makes a request.

Here an operator types the code that the console wrote to its terminal, and the id that what they do is recorded under.
Behind an identity provider another `Operators` reads both from what the provider vouches for; nothing else changes.

A signed-in browser is known by a cookie, and works under a path that only it knows. The path is needed because cookies
do not tell ports apart: whoever else serves on 127.0.0.1 would be sent ours, were it not for that path.
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
"""How long a sign-in lasts: longer than any shift, so that nobody is hurried (WCAG 2.2.1)."""

# No letters or digits that are taken for each other. Twelve make 58 bits, and a wrong code costs a second.
_ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
_GROUPS, _GROUP = 3, 4


class CodeError(ValueError):
    """The code is not the one that the console wrote to its terminal."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """An operator's browser. `path` is its first path segment, `form_token` proves that a form is one of ours."""

    actor: str
    path: str
    ends_at: datetime
    cookie: str = field(repr=False)
    form_token: str = field(repr=False)


class Operators(Protocol):
    """Says who makes a request."""

    def who(self, path: str, cookie: str) -> SignedIn | None:
        """Give the operator that a first path segment and a cookie belong to, together; None for anybody else."""


class OperatorsAtThisMachine:
    """Operators who can read the terminal that the console was started from."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        self._known: dict[str, SignedIn] = {}
        self._lock = threading.Lock()
        self.code = "-".join(
            "".join(secrets.choice(_ALPHABET) for _ in range(_GROUP)) for _ in range(_GROUPS)
        )  # fmt: skip
        """What an operator types to sign in."""

    def sign_in(self, code: str, actor: str) -> SignedIn:
        """Let an operator in. Raises CodeError; ActorError where the id could be a patient's or is none."""
        if not secrets.compare_digest(_plain(code).encode(), _plain(self.code).encode()):
            raise CodeError("that is not the code")
        operator = SignedIn(
            actor=checked_actor(actor),
            path=secrets.token_urlsafe(16),
            ends_at=self._now() + LASTS,
            cookie=secrets.token_urlsafe(32),
            form_token=secrets.token_urlsafe(32),
        )
        with self._lock:
            self._known = {path: each for path, each in self._known.items() if each.ends_at > self._now()}
            self._known[operator.path] = operator
        return operator

    def sign_out(self, operator: SignedIn) -> None:
        """Forget an operator's browser."""
        with self._lock:
            self._known.pop(operator.path, None)

    def who(self, path: str, cookie: str) -> SignedIn | None:
        """Give the operator that a first path segment and a cookie belong to, together; None for anybody else."""
        found = self._known.get(path)
        if found is None or found.ends_at <= self._now():
            return None
        return found if secrets.compare_digest(found.cookie.encode(), cookie.encode()) else None


def _plain(code: str) -> str:
    """A code as it is compared: spaces, hyphens and case do not matter."""
    return "".join(code.split()).replace("-", "").upper()
