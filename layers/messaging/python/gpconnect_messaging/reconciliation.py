"""The balance of a day: every request that was received is accounted for, or it is missed. Pure.

What was received is counted by receipts, which the builder writes before it does anything else, in another store than
the ledger, and which nobody can delete; what became of it is counted by the ledger's rows. So neither can hide a loss
from the other. What a balance leaves open, the next one looks for again: a row that is lost later is missed then.

All that is known of one request can be reckoned apart from the others: the balances of a day's parts, added up, are the
balance of the day (`Balance.plus`).
"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import date, datetime, timedelta
from typing import Any, Self

from gpconnect_messaging.ledger.lifecycle import NotificationType, Status

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

    def mesh_must_know(self, before: datetime) -> bool:
        """Whether MESH took a copy, long enough before a moment to know it and not so long that it may be deleted."""
        return (
            self.status in IN_MESH
            and bool(self.mesh_message_ids)
            and before - KEPT_BY_MESH < self.created_at
            and self.changed_at <= before
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOpen:
    """A message that an earlier balance left open, and why it did."""

    message_id: str
    request_id: str
    mailbox: str
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmatched:
    """A MESH message that came in and belongs to no message of ours."""

    mailbox: str
    mesh_message_id: str


IN_MESH = (Status.SENT, Status.UNCERTAIN, Status.ACKNOWLEDGED)
"""The open statuses in which MESH can have a message."""

KEPT_BY_MESH = timedelta(days=28)
"""For how long MESH surely knows a message: it deletes them after 30 days."""

MOST_LISTED = 200
"""How many ids of a kind and mailbox a day's balance lists. All are counted, and a part's balance lists all it has."""

_LISTED = ("arriving", "lost", "incomplete", "without_receipt", "unattended", "vanished", "unknown_to_mesh",
           "unanswered", "unmatched")  # fmt: skip
_WRONG = ("lost", "incomplete", "without_receipt", "unattended", "vanished", "unknown_to_mesh", "unanswered")


@dataclass(slots=True, kw_only=True)
class MailboxBalance:
    """The balance of one mailbox; `-` is what names no mailbox. Counts are of requests, lists of ids.

    received = settled + open + arriving + lost + incomplete. `counts` has how many ids there are of each kind: of a
    whole day no more than MOST_LISTED are listed.
    """

    received: int = 0
    settled: int = 0
    open: int = 0
    counts: Counter[str] = field(default_factory=Counter)
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
    """Open messages, of this day or earlier, and why they are."""
    unattended: list[str] = field(default_factory=list)
    """Open messages that the sweep should have seen to, and has not."""
    vanished: list[str] = field(default_factory=list)
    """Messages that an earlier balance left open, and that the ledger does not have any more."""
    unknown_to_mesh: list[str] = field(default_factory=list)
    """Messages that MESH is said to have taken, and that MESH does not know."""
    answered: int = 0
    """About how many messages MESH answered."""
    unanswered: list[str] = field(default_factory=list)
    """Messages that MESH was asked about in vain, where it answered about none: then it vouches for nothing."""
    unmatched: list[str] = field(default_factory=list)
    """MESH's ids of what came in on the day and belongs to no message."""

    def note(self, kind: str, own_id: str) -> None:
        """List and count an id of a kind."""
        getattr(self, kind).append(own_id)
        self.counts[kind] += 1

    def plus(self, other: "MailboxBalance") -> "MailboxBalance":
        """Add up; of the ids the first MOST_LISTED of each kind are listed."""
        openly = [*self.open_messages.items(), *other.open_messages.items()]
        total = MailboxBalance(
            received=self.received + other.received,
            settled=self.settled + other.settled,
            open=self.open + other.open,
            answered=self.answered + other.answered,
            counts=self.counts + other.counts,
            statuses=self.statuses + other.statuses,
            open_messages=dict(openly[:MOST_LISTED]),
            **{name: [*getattr(self, name), *getattr(other, name)][:MOST_LISTED] for name in _LISTED},
        )
        if total.answered:
            total.unanswered, total.counts["unanswered"] = [], 0
        return total

    @property
    def doubtful(self) -> list[str]:
        """The requests that are worth a second look at the ledger before anybody is told."""
        return [*self.lost, *self.incomplete, *self.without_receipt]

    @property
    def wrong(self) -> int:
        """How many requests and messages are not accounted for."""
        return sum(self.counts[name] for name in _WRONG)


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
    def notifications(self) -> dict[NotificationType, int]:
        """What a person must be notified of, and how many there are."""
        found = {
            NotificationType.REQUESTS_UNANNOUNCED: self.requests_unannounced,
            NotificationType.DOCUMENTS_WITHOUT_REQUEST: self.documents_without_request,
        }
        return {kind: count for kind, count in found.items() if count}


