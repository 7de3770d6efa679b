"""What tells one Send Document use case from another."""

from dataclasses import dataclass
from enum import StrEnum


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
    """A SNOMED CT concept id and its words."""

    code: str
    display: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UseCase:
    """The words, codes and rules of one use case."""

    name: str
    title: str | None
    """Composition.title; None: the request gives it."""
    document_type: Code | None
    """Composition.type; None: the request gives it."""
    encounter_type: Code | None = None
    """Encounter.type where the request does not give one; None: there is no Encounter then."""
    recipient_type: RecipientType
    """What the primary recipient is asked to do."""
    primary_content_types: frozenset[str]
    """What the primary document may be."""
    rendered: bool = False
    """Whether the primary document is rendered where the request has none."""
    takes: frozenset[str] = frozenset()
    """Which optional fields its requests may have, of those in `OPTIONAL_FIELDS`."""
    resource_types: frozenset[str] = frozenset()
    """Which FHIR resource types may be supplied ready-made."""

    @property
    def needs(self) -> frozenset[str]:
        """Which optional fields its requests must have."""
        return frozenset(
            name for name, fixed in (("title", self.title), ("document_type", self.document_type)) if fixed is None
        )


OPTIONAL_FIELDS = (
    "title", "document_type", "care_setting", "event", "care_provider", "authors", "related_person", "device",
    "location", "observations", "questionnaire", "resources",
)  # fmt: skip
"""The request's fields that belong to some use cases only."""
