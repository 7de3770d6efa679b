"""MESH automatic routing: MESH traces the patient and finds the registered practice's mailbox (GPCM-SD-CS-060).

The address is personal data: mask it everywhere.
"""

from gpconnect_messaging.requests.models import Patient
from gpconnect_messaging.routing.header_text import header_text
from gpconnect_messaging.specification.birth_date import BirthDateFormat

MAXIMUM_ADDRESS = 100
"""Longest Mex-To that MESH takes, in characters."""


def automatic_routing_address(patient: Patient, birth_date_format: BirthDateFormat) -> str:
    """Build `GPPROVIDER_{NHS number}_{birth date}_{surname}` for Mex-To (GPCM-SD-CS-067, GPCM-SD-063).

    The surname is folded to ASCII and cut to what MESH's 100 characters leave; MESH compares it with PDS, and answers
    a difference with an error report, so a fold that goes wrong is seen.
    """
    day, month, year = f"{patient.birth_date.day:02}", f"{patient.birth_date.month:02}", f"{patient.birth_date.year:04}"
    birth_date = f"{year}{month}{day}" if birth_date_format is BirthDateFormat.YEAR_FIRST else f"{day}{month}{year}"
    prefix = f"GPPROVIDER_{patient.nhs_number}_{birth_date}_"
    return prefix + header_text(patient.name.family, MAXIMUM_ADDRESS - len(prefix))