NOTHING_FOUND = DropFindings()


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """The balance of a day, or of a part of it, by mailbox, and when it was begun.

    `must_be_known` is how many messages MESH must know, `asked_of_mesh` about how many of them it was asked.
    """

    day: date
    made_at: datetime
    mailboxes: Mapping[str, MailboxBalance]
    must_be_known: int = 0
    asked_of_mesh: int = 0
    in_the_drop: DropFindings = NOTHING_FOUND
    """What was found on the day in the drop: requests that nothing announced, documents that no request named."""
    open_files: tuple[str, ...] = ()
    """Where the evidence store has all open messages; the next balance looks for them again."""
    wrong_files: tuple[str, ...] = ()
    """Where it has the balances of the parts in which something is wrong, with all ids."""

    def plus(self, other: Self) -> "Balance":
        """Add the balance of another part of the same day."""
        nothing = MailboxBalance()
        names = sorted({*self.mailboxes, *other.mailboxes})
        return Balance(
            day=self.day,
            made_at=self.made_at,
            mailboxes={
                name: self.mailboxes.get(name, nothing).plus(other.mailboxes.get(name, nothing)) for name in names
            },
            must_be_known=self.must_be_known + other.must_be_known,
            asked_of_mesh=self.asked_of_mesh + other.asked_of_mesh,
            in_the_drop=self.in_the_drop.plus(other.in_the_drop),
            open_files=(*self.open_files, *other.open_files),
            wrong_files=(*self.wrong_files, *other.wrong_files),
        )

    @property
    def not_asked(self) -> int:
        """About how many messages MESH was not asked this time."""
        return max(self.must_be_known - self.asked_of_mesh, 0)

    @property
    def wrong(self) -> int:
        """How many requests and messages are not accounted for; 0 where the day balances."""
        return sum(each.wrong for each in self.mailboxes.values())

    @property
    def fingerprint(self) -> str:
        """Tell one imbalance of a day from another: a hash of what is wrong; empty where the day balances."""
        wrong = [
            # Which messages MESH was asked about in vain differs each time; that it answered about none does not.
            [mailbox, name, *([] if name == "unanswered" else [balance.counts[name], sorted(getattr(balance, name))])]
            for mailbox, balance in sorted(self.mailboxes.items())
            for name in _WRONG
            if balance.counts[name]
        ]
        return hashlib.sha256(json.dumps(wrong).encode()).hexdigest()[:12] if wrong else ""

    def total(self, name: str) -> int:
        """Add up a count, or how many ids there are of a kind, over the mailboxes. Raises KeyError."""
        if name in ("received", "settled", "open"):
            return sum(getattr(each, name) for each in self.mailboxes.values())
        if name not in (*_LISTED, "open_messages"):
            raise KeyError(name)
        return sum(each.counts[name] for each in self.mailboxes.values())

    def as_json(self) -> dict[str, Any]:
        """Give the balance as JSON can hold it."""
        return {
            "day": self.day.isoformat(),
            "made_at": self.made_at.isoformat(),
            "balanced": self.wrong == 0,
            "wrong": self.wrong,
            "must_be_known": self.must_be_known,
            "asked_of_mesh": self.asked_of_mesh,
            "not_asked": self.not_asked,
            "requests_unannounced": self.in_the_drop.requests_unannounced,
            "documents_without_request": self.in_the_drop.documents_without_request,
            "documents": list(self.in_the_drop.document_ids),
            "mailboxes": {
                mailbox: {name: getattr(balance, name) for name in _FIELDS}
                for mailbox, balance in sorted(self.mailboxes.items())
            },
            "open_files": list(self.open_files),
            "wrong_files": list(self.wrong_files),
        }

    @classmethod
    def from_json(cls, written: Mapping[str, Any]) -> Self:
        """Read what `as_json` gave."""
        return cls(
            day=date.fromisoformat(written["day"]),
            made_at=datetime.fromisoformat(written["made_at"]),
            mailboxes={
                name: MailboxBalance(
                    **{**values, "counts": Counter(values["counts"]), "statuses": Counter(values["statuses"])}
                )
                for name, values in written["mailboxes"].items()
            },
            must_be_known=written["must_be_known"],
            asked_of_mesh=written["asked_of_mesh"],
            in_the_drop=DropFindings(
                requests_unannounced=written["requests_unannounced"],
                documents_without_request=written["documents_without_request"],
                document_ids=tuple(written["documents"]),
            ),
            open_files=tuple(written["open_files"]),
            wrong_files=tuple(written["wrong_files"]),
        )


