"""The balance of a day: every request that was received is accounted for, or it is missed. Pure.

What was received is counted by receipts, which the builder writes before it does anything else, in another store than
the ledger, and which nobody can delete; what became of it is counted by the ledger's rows. So neither can hide a loss
from the other. What a balance leaves open, the next one looks for again: a row that is lost later is missed then.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from gpconnect_messaging.ledger.lifecycle import NoticeKind, Status

UNKNOWN_MAILBOX = "-"
"""Stands for the mailbox of a request that the ledger has nothing of."""

UNATTENDED = timedelta(hours=1)
"""How long after it is due the sweep, which runs every minute, must have seen to a message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """That a request was received: its id, and when. Which mailbox it names, its row says."""

    request_id: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What the ledger says of a message, or of a request that is none: where it stands, and when it is looked at next.

    `messages` is how many messages its request became in all; `became` is of a request that was held: the ids of the
    messages that it was released as, which account for it.
    """

    message_id: str
    request_id: str
    mailbox: str
    status: Status
    created_at: datetime
    changed_at: datetime
    due_at: datetime | None
    messages: int = 1
    mesh_message_ids: tuple[str, ...] = ()
    became: tuple[str, ...] = ()

    @property
    def why_open(self) -> str:
        """Why nothing final is known of it."""
        if self.due_at is None:
            return f"{self.status.value}: waits for a person"
        return f"{self.status.value}: looked at again at {self.due_at.isoformat()}"


@dataclass(slots=True, kw_only=True)
class MailboxBalance:
    """The balance of one mailbox; `-` is what names no mailbox. Counts are of requests, lists of ids.

    received = settled + open + arriving + lost + incomplete.
    """

    received: int = 0
    settled: int = 0
    open: int = 0
    arriving: list[str] = field(default_factory=list)
    """Received just now: the builder may be at it."""
    lost: list[str] = field(default_factory=list)
    """Received, and the ledger has nothing of it."""
    incomplete: list[str] = field(default_factory=list)
    """Requests that became several messages, or were held and released, and the ledger has not all of the messages."""
    without_receipt: list[str] = field(default_factory=list)
    """Requests that the ledger has and that nobody received: the receipts are not whole."""
    statuses: Counter[str] = field(default_factory=Counter)
    """The day's messages by status."""
    open_messages: dict[str, str] = field(default_factory=dict)
    """Every open message, of this day or earlier, and why it is."""
    unattended: list[str] = field(default_factory=list)
    """Open messages that the sweep should have seen to, and has not."""
    vanished: list[str] = field(default_factory=list)
    """Messages that an earlier balance left open, and that the ledger does not have any more."""
    unknown_to_mesh: list[str] = field(default_factory=list)
    """Messages that are called sent, and that MESH does not know."""
    unmatched: list[str] = field(default_factory=list)
    """MESH's ids of what came in on the day and belongs to no message."""

    @property
    def doubtful(self) -> list[str]:
        """The requests that are worth a second look at the ledger before anybody is told."""
        return [*self.lost, *self.incomplete, *self.without_receipt]

    @property
    def wrong(self) -> int:
        """How many requests and messages are not accounted for."""
        return sum(
            map(len, (self.lost, self.incomplete, self.without_receipt, self.unattended, self.vanished,
                      self.unknown_to_mesh))
        )  # fmt: skip


MOST_DOCUMENTS = 50
"""How many documents of a day are listed; all are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DropFindings:
    """What was found in the drop: requests that were never announced, and documents that no request named.

    `document_ids` stand for the documents; the first of them are kept.
    """

    requests_unannounced: int = 0
    documents_without_request: int = 0
    document_ids: tuple[str, ...] = ()

    def plus(self, other: "DropFindings") -> "DropFindings":
        """Add up."""
        return DropFindings(
            requests_unannounced=self.requests_unannounced + other.requests_unannounced,
            documents_without_request=self.documents_without_request + other.documents_without_request,
            document_ids=(*self.document_ids, *other.document_ids)[:MOST_DOCUMENTS],
        )

    @property
    def notices(self) -> dict[NoticeKind, int]:
        """What a person must be notified of, and how many there are."""
        found = {
            NoticeKind.REQUESTS_UNANNOUNCED: self.requests_unannounced,
            NoticeKind.DOCUMENTS_WITHOUT_REQUEST: self.documents_without_request,
        }
        return {kind: count for kind, count in found.items() if count}


NOTHING_FOUND = DropFindings()


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """A day's balance by mailbox, when it was made, and how many messages MESH was asked about and was not."""

    day: date
    made_at: datetime
    mailboxes: Mapping[str, MailboxBalance]
    asked_of_mesh: int = 0
    not_asked: int = 0
    in_the_drop: DropFindings = NOTHING_FOUND
    """What was found on the day in the drop: requests that nothing announced, documents that no request named."""

    @property
    def wrong(self) -> int:
        """How many requests and messages are not accounted for; 0 where the day balances."""
        return sum(each.wrong for each in self.mailboxes.values())

    def total(self, name: str) -> int:
        """Add up a count, or the length of a list, over the mailboxes."""
        values = [getattr(each, name) for each in self.mailboxes.values()]
        return sum(value if isinstance(value, int) else len(value) for value in values)

    def as_json(self) -> dict[str, Any]:
        """Give the balance as JSON can hold it."""
        names = MailboxBalance.__dataclass_fields__
        return {
            "day": self.day.isoformat(),
            "made_at": self.made_at.isoformat(),
            "balanced": self.wrong == 0,
            "wrong": self.wrong,
            "asked_of_mesh": self.asked_of_mesh,
            "not_asked": self.not_asked,
            "requests_unannounced": self.in_the_drop.requests_unannounced,
            "documents_without_request": self.in_the_drop.documents_without_request,
            "documents": list(self.in_the_drop.document_ids),
            "mailboxes": {
                mailbox: {name: getattr(balance, name) for name in names}
                for mailbox, balance in sorted(self.mailboxes.items())
            },
        }


