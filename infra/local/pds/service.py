"""Responses of the local PDS to requests, without a network, so that tests can call it directly.

Source: PDS FHIR API description, "Get patient details", and the table of errors.

| path | response |
|---|---|
| `POST /oauth2/token` | a token, from `tokens` |
| `GET /personal-demographics/FHIR/R4/Patient/{nhs number}` | the Patient, or an OperationOutcome |
| `GET /control/requests` | all requests for patients, without tokens, with statuses; `DELETE` forgets them |
| `POST /control/next` | `{"mode", "count", …}`: failures of the next requests for patients (see `MODES`) |
| `PUT /control/keys` | `{"kid": "PEM"}`: the public keys that are registered from now on |
| `POST /control/tokens/withdrawn` | withdraw all tokens |
| `PUT /control/clock` | `{"seconds"}`: how far PDS's clock is ahead of this machine's |
"""

import email.utils
import json
import re
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from infra.local.pds.people import Person, patient
from infra.local.pds.tokens import RefusedError, TokenService

API, TOKEN, CONTROL = "/personal-demographics/FHIR/R4/Patient/", "/oauth2/token", "/control/"
_TEN_DIGITS = re.compile(r"[0-9]{10}")

# code: (HTTP status, FHIR issue code, display)
_OUTCOMES = {
    "INVALID_RESOURCE_ID": (400, "value", "Resource Id is invalid"),
    "MISSING_VALUE": (400, "required", "Required value is missing"),
    "INVALID_VALUE": (400, "value", "Provided value is invalid"),
    "ACCESS_DENIED": (401, "forbidden", "Missing or expired access token"),
    "RESOURCE_NOT_FOUND": (404, "not-found", "Resource not found"),
    "INVALIDATED_RESOURCE": (404, "processing", "Resource that has been marked as invalid was requested"),
    "UNABLE_TO_CALL_SERVICE": (408, "timeout", "The downstream domain processing has not completed in time"),
    "TOO_MANY_REQUESTS": (429, "throttled", "Too many requests"),
    "SERVICE_UNAVAILABLE": (503, "transient", "Service unavailable"),
}

MODES = {
    "busy": "TOO_MANY_REQUESTS",  # with `retry_after` in seconds, if given
    "slow": None,  # the usual response, after `seconds`
    "timeout": "UNABLE_TO_CALL_SERVICE",
    "down": "SERVICE_UNAVAILABLE",
    "refused": "MISSING_VALUE",
    "nonsense": None,  # a gateway's page, with status 200
}


@dataclass(frozen=True)
class Asked:
    """An HTTP request; header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True)
class Answered:
    """An HTTP response. `delay`: seconds to wait before it is sent."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    delay: float = 0.0


