"""Ids are derived, never rolled, so that every step can be repeated and finds its own earlier work.

They are derived with a secret of the deployment (HMAC-SHA256 over a JSON list of their parts, so that no two lists of
parts read alike): nobody without it can compute an id from an encounter id, or get an encounter id back from an id.
All are UUIDs of version 8 (RFC 9562, section 5.8). A message id and a document id are laid out so:

    5b1c0f6e-93a1-8c55-9e07-d3f1a2b4c6d8
    `-- own ----' `--- encounter key --'

The first 48 bits come from all parts of the id. The rest, 74 bits with the UUID's version and variant among them, is
the key of the encounter, so that the ledger finds an encounter from a message id without a pointer.
"""

import hashlib
import hmac
import json
from dataclasses import dataclass, field
from uuid import UUID, uuid5

REGISTERED_PRACTICE = "registered-practice"
"""The recipient part of a message id when MESH itself finds the practice (automatic routing)."""

SHORTEST_SECRET = 32
"""Shortest secret that ids are derived with, in bytes: what HMAC-SHA256 asks of its key (RFC 2104, section 3)."""

_OWN_BYTES = 6
_KEY_STARTS = len("00000000-0000-")


class ShortSecretError(ValueError):
    """The secret that ids are derived with is missing or too short."""


@dataclass(frozen=True, slots=True)
class Identifiers:
    """Derives all ids of a deployment with its secret. Raises ShortSecretError when it is made."""

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse a secret that can be guessed."""
        if len(self.secret) < SHORTEST_SECRET:
            raise ShortSecretError(f"the secret that ids are derived with is shorter than {SHORTEST_SECRET} bytes")

    @property
    def fingerprint(self) -> str:
        """Tell this secret from another, in hex, without giving anything of it away."""
        return self.digest("fingerprint").hex()

    def of_encounter(self, mailbox: str, encounter: str) -> "EncounterIdentifiers":
        """Give what derives the ids of one encounter. `encounter` is the sender's own word for it."""
        return EncounterIdentifiers(self, mailbox, encounter)

    def dropped_request_id(self, bucket: str, key: str, version: str) -> UUID:
        """Name a request by the S3 object version that holds it: a repeated event finds it, a new drop does not."""
        return _uuid8(self.digest("dropped request", bucket, key, version))

    def queued_request_id(self, raw: bytes, queue_of: str = "") -> UUID:
        """Name a request by its bytes; a queue's own message ids change when it is redriven.

        The sender's `request_id` is among the bytes: two wishes that are alike but for it are two requests, and one id
        on two different requests loses neither. `queue_of` is the sender whose own queue it came on: what one sender is
        refused must not pass for another's repeat.
        """
        return _uuid8(self.digest("queued request", hashlib.sha256(raw).hexdigest(), *([queue_of] if queue_of else [])))

    def digest(self, kind: str, *parts: str | int) -> bytes:
        """Give 32 bytes that stand for these parts of this kind, and say nothing of them."""
        # In ASCII: what a response quotes as its SenderReference can hold half a surrogate pair, which UTF-8 cannot.
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
        return encounter_key_of(_uuid8(bytes(_OWN_BYTES) + self._digest))

    def message_id(self, version: int, recipient: str = REGISTERED_PRACTICE) -> UUID:
        """Derive MessageHeader.id, which is Bundle.id and Bundle.identifier.value too."""
        return self._derive("message", version, recipient)

    def document_id(self, version: int) -> UUID:
        """Derive the document Bundle's identifier: one for all recipients, since they get one payload (FHIR-MR-01)."""
        return self._derive("document", version)

    def _derive(self, kind: str, *parts: str | int) -> UUID:
        own = self.identifiers.digest(kind, self.mailbox, self.encounter, *parts)
        return _uuid8(own[:_OWN_BYTES] + self._digest)

    @property
    def _digest(self) -> bytes:
        return self.identifiers.digest("encounter", self.mailbox, self.encounter)


def encounter_key_of(message_id: UUID | str) -> str:
    """Read the key of the encounter that a message id carries; no secret is needed for that."""
    return str(message_id)[_KEY_STARTS:]


def request_again_id(request_id: str) -> UUID:
    """Name the request as which a kept one is taken in again: each can be once, and then its successor.

    Derived without the secret, which operators need not have: from a request's id, which was derived with it.
    """
    return uuid5(UUID(request_id), "request again")


def resource_id(document: UUID, role: str) -> UUID:
    """Derive the id of the resource that plays `role` (for example `Composition`, `Binary/0`) in a document."""
    return uuid5(document, role)


def _uuid8(octets: bytes) -> UUID:
    """Make a UUID of the first 16 octets, six bits of which give way to its version and variant."""
    bits = int.from_bytes(octets[:16], "big")
    bits = bits & ~(0xF << 76) | (8 << 76)
    return UUID(int=bits & ~(0b11 << 62) | (0b10 << 62))
