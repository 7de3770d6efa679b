"""Measures that many builders at once keep within PDS's rate: how fast they ask, as a ratio to the budget.

Each builder is a client of its own with a budget of its own over one table, as functions are that know nothing of each
other; the local PDS counts, and refuses what is too much. A builder that is told to wait comes again, as its queue
would have it.

    python -m tests.performance.bench_pds [--builders 100] [--per-second 5]

Exit status 1 where PDS refused a request, or the rate was exceeded, or less than four fifths of it was used.
"""

import argparse
import itertools
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any
from uuid import uuid4

import httpx

from gpconnect_messaging.pds.budget import SharedBudget
from gpconnect_messaging.pds.client import PdsClient
from gpconnect_messaging.pds.errors import RetryLater
from gpconnect_messaging.pds.vault import ApplicationVault
from infra.local.pds import people
from infra.local.pds.service import Asked, LocalPds
from tests.fakes.dynamodb import Table
from tests.fakes.pds import APPLICATION, URL, private_key, secret
from tests.fakes.secrets_manager import Secrets

LEAST_USED = 0.8


def run(builders: int, per_second: int) -> dict[str, float]:
    """Have every builder look one patient up, all at once; return what was measured."""
    pds = LocalPds.of(
        people.read(), application_key=APPLICATION, url=URL, keys={"one": private_key("one").public_key()},
        per_second=per_second,
    )  # fmt: skip
    table: Any = Table()
    secrets: Any = Secrets({"pds": secret()})
    one_at_a_time = threading.Lock()

    def carry(request: httpx.Request) -> httpx.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        with one_at_a_time:
            answered = pds.answer(Asked(request.method, request.url.path, headers, request.content))
        return httpx.Response(answered.status, headers=dict(answered.headers), content=answered.body)

    def build(_number: int) -> int:
        transport = httpx.MockTransport(carry)
        client = PdsClient(
            URL, ApplicationVault(secrets, "pds"), SharedBudget(table, "ledger", per_second),
            http=httpx.Client(transport=transport),
        )  # fmt: skip
        client.check()  # the token first: a hundred signatures on one machine would delay what is measured
        start.wait()
        for came in itertools.count(1):
            try:
                client.lookup("9658218865", correlation=uuid4(), organisation="Y90001", today=date.today())  # noqa: DTZ011
            except RetryLater:
                time.sleep(1)
                continue
            return came
        raise AssertionError

    start = threading.Barrier(builders)
    with ThreadPoolExecutor(builders) as pool:
        came = list(pool.map(build, range(builders)))
    moments = sorted(request["at"] for request in pds.requests)
    seconds = moments[-1] - moments[0]
    # The most in any second, counted from each request on.
    most = max(sum(1 for other in moments if 0 <= other - moment < 1) for moment in moments)
    return {
        "builders": builders,
        "lookups": len(moments),
        "refused": sum(request["status"] == 429 for request in pds.requests),
        "came again": sum(came) - builders,
        "seconds": seconds,
        "rate / budget": (len(moments) - 1) / seconds / per_second,
        "most in a second / budget": most / per_second,
    }


def main() -> int:
    """Measure and judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--builders", type=int, default=100)
    parser.add_argument("--per-second", type=int, default=5)
    given = parser.parse_args()
    began = time.monotonic()
    found = run(given.builders, given.per_second)
    for name, value in found.items():
        print(f"{name:28} {value:8.2f}")
    # A request can be late on its way and meet the next one's second: one more than the rate is no excess.
    kept = not found["refused"] and found["most in a second / budget"] <= 1 + 1 / given.per_second
    used = found["rate / budget"] >= LEAST_USED
    print(f"{'kept within the budget' if kept else 'EXCEEDED the budget'}, in {time.monotonic() - began:.0f} s")
    return 0 if kept and used and found["rate / budget"] <= 1.005 else 1


if __name__ == "__main__":
    sys.exit(main())
