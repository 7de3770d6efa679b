"""Automatic routing: from the address `GPPROVIDER_{NHS number}_{date of birth}_{surname}` to the practice's mailbox.

The real service accepts such a message at once and looks up the patient later, so a failure is not a response to the
upload but a report in the sender's inbox. Codes: MESH guidance on the "To" field and on error codes EPL-150 to EPL-154.
"""

import re
import unicodedata
from dataclasses import dataclass
from datetime import date, datetime

from infra.local.mesh.configuration import Community

AUTOMATIC_PREFIX = "GPPROVIDER_"


@dataclass(frozen=True)
class RoutedTo:
    """The mailbox of the address."""

    mailbox: str


@dataclass(frozen=True)
class Undeliverable:
    """The reason why an address has no mailbox: the report's status code and description."""

    code: str
    description: str


TOO_MANY_MAILBOXES = Undeliverable("EPL-150", "More than one mailbox matched the address")
NO_MAILBOX = Undeliverable("EPL-151", "No mailbox matched the address")
INVALID_NHS_NUMBER = Undeliverable("EPL-152", "The NHS number in the address is invalid")
NHS_NUMBER_NOT_FOUND = Undeliverable("EPL-153", "The NHS number in the address was not found")
DEMOGRAPHICS_DIFFER = Undeliverable("EPL-154", "The NHS number in the address does not match its demographics")
UNDELIVERABLE = {
    outcome.code: outcome
    for outcome in (TOO_MANY_MAILBOXES, NO_MAILBOX, INVALID_NHS_NUMBER, NHS_NUMBER_NOT_FOUND, DEMOGRAPHICS_DIFFER)
}


_SEPARATORS = re.compile(r"[\s'.-]")


def is_automatic(address: str) -> bool:
    """Whether an address has the form of automatic routing: the prefix and three parts."""
    return address.upper().startswith(AUTOMATIC_PREFIX) and address.count("_") >= 3


def route(address: str, *, workflow_id: str, community: Community) -> RoutedTo | Undeliverable:
    """Resolve an automatic-routing address (see `is_automatic`) as the real service does.

    The date of birth is read as YYYYMMDD only: the other order fails for every patient, as it does in MESH.
    """
    _, nhs_number, birth_date, family = address.split("_", 3)
    if not is_nhs_number(nhs_number):
        return INVALID_NHS_NUMBER
    registration = community.registrations.get(nhs_number)
    if registration is None:
        return NHS_NUMBER_NOT_FOUND
    if _date(birth_date) != registration.birth_date or _letters(family) != _letters(registration.family):
        return DEMOGRAPHICS_DIFFER
    if registration.practice is not None:
        mailboxes = community.receiving(ods_code=registration.practice, workflow_id=workflow_id)
    else:
        mailbox = community.mailboxes.get(registration.mailbox or "")
        mailboxes = [mailbox.id] if mailbox is not None and workflow_id in mailbox.receives else []
    if not mailboxes:
        return NO_MAILBOX
    return RoutedTo(mailboxes[0]) if len(mailboxes) == 1 else TOO_MANY_MAILBOXES


def is_nhs_number(text: str) -> bool:
    """Check ten ASCII digits and the modulus 11 check digit."""
    if len(text) != 10 or not (text.isascii() and text.isdigit()):
        return False
    total = sum(int(digit) * weight for digit, weight in zip(text, range(10, 1, -1), strict=False))
    return (11 - total % 11) % 11 == int(text[9])


def _date(text: str) -> date | None:
    if len(text) != 8 or not (text.isascii() and text.isdigit()):
        return None
    try:
        return datetime.strptime(text, "%Y%m%d").date()  # noqa: DTZ007 - a date of birth has no time zone
    except ValueError:
        return None


def _letters(name: str) -> str:
    """Reduce a surname to letters: case, accents, spaces, apostrophes and hyphens differ between systems.

    Other characters stay, and make a difference: a `?` stands for a lost letter.
    """
    folded = unicodedata.normalize("NFKD", name).casefold()
    return _SEPARATORS.sub("", "".join(letter for letter in folded if not unicodedata.combining(letter)))
