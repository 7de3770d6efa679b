"""Finds files in the drop bucket that were not received, from S3's list, as the hourly listing does.

The builder tags the files that it has received. Keys are not shown: senders choose them, and they can name a person.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain, islice

from gpconnect_messaging.drop_keys import is_request
from gpconnect_messaging.storage import DropBucket, ListedObject

MOST_LOOKED_AT = 1_000
"""The most objects whose tags are read: more would take too long, and the hourly listing reads all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unannounced:
    """The drop times of requests and documents without a tag, among `looked_at` objects, which may be `all`."""

    requests: tuple[datetime, ...]
    documents: tuple[datetime, ...]
    looked_at: int
    all: bool


def look(drop: DropBucket, now: datetime, settled: timedelta) -> Unannounced:
    """Check the files that were dropped longer ago than `settled`. Raises StorageError."""
    old = (file for file in chain.from_iterable(drop.pages()) if file.at <= now - settled)
    files = list(islice(old, MOST_LOOKED_AT + 1))
    looked_at = files[:MOST_LOOKED_AT]
    not_received = drop.not_received(looked_at)
    return Unannounced(
        requests=_times([file for file in not_received if is_request(file.key)]),
        documents=_times([file for file in not_received if not is_request(file.key)]),
        looked_at=len(looked_at),
        all=len(files) <= MOST_LOOKED_AT,
    )


def _times(listed: Sequence[ListedObject]) -> tuple[datetime, ...]:
    return tuple(sorted(file.at for file in listed))
