"""The properties of a Send Document use case."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from gpconnect_messaging.specification import UseCase, Version


class RecipientType(StrEnum):
    """What the recipient is asked to do (code system ITK-RecipientType-1)."""

    FOR_ACTION = "FA"
    FOR_INFORMATION = "FI"

    @property
    def display(self) -> str:
        """The code's display text."""
        return "For Action" if self is RecipientType.FOR_ACTION else "For Information"


@dataclass(frozen=True, slots=True)
class Code:
    """A SNOMED CT concept id and display text."""

    code: str
    display: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """The MESH subject and Composition.text of one use case, redacted where the consultation is confidential.

    `str.format` templates over title, patient, nhs_number, organisation, ods_code and version; the redacted ones leave
    out where the patient was seen (GPCM-SD-CS-008, GPCM-SD-CS-023).
    """

    subject: str
    text: str
    redacted_subject: str
    redacted_text: str

    @classmethod
    def never_redacted(cls, subject: str, text: str) -> Self:
        """Return words that are the same for a confidential consultation."""
        return cls(subject=subject, text=text, redacted_subject=subject, redacted_text=text)


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRules:
    """The rules of one specification version for a use case."""

    local_extension: str
    wording: Wording
    practitioner_required: bool = False
    care_provider_allowed: bool = False
    """Whether the document may also go to others than the registered practice (ADR 49)."""
    prescribed: frozenset[str] = frozenset()
    """The fields whose values this version prescribes, so that a request may not give them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UseCaseDefinition:
    """The words, codes and rules of one use case."""

    name: UseCase
    family: str
    """The letters of the requirement ids that are about this use case alone: CS in GPCM-SD-CS-022."""
    versions: Mapping[Version, VersionRules]
    """The specification versions that have this use case."""
    title: str | None
    """Composition.title if the request gives none; None: it must."""
    document_type: Code | None
    """Composition.type if the request gives none; None: it must."""
    encounter_type: Code | None = None
    """Encounter.type if the request gives none; None: then there is no Encounter."""
    recipient_type: RecipientType
    """What the primary recipient is asked to do if the request does not say."""
    primary_content_types: frozenset[str]
    """The content types that the primary document may have."""
    rendered: bool = False
    """Whether the primary document is rendered if the request has none."""
    takes: frozenset[str] = frozenset()
    """The optional fields that requests may have, from `OPTIONAL_FIELDS`."""
    resource_types: frozenset[str] = frozenset()
    """The FHIR resource types that may be supplied ready-made."""
    coded_kinds: frozenset[str] = frozenset()
    """The kinds of coded items in the sections that are sent as FHIR resources too, from `CODED_KINDS`."""

    @property
    def needs(self) -> frozenset[str]:
        """The optional fields that requests must have."""
        return frozenset(
            name for name, fixed in (("title", self.title), ("document_type", self.document_type)) if fixed is None
        )


OPTIONAL_FIELDS = (
    "recipient_type", "title", "document_type", "care_setting", "event", "care_provider", "copy_to", "authors",
    "related_person", "device", "location", "observations", "questionnaire", "resources",
)  # fmt: skip
"""The request's fields that belong to some use cases only."""

CODED_KINDS = frozenset({"medication", "problem", "allergy", "procedure", "result"})
"""ADR 52: GPCM-SD-007, 008, 013 and 018 … 022 are of every document of 1.5."""

_WORDS_2_0 = "{title} for {patient}, NHS Number: {nhs_number}, seen at {organisation}, {ods_code}, Version: {version}"
WORDING_2_0 = Wording.never_redacted(_WORDS_2_0, _WORDS_2_0)
"""GPCM-SD-064."""
