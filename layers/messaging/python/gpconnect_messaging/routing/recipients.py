"""The recipients of a document: a care provider or the registered practice, which gets a copy at least, and others."""

from dataclasses import dataclass

from gpconnect_messaging.derived_ids import REGISTERED_PRACTICE
from gpconnect_messaging.requests.models import Request
from gpconnect_messaging.usecases import USE_CASES, RecipientType


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """One addressee of a document.

    Without an ODS code it is the registered practice, which MESH finds by the patient. `mailbox` is another care
    provider's, if the request names it; otherwise MESH is asked at sending time.
    """

    type: RecipientType
    ods_code: str | None = None
    mailbox: str | None = None

    @property
    def key(self) -> str:
        """The recipient's part in message ids and in the ledger."""
        return REGISTERED_PRACTICE if self.ods_code is None else f"organisation/{self.ods_code}"


def recipients(request: Request) -> tuple[Recipient, ...]:
    """List a document's recipients, the primary one first; all others are informed.

    Source: GPCM-SD-CS-043; GPCM-SD-OC-141, 142; GPCM-SD-GE-268, 269; ADR 49.
    """
    primary = RecipientType(request.recipient_type or USE_CASES[request.use_case].recipient_type)
    provider = [request.care_provider] if request.care_provider else []
    addressed = [*provider, None, *request.copy_to]
    kinds = [primary] + [RecipientType.FOR_INFORMATION] * (len(addressed) - 1)
    return tuple(
        Recipient(type=kind, ods_code=other.ods_code, mailbox=other.mailbox) if other else Recipient(type=kind)
        for kind, other in zip(kinds, addressed, strict=True)
    )
