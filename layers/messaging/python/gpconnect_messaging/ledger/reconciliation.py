"""The balance of a day: every request that was received is accounted for. Pure.

Receipts count the received requests. The builder writes them before anything else, outside the ledger, and they cannot
be deleted. The ledger's rows count the results. Neither store can therefore hide a loss in the other. The next balance
checks the messages that a balance leaves open, and reports a row that was lost meanwhile.

Requests are independent of one another: the balances of a day's parts, added up, are the balance of the day
(`Balance.plus`).
"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import date, datetime, timedelta
from typing import Any, Self

from gpconnect_messaging.ledger.stored_names import NotificationType, Status
from gpconnect_messaging.storage import Receipt

UNKNOWN_MAILBOX = "-"
"""The mailbox of a request that the ledger does not know."""

UNATTENDED = timedelta(hours=1)
"""How long after the due time the sweep, which runs every minute, must have processed a message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The ledger's row of a message or request, as the balance needs it.

    `messages` is the number of messages of the request. `became` are the ids of the messages that a held request
    became, which account for it.
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
        """The reason why the row is open."""
        if self.due_at is None:
            return f"{self.status.value}: waits for a person"
        return f"{self.status.value}: looked at again at {self.due_at.isoformat()}"

    def mesh_must_know(self, before: datetime) -> bool:
        """Whether MESH took a copy, early enough before a time to know it, and not so early that it may be deleted."""
        return (
            self.status in IN_MESH
            and bool(self.mesh_message_ids)
            and before - KEPT_BY_MESH < self.created_at
            and self.changed_at <= before
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOpen:
    """A message that an earlier balance left open, and the reason."""

    message_id: str
    request_id: str
    mailbox: str
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmatched:
    """A received MESH message that matches no sent message."""

    mailbox: str
    mesh_message_id: str


IN_MESH = (Status.SENT, Status.UNCERTAIN, Status.ACKNOWLEDGED)
"""The open statuses in which MESH can have a message."""

KEPT_BY_MESH = timedelta(days=28)
"""How long MESH reliably knows a message: MESH deletes messages after 30 days."""

MOST_LISTED = 200
"""How many ids of a kind and mailbox a day's balance lists. All are counted, and a part's balance lists all ids."""

_LISTED = ("arriving", "lost", "incomplete", "without_receipt", "unattended", "vanished", "unknown_to_mesh",
           "unanswered", "unmatched")  # fmt: skip
_WRONG = ("lost", "incomplete", "without_receipt", "unattended", "vanished", "unknown_to_mesh", "unanswered")


@dataclass(slots=True, kw_only=True)
class MailboxBalance:
    """The balance of a mailbox; `-` is the unknown mailbox. Numbers count requests, lists hold ids.

    received = settled + open + arriving + lost + incomplete. `counts` has the number of ids by kind, since a day's
    balance lists no more than MOST_LISTED.
    """

    received: int = 0
    settled: int = 0
    open: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    arriving: list[str] = field(default_factory=list)
    """Received recently: the builder may still be working on them."""
    lost: list[str] = field(default_factory=list)
    """Received, and unknown to the ledger."""
    incomplete: list[str] = field(default_factory=list)
    """Requests of which the ledger lacks a message: requests with several messages, or held and released ones."""
    without_receipt: list[str] = field(default_factory=list)
    """Requests in the ledger without a receipt: the receipts are incomplete."""
    statuses: Counter[str] = field(default_factory=Counter)
    """The day's messages by status."""
    open_messages: dict[str, str] = field(default_factory=dict)
    """Open messages, of this day or earlier, with the reasons."""
    unattended: list[str] = field(default_factory=list)
    """Open messages that the sweep should have processed, and has not."""
    vanished: list[str] = field(default_factory=list)
    """Messages that an earlier balance left open, and that are no longer in the ledger."""
    unknown_to_mesh: list[str] = field(default_factory=list)
    """Messages that MESH took according to the ledger, and that MESH does not know."""
    answered: int = 0
    """The number of messages about which MESH answered."""
    unanswered: list[str] = field(default_factory=list)
    """Messages about which MESH did not answer, in a mailbox where it answered about none."""
    unmatched: list[str] = field(default_factory=list)
    """MESH ids of the day's received messages that match no sent message."""

    def note(self, kind: str, own_id: str) -> None:
        """List and count an id of a kind."""
        getattr(self, kind).append(own_id)
        self.counts[kind] += 1

    def plus(self, other: "MailboxBalance") -> "MailboxBalance":
        """Add up; of every kind the first MOST_LISTED ids are listed."""
        open_messages = [*self.open_messages.items(), *other.open_messages.items()]
        total = MailboxBalance(
            received=self.received + other.received,
            settled=self.settled + other.settled,
            open=self.open + other.open,
            answered=self.answered + other.answered,
            counts=self.counts + other.counts,
            statuses=self.statuses + other.statuses,
            open_messages=dict(open_messages[:MOST_LISTED]),
            **{name: [*getattr(self, name), *getattr(other, name)][:MOST_LISTED] for name in _LISTED},
        )
        if total.answered:
            total.unanswered, total.counts["unanswered"] = [], 0
        return total

    @property
    def doubtful(self) -> list[str]:
        """The requests to check once more in the ledger before a person is notified."""
        return [*self.lost, *self.incomplete, *self.without_receipt]

    @property
    def wrong(self) -> int:
        """The number of requests and messages that are not accounted for."""
        return sum(self.counts[name] for name in _WRONG)


MOST_DOCUMENTS = 50
"""How many documents of a day are listed; all are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DropFindings:
    """Findings in the drop: requests that were never announced, and documents that no request named.

    `document_ids` are hashes of the documents; the first MOST_DOCUMENTS are kept.
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
        """The kinds of notifications that the findings call for, with the number of findings."""
        counts = {
            NotificationType.REQUESTS_UNANNOUNCED: self.requests_unannounced,
            NotificationType.DOCUMENTS_WITHOUT_REQUEST: self.documents_without_request,
        }
        return {kind: count for kind, count in counts.items() if count}


NOTHING_FOUND = DropFindings()


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """The balance of a day, or of a part of it, by mailbox.

    `made_at` is when it was started, `must_be_known` how many messages MESH must know, and `asked_of_mesh` about how
    many of these MESH answered.
    """

    day: date
    made_at: datetime
    mailboxes: Mapping[str, MailboxBalance]
    must_be_known: int = 0
    asked_of_mesh: int = 0
    in_the_drop: DropFindings = NOTHING_FOUND
    """The day's findings in the drop."""
    open_files: tuple[str, ...] = ()
    """The evidence store's keys of the files with all open messages, which the next balance checks again."""
    wrong_files: tuple[str, ...] = ()
    """The evidence store's keys of the balances of faulty parts, with all ids."""

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
        """The number of messages about which MESH was not asked this time."""
        return max(self.must_be_known - self.asked_of_mesh, 0)

    @property
    def wrong(self) -> int:
        """The number of requests and messages that are not accounted for; 0 where the day balances."""
        return sum(mailbox.wrong for mailbox in self.mailboxes.values())

    @property
    def fingerprint(self) -> str:
        """A hash that distinguishes the imbalances of a day; empty where the day balances."""
        wrong = [
            # The unanswered messages differ from run to run, so only the fact that MESH did not answer counts.
            [mailbox, name, *([] if name == "unanswered" else [balance.counts[name], sorted(getattr(balance, name))])]
            for mailbox, balance in sorted(self.mailboxes.items())
            for name in _WRONG
            if balance.counts[name]
        ]
        return hashlib.sha256(json.dumps(wrong).encode()).hexdigest()[:12] if wrong else ""

    def total(self, name: str) -> int:
        """Add up a count, or the number of ids of a kind, over the mailboxes. Raises KeyError."""
        if name in ("received", "settled", "open"):
            return sum(getattr(mailbox, name) for mailbox in self.mailboxes.values())
        if name not in (*_LISTED, "open_messages"):
            raise KeyError(name)
        return sum(mailbox.counts[name] for mailbox in self.mailboxes.values())

    def as_json(self) -> dict[str, Any]:
        """Convert the balance to JSON values."""
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
        """Read the result of `as_json`."""
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


_FIELDS = tuple(attribute.name for attribute in fields(MailboxBalance))


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
    """Compare the requests received on a day (UTC) with the ledger.

    `rows` are all open rows, all rows that changed since the day began, and the rows of the messages that these became.
    `received_before` are the ids received on the day before, since a request can be received before midnight and built
    after. `left_open` are the messages that the previous balance left open. A request younger than `settling` may not
    have a row yet. MESH must know a message that it took `tracked_after` ago or earlier.

    The arguments cover all requests, or some requests completely.
    """
    balances: defaultdict[str, MailboxBalance] = defaultdict(MailboxBalance)
    by_message = {row.message_id: row for row in rows}
    by_request: defaultdict[str, list[Row]] = defaultdict(list)
    for row in by_message.values():
        by_request[row.request_id].append(row)
    received = _by_request(receipts)
    for receipt in received.values():
        request_rows = by_request.get(receipt.request_id, [])
        mailbox = request_rows[0].mailbox if request_rows else UNKNOWN_MAILBOX
        _account(receipt, request_rows, balances[mailbox], now - settling)
    known = received.keys() | set(received_before)
    for request_id, request_rows in by_request.items():
        # The oldest row counts: a request can become messages long after it was received, after days on hold.
        first = min(request_rows, key=lambda row: row.created_at)
        if first.created_at.date() == day and request_id not in known:
            balances[first.mailbox].note("without_receipt", request_id)
        elif request_id not in received and _missing_messages(request_rows):
            # It was received on another day, and released on this one.
            balances[first.mailbox].note("incomplete", request_id)
    must_be_known = 0
    for row in by_message.values():
        mailbox_balance = balances[row.mailbox]
        must_be_known += row.mesh_must_know(now - tracked_after)
        if not row.status.settled:
            mailbox_balance.open_messages[row.message_id] = row.why_open
            mailbox_balance.counts["open_messages"] += 1
            if row.due_at is not None and row.due_at + UNATTENDED < now:
                mailbox_balance.note("unattended", row.message_id)
    for message in left_open:
        if message.message_id not in by_message:
            balances[message.mailbox].note("vanished", message.message_id)
    for stray in unmatched:
        balances[stray.mailbox].note("unmatched", stray.mesh_message_id)
    return Balance(day=day, made_at=now, mailboxes=dict(balances), must_be_known=must_be_known)


def asked_of_mesh(day: date, made_at: datetime, answers: Iterable[tuple[Row, bool | None]]) -> Balance:
    """Return MESH's part of a day's balance: whether MESH knows the messages (None: MESH did not answer)."""
    balances: defaultdict[str, MailboxBalance] = defaultdict(MailboxBalance)
    for row, known in answers:
        mailbox_balance = balances[row.mailbox]
        mailbox_balance.answered += known is not None
        if not known:
            mailbox_balance.note("unanswered" if known is None else "unknown_to_mesh", row.message_id)
    answered = sum(mailbox_balance.answered for mailbox_balance in balances.values())
    return Balance(day=day, made_at=made_at, mailboxes=dict(balances), asked_of_mesh=answered)


def _account(receipt: Receipt, rows: list[Row], mailbox_balance: MailboxBalance, settled_since: datetime) -> None:
    mailbox_balance.received += 1
    messages = [row for row in rows if row.message_id != row.request_id]
    mailbox_balance.statuses.update(row.status.value for row in messages or rows)
    expected = max((row.messages for row in messages), default=0)
    if not rows or len(messages) < expected or _missing_messages(rows):
        if receipt.at > settled_since:
            mailbox_balance.note("arriving", receipt.request_id)
        elif rows:
            mailbox_balance.note("incomplete", receipt.request_id)
        else:
            mailbox_balance.note("lost", receipt.request_id)
    elif all(row.status.settled for row in rows):
        mailbox_balance.settled += 1
    else:
        mailbox_balance.open += 1


def _missing_messages(rows: list[Row]) -> set[str]:
    """Return the ids of messages that a held request became, and that have no row."""
    return {message_id for row in rows for message_id in row.became} - {row.message_id for row in rows}


def _by_request(receipts: Iterable[Receipt]) -> dict[str, Receipt]:
    """Keep the latest receipt of every request: the queue delivers some requests more than once."""
    return {receipt.request_id: receipt for receipt in sorted(receipts, key=lambda receipt: receipt.at)}
