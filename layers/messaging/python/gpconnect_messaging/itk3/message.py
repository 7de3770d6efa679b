"""A message before it is written: one request with version, time and ids."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from uuid import UUID

from gpconnect_messaging.derived_ids import EncounterIdentifiers, Identifiers, resource_id
from gpconnect_messaging.itk3.supplied import Supplied
from gpconnect_messaging.mailboxes.settings import MailboxSettings
from gpconnect_messaging.requests.models import Author, Request
from gpconnect_messaging.routing.header_text import fitted
from gpconnect_messaging.routing.recipients import Recipient
from gpconnect_messaging.specification import Specification
from gpconnect_messaging.usecases import USE_CASES, Code, RecipientType, UseCaseDefinition

_TO_REGISTERED_PRACTICE = Recipient(type=RecipientType.FOR_ACTION)
_MAY_BE_CUT = ("title", "patient", "organisation")


@dataclass(frozen=True, kw_only=True)
class Message:
    """Everything that decides a message's bytes, except the documents.

    `version` counts from 1 per encounter (GPCM-SD-CS-007); `created_at` is in UTC, whole seconds. The recipient
    decides only the header: all recipients get one payload (FHIR-MR-01). `supplied` are the request's ready resources,
    without those that are kept back. `identifiers` derive the message's ids.
    """

    request: Request
    mailbox: MailboxSettings
    identifiers: Identifiers
    version: int
    created_at: datetime
    recipient: Recipient = _TO_REGISTERED_PRACTICE
    supplied: tuple[Supplied, ...] = ()

    @property
    def use_case(self) -> UseCaseDefinition:
        """The use case that the request names."""
        return USE_CASES[self.request.use_case]

    @property
    def specification(self) -> Specification:
        """The specification that the sending mailbox follows."""
        return self.mailbox.specification_rules

    @property
    def encounter(self) -> EncounterIdentifiers:
        """The ids of the request's encounter."""
        return self.identifiers.of_encounter(self.mailbox.mailbox, self.request.encounter)

    @cached_property
    def message_id(self) -> UUID:
        """MessageHeader.id = Bundle.id = Bundle.identifier.value."""
        return self.encounter.message_id(self.version, self.recipient.key)

    @cached_property
    def document_id(self) -> UUID:
        """The document Bundle's identifier."""
        return self.encounter.document_id(self.version)

    @property
    def replaced_document_id(self) -> UUID | None:
        """The identifier of the version before this one (GPCM-SD-039), None for the first."""
        if self.version == 1:
            return None
        return self.encounter.document_id(self.version - 1)

    def resource_id(self, role: str) -> str:
        """The id of the payload resource that plays `role`."""
        return str(resource_id(self.document_id, role))

    @property
    def title(self) -> str:
        """Composition.title."""
        return self.request.title or self.use_case.title or ""

    @property
    def document_type(self) -> Code | None:
        """Composition.type."""
        concept = self.request.document_type
        return Code(concept.code, concept.display) if concept else self.use_case.document_type

    @property
    def care_setting(self) -> Code | None:
        """The kind of service that sends the document: the request's, or else the mailbox's."""
        if concept := self.request.care_setting:
            return Code(concept.code, concept.display)
        has_default = self.mailbox.care_setting and "care_setting" in self.use_case.takes
        if not has_default or self.request.consultation.confidential:
            return None
        return Code(*self.mailbox.care_setting.split(" ", 1))

    @property
    def encounter_type(self) -> Code | None:
        """Encounter.type; None if the kind of encounter is not known."""
        concept = self.request.consultation.type
        return Code(concept.code, concept.display) if concept else self.use_case.encounter_type

    @property
    def authors(self) -> tuple[Author, ...]:
        """The authors: those that the request names, or the practitioner, or else the sending system, a device."""
        if self.request.authors:
            return tuple(self.request.authors)
        return (Author.PRACTITIONER if self.request.practitioner else Author.DEVICE,)

    def subject(self, limit: int) -> str:
        """The MESH subject, folded for a header of at most `limit` characters (GPCM-SD-CS-068, GPCM-SD-064)."""
        return fitted(self._templates[0], self._words, limit, _MAY_BE_CUT)

    @property
    def text(self) -> str:
        """The words of Composition.text (GPCM-SD-CS-023)."""
        return self._templates[1].format(**self._words)

    @property
    def _templates(self) -> tuple[str, str]:
        wording = self.use_case.versions[self.mailbox.specification].wording
        if self.request.consultation.confidential:
            return wording.redacted_subject, wording.redacted_text
        return wording.subject, wording.text

    @property
    def _words(self) -> dict[str, str]:
        return {
            "title": self.title,
            "patient": self.request.patient.name.text,
            "nhs_number": self.request.patient.nhs_number,
            "organisation": self.request.organisation.name,
            "ods_code": self.request.organisation.ods_code,
            "version": str(self.version),
        }
