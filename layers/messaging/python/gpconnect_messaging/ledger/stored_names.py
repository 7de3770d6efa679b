"""The names that the ledger stores: statuses, kinds of events, kinds of notifications."""

from enum import StrEnum


class StoredName(StrEnum):
    """A name that the ledger stores. A name that a newer release wrote is kept unchanged, and is not recognised."""

    @classmethod
    def _missing_(cls, value: object) -> "StoredName | None":
        if not isinstance(value, str):
            return None
        name = str.__new__(cls, value)
        name._name_ = name._value_ = value
        return name

    @property
    def recognised(self) -> bool:
        """Whether this release knows the name."""
        return self._name_ in type(self).__members__


class Status(StoredName):
    """The status of a message, or of a request that has not become a message (design: lifecycle)."""

    INVALID = "INVALID"
    NOT_REQUIRED = "NOT_REQUIRED"
    HELD = "HELD"
    RELEASING = "RELEASING"
    RELEASED = "RELEASED"
    SUPERSEDED = "SUPERSEDED"
    WITHDRAWN = "WITHDRAWN"
    TELL_PRACTICE = "TELL_PRACTICE"
    BUILT = "BUILT"
    SENDING = "SENDING"
    SENT = "SENT"
    UNCERTAIN = "UNCERTAIN"
    REFUSED = "REFUSED"
    UNDELIVERED = "UNDELIVERED"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    DELIVERED = "DELIVERED"
    REJECTED = "REJECTED"
    OVERDUE = "OVERDUE"

    @property
    def settled(self) -> bool:
        """Whether the product has nothing left to do: delivered, or a person was notified. Late responses count."""
        return self in _SETTLED


_SETTLED = frozenset(
    {
        Status.INVALID,
        Status.NOT_REQUIRED,
        Status.REJECTED,
        Status.DELIVERED,
        Status.UNDELIVERED,
        Status.OVERDUE,
        Status.REFUSED,
        Status.RELEASED,
        Status.SUPERSEDED,
        Status.WITHDRAWN,
    }
)


class EventType(StoredName):
    """What can happen to a message."""

    REQUEST_REFUSED = "request refused"
    NOT_REQUIRED = "not required"
    HELD = "held"
    RELEASED_BY_A_PERSON = "released by a person"
    RELEASE_STARTED = "release started"
    RELEASED = "released"
    SUPERSEDED = "superseded"
    DIFFERS = "differs from PDS"
    LOOKUP_UNANSWERED = "lookup unanswered"
    WITHDRAWAL = "withdrawal"
    WITHDRAWN = "withdrawn"
    PRACTICE_TOLD = "practice told"
    BUILT = "built"
    UPLOAD_STARTED = "upload started"
    CHUNK_ACCEPTED = "chunk accepted"
    UPLOAD_TRACKED = "upload tracked"
    UPLOAD_ACCEPTED = "upload accepted"
    UPLOAD_REFUSED = "upload refused"
    UPLOAD_POSTPONED = "upload postponed"
    UPLOAD_UNCERTAIN = "upload uncertain"
    RECIPIENT_UNRESOLVED = "recipient unresolved"
    WAITS_NO_LONGER = "waits no longer"
    RUNNING_LATE = "running late"
    QUEUED_AGAIN = "queued again"
    ROUTED = "routed"
    RESPONSE = "response"
    RESPONSE_ACCEPTED = "response accepted by a person"
    REPORT = "report"
    ACKNOWLEDGEMENT_OVERDUE = "acknowledgement overdue"
    VOIDED = "voided"
    RESEND_ORDERED = "re-send ordered by a person"


class NotificationType(StoredName):
    """The kinds of notification; a message has at most one of every kind, unless the kind has occasions."""

    INVALID = "invalid"
    REFUSED = "refused"
    UNRESOLVED = "unresolved"
    UNDELIVERED = "undelivered"
    REJECTED = "rejected"
    VOIDED = "voided"
    OVERDUE = "overdue"
    STUCK = "stuck"
    CONTRADICTION = "contradiction"
    UNKNOWN_CODE = "unknown code"
    UNMATCHED = "unmatched"
    WAITING = "waiting"
    DIFFERS = "differs from PDS"
    DIFFERS_MORE = "more differs from PDS"
    NOT_RELEASED = "not released"
    LATER_SUPERSEDED = "later request superseded"
    TELL_PRACTICE = "tell the practice"
    NOTHING_WITHDRAWN = "nothing withdrawn"
    SENT_ALTHOUGH_WITHDRAWN = "sent although withdrawn"
    SENT_ALTHOUGH_GIVEN_UP = "sent although given up"
    SUSPICIOUS = "suspicious response"
    IMBALANCE = "imbalance"
    REQUESTS_UNANNOUNCED = "requests not announced"
    DOCUMENTS_WITHOUT_REQUEST = "documents without a request"
    SENT_AGAIN_IN_VAIN = "sent again in vain"
    MALWARE = "malware found"
    NOT_SCANNED = "not scanned for malware"
