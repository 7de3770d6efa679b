"""Compose an ITK3 message: small resources validated against STU3, documents spliced in as a stream.

No document is held in memory whole: the message is written around gaps, and base64 fills a gap as the document is read,
so memory stays flat whatever the size.
"""

import binascii
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from fhir.resources.STU3.bundle import Bundle
from pydantic import ValidationError

from gpconnect_messaging.itk3.envelope import Envelope
from gpconnect_messaging.itk3.form import faults
from gpconnect_messaging.itk3.message import Message
from gpconnect_messaging.itk3.resources import binary_id, message_bundle
from gpconnect_messaging.itk3.stu3 import Json
from gpconnect_messaging.itk3.xml import to_xml
from gpconnect_messaging.routing.automatic import automatic_routing_address

_SUBJECT_LIMIT = 500
"""Longest Mex-Subject that MESH takes, in characters."""


class DocumentChangedError(Exception):
    """A document is not as long as announced: read it again from the recorded version."""


class NotFhirError(Exception):
    """The message is not valid FHIR. The text names the elements and holds no values."""


@dataclass(frozen=True, slots=True)
class _Gap:
    document: int


@dataclass(frozen=True, slots=True)
class ComposedMessage:
    """A message ready to be streamed.

    `size` is the exact length in bytes, known before a document is read; `document_sizes` are the documents' lengths
    in bytes, primary first; `ready` names the request's field of a ready resource, by the id in the message.
    """

    pieces: tuple[bytes | _Gap, ...]
    document_sizes: tuple[int, ...]
    ready: Mapping[str, str] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """The serialised message's length in bytes."""
        text = sum(len(piece) for piece in self.pieces if isinstance(piece, bytes))
        return text + sum(_encoded_length(size) for size in self.document_sizes)

    def stream(self, read: Callable[[int], Iterable[bytes]]) -> Iterator[bytes]:
        """Yield the message's bytes, taking the document at index i from `read(i)` chunk by chunk.

        Raises DocumentChangedError where a document is longer or shorter than announced.
        """
        for piece in self.pieces:
            if isinstance(piece, bytes):
                yield piece
            else:
                yield from _base64(read(piece.document), self.document_sizes[piece.document])


def compose(message: Message, document_sizes: Iterable[int]) -> ComposedMessage:
    """Write the message around the documents (lengths in bytes, primary first).

    Deterministic: the same message gives the same bytes (design: identity and idempotency). Raises NotFhirError, and
    RequestRefusedError where a supplied resource does not fit the message.
    """
    bundle, ready = message_bundle(message)
    if reasons := list(faults(bundle, "Bundle")):
        raise NotFhirError(", ".join(map(str, reasons)))
    _require_library_agrees(bundle, {supplied.type for supplied in message.supplied})
    gaps = {binary_id(message, index): _Gap(index) for index in range(len(message.request.documents))}
    return ComposedMessage(tuple(to_xml(bundle, gaps)), tuple(document_sizes), ready)


def _require_library_agrees(bundle: Json, supplied: Collection[str]) -> None:
    """Validate the composed resources with `fhir.resources` too, so that a fault in our table of STU3 is noticed.

    Types that senders supply are left out: the library decodes their base64 twice, and refuses some of it.
    Raises NotFhirError.
    """

    def composed(resource: Json) -> Json:
        if resource["resourceType"] != "Bundle":
            return resource
        entries = [entry for entry in resource["entry"] if entry["resource"]["resourceType"] not in supplied]
        return {**resource, "entry": [{**entry, "resource": composed(entry["resource"])} for entry in entries]}

    try:
        Bundle.model_validate(composed(bundle))
    except ValidationError as error:
        where = sorted({".".join(map(str, fault["loc"])) for fault in error.errors(include_input=False)})
        # The original error repeats the input, so it must not be chained.
        raise NotFhirError(", ".join(where)) from None


def envelope(message: Message) -> Envelope:
    """Address the message: to the patient's registered practice by automatic routing, to others by their mailbox.

    Source: GPCM-SD-CS-060 … 068, 080; GPCM-SD-056 … 064; GPCM-SD-OC-159 … 163, 175; GPCM-SD-GE-286 … 292.
    """
    recipient = message.recipient
    if recipient.ods_code is None:
        to = automatic_routing_address(message.request.patient, message.mailbox.birth_date_format)
    else:
        to = recipient.mailbox or ""
    return Envelope(
        mailbox=message.mailbox.mailbox,
        to=to,
        organisation=recipient.ods_code or "",
        workflow_id=message.specification.workflow_id,
        subject=message.subject(_SUBJECT_LIMIT),
        local_id=message.request.organisation.ods_code,
        file_name=f"{message.message_id}.xml",
    )


def _encoded_length(size: int) -> int:
    return 4 * -(-size // 3)


def _base64(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    # Base64 takes three bytes at a time: the rest waits for the next chunk, so that no padding falls inside.
    rest, seen = b"", 0
    for chunk in chunks:
        seen += len(chunk)
        whole = rest + chunk if rest else chunk
        cut = len(whole) - len(whole) % 3
        rest = whole[cut:]
        yield binascii.b2a_base64(memoryview(whole)[:cut], newline=False)
    if seen != size:
        raise DocumentChangedError(f"a document has {seen} bytes where {size} were announced")
    yield binascii.b2a_base64(rest, newline=False)
