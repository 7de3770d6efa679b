"""The recipients of a document: the registered practice, or a care provider with a copy to the registered practice."""

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
    """List a document's recipients, the primary one first.

    Source: GPCM-SD-CS-043; GPCM-SD-OC-141, 142; GPCM-SD-GE-268, 269.
    """
    primary = USE_CASES[request.use_case].recipient_type
    if request.care_provider is None:
        return (Recipient(type=primary),)
    provider = request.care_provider
    return (
        Recipient(type=primary, ods_code=provider.ods_code, mailbox=provider.mailbox),
        Recipient(type=RecipientType.FOR_INFORMATION),
    )