_FIELDS = tuple(each.name for each in fields(MailboxBalance))


def balance(
    day: date,
    *,
    receipts: Iterable[Receipt],
    received_before: Iterable[str],
    rows: Iterable[Row],
    left_open: Iterable[LeftOpen],
    unmatched: Iterable[Unmatched],
    now: datetime,
    settling: timedelta,
    tracked_after: timedelta = timedelta(),
) -> Balance:
    """Hold what was received on a day (UTC) against what the ledger has.

    `rows` are all that are open, all that changed since the day began, and the messages that these became;
    `received_before` the ids of the day before, since a request can be received before midnight and built after.
    `left_open` is what the balance before left open. A request younger than `settling` may still be on its way to its
    row; MESH must know what it took `tracked_after` ago or earlier.

    It may be given everything, or everything of some of the requests.
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
            found[first.mailbox].note("without_receipt", request_id)
        elif request_id not in received and _lacking(made):
            # It was received on another day, and released on this one.
            found[first.mailbox].note("incomplete", request_id)
    must_be_known = 0
    for row in by_message.values():
        its = found[row.mailbox]
        must_be_known += row.mesh_must_know(now - tracked_after)
        if not row.status.settled:
            its.open_messages[row.message_id] = row.why_open
            its.counts["open_messages"] += 1
            if row.due_at is not None and row.due_at + UNATTENDED < now:
                its.note("unattended", row.message_id)
    for each in left_open:
        if each.message_id not in by_message:
            found[each.mailbox].note("vanished", each.message_id)
    for stray in unmatched:
        found[stray.mailbox].note("unmatched", stray.mesh_message_id)
    return Balance(day=day, made_at=now, mailboxes=dict(found), must_be_known=must_be_known)


def asked_of_mesh(day: date, made_at: datetime, answers: Iterable[tuple[Row, bool | None]]) -> Balance:
    """Give what asking MESH adds to a day's balance: of each message whether MESH knows it, or None: no answer."""
    found: defaultdict[str, MailboxBalance] = defaultdict(MailboxBalance)
    for row, known in answers:
        its = found[row.mailbox]
        its.answered += known is not None
        if not known:
            its.note("unanswered" if known is None else "unknown_to_mesh", row.message_id)
    answered = sum(its.answered for its in found.values())
    return Balance(day=day, made_at=made_at, mailboxes=dict(found), asked_of_mesh=answered)


def _account(receipt: Receipt, made: list[Row], its: MailboxBalance, settled_since: datetime) -> None:
    its.received += 1
    messages = [row for row in made if row.message_id != row.request_id]
    its.statuses.update(row.status.value for row in messages or made)
    expected = max((row.messages for row in messages), default=0)
    if not made or len(messages) < expected or _lacking(made):
        if receipt.at > settled_since:
            its.note("arriving", receipt.request_id)
        elif made:
            its.note("incomplete", receipt.request_id)
        else:
            its.note("lost", receipt.request_id)
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
