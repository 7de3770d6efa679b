"""Retries writes to a single DynamoDB item while a transaction holds the item.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html (transaction conflict handling):
a PutItem, UpdateItem or DeleteItem gets TransactionConflictException and has changed nothing. botocore does not retry
it.
"""

import random
from collections.abc import Callable, Iterator
from time import sleep
from typing import TypeVar

from botocore.exceptions import ClientError

_CONFLICT = "TransactionConflictException"
_TRIES = 10

Answer = TypeVar("Answer")


def tries() -> Iterator[int]:
    """Number the tries of a change, from 0, and wait between them: exponentially longer, with jitter."""
    for attempt in range(_TRIES):
        if attempt:
            sleep(random.uniform(0, 0.01 * 2 ** min(attempt, 6)))  # noqa: S311 - spreads retries, hides nothing
        yield attempt


def past_transactions(write: Callable[[], Answer]) -> Answer:
    """Write to one item, and retry while transactions hold the item.

    Raises botocore's ClientError: the conflict if a last try after ten meets it, too, and any other error at once.
    """
    for _ in tries():
        try:
            return write()
        except ClientError as error:
            if error.response["Error"]["Code"] != _CONFLICT:
                raise
    return write()
