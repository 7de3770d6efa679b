"""List the drop: find dropped objects that S3 never announced, from S3's list and not from receipts.

Two lists ask the ledger about every object that is an hour old. The hourly one has the current objects, which are few,
without versions: an object was received if the ledger knows of one as new under the same key. The daily one has all
versions, also replaced and removed ones, and is exact. A request without a receipt and without a row was never
announced: the listing queues it for the builder, as S3 would have. A current document without a receiver was named by
no request. A pass continues over as many runs as it needs.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from gpconnect_messaging.derived_ids import Identifiers
from gpconnect_messaging.drop_keys import is_request
from gpconnect_messaging.ledger.drop_passes import FIRST_WINDOW, DropPass, DropPasses, Listing, notifications
from gpconnect_messaging.ledger.received_objects import ReceivedObjects
from gpconnect_messaging.ledger.reconciliation import DropFindings
from gpconnect_messaging.ledger.table import text
from gpconnect_messaging.notifications import Notifier
from gpconnect_messaging.queues import IntakeQueue
from gpconnect_messaging.storage import DropBucket, Evidence, ListedObject, whole_second
from gpconnect_messaging.threads import in_threads

HOURLY = timedelta(hours=1)
DAILY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class ListDrop:
    """The step and the adapters that it uses.

    An object younger than `settled` may still be announced. The current objects are listed `every` so often.
    """

    drop: DropBucket
    received: ReceivedObjects
    evidence: Evidence
    identifiers: Identifiers
    passes: DropPasses
    intake_queue: IntakeQueue
    notifier: Notifier
    settled: timedelta = timedelta(hours=1)
    every: timedelta = HOURLY
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def run(self, time_left: Callable[[], bool] = lambda: True) -> DropFindings:
        """Continue the passes that are due while there is time, the hourly one first; return the findings.

        After a crash the next run reads the same page again; the builder recognises a request that is queued twice.
        """
        total, until = DropFindings(), self.now() - self.settled
        for listing, every in ((Listing.CURRENT, self.every), (Listing.VERSIONS, DAILY)):
            reached = self.passes.current(until, every, listing)
            if reached is None:
                continue
            found, ended = self._continue(reached, time_left)
            total = total.plus(found)
            if not ended:
                break
        return total

    def _continue(self, reached: DropPass, time_left: Callable[[], bool]) -> tuple[DropFindings, bool]:
        """Continue a pass; return the findings, and whether the pass ended."""
        now, total = self.now(), DropFindings()
        for page, after, after_version in self._pages(reached):
            covered = [listed for listed in page if reached.covers(listed)]
            examined = self._examine(covered, reached.listing)
            found, put_off = examined.findings, examined.put_off or reached.put_off
            reached = replace(reached, after=after, after_version=after_version, put_off=put_off)
            is_last = not time_left()
            if not covered and not is_last:
                continue  # a run that dies lists such a page again, which costs less than to record it every time
            # Notify first: a page that is recorded is not examined again.
            self.notifier.raise_and_notify(notifications(found, now))
            if not self.passes.record(reached, found, now):
                return total, False
            self.passes.count(examined.to_count, now)
            reached = replace(reached, revision=reached.revision + 1)
            total = total.plus(found)
            if is_last:
                return total, False
        ended = replace(reached, after="", after_version="", done=True)
        return total, self.passes.record(ended, DropFindings(), now)

    def _pages(self, reached: DropPass) -> Iterator[tuple[list[ListedObject], str, str]]:
        """Yield the remaining pages of a pass, with the key and version at which they end."""
        if reached.listing is Listing.CURRENT:
            return self.drop.current_pages(reached.after)
        return self.drop.pages(reached.after, reached.after_version)

    def _examine(self, listed: Sequence[ListedObject], listing: Listing) -> "_Examined":
        requests = [item for item in listed if is_request(item.key)]
        documents = [item for item in listed if item.current and not is_request(item.key)]
        if listing is Listing.CURRENT:
            # Most were received: only of the others is the version worth a call.
            unsure = self.received.requests_not_received_since(requests)
            requests = [request for request in in_threads(self._with_version, unsure) if request]
            documents = self.received.documents_not_received_since(documents)
        else:
            documents = self.received.documents_not_received(documents)
        waiting = self._waiting(requests)
        folder_waits = {request.folders[0]: True for request in waiting}
        alone = [document for document in documents if not self._beside_a_request(document, folder_waits)]
        ids = list(map(self._document_id, alone))
        uncounted = self._uncounted(ids)
        announced = self._uncounted([self._request_id(request) for request in waiting if self._announce(request)])
        findings = DropFindings(
            requests_unannounced=len(announced), documents_without_request=len(uncounted), document_ids=uncounted
        )
        return _Examined(findings, (*announced, *uncounted), len(alone) < len(documents))

    def _uncounted(self, object_ids: Iterable[str]) -> tuple[str, ...]:
        return tuple(object_id for object_id in object_ids if not self.passes.counted(object_id))

    def _with_version(self, listed: ListedObject) -> ListedObject | None:
        """Return a current request with its version; None where it was replaced since: the next passes list both."""
        newest = self.drop.newest_version(listed.key)
        is_listed = newest and newest.at == whole_second(listed.at)
        return replace(listed, version=newest.version) if newest and is_listed else None

    def _waiting(self, listed: Iterable[ListedObject]) -> list[ListedObject]:
        """Return the requests that the ledger does not have."""
        requests = {self._request_id(item): item for item in listed if is_request(item.key)}
        known = self.passes.known_requests(requests)
        return [request for request_id, request in requests.items() if request_id not in known]

    def _beside_a_request(self, document: ListedObject, folder_waits: dict[str, bool]) -> bool:
        """Say whether a folder of the document has a request of the last day without a row; `folder_waits` caches."""
        earliest = self.now() - FIRST_WINDOW  # later a person is notified: a pass looks back by `settled` more
        for folder in document.folders:
            if folder not in folder_waits:
                recent = [request for request in self.drop.requests_in(folder) if request.at >= earliest]
                folder_waits[folder] = bool(self._waiting(recent))
            if folder_waits[folder]:
                return True
        return False

    def _document_id(self, document: ListedObject) -> str:
        """Return the id of a dropped document, the same in both lists: another document under the key has another."""
        return self.identifiers.digest("dropped document", f"{text(document.at)} {document.key}").hex()[:16]

    def _request_id(self, request: ListedObject) -> str:
        return str(self.identifiers.dropped_request_id(self.drop.name, request.key, request.version))

    def _announce(self, request: ListedObject) -> bool:
        """Put a request on the intake queue if it was never received; return whether it was queued."""
        if self.evidence.receipt_of(self._request_id(request), request.at):
            return False
        self.intake_queue.announce(self.drop.name, request.key, request.version, request.at)
        return True


@dataclass(frozen=True, slots=True)
class _Examined:
    """What was found among some objects."""

    findings: DropFindings
    to_count: tuple[str, ...]
    """The ids of requests and documents to record, so that no later pass counts them again."""
    put_off: bool
    """Whether documents were put off because their request waits."""