@dataclass
class LocalPds:
    """The service. `per_second` is the application's rate; None is unlimited."""

    people: Mapping[str, Person]
    desk: TokenService
    per_second: int | None = None
    clock: Callable[[], float] = time.time
    ahead: float = 0.0
    requests: list[dict[str, Any]] = field(default_factory=list)
    _modes: list[dict[str, Any]] = field(default_factory=list)
    _allowance: float = 0.0
    _allowed_at: float = 0.0

    @classmethod
    def of(
        cls,
        people: Mapping[str, Person],
        *,
        application_key: str,
        url: str,
        keys: Mapping[str, RSAPublicKey],
        per_second: int | None = None,
        clock: Callable[[], float] = time.time,
    ) -> "LocalPds":
        """Make a service at a URL for an application and the registered keys."""
        desk = TokenService(application_key, url + TOKEN, lambda: clock() + pds.ahead, dict(keys))
        pds = cls(people, desk, per_second, clock)
        return pds

    def answer(self, asked: Asked) -> Answered:
        """Return the response to a request."""
        if asked.path == TOKEN and asked.method == "POST":
            return self._dated(self._token(asked))
        if asked.path.startswith(API) and asked.method == "GET":
            response = self._dated(self._patient(asked))
            shown = {name: value for name, value in asked.headers.items() if name != "authorization"}
            nhs_number = asked.path.removeprefix(API)
            self.requests.append(
                {"at": self.clock(), "status": response.status, "nhs_number": nhs_number, "headers": shown}
            )
            return response
        if asked.path.startswith(CONTROL):
            return self._control(asked.method, asked.path.removeprefix(CONTROL), asked.body)
        return _json(404, {"error": "no such path"})

    def _token(self, asked: Asked) -> Answered:
        try:
            return _json(200, self.desk.token(dict(parse_qsl(asked.body.decode("ascii", "replace")))))
        except RefusedError as refused:
            body = {"error": refused.error, "error_description": refused.description, "message_id": str(uuid.uuid4())}
            return _json(refused.status, body)

    def _patient(self, asked: Asked) -> Answered:
        mode = self._modes[0] if self._modes else {}
        if mode:
            mode["count"] -= 1
            if mode["count"] <= 0:
                self._modes.pop(0)
        if mode.get("mode") == "nonsense":
            return Answered(200, {"Content-Type": "text/html"}, b"<html>a gateway's page</html>")
        if code := MODES.get(str(mode.get("mode"))):
            wait = {"Retry-After": str(mode["retry_after"])} if "retry_after" in mode else {}
            return _outcome(code, wait)
        response = self._details(asked)
        return Answered(response.status, response.headers, response.body, float(mode.get("seconds", 0.0)))

    def _details(self, asked: Asked) -> Answered:
        scheme, _, token = asked.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or not self.desk.accepts(token):
            return _outcome("ACCESS_DENIED")
        if not self._within_rate():
            return _outcome("TOO_MANY_REQUESTS", {"Retry-After": "1"})
        request_id = asked.headers.get("x-request-id")
        if request_id is None:
            return _outcome("MISSING_VALUE")
        try:
            uuid.UUID(request_id)
        except ValueError:
            return _outcome("INVALID_VALUE")
        nhs_number = asked.path.removeprefix(API)
        if not _is_nhs_number(nhs_number):
            return _outcome("INVALID_RESOURCE_ID")
        person = self.people.get(nhs_number)
        if person and "superseded_by" in person:
            person = self.people.get(person["superseded_by"])
        if person is None:
            return _outcome("RESOURCE_NOT_FOUND")
        if person.get("invalidated"):
            return _outcome("INVALIDATED_RESOURCE")
        mirrored = {name: asked.headers[name.lower()] for name in _MIRRORED if name.lower() in asked.headers}
        return _json(200, patient(person), {"ETag": 'W/"1"', **mirrored}, "application/fhir+json")

    def _within_rate(self) -> bool:
        """Take a request from the allowance, which fills up at the rate, to one second's requests at most."""
        if self.per_second is None:
            return True
        now = self.clock()
        filled = self._allowance + (now - self._allowed_at) * self.per_second
        self._allowance, self._allowed_at = min(filled, float(self.per_second)), now
        if self._allowance < 1:
            return False
        self._allowance -= 1
        return True

    def _control(self, method: str, name: str, body: bytes) -> Answered:
        content = json.loads(body) if body else {}
        match method, name:
            case "GET", "requests":
                return _json(200, {"requests": self.requests, "tokens": self.desk.given})
            case "DELETE", "requests":
                self.requests.clear()
            case "POST", "next" if content.get("mode") in MODES:
                self._modes.append({"count": 1, **content})
            case "DELETE", "next":
                self._modes.clear()
            case "PUT", "keys":
                self.desk.keys = {kid: _public_key(pem) for kid, pem in content.items()}
            case "POST", "tokens/withdrawn":
                self.desk.withdraw_all()
            case "PUT", "clock":
                self.ahead = float(content["seconds"])
            case _:
                return _json(404, {"error": "no such control"})
        return _json(200, {})

    def _dated(self, response: Answered) -> Answered:
        now = datetime.fromtimestamp(self.clock() + self.ahead, UTC)
        date = {"Date": email.utils.format_datetime(now, usegmt=True)}
        return Answered(response.status, {**response.headers, **date}, response.body, response.delay)


_MIRRORED = ("X-Request-ID", "X-Correlation-ID")


def _public_key(pem: str) -> RSAPublicKey:
    key = load_pem_public_key(pem.encode())
    if not isinstance(key, RSAPublicKey):
        raise TypeError("a registered key is an RSA public key")
    return key


def _outcome(code: str, headers: Mapping[str, str] | None = None) -> Answered:
    status, issue, display = _OUTCOMES[code]
    system = "https://fhir.hl7.org.uk/CodeSystem/Spine-ErrorOrWarningCode"
    coding = {"system": system, "version": "1", "code": code, "display": display}
    content = {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "error", "code": issue, "details": {"coding": [coding]}}],
    }
    return _json(status, content, headers, "application/fhir+json")


def _json(
    status: int, content: Any, headers: Mapping[str, str] | None = None, kind: str = "application/json"
) -> Answered:
    return Answered(status, {"Content-Type": kind, **(headers or {})}, json.dumps(content).encode())


def _is_nhs_number(text: str) -> bool:
    if not _TEN_DIGITS.fullmatch(text):
        return False
    check = 11 - sum((10 - index) * int(digit) for index, digit in enumerate(text[:9])) % 11
    return check != 10 and check % 11 == int(text[9])
