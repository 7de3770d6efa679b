"""List the drop: find dropped objects that S3 never announced, from S3's list and not from receipts.

The builder tags the objects that it received. The listing examines every object that is an hour old and has no tag. A
request without a receipt and without a row was never announced: the listing queues it for the builder, as S3 would
have. A document was named by no request. A second pass looks for such requests among the replaced and removed versions.
Both passes continue over as many runs as they need.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from gpconnect_messaging.derived_ids import Identifiers
from gpconnect_messaging.drop_keys import is_request
from gpconnect_messaging.ledger.drop_passes import FIRST_WINDOW, DropPass, DropPasses, Listing, notifications
from gpconnect_messaging.ledger.reconciliation import DropFindings
from gpconnect_messaging.notifications import Notifier
from gpconnect_messaging.queues import IntakeQueue
from gpconnect_messaging.storage import DropBucket, Evidence, ListedObject


@dataclass(frozen=True, kw_only=True)
class ListDrop:
    """The step and the adapters that it uses. An object younger than `settled` may still be announced."""

    drop: DropBucket
    evidence: Evidence
    identifiers: Identifiers
    passes: DropPasses
    intake_queue: IntakeQueue
    notifier: Notifier
    settled: timedelta = timedelta(hours=1)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def run(self, time_left: Callable[[], bool] = lambda: True) -> DropFindings:
        """Continue the passes while there is time; return the findings.

        After a crash the next run reads the same page again; the builder recognises a request that is queued twice.
        """
        newest = self.passes.current(self.now(), self.settled)
        total, done = self._continue(newest, time_left)
        if done:
            # Only up to the end of the first pass: a version that is replaced meanwhile must not be missed.
            replaced = self.passes.current(newest.until, timedelta(), Listing.REPLACED)
            total = total.plus(self._continue(replaced, time_left)[0])
        return total

    def _continue(self, reached: DropPass, time_left: Callable[[], bool]) -> tuple[DropFindings, bool]:
        """Continue a pass; return the findings, and whether the pass ended."""
        now, total = self.now(), DropFindings()
        for page, after, after_version in self._pages(reached):
            found, put_off = self._examine([listed for listed in page if reached.covers(listed)])
            put_off = put_off or reached.put_off
            reached = replace(reached, after=after, after_version=after_version, put_off=put_off)
            # Notify first: a page that is recorded is not examined again.
            self.notifier.raise_and_notify(notifications(found, now))
            if not self.passes.record(reached, found, now):
                return total, False
            self.passes.count(found.document_ids, now)
            reached = replace(reached, revision=reached.revision + 1)
            total = total.plus(found)
            if not time_left():
                return total, False
        ended = replace(reached, after="", done=True)
        return total, self.passes.record(ended, DropFindings(), now)

    def _pages(self, reached: DropPass) -> Iterator[tuple[list[ListedObject], str, str]]:
        """Yield the remaining pages of a pass, with the key and version at which they end."""
        if reached.listing is Listing.REPLACED:
            yield from self.drop.pages_of_replaced(reached.after, reached.after_version)
        else:
            yield from ((page, page[-1].key, reached.after_version) for page in self.drop.pages(reached.after))

    def _examine(self, listed: Sequence[ListedObject]) -> tuple[DropFindings, bool]:
        """Examine objects; return the findings, and whether documents were put off because their request waits."""
        newest = self.drop.not_received([item for item in listed if not item.version])
        replaced = [item for item in listed if item.version]
        requests = [item for item in (*newest, *replaced) if is_request(item.key)]
        waiting = [request for request in map(self._of_version, requests) if request.version and not self._has(request)]
        documents = [item for item in newest if not is_request(item.key)]
        folder_waits = {request.folders[0]: True for request in waiting}
        alone = [document.key for document in documents if not self._beside_a_request(document, folder_waits)]
        ids = [self.identifiers.digest("dropped document", key).hex()[:16] for key in alone]
        uncounted = tuple(document_id for document_id in ids if not self.passes.counted(document_id))
        return DropFindings(
            requests_unannounced=sum(self._announce(request) for request in waiting),
            documents_without_request=len(uncounted),
            document_ids=uncounted,
        ), len(alone) < len(documents)

    def _beside_a_request(self, document: ListedObject, folder_waits: dict[str, bool]) -> bool:
        """Say whether a folder of the document has a request of the last day without a row; `folder_waits` caches."""
        earliest = self.now() - FIRST_WINDOW  # later a person is notified: a pass looks back by `settled` more
        for folder in document.folders:
            if folder not in folder_waits:
                recent = (request for request in self.drop.requests_in(folder) if request.at >= earliest)
                folder_waits[folder] = not all(self._has(request) for request in recent)
            if folder_waits[folder]:
                return True
        return False

    def _of_version(self, listed: ListedObject) -> ListedObject:
        return listed if listed.version else replace(listed, version=self.drop.newest_version(listed.key) or "")

    def _has(self, request: ListedObject) -> bool:
        return self.passes.has_request(self._request_id(request))

    def _request_id(self, request: ListedObject) -> str:
        return str(self.identifiers.dropped_request_id(self.drop.name, request.key, request.version))

    def _announce(self, request: ListedObject) -> bool:
        """Put a request on the intake queue if it was never received; return whether it was queued."""
        if self.evidence.receipt_of(self._request_id(request), request.at):
            return False
        self.intake_queue.announce(self.drop.name, request.key, request.version, request.at)
        return True
