"""What the pages work with: a place, and the board that follows its ledger."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gpconnect_messaging.ledger.event_feed import EventFeed, RecordedEvent
from gpconnect_messaging.ledger.notifications import NotificationStore
from gpconnect_messaging.ledger.records import OpenNotification, Summary
from infra.operations.console.flow import FlowWatch
from infra.operations.console.message_cache import MessageCache
from infra.operations.environment import OperatorEnvironment


@dataclass(frozen=True)
class LedgerSource:
    """The ledger, as the board reads it."""

    following: EventFeed
    book: NotificationStore

    def standing(self, settled_since: datetime) -> Iterator[Summary]:
        """Give each open row, and each settled one that changed since."""
        return self.following.standing(settled_since)

    def happened(self, since: datetime) -> Iterable[RecordedEvent]:
        """Give what happened since, each with the message that it happened to."""
        return self.following.happened(since)

    def summaries(self, message_ids: Sequence[str]) -> list[Summary]:
        """Give rows by their ids."""
        return self.following.summaries(message_ids)

    def notifications(self) -> list[OpenNotification]:
        """Give the notifications that nobody has taken, oldest first."""
        return self.book.open()


@dataclass(frozen=True)
class ConsoleContext:
    """A place, its board, and what can stop its requests."""

    environment: OperatorEnvironment
    cache: MessageCache
    flow: FlowWatch


def console_context(environment: OperatorEnvironment, window: timedelta) -> ConsoleContext:
    """Set up the desk of a place. Its board is not started."""
    following = EventFeed(environment.client("dynamodb"), environment.table, environment.now)
    cache = MessageCache(LedgerSource(following, environment.notifications), window=window, now=environment.now)
    return ConsoleContext(environment, cache, FlowWatch(environment))
