"""Choose the practice's responses: as the NHS test harness does, by a given name, or by the findings.

A given name of the patient or the practitioner selects the responses:
`20009`, `10004`, … only that infrastructure code; `30002`, … 20013 and then that code; `IB001` to `IB025` 20013 and
then 30001 to 30025; `infonly` only 20013; `reversed` the business response before the infrastructure one;
`invrep` a malformed response; `noresponse` none. Otherwise 20013 and 30001.
"""

import re
from dataclasses import dataclass

from infra.local.practice import codes
from infra.local.practice.reading import Part, Reading


@dataclass(frozen=True)
class Answer:
    """A response to send: the code and diagnostics for the sender, or a malformed body."""

    code: str
    diagnostics: tuple[str, ...] = ()
    malformed: bool = False


_CODE = re.compile(r"[123][0-9]{4}")
_BOTH = re.compile(r"IB0(0[1-9]|1[0-9]|2[0-5])", re.IGNORECASE)
_WORDS = frozenset({"noresponse", "infonly", "invrep", "reversed"})


class Answering:
    """Chooses responses, and remembers messages to recognise repeats."""

    def __init__(self) -> None:
        self._messages: set[str] = set()
        self._documents: set[str] = set()

    def decide(self, reading: Reading) -> tuple[Answer, ...]:
        """Return the responses in sending order; empty for no response."""
        refusal = _refusal(reading)
        if refusal is not None:
            return (refusal,) if reading.infrastructure_requested or reading.message_id is None else ()
        wish = _wish(reading.given_names)
        if wish == "noresponse":
            return ()
        repeat = self._repeat(reading)
        answers = (repeat,) if repeat is not None else _granted(wish)
        return tuple(answer for answer in answers if _requested(answer, reading))

    def _repeat(self, reading: Reading) -> Answer | None:
        message_id, document_id = (reading.message_id or "").lower(), (reading.document_id or "").lower()
        if message_id in self._messages:
            return Answer(codes.DUPLICATE_MESSAGE, ("A message with this id was received before",))
        self._messages.add(message_id)
        if document_id and document_id in self._documents:
            return Answer(codes.DUPLICATE_DOCUMENT, ("A document with this identifier was received before",))
        self._documents.add(document_id)
        return None


def _refusal(reading: Reading) -> Answer | None:
    by_part = {part: tuple(finding.text for finding in reading.findings if finding.part is part) for part in Part}
    for part, code in (
        (Part.ENVELOPE, codes.UNREADABLE),
        (Part.HEADER, codes.HEADER_INVALID),
        (Part.PAYLOAD, codes.PAYLOAD_INVALID),
    ):
        if by_part[part]:
            return Answer(code, by_part[part])
    return None


def _wish(given_names: tuple[str, ...]) -> str:
    for name in given_names:
        for word in name.split():
            if _CODE.fullmatch(word) or _BOTH.fullmatch(word) or word.lower() in _WORDS:
                return word.lower()
    return ""


def _granted(wish: str) -> tuple[Answer, ...]:
    received, known = Answer(codes.RECEIVED), Answer(codes.PATIENT_KNOWN)
    if wish == "infonly":
        return (received,)
    if wish == "invrep":
        return (Answer(codes.RECEIVED, malformed=True),)
    if wish == "reversed":
        return (known, received)
    if wish.startswith("ib"):
        return (received, Answer(f"30{wish[2:]}"))
    if wish.startswith("3"):
        return (received, Answer(wish))
    if wish:
        return (Answer(wish),)
    return (received, known)


def _requested(answer: Answer, reading: Reading) -> bool:
    return reading.business_requested if answer.code.startswith("3") else reading.infrastructure_requested
