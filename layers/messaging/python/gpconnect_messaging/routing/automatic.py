"""MESH automatic routing: MESH traces the patient and finds the registered practice's mailbox (GPCM-SD-CS-060).

The address is personal data: mask it everywhere.
"""

import re
import unicodedata

from gpconnect_messaging.names import fold
from gpconnect_messaging.requests.models import Patient
from gpconnect_messaging.specification.birth_date import BirthDateFormat

MAXIMUM_ADDRESS = 100
"""Longest Mex-To that MESH takes, in characters."""
LONGEST_SURNAME = MAXIMUM_ADDRESS - len("GPPROVIDER_9999999999_99999999_")
"""Longest surname that an address has room for, in characters."""


class SurnameNotCarriedError(ValueError):
    """No address can carry the whole surname: a person must decide how to inform the practice."""


def surname_fault(family: str) -> str | None:
    """Return why an address cannot carry the whole surname, as the rest of a sentence; None if it can.

    A wrongly folded or cut surname is another name to MESH, which reports that days later at the worst.
    """
    surname = fold(family)
    if not any(letter.isascii() and letter.isalpha() for letter in surname):
        return "has no letter that a MESH address can carry: " + _INSTEAD
    if not all(map(_is_carried, family)):
        return f"has a sign or letter that a MESH address cannot carry ({_CARRIED}): " + _INSTEAD
    if len(surname) > LONGEST_SURNAME:
        return f"is longer than the {LONGEST_SURNAME} characters that a MESH address has room for: " + _INSTEAD
    return None


def _is_carried(character: str) -> bool:
    """Whether folding keeps a character's kind: a sign or number that becomes letters (™, ²) does not stay one."""
    folded = fold(f"x{character}x")[1:-1]
    if folded == " ":
        return unicodedata.category(character) == "Zs"
    return folded in ("", "'", "-", ".") or (character.isalpha() and _LETTERS.fullmatch(folded) is not None)


_LETTERS = re.compile("[A-Za-z']+")
_CARRIED = "only letters, blanks, apostrophes, hyphens and full stops"
_INSTEAD = "write it as PDS does, in letters from A to Z, or inform the practice another way"


def automatic_routing_address(patient: Patient, birth_date_format: BirthDateFormat) -> str:
    """Build `GPPROVIDER_{NHS number}_{birth date}_{surname}` for Mex-To (GPCM-SD-CS-067, GPCM-SD-063).

    The surname is folded to ASCII; MESH compares it with PDS, and answers a difference with an error report, so a fold
    that goes wrong is seen. Raises SurnameNotCarriedError if `surname_fault` finds a fault.
    """
    if fault := surname_fault(patient.name.family):
        raise SurnameNotCarriedError(f"patient.name.family {fault}")
    day, month, year = f"{patient.birth_date.day:02}", f"{patient.birth_date.month:02}", f"{patient.birth_date.year:04}"
    birth_date = f"{year}{month}{day}" if birth_date_format is BirthDateFormat.YEAR_FIRST else f"{day}{month}{year}"
    return f"GPPROVIDER_{patient.nhs_number}_{birth_date}_{fold(patient.name.family)}"
