"""The PDS FHIR API, as far as sending needs it: one patient's details by NHS number.

A lookup takes a bounded time: it waits for the budget, retries passing failures with jitter, and gives up in time for
the caller to go on. The meaning of an answer:

| answer | result |
|---|---|
| 200 with a Patient; 404 or 400 with a code of `answers.BY_CODE` | an `Answer` |
| 401 | once more with a new token, then Authentication |
| 403 | Authentication: the application may not use PDS |
| 429 | all functions pause as Retry-After says; tried again in time, else RetryLater |
| 408, 5xx, no answer, a malformed one | tried again in time, else Unavailable |
| any other 4xx | Refused, with PDS's code |

The NHS number is in the URL by the API's design. It stays there: httpx's log line of the request is dropped, and
the errors repeat no URL.
"""

import logging
import random
import ssl
import time
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Final
from urllib.parse import quote
from uuid import UUID, uuid4

import httpx

from gpconnect_messaging import __version__
from gpconnect_messaging.mesh.answers import retry_after
from gpconnect_messaging.pds import answers
from gpconnect_messaging.pds.answers import Answer
from gpconnect_messaging.pds.authorisation import Authorisation
from gpconnect_messaging.pds.budget import SharedBudget
from gpconnect_messaging.pds.errors import Authentication, PdsError, Refused, RetryLater, Unavailable
from gpconnect_messaging.pds.exchange import ANSWER_SECONDS, CONNECT_SECONDS, Answered, exchange
from gpconnect_messaging.pds.vault import ApplicationVault

LONGEST_LOOKUP = 8.0
"""Seconds. A builder takes five requests a run, within a minute."""
_FOR_THE_ANSWER = 1.5
"""Seconds of a lookup that the wait for the budget may not use up: a call at the very end only wastes a request."""
_TRIES = 3
_PAUSE_WITHOUT_RETRY_AFTER, _LONGEST_PAUSE = 1.0, 60.0
"""Seconds for which all functions pause after a 429; PDS repeats a longer wish with the next 429."""
_API, _TOKEN = "/personal-demographics/FHIR/R4", "/oauth2/token"
_OPERATION: Final = "lookup"


class _WithoutPatients(logging.Filter):
    """Drops log records with a patient's URL, at any level."""

    def filter(self, record: logging.LogRecord) -> bool:
        return "/Patient/" not in record.getMessage()


logging.getLogger("httpx").addFilter(_WithoutPatients())


class PdsClient:
    """PDS for one application. Safe to share between threads.

    `url` is the platform's address without a path or trailing slash, such as https://int.api.service.nhs.uk.
    """

    def __init__(
        self,
        url: str,
        vault: ApplicationVault,
        budget: SharedBudget,
        *,
        http: httpx.Client | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        longest: float = LONGEST_LOOKUP,
    ) -> None:
        self._url = url
        self._http = http or _connections()
        self._authorisation = Authorisation(self._http, url + _TOKEN, vault, now)
        self._budget = budget
        self._now = now
        self._clock = clock
        self._sleep = sleep
        self._longest = longest

    def lookup(self, nhs_number: str, *, correlation: UUID, organisation: str, today: date) -> Answer:
        """Look up the person with the NHS number, and the practice where they are registered `today`.

        `correlation` links PDS's audit to ours; `organisation` is the ODS code of the sending organisation. Raises
        PdsError, CredentialsError, and the errors of the budget's store.
        """
        end = self._clock() + self._longest
        # All tries of one lookup are one request to PDS: a new id would be a new request.
        headers = {
            "Accept": "application/fhir+json",
            "NHSD-End-User-Organisation-ODS": organisation,
            "User-Agent": f"gpconnect-messaging/{__version__}",
            "X-Correlation-ID": str(correlation),
            "X-Request-ID": str(uuid4()),
        }
        failure: PdsError = Unavailable(_OPERATION, "no time left")
        for attempt in range(_TRIES):
            if attempt:
                wait = _wait(failure, attempt)
                if wait >= end - self._clock():
                    break
                self._sleep(wait)
            try:
                return self._attempt(nhs_number, headers, today, end)
            except (RetryLater, Unavailable) as passing:
                failure = passing
        raise failure

    def check(self) -> None:
        """Check whether the platform accepts the credentials, without naming a patient, by requesting a token.

        Raises PdsError, CredentialsError, which say what to correct.
        """
        self._authorisation.check()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _attempt(self, nhs_number: str, headers: Mapping[str, str], today: date, end: float) -> Answer:
        for last in (False, True):
            token = self._authorisation.token(self._left(end))
            self._sleep(self._budget.reserve(max(self._left(end) - _FOR_THE_ANSWER, 0.1)))
            answer = self._ask(nhs_number, {**headers, "Authorization": f"Bearer {token}"}, self._left(end))
            if answer.status != 401 or last:
                break
            # Tokens can be revoked before they end: a new one is requested, once.
            self._authorisation.refused(token)
        return self._read(nhs_number, answer, today)

    def _left(self, end: float) -> float:
        return max(end - self._clock(), 0.1)

    def _ask(self, nhs_number: str, headers: Mapping[str, str], seconds: float) -> Answered:
        url = f"{self._url}{_API}/Patient/{quote(nhs_number, safe='')}"
        request = self._http.build_request("GET", url, headers=headers)
        return exchange(self._http, _OPERATION, request, seconds, self._clock)

    def _read(self, nhs_number: str, answer: Answered, today: date) -> Answer:
        status = answer.status
        content = answers.json_object(answer.body) or {}
        codes = answers.error_codes(content)
        if status == 200 and not codes and (found := answers.read_patient(nhs_number, content, today)):
            return found
        if status == 200:
            raise Unavailable(_OPERATION, "answered 200 with something that is no patient", status=status)
        known = next((answers.BY_CODE[code] for code in codes if code in answers.BY_CODE), None)
        if known is not None and status in (400, 404):
            return known
        if status == 429:
            wait = retry_after(answer.headers.get("Retry-After"), self._now())
            self._budget.pause(min(wait or _PAUSE_WITHOUT_RETRY_AFTER, _LONGEST_PAUSE))
            raise RetryLater(_OPERATION, "too many requests", status=status, retry_after=wait)
        if status == 408 or status >= 500:
            raise Unavailable(_OPERATION, f"answered {status}", status=status)
        named = f" with {', '.join(codes)}" if codes else ""
        kind = Authentication if status in (401, 403) else Refused
        raise kind(_OPERATION, f"answered {status}{named}", status=status)


def _wait(failure: PdsError, attempt: int) -> float:
    """Return the wait before an attempt: the time that PDS asked for, plus jitter."""
    requested = failure.retry_after if isinstance(failure, RetryLater) else None
    return (requested or 0.0) + random.uniform(0.05, 0.25 * 2**attempt)  # noqa: S311 - spreads retries, hides nothing


def _connections() -> httpx.Client:
    context = httpx.create_ssl_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return httpx.Client(verify=context, timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS))
