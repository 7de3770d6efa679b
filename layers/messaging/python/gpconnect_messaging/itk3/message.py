"""A message before it is written: one request, given its version, time and ids."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from uuid import UUID

from gpconnect_messaging.mailboxes.settings import MailboxSettings
from gpconnect_messaging.requests import identity
from gpconnect_messaging.requests.models import Request
from gpconnect_messaging.specification import Specification
from gpconnect_messaging.usecases import USE_CASES, UseCase


@dataclass(frozen=True, kw_only=True)
class Message:
    """Everything that decides a message's bytes, but the documents' own.

    `version` counts from 1 per encounter (GPCM-SD-CS-007); `created_at` is in UTC, whole seconds.
    """

    request: Request
    mailbox: MailboxSettings
    version: int
    created_at: datetime

    @property
    def use_case(self) -> UseCase:
        """The words, codes and rules of what is sent."""
        return USE_CASES[self.request.use_case]

    @property
    def specification(self) -> Specification:
        """The specification that the sending mailbox follows."""
        return self.mailbox.prescribed

    @cached_property
    def message_id(self) -> UUID:
        """MessageHeader.id = Bundle.id = Bundle.identifier.value."""
        return identity.message_id(self.mailbox.mailbox, self.request.encounter, self.version)

    @cached_property
    def document_id(self) -> UUID:
        """The document Bundle's identifier."""
        return identity.document_id(self.mailbox.mailbox, self.request.encounter, self.version)

    @property
    def replaced_document_id(self) -> UUID | None:
        """The identifier of the version before this one (GPCM-SD-039), None for the first."""
        if self.version == 1:
            return None
        return identity.document_id(self.mailbox.mailbox, self.request.encounter, self.version - 1)

    def resource_id(self, role: str) -> str:
        """The id of the payload resource that plays `role`."""
        return str(identity.resource_id(self.document_id, role))

    @property
    def subject(self) -> str:
        """The MESH subject, before it is folded for a header (GPCM-SD-CS-068, GPCM-SD-064)."""
        confidential = self.request.consultation.confidential
        return self._words(self.specification.redacted_subject if confidential else self.specification.subject)

    @property
    def text(self) -> str:
        """The words of Composition.text (GPCM-SD-CS-023)."""
        confidential = self.request.consultation.confidential
        return self._words(self.specification.redacted_text if confidential else self.specification.text)

    def _words(self, template: str) -> str:
        return template.format(
            title=self.use_case.title,
            patient=self.request.patient.name.text,
            nhs_number=self.request.patient.nhs_number,
            organisation=self.request.organisation.name,
            ods_code=self.request.organisation.ods_code,
            version=self.version,
        )
