"""The exact words and formats of the consultation report.

Source: GPCM-SD-CS-005 (layout and field descriptions), -008, -009, -016; the layout's own samples for grouping.
"""

import re
from collections.abc import Sequence
from datetime import date, datetime

from gpconnect_messaging.requests.models import Address, Name, Organisation
from gpconnect_messaging.stated_times import uk_local

SUMMARY_REASON = (
    "A patient recently consulted with a clinician at an organisation different to the GP practice that they are "
    "registered with. The notes contained in this document are a summary of the consultation"
)
CONFIDENTIAL_CONSULTATION = "The details of this consultation have been set as confidential"
CONFIDENTIAL_ITEM = "Confidential item"

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_TELEPHONE = re.compile(r"(?:\+44|0044|0)(?P<rest>[0-9]{10})")


def patient_name(name: Name) -> str:
    """Write `SURNAME, Forename(s) (Title)`, or `NAME (Title)` of a person with one name."""
    title = f" ({name.prefix})" if name.prefix else ""
    return ", ".join([name.family.upper(), *([" ".join(name.given)] if name.given else [])]) + title


def day(when: date) -> str:
    """Write `dd-MMM-yyyy`, in English whatever the machine's language."""
    return f"{when.day:02d}-{_MONTHS[when.month - 1]}-{when.year:04d}"


def moment(when: datetime) -> str:
    """Write `dd-MMM-yyyy hh:mm` in UK local time, as the practice's clocks show it."""
    local = uk_local(when)
    return f"{day(local)} {local.hour:02d}:{local.minute:02d}"


def nhs_number(digits: str) -> str:
    """Write `### ### ####`."""
    return f"{digits[:3]} {digits[3:6]} {digits[6:]}"


def telephone(number: str) -> str:
    """Write a UK number of eleven digits as `#### ### ####`; any other number is unchanged."""
    match = _TELEPHONE.fullmatch(re.sub(r"\(0\)|[ ()\-.]", "", number))
    if not match:
        return number
    digits = "0" + match["rest"]
    return f"{digits[:4]} {digits[4:7]} {digits[7:]}"


def address(parts: Address) -> str:
    """Write an address as one text, lines separated by commas."""
    return ", ".join([*parts.lines, *(part for part in (parts.city, parts.district, parts.postcode) if part)])


def organisation(sender: Organisation, parts: Sequence[str], separator: str) -> str:
    """Write the known parts of an organisation: `name`, `ods_code`, `address`."""
    known = {
        "name": sender.name,
        "ods_code": sender.ods_code,
        "address": address(sender.address) if sender.address else "",
    }
    return separator.join(known[part] for part in parts if known[part])


def size(count: int) -> str:
    """Write a length in bytes as a person reads it."""
    for unit, factor in (("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} bytes"
