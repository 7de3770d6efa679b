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


@dataclass(frozen=True, slots=True, kw_only=True)
class UseCase:
    """The words, codes and rules of one use case."""

    name: str
    title: str
    type_code: str
    """SNOMED CT concept id of Composition.type."""
    type_display: str
    recipient_type: RecipientType
    primary_content_types: frozenset[str]
    """What the primary document may be."""
