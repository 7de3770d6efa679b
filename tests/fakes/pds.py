"""The local PDS in this process, and the product's client to it: real JWTs and real checks, without a network."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cache
from typing import Any
from uuid import UUID

import httpx
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gpconnect_messaging.pds.answers import Answer
from gpconnect_messaging.pds.client import PdsClient
from gpconnect_messaging.pds.vault import ApplicationVault
from infra.local.pds import people
from infra.local.pds.service import Asked, LocalPds
from tests.fakes.clock import Clock, Seconds
from tests.fakes.secrets_manager import Secrets

URL = "https://pds.example.org"
APPLICATION = "test-application"
CORRELATION = UUID("5f6f5d56-0000-4000-8000-000000000001")
TODAY = date(2026, 11, 22)


@cache
def private_key(name: str) -> RSAPrivateKey:
    """The key pair of that name: always the same within a run, because making one takes a while."""
    del name
    return generate_private_key(public_exponent=65537, key_size=2048)


@cache
def _pem(name: str) -> str:
    return private_key(name).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def secret(kid: str = "one") -> dict[str, str]:
    """The application's secret, as Secrets Manager would hold it."""
    return {"application_key": APPLICATION, "key_id": kid, "private_key": _pem(kid)}


@dataclass
class Budget:
    """A budget that is never used up, and remembers what it was asked."""

    reserved: int = 0
    pauses: list[float] = field(default_factory=list)

    def reserve(self, longest: float) -> float:
        assert longest > 0
        self.reserved += 1
        return 0.0

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)


@dataclass
class World:
    """A local PDS, our clock and theirs, the secret, and the client."""

    clock: Clock = field(default_factory=lambda: Clock(datetime(2026, 11, 22, 10, 0, tzinfo=UTC)))
    budget: Budget = field(default_factory=Budget)
    time: Seconds = field(default_factory=Seconds)
    secrets: Secrets = field(default_factory=lambda: Secrets({"pds": secret()}))
    per_second: int | None = None
    break_off: list[type[httpx.TransportError]] = field(default_factory=list)
    seen: list[httpx.Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pds = LocalPds.of(
            people.read(),
            application_key=APPLICATION,
            url=URL,
            keys={"one": private_key("one").public_key()},
            per_second=self.per_second,
            clock=lambda: self.clock().timestamp(),
        )
        self.vault = ApplicationVault(self.secrets, "pds", self.time)  # type: ignore[arg-type]
        self.client = PdsClient(
            URL,
            self.vault,
            self.budget,  # type: ignore[arg-type]
            http=httpx.Client(transport=httpx.MockTransport(self._carry)),
            now=self.clock,
            clock=self.time,
            sleep=self.time.sleep,
        )

    def lookup(self, nhs_number: str = "9658218865") -> Answer:
        return self.client.lookup(nhs_number, correlation=CORRELATION, organisation="Y90001", today=TODAY)

    def meet(self, mode: str, count: int = 1, **more: Any) -> None:
        body = json.dumps({"mode": mode, "count": count, **more}).encode()
        assert self.pds.answer(Asked("POST", "/control/next", {}, body)).status == 200

    def register(self, keys: Iterable[str]) -> None:
        self.pds.desk.keys = {kid: private_key(kid).public_key() for kid in keys}

    def _carry(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        if self.break_off:
            raise self.break_off.pop(0)(f"failed at {request.url}", request=request)
        headers = {name.lower(): value for name, value in request.headers.items()}
        answered = self.pds.answer(Asked(request.method, request.url.path, headers, request.content))
        return httpx.Response(answered.status, headers=dict(answered.headers), content=answered.body)
