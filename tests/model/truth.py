"""What really happened, as the world outside the product knows it: who asked for what, who answered what, and when."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gpconnect_messaging.ledger.records import MessageRecord
from gpconnect_messaging.ledger.stored_names import EventType

CLOCKS_DIFFER = timedelta(minutes=5)
"""How slow a sender's clock may be, so that what it states is not held against a later request."""
ONE_SECOND = timedelta(seconds=1)
"""The resolution of the times that S3 gives."""
SURELY_LATER = timedelta(minutes=1, seconds=1)
"""How much later a request must be put down to be the later one, whatever it states; S3's events name the second."""


@dataclass(frozen=True)
class Asked:
    """A request: what for, whether it keeps the rules, and as which put of which object it was dropped.

    `at` is when it was put down, `slow` by how much its sender's clock was slow, and `put` counts the puts of all
    objects. `document_late` says that its document came later than at once, if at all; `content` is
    what it says.
    """

    encounter: str
    valid: bool
    at: datetime
    withdrawal: bool = False
    key: str = ""
    put: int = 0
    slow: timedelta = timedelta()
    document_late: bool = False
    content: str = ""

    def alike(self, other: "Asked") -> bool:
        """Whether it lay under the same key and said the same."""
        return bool(self.key) and (self.key, self.content) == (other.key, other.content)

    def later_than(self, other: "Asked") -> bool:
        """Whether it came after another: by S3's order within one object, else by the second that S3's events name."""
        if self.key and self.key == other.key:
            return self.put > other.put
        return self.at.replace(microsecond=0) >= other.at.replace(microsecond=0)

    def surely_later_than(self, other: "Asked") -> bool:
        """Whether it must be a later version than another: its clock was not too slow, and it came well after it."""
        if self.key and self.key == other.key:
            return self.put > other.put
        return max(self.slow, other.slow) < CLOCKS_DIFFER and self.at - other.at > SURELY_LATER


@dataclass(frozen=True)
class Answer:
    """An answer that somebody gave: from which mailbox, with which code, when it was written, and to what.

    It names a message, or an encounter alone. `premature` says that MESH had no copy of the message that it names.
    """

    mesh_message_id: str
    code: str
    sender: str
    written: datetime
    message_id: str | None = None
    encounter: str | None = None
    premature: bool = False
    repeats: str | None = None
    """The message that an earlier answer named, which this one gives again as it was written then."""


@dataclass
class Truth:
    """What really happened."""

    practice: str
    """The mailbox that all messages go to."""
    requests: dict[str, Asked] = field(default_factory=dict)
    """By request id."""
    answers: dict[str, Answer] = field(default_factory=dict)
    """By MESH id."""
    genuine: set[str] = field(default_factory=set)
    """MESH ids of answers that came from somebody else, and that an operator vouches for."""
    perhaps_sent: set[str] = field(default_factory=set)
    """Messages of which a sender ended, or was held up, where nobody knows whether MESH has them."""
    in_time: dict[tuple[str, str], bool] = field(default_factory=dict)
    """Whether MESH may have had a message, by its id, when an answer, by its MESH id, was recorded with it."""
    reports: dict[str, set[str]] = field(default_factory=dict)
    """Message id, and the uploads of it that MESH reported as undelivered."""
    strays: set[str] = field(default_factory=set)
    """MESH ids of what came and belongs to no message of ours."""
    ghosts: dict[str, datetime] = field(default_factory=dict)
    """Receipts of requests that were lost before this story: the balance must find them."""
    acknowledged: dict[str, datetime] = field(default_factory=dict)
    """When somebody took a notification on, by its id."""
    documents_alone: int = 0
    """Documents that were dropped and that no request names."""
    written_by_newer: dict[tuple[str, str], list[object]] = field(default_factory=dict)
    """Items of the ledger, by key, that a newer release wrote: nobody may lose or change what they say."""

    @property
    def rows_written_by_newer(self) -> set[str]:
        """The keys of the messages of which a newer release wrote something."""
        return {message_id for _, message_id in self.written_by_newer}

    def from_elsewhere(self) -> list[Answer]:
        """The answers that did not come from the practice."""
        return [answer for answer in self.answers.values() if answer.sender != self.practice]

    def answers_to(self, record: MessageRecord) -> Iterator[Answer]:
        """The answers that name a message, or its encounter and are recorded with it."""
        recorded = {event.details["mesh_message_id"] for event in record.history.of(EventType.RESPONSE)}
        for answer in self.answers.values():
            by_reference = answer.encounter == record.encounter and answer.mesh_message_id in recorded
            if answer.message_id == record.message_id or by_reference:
                yield answer

    def counting(self, record: MessageRecord) -> list[str]:
        """The codes that count for a message: of the practice's answers, and of what an operator vouched for.

        An answer that came before MESH can have had the message counts for nothing, whoever gave it.
        """
        accepted = {event.details["mesh_message_id"] for event in record.history.of(EventType.RESPONSE_ACCEPTED)}
        vouched = accepted & self.genuine
        return [
            answer.code
            for answer in self.answers_to(record)
            if (answer.sender == self.practice or answer.mesh_message_id in vouched)
            and self.in_time.get((record.message_id, answer.mesh_message_id), False)
        ]

    def folder_shared(self, asked: Asked) -> bool:
        """Whether a request of another encounter was put in the same folder within a second: S3 cannot order them."""
        return any(
            other.key == asked.key and other.encounter != asked.encounter and abs(other.at - asked.at) < ONE_SECOND
            for other in self.requests.values()
            if asked.key
        )

    def replaced(self, asked: Asked) -> bool:
        """Whether its sender put another version of the same object down after it."""
        return any(other.key == asked.key and other.put > asked.put for other in self.requests.values() if asked.key)
