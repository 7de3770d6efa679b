"""Ids are derived, never rolled, so that every step can be repeated and finds its own earlier work.

All are UUIDv5 (RFC 4122, section 4.3) over a JSON list of their parts, so that no two lists of parts read alike.
"""

import hashlib
import json
from uuid import UUID, uuid5

_NAMESPACE = UUID("6d1f8a44-93a5-5f0e-9b1c-2f4a6c1f7b70")

REGISTERED_PRACTICE = "registered-practice"
"""The recipient part of a message id when MESH itself finds the practice (automatic routing)."""


def _derive(kind: str, *parts: str | int) -> UUID:
    return uuid5(_NAMESPACE, json.dumps([kind, *parts], ensure_ascii=False))


def dropped_request_id(bucket: str, key: str, version: str) -> UUID:
    """Name a request by the S3 object version that holds it: a repeated event finds it, a new drop does not."""
    return _derive("dropped request", bucket, key, version)


def queued_request_id(raw: bytes) -> UUID:
    """Name a request by its bytes; a queue's own message ids change when it is redriven.

    The sender's `request_id` is among the bytes: two wishes that are alike but for it are two requests, and one id on
    two different requests loses neither.
    """
    return _derive("queued request", hashlib.sha256(raw).hexdigest())


def request_again_id(request_id: str) -> UUID:
    """Name the request as which a kept one is taken in again: each can be once, and then its successor."""
    return _derive("request again", request_id)


def message_id(mailbox: str, encounter: str, version: int, recipient: str = REGISTERED_PRACTICE) -> UUID:
    """Derive MessageHeader.id, which is Bundle.id and Bundle.identifier.value too."""
    return _derive("message", mailbox, encounter, version, recipient)


def document_id(mailbox: str, encounter: str, version: int) -> UUID:
    """Derive the document Bundle's identifier: one for all recipients, since they get one payload (FHIR-MR-01)."""
    return _derive("document", mailbox, encounter, version)


def resource_id(document: UUID, role: str) -> UUID:
    """Derive the id of the resource that plays `role` (for example `Composition`, `Binary/0`) in a document."""
    return uuid5(document, role)


def encounter_key(mailbox: str, encounter: str) -> str:
    """Derive the ledger's key of an encounter; the sender's own id stays out of keys, since it may name a person."""
    return str(_derive("encounter", mailbox, encounter))
