"""List the drop: find what senders put down and nothing announced, from S3's own list and not from our receipts.

The builder tags what it has received. An object that is an hour old and bears no tag is looked into: a request of which
there is neither a receipt nor a row was never announced, and is put on the intake queue as S3 would have; a document is
one that no request has named. Each object is looked at once, in as many runs as it takes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from gpconnect_messaging.ledger.drop_passes import DropPasses
from gpconnect_messaging.notices import Notifier
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
        """Go on with the pass while there is time; return what was found.

        A run that dies looks at the same page again, and what it put on the queue is recognised by its id.
        """
        now = self.now()
        reached = self.passes.current(now, self.settled)
        total = DropFindings()
        for page in self.drop.pages(reached.after):
            found = self._look_into([each for each in page if reached.since <= each.at < reached.until])
            reached = replace(reached, after=page[-1].key)
            # The notice first: what is recorded is not looked at again.
            self.notifier.tell(self.passes.raise_notices(found, now))
            if not self.passes.record(reached, found, now):
                return total
            reached = replace(reached, revision=reached.revision + 1)
            total = total.plus(found)
            if not time_left():
                return total
        self.passes.record(replace(reached, after="", done=True), DropFindings(), now)
        return total

    def _look_into(self, listed: Sequence[ListedObject]) -> DropFindings:
        unknown = self.drop.not_received(listed)
        documents = [each.key for each in unknown if not is_request(each.key)]
        return DropFindings(
            requests_unannounced=sum(self._announce(each) for each in unknown if is_request(each.key)),
            documents_without_request=len(documents),
            document_ids=tuple(self.identifiers.digest("dropped document", key).hex()[:16] for key in documents),
        )

    def _announce(self, listed: ListedObject) -> bool:
        """Put a request on the intake queue if it was never announced; say whether it was so."""
        version = self.drop.newest_version(listed.key)
        if version is None:
            return False
        request_id = str(self.identifiers.dropped_request_id(self.drop.name, listed.key, version))
        if self.passes.has(request_id) or self.evidence.has_receipt(request_id, listed.at):
            return False
        self.intake_queue.announce(self.drop.name, listed.key, version, listed.at)
        return True
