"""Finds files in the drop bucket that were not received, from S3's list of versions, as the daily listing does.

Keys are not shown: senders choose them, and they can name a person.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain, islice

from gpconnect_messaging.derived_ids import Identifiers
from gpconnect_messaging.drop_keys import is_request
from gpconnect_messaging.ledger.drop_passes import DropPasses
from gpconnect_messaging.ledger.received_objects import KNOWN_FOR, ReceivedObjects
from gpconnect_messaging.storage import DropBucket, ListedObject

MOST_LOOKED_AT = 10_000
"""The most objects that are compared with the ledger: more would take too long, and the listing reads all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unannounced:
    """The drop times of requests and documents not received, among `looked_at` objects, which may be `all`."""

    requests: tuple[datetime, ...]
    documents: tuple[datetime, ...]
    looked_at: int
    all: bool


def look(
    drop: DropBucket,
    received: ReceivedObjects,
    passes: DropPasses,
    identifiers: Identifiers,
    now: datetime,
    settled: timedelta,
) -> Unannounced:
    """Check the current files that were dropped longer ago than `settled`. Raises UnreadError."""
    listed = chain.from_iterable(page for page, _, _ in drop.pages())
    old = (file for file in listed if file.current and now - KNOWN_FOR < file.at <= now - settled)
    files = list(islice(old, MOST_LOOKED_AT + 1))
    looked_at = files[:MOST_LOOKED_AT]
    requests = {
        str(identifiers.dropped_request_id(drop.name, file.key, file.version)): file
        for file in looked_at
        if is_request(file.key)
    }
    known = passes.known_requests(requests)
    return Unannounced(
        requests=_times([file for request_id, file in requests.items() if request_id not in known]),
        documents=_times(received.documents_not_received([file for file in looked_at if not is_request(file.key)])),
        looked_at=len(looked_at),
        all=len(files) <= MOST_LOOKED_AT,
    )


def _times(listed: Sequence[ListedObject]) -> tuple[datetime, ...]:
    return tuple(sorted(file.at for file in listed))
