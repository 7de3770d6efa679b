"""Derives ids, instead of drawing random ones, so that a repeated step finds the earlier work.

Ids are derived with a secret of the deployment (HMAC-SHA256 over a JSON list of the parts, so that no two lists of
parts are alike). Without the secret an id cannot be computed from an encounter id, nor an encounter id from an id.
All are UUIDs of version 8 (RFC 9562, section 5.8). The layout of a message id and a document id:

    5b1c0f6e-93a1-8c55-9e07-d3f1a2b4c6d8
    `-- own ----' `--- encounter key --'

The first 48 bits come from all parts of the id. The rest, 74 bits besides the UUID's version and variant, is the
key of the encounter, so that the ledger finds an encounter from a message id without a pointer.
"""

import hashlib
import hmac
import json
from dataclasses import dataclass, field
from uuid import UUID, uuid5

REGISTERED_PRACTICE = "registered-practice"
"""The recipient part of a message id when MESH itself finds the practice (automatic routing)."""

SHORTEST_SECRET = 32
"""Shortest secret that ids are derived with, in bytes: the key length of HMAC-SHA256 (RFC 2104, section 3)."""

_MESSAGE_BYTES = 6
_KEY_STARTS = len("00000000-0000-")


class ShortSecretError(ValueError):
    """The secret that ids are derived with is missing or too short."""


@dataclass(frozen=True, slots=True)
class Identifiers:
    """Derives all ids of a deployment with the secret. The constructor raises ShortSecretError."""

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse a secret that can be guessed."""
        if len(self.secret) < SHORTEST_SECRET:
            raise ShortSecretError(f"the secret that ids are derived with is shorter than {SHORTEST_SECRET} bytes")

    @property
    def fingerprint(self) -> str:
        """Identify the secret, in hex, without revealing anything of it."""
        return self.digest("fingerprint").hex()

    def of_encounter(self, mailbox: str, encounter: str) -> "EncounterIdentifiers":
        """Return the ids of one encounter. `encounter` is the sender's identifier."""
        return EncounterIdentifiers(self, mailbox, encounter)

    def dropped_request_id(self, bucket: str, key: str, version: str) -> UUID:
        """Name a request by the S3 object version that holds it: a repeated event finds it, a new drop does not."""
        return _uuid8(self.digest("dropped request", bucket, key, version))

    def queued_request_id(self, raw: bytes, queue_of: str = "") -> UUID:
        """Name a request by its bytes; a queue's own message ids change when it is redriven.

        The bytes include the sender's `request_id`: two requests that differ only in it are two requests, and one id
        on two different requests loses neither. `queue_of` is the sender on whose queue it came: a request that was
        refused to one sender must not count as another's repeat.
        """
        return _uuid8(self.digest("queued request", hashlib.sha256(raw).hexdigest(), *([queue_of] if queue_of else [])))

    def digest(self, kind: str, *parts: str | int) -> bytes:
        """Return 32 bytes that identify the parts of this kind and do not reveal them."""
        # In ASCII: a response's SenderReference can hold half a surrogate pair, which UTF-8 cannot encode.
        return hmac.digest(self.secret, json.dumps([kind, *parts]).encode("ascii"), "sha256")


@dataclass(frozen=True, slots=True)
class EncounterIdentifiers:
    """Derives the ids of one encounter of a mailbox."""

    identifiers: Identifiers
    mailbox: str
    encounter: str = field(repr=False)

    @property
    def key(self) -> str:
        """The ledger's key of the encounter; the sender's own id stays out of keys, since it may name a person."""
        return encounter_key_of(_uuid8(bytes(_MESSAGE_BYTES) + self._digest))

    def message_id(self, version: int, recipient: str = REGISTERED_PRACTICE) -> UUID:
        """Derive MessageHeader.id, which is Bundle.id and Bundle.identifier.value too."""
        return self._derive("message", version, recipient)

    def document_id(self, version: int) -> UUID:
        """Derive the document Bundle's identifier: one for all recipients, since they get one payload (FHIR-MR-01)."""
        return self._derive("document", version)

    def _derive(self, kind: str, *parts: str | int) -> UUID:
        digest = self.identifiers.digest(kind, self.mailbox, self.encounter, *parts)
        return _uuid8(digest[:_MESSAGE_BYTES] + self._digest)

    @property
    def _digest(self) -> bytes:
        return self.identifiers.digest("encounter", self.mailbox, self.encounter)


def encounter_key_of(message_id: UUID | str) -> str:
    """Read the encounter's key from a message id; that needs no secret."""
    return str(message_id)[_KEY_STARTS:]


def request_again_id(request_id: str) -> UUID:
    """Name the resubmission of a request: a request can be resubmitted once, and then the resubmission.

    Derived from the request's id without the secret, which operators need not have.
    """
    return uuid5(UUID(request_id), "request again")


def resource_id(document: UUID, role: str) -> UUID:
    """Derive the id of the resource that plays `role` (for example `Composition`, `Binary/0`) in a document."""
    return uuid5(document, role)


def _uuid8(octets: bytes) -> UUID:
    """Make a UUID of the first 16 octets; version and variant replace six bits."""
    bits = int.from_bytes(octets[:16], "big")
    bits = bits & ~(0xF << 76) | (8 << 76)
    return UUID(int=bits & ~(0b11 << 62) | (0b10 << 62))
