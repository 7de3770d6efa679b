"""What the pages work with: a place, and the board that follows its ledger."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gpconnect_messaging.ledger.following import Following, Happened
from gpconnect_messaging.ledger.notices import NoticeBook
from gpconnect_messaging.ledger.records import OpenNotice, Summary
from infra.operations.console.board import Board
from infra.operations.console.flow import FlowWatch
from infra.operations.place import Place


@dataclass(frozen=True)
class LedgerSource:
    """The ledger, as the board reads it."""

    following: Following
    book: NoticeBook

    def standing(self, settled_since: datetime) -> Iterator[Summary]:
        """Give each open row, and each settled one that changed since."""
        return self.following.standing(settled_since)

    def happened(self, since: datetime) -> Iterable[Happened]:
        """Give what happened since, each with the message that it happened to."""
        return self.following.happened(since)

    def summaries(self, message_ids: Sequence[str]) -> list[Summary]:
        """Give rows by their ids."""
        return self.following.summaries(message_ids)

    def notices(self) -> list[OpenNotice]:
        """Give the notices that nobody has taken, oldest first."""
        return self.book.open()


@dataclass(frozen=True)
class Desk:
    """A place, its board, and what can stop its requests."""

    place: Place
    board: Board
    flow: FlowWatch


def desk(place: Place, window: timedelta) -> Desk:
    """Set up the desk of a place. Its board is not started."""
    following = Following(place.client("dynamodb"), place.table, place.now)
    board = Board(LedgerSource(following, place.notices), window=window, now=place.now)
    return Desk(place, board, FlowWatch(place))
