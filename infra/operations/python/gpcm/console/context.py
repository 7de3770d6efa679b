"""The console's context: an environment, and the cache of the messages in the ledger."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gpcm.console.flow import FlowWatch
from gpcm.console.message_cache import MessageCache
from gpcm.environment import OperatorEnvironment
from gpconnect_messaging.ledger.event_feed import EventFeed, RecordedEvent
from gpconnect_messaging.ledger.notifications import NotificationStore
from gpconnect_messaging.ledger.records import OpenNotification, Summary


@dataclass(frozen=True)
class LedgerSource:
    """The ledger, as the message cache reads it."""

    feed: EventFeed
    store: NotificationStore

    def standing(self, settled_since: datetime) -> Iterator[Summary]:
        """Return the open rows, and the settled rows that changed since."""
        return self.feed.standing(settled_since)

    def happened(self, since: datetime) -> Iterable[RecordedEvent]:
        """Return the events since, with their message ids."""
        return self.feed.happened(since)

    def summaries(self, message_ids: Sequence[str]) -> list[Summary]:
        """Return rows by message id."""
        return self.feed.summaries(message_ids)

    def notifications(self) -> list[OpenNotification]:
        """Return the open notifications, oldest first."""
        return self.store.open()


@dataclass(frozen=True)
class ConsoleContext:
    """The environment, the message cache, and the checks of the request flow."""

    environment: OperatorEnvironment
    cache: MessageCache
    flow: FlowWatch


def console_context(environment: OperatorEnvironment, window: timedelta) -> ConsoleContext:
    """Build the context of an environment. The message cache is not started."""
    feed = EventFeed(environment.client("dynamodb"), environment.table, environment.now)
    cache = MessageCache(LedgerSource(feed, environment.notifications), window=window, now=environment.now)
    return ConsoleContext(environment, cache, FlowWatch(environment))
