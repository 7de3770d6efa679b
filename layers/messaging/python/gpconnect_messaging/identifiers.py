"""The identifiers of the NHS and of SNOMED CT: their forms and check digits, for every reader of the product.

Source: MESH API ("Mailbox identifiers"); ODS (Organisation Data Service) codes; NHS Data Dictionary, NHS NUMBER, where
the test range 900-999 is NHS England's for synthetic patients; SNOMED CT Technical Implementation Guide, "SCTID": 6 to
18 digits, partition 00 or 10 for concepts, and Verhoeff's check digit, which reveals a mistyped code.
"""

import re
from enum import StrEnum

MAILBOX_ID = "[A-Z0-9]{5,50}"
MESH_MAILBOX_ID = "[A-Z0-9]{1,50}"
"""What MESH itself takes: mailboxes of test systems have shorter names."""
ODS_CODE = "[A-Z0-9]{3,10}"
UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
"""A UUID as this product writes it, in small letters."""
CONCEPT_ID = "[1-9][0-9]{5,17}"
NHS_NUMBER = "[0-9]{10}"
SNOMED_CT = "http://snomed.info/sct"
MAILBOX_ID_RULE = "a MESH mailbox id: 5 to 50 capital letters A-Z and digits 0-9"
OWN_MAILBOX_ID_RULE = f"{MAILBOX_ID_RULE}, at least one of both, and no six digits in a row"
NO_CONCEPT_ID = "is not a SNOMED CT concept id, digits with the last one the check digit: check every digit"
ODS_CODE_RULE = "an ODS code: 3 to 10 capital letters A-Z and digits 0-9"

PROFESSIONAL_SYSTEMS = {
    "sds_user_id": "https://fhir.nhs.uk/Id/sds-user-id",
    "sds_role_profile_id": "https://fhir.nhs.uk/Id/sds-role-profile-id",
    "gmc_number": "https://fhir.hl7.org.uk/Id/gmc-number",
    "gmp_number": "https://fhir.hl7.org.uk/Id/gmp-number",
    "gphc_number": "https://fhir.hl7.org.uk/Id/gphc-number",
    "hcpc_number": "https://fhir.hl7.org.uk/Id/hcpc-number",
    "nmc_number": "https://fhir.hl7.org.uk/Id/nmc-number",
}
"""The systems of a professional's numbers, by the names that requests use."""
URI = (
    "(https?://[a-z0-9-]+([.][a-z0-9-]+)+(/[A-Za-z0-9._~-]+)*|urn:oid:[0-2]([.](0|[1-9][0-9]{0,19})){3,20}"
    "|urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})"
)
URI_RULE = "a URI such as https://clinic.example/Id/staff, urn:oid: with four numbers or more, or urn:uuid:"
"""The URIs of local systems. Validators of FHIR refuse a wrong OID or UUID, and some systems' values."""
NHS_NUMBER_SYSTEM = "https://fhir.nhs.uk/Id/nhs-number"

_LONG_NUMBER = re.compile("[0-9]{6}")
_WEIGHTS = range(10, 1, -1)
_CONCEPT_PARTITIONS = {"00", "10"}

# Verhoeff's tables: the dihedral group D5, and the powers of the permutation.
_GROUP = (
    "0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
    "5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
)  # fmt: skip
_PERMUTATIONS = (
    "0123456789", "1576283094", "5803796142", "8916043527", "9453126870", "4286573901", "2793806415", "7046913258",
)  # fmt: skip


class NumberRange(StrEnum):
    """Which NHS numbers an environment accepts (safety rule 4): never both."""

    TEST = "test"
    LIVE = "live"


def is_mailbox_id(text: str) -> bool:
    """Say whether `text` is a mailbox id that may be quoted: letters and digits exclude names and NHS numbers."""
    return bool(
        re.fullmatch(MAILBOX_ID, text) and re.search("[A-Z]", text) and re.search("[0-9]", text)
    ) and not has_long_number(text)


def is_ods_code(text: str) -> bool:
    """Say whether `text` is an ODS code, and not a long number such as an NHS number."""
    return bool(re.fullmatch(ODS_CODE, text)) and not has_long_number(text)


def has_long_number(text: str) -> bool:
    """Say whether `text` has six digits in a row, as no mailbox id or ODS code has."""
    return bool(_LONG_NUMBER.search(text))


def is_uuid(text: str) -> bool:
    """Say whether `text` is a UUID in small letters."""
    return bool(re.fullmatch(UUID, text))


def is_nhs_number(text: str) -> bool:
    """Say whether `text` is a well-formed NHS number: ten ASCII digits, not all alike, with a right check digit."""
    if not re.fullmatch(NHS_NUMBER, text) or len(set(text)) == 1:
        return False
    digits = [int(digit) for digit in text]
    check = 11 - sum(weight * digit for weight, digit in zip(_WEIGHTS, digits, strict=False)) % 11
    return check != 10 and check % 11 == digits[9]


def number_range(nhs_number: str) -> NumberRange:
    """Say whether a well-formed NHS number lies in the test range 900-999 or could be a living patient's."""
    return NumberRange.TEST if nhs_number.startswith("9") else NumberRange.LIVE


def is_expression(text: str) -> bool:
    """Say whether `text` is a concept id, or a post-coordinated expression of several: 71341001:272741003=7771000."""
    return all(is_concept_id(part) for part in re.split("[+:,=]", text))


def is_concept_id(text: str) -> bool:
    """Say whether `text` is a well-formed SNOMED CT concept id: ASCII digits, a concept's partition, a right check."""
    if not re.fullmatch(CONCEPT_ID, text) or text[-3:-1] not in _CONCEPT_PARTITIONS:
        return False
    check = 0
    for position, digit in enumerate(reversed(text)):
        check = int(_GROUP[check][int(_PERMUTATIONS[position % 8][int(digit)])])
    return check == 0
