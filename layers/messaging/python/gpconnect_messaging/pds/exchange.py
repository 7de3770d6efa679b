"""One request to NHS England's platform and the whole answer, in bounded time and size.

httpx's timeouts start anew with every received byte, so a dripping answer would never time out.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import httpx

from gpconnect_messaging.pds.errors import Unavailable

CONNECT_SECONDS, ANSWER_SECONDS = 3.0, 5.0
_LARGEST_ANSWER = 2 * 1024 * 1024
"""Bytes. A patient with a long history has some ten thousand."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A complete HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


def exchange(
    http: httpx.Client,
    operation: str,
    request: httpx.Request,
    seconds: float,
    clock: Callable[[], float] = time.monotonic,
) -> Answered:
    """Send a request and read the answer, for about so many seconds at most. Raises Unavailable, without the URL."""
    end = clock() + seconds
    timeout = httpx.Timeout(min(ANSWER_SECONDS, seconds), connect=min(CONNECT_SECONDS, seconds))
    request.extensions["timeout"] = timeout.as_dict()
    body = bytearray()
    # Errors are raised outside the except block: an httpx exception holds the request, and would stay as the
    # context.
    try:
        # A redirect would carry the token and the NHS number to another host.
        answer = http.send(request, stream=True, follow_redirects=False)
        try:
            for block in answer.iter_bytes():
                body += block
                if clock() >= end or len(body) > _LARGEST_ANSWER:
                    failed = "it had no end"
                    break
            else:
                return Answered(answer.status_code, answer.headers, bytes(body))
        finally:
            answer.close()
    except httpx.HTTPError as error:
        failed = type(error).__name__
    raise Unavailable(operation, f"no answer ({failed})")
