"""What lies in the drop and was not received: a look at S3's own list, as the hourly listing has it, for a person.

The builder tags what it has received. Keys are the senders' words and can name a person: none is shown.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain, islice

from gpconnect_messaging.requests.drop_keys import is_request
from gpconnect_messaging.storage import DropBucket, ListedObject

MOST_LOOKED_AT = 1_000
"""How many objects are asked for their tag: more take S3 too long, and the hourly listing looks at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unannounced:
    """When each request and document was dropped that has no tag; `looked_at` objects, which are `all` there are."""

    requests: tuple[datetime, ...]
    documents: tuple[datetime, ...]
    looked_at: int
    all: bool


def look(drop: DropBucket, now: datetime, settled: timedelta) -> Unannounced:
    """Look at what was dropped longer ago than `settled`. Raises StorageError."""
    old = (each for each in chain.from_iterable(drop.pages()) if each.at <= now - settled)
    found = list(islice(old, MOST_LOOKED_AT + 1))
    looked_at = found[:MOST_LOOKED_AT]
    unknown = drop.not_received(looked_at)
    return Unannounced(
        requests=_times([each for each in unknown if is_request(each.key)]),
        documents=_times([each for each in unknown if not is_request(each.key)]),
        looked_at=len(looked_at),
        all=len(found) <= MOST_LOOKED_AT,
    )


def _times(listed: Sequence[ListedObject]) -> tuple[datetime, ...]:
    return tuple(sorted(each.at for each in listed))