def balance(
    day: date,
    *,
    receipts: Iterable[Receipt],
    received_before: Iterable[str],
    rows: Iterable[Row],
    left_open: Mapping[str, str],
    unmatched: Iterable[tuple[str, str]],
    unknown_to_mesh: Iterable[Row],
    now: datetime,
    settling: timedelta,
    asked_of_mesh: int = 0,
    not_asked: int = 0,
    in_the_drop: DropFindings = NOTHING_FOUND,
) -> Balance:
    """Hold what was received on a day (UTC) against what the ledger has.

    `rows` are all that are open, all that changed since the day began, and the messages that these became;
    `received_before` the ids of the day before,
    since a request can be received before midnight and built after. `left_open` are the messages that the balance
    before left open, and their mailboxes. `unmatched` are mailboxes and MESH's ids. A request younger than `settling`
    may still be on its way to its row.
    """
    found: defaultdict[str, MailboxBalance] = defaultdict(MailboxBalance)
    by_message = {row.message_id: row for row in rows}
    by_request: defaultdict[str, list[Row]] = defaultdict(list)
    for row in by_message.values():
        by_request[row.request_id].append(row)
    received = _by_request(receipts)
    for receipt in received.values():
        made = by_request.get(receipt.request_id, [])
        _account(receipt, made, found[made[0].mailbox if made else UNKNOWN_MAILBOX], now - settling)
    known = received.keys() | set(received_before)
    for request_id, made in by_request.items():
        # The oldest of its rows: a request that was held for days became messages long after it was received.
        first = min(made, key=lambda row: row.created_at)
        if first.created_at.date() == day and request_id not in known:
            found[first.mailbox].without_receipt.append(request_id)
        elif request_id not in received and _lacking(made):
            # It was received on another day, and released on this one.
            found[first.mailbox].incomplete.append(request_id)
    for row in by_message.values():
        its = found[row.mailbox]
        if not row.status.settled:
            its.open_messages[row.message_id] = row.why_open
            if row.due_at is not None and row.due_at + UNATTENDED < now:
                its.unattended.append(row.message_id)
    for message_id, mailbox in left_open.items():
        if message_id not in by_message:
            found[mailbox].vanished.append(message_id)
    for row in unknown_to_mesh:
        found[row.mailbox].unknown_to_mesh.append(row.message_id)
    for mailbox, mesh_message_id in unmatched:
        found[mailbox].unmatched.append(mesh_message_id)
    return Balance(
        day=day, made_at=now, mailboxes=dict(found), asked_of_mesh=asked_of_mesh, not_asked=not_asked,
        in_the_drop=in_the_drop,
    )  # fmt: skip


def _account(receipt: Receipt, made: list[Row], its: MailboxBalance, settled_since: datetime) -> None:
    its.received += 1
    messages = [row for row in made if row.message_id != row.request_id]
    its.statuses.update(row.status.value for row in messages or made)
    expected = max((row.messages for row in messages), default=0)
    if not made or len(messages) < expected or _lacking(made):
        if receipt.at > settled_since:
            its.arriving.append(receipt.request_id)
        elif made:
            its.incomplete.append(receipt.request_id)
        else:
            its.lost.append(receipt.request_id)
    elif all(row.status.settled for row in made):
        its.settled += 1
    else:
        its.open += 1


def _lacking(made: list[Row]) -> set[str]:
    """The messages that a held request was released as, and that have no row."""
    return {message_id for row in made for message_id in row.became} - {row.message_id for row in made}


def _by_request(receipts: Iterable[Receipt]) -> dict[str, Receipt]:
    """One receipt for each request, the latest: the queue brings some more than once."""
    return {receipt.request_id: receipt for receipt in sorted(receipts, key=lambda receipt: receipt.at)}
