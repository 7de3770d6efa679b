"""How often a message calls S3, through the real steps and adapters: more calls are more money, and slower."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from gpconnect_messaging.ledger.stored_names import Status
from infra.local.practice import responding
from infra.local.practice.answering import Answer as Written
from infra.local.practice.reading import Reading
from tests.fakes.product import LONG_AGO, MAILBOX, WORKFLOW, Product
from tests.model.world import PRACTICE

PUTS = ("put_object", "upload_fileobj", "list_object_versions")
"""What S3 charges as a PUT; the others are charged as a GET, a twelfth."""
BUILT = {
    "put_object evidence/receipts": 1, "get_object drop/request.json": 1, "put_object evidence/requests": 1,
    "get_object drop/report.pdf": 1,
}  # fmt: skip
SENT = {
    "upload_fileobj outbox/messages": 1, "get_object outbox/messages": 1, "put_object evidence/received": 2,
}  # fmt: skip
RELEASED = {"get_object evidence/requests": 1, "get_object drop/report.pdf": 2}


class Counting:
    """S3, with a count of the calls by operation and folder."""

    def __init__(self, s3: Any, calls: Counter[str]) -> None:
        self._s3, self._calls = s3, calls

    def __getattr__(self, operation: str) -> Any:
        call = getattr(self._s3, operation)

        def counted(*arguments: Any, **named: Any) -> Any:
            bucket, key = arguments[1:3] or (named["Bucket"], named["Key"] if "Key" in named else named["Prefix"])
            self._count(operation, bucket, key)
            return call(*arguments, **named)

        return counted

    def get_paginator(self, operation: str) -> Any:
        def paginate(**named: Any) -> Iterator[Any]:
            for page in self._s3.get_paginator(operation).paginate(**named):
                self._count(operation, named["Bucket"], named["Prefix"])
                yield page

        return SimpleNamespace(paginate=paginate)

    def _count(self, operation: str, bucket: str, key: str) -> None:
        self._calls[f"{operation} {bucket}/{key.partition('/')[0]}"] += 1


def delivered(window: timedelta, *, at_the_same_second: bool = False) -> Counter[str]:
    """Have a report delivered, with both acknowledgements; return the calls."""
    calls = Counter[str]()
    product = Product(
        hold_window_seconds=int(window.total_seconds()),
        port=lambda name, client: Counting(client, calls) if name == "s3" else client,
    )
    product.dropped.dated("report.pdf", product.clock() if at_the_same_second else LONG_AGO, in_parts=False)
    product.announce("request.json")
    product.later(window + timedelta(minutes=1))
    (message_id,) = product.mesh.sent
    for code in ("20013", "30001"):
        practice = responding.Practice(PRACTICE[:6], PRACTICE)
        response = responding.write(
            Written(code),
            Reading(message_id=message_id),
            practice,
            shape=responding.Shape.STANDARD,
            now=product.clock(),
        )
        product.mesh.deliver(
            MAILBOX, response.content, sender=PRACTICE, workflow_id=f"{WORKFLOW}_ACK", message_type="DATA"
        )
    product.polls(MAILBOX)
    assert product.row(message_id).status is Status.DELIVERED
    return calls


@pytest.mark.parametrize(
    ("window", "expected", "puts", "gets"),
    [
        (timedelta(0), Counter(BUILT) + Counter(SENT), 5, 3),
        (timedelta(hours=2), Counter(BUILT | RELEASED) + Counter(SENT), 5, 5),
    ],
    ids=["at once", "held"],
)
def test_a_message_calls_s3_so_often(window: timedelta, expected: Counter[str], puts: int, gets: int) -> None:
    calls = delivered(window)
    assert calls == expected
    charged = Counter(call.startswith(PUTS) for call in calls.elements())
    assert (charged[True], charged[False]) == (puts, gets)


def test_a_document_that_is_dropped_within_the_requests_second_costs_one_list_more() -> None:
    assert delivered(timedelta(0), at_the_same_second=True) - delivered(timedelta(0)) == {
        "list_object_versions drop/report.pdf": 1
    }
