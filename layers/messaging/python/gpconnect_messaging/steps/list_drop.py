"""List the drop: find what senders put down and nothing announced, from S3's own list and not from our receipts.

The builder tags what it has received. An object that is an hour old and was not received is looked into: a request of
which there is neither a receipt nor a row was never announced, and is put on the intake queue as S3 would have; a
document is one that no request has named. Then the versions that were replaced or removed since are looked through for
such requests: their senders put them down all the same. Each goes on in as many runs as it takes.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from gpconnect_messaging.ledger.drop_passes import FIRST_WINDOW, DropPass, DropPasses, Listing
from gpconnect_messaging.notifications import Notifier
from gpconnect_messaging.queues import IntakeQueue
from gpconnect_messaging.reconciliation import DropFindings
from gpconnect_messaging.requests.drop_keys import is_request
from gpconnect_messaging.requests.identity import Identifiers
from gpconnect_messaging.storage import DropBucket, Evidence, ListedObject


@dataclass(frozen=True, kw_only=True)
class ListDrop:
    """The step and what it works with. What is younger than `settled` may still be on the way."""

    drop: DropBucket
    evidence: Evidence
    identifiers: Identifiers
    passes: DropPasses
    intake_queue: IntakeQueue
    notifier: Notifier
    settled: timedelta = timedelta(hours=1)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def run(self, time_left: Callable[[], bool] = lambda: True) -> DropFindings:
        """Go on with the passes while there is time; return what was found.

        A run that dies looks at the same page again, and what it put on the queue is recognised by its id.
        """
        newest = self.passes.current(self.now(), self.settled)
        total, done = self._go_on(newest, time_left)
        if done:
            # Only as far as the newest versions were looked at: what replaces one meanwhile must not hide it.
            replaced = self.passes.current(newest.until, timedelta(), Listing.REPLACED)
            total = total.plus(self._go_on(replaced, time_left)[0])
        return total

    def _go_on(self, reached: DropPass, time_left: Callable[[], bool]) -> tuple[DropFindings, bool]:
        """Go on with a pass; return what was found, and whether it came to its end."""
        now, total = self.now(), DropFindings()
        for page, after, after_version in self._pages(reached):
            found, put_off = self._look_into([each for each in page if reached.covers(each)])
            put_off = put_off or reached.put_off
            reached = replace(reached, after=after, after_version=after_version, put_off=put_off)
            # The notification first: what is recorded is not looked at again.
            self.notifier.tell(self.passes.raise_notifications(found, now))
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
        """Give the pages that a pass has still to look at, each with its end."""
        if reached.listing is Listing.REPLACED:
            yield from self.drop.pages_of_replaced(reached.after, reached.after_version)
        else:
            yield from ((page, page[-1].key, reached.after_version) for page in self.drop.pages(reached.after))

    def _look_into(self, listed: Sequence[ListedObject]) -> tuple[DropFindings, bool]:
        """Look into some objects; say what was found, and whether documents were put off for their requests' sake."""
        newest = self.drop.not_received([each for each in listed if not each.version])
        replaced = [each for each in listed if each.version]
        requests = [each for each in (*newest, *replaced) if is_request(each.key)]
        waiting = [each for each in map(self._of_version, requests) if each.version and not self._taken_in(each)]
        documents = [each for each in newest if not is_request(each.key)]
        waits = {each.folders[0]: True for each in waiting}
        alone = [each.key for each in documents if not self._beside_a_request(each, waits)]
        ids = [self.identifiers.digest("dropped document", key).hex()[:16] for key in alone]
        found = tuple(each for each in ids if not self.passes.counted(each))
        return DropFindings(
            requests_unannounced=sum(self._announce(each) for each in waiting),
            documents_without_request=len(found),
            document_ids=found,
        ), len(alone) < len(documents)

    def _beside_a_request(self, document: ListedObject, waits: dict[str, bool]) -> bool:
        """Say whether one of a document's folders has a request of the last day that is not taken in, by folder."""
        earliest = self.now() - FIRST_WINDOW  # and then they are told: a pass looks back by `settled` more
        for folder in document.folders:
            if folder not in waits:
                recent = (each for each in self.drop.requests_in(folder) if each.at >= earliest)
                waits[folder] = not all(self._taken_in(each) for each in recent)
            if waits[folder]:
                return True
        return False

    def _of_version(self, listed: ListedObject) -> ListedObject:
        return listed if listed.version else replace(listed, version=self.drop.newest_version(listed.key) or "")

    def _taken_in(self, request: ListedObject) -> bool:
        return self.passes.has(self._request_id(request))

    def _request_id(self, request: ListedObject) -> str:
        return str(self.identifiers.dropped_request_id(self.drop.name, request.key, request.version))

    def _announce(self, request: ListedObject) -> bool:
        """Put a request on the intake queue if it was never received; say whether it was so."""
        if self.evidence.receipt_of(self._request_id(request), request.at):
            return False
        self.intake_queue.announce(self.drop.name, request.key, request.version, request.at)
        return True
