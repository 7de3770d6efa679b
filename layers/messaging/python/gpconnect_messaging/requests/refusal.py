"""Why a request cannot become a message: the field and the rule, and never the value."""

from collections.abc import Sequence
from dataclasses import dataclass

from gpconnect_messaging.scan_results import ScanResult

MOST_REASONS = 50
"""How many reasons a refusal lists: ledger rows and notifications have a limit, and a longer list helps no reader."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One rule that a request breaks.

    `field` is a path in the request such as `patient.birth_date` or `documents[0].key`; `rule` is a sentence for a
    person. Neither may repeat what the sender wrote: a value, or a name that the sender chose, can be personal data.
    """

    field: str
    rule: str
    scan: ScanResult | None = None
    """The result of the malware scan, if that is the reason."""

    def __str__(self) -> str:
        return f"{self.field}: {self.rule}"


class RequestRefusedError(Exception):
    """The request breaks at least one rule: the message is INVALID and a person must correct the request."""

    def __init__(self, reasons: Sequence[Reason]) -> None:
        super().__init__("; ".join(str(reason) for reason in reasons))
        self.reasons = tuple(reasons)

    @classmethod
    def because(cls, field: str, rule: str) -> "RequestRefusedError":
        """Refuse for one reason."""
        return cls([Reason(field, rule)])
