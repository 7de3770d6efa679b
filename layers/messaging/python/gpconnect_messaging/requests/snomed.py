"""SNOMED CT identifiers: the check digit reveals a mistyped code, before a practice files under it.

Source: SNOMED CT Technical Implementation Guide, "SCTID": 6 to 18 digits; partition 00 or 10 for concepts; the last
digit is Verhoeff's check digit.
"""

import re

SYSTEM = "http://snomed.info/sct"

_FORM = re.compile(r"[1-9][0-9]{5,17}")
_CONCEPT_PARTITIONS = {"00", "10"}

# Verhoeff's tables: the dihedral group D5, and the powers of the permutation.
_GROUP = (
    "0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
    "5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
)  # fmt: skip
_PERMUTATIONS = (
    "0123456789", "1576283094", "5803796142", "8916043527", "9453126870", "4286573901", "2793806415", "7046913258",
)  # fmt: skip


def is_expression(text: str) -> bool:
    """Say whether `text` is a concept id, or a post-coordinated expression of several: 71341001:272741003=7771000."""
    return all(is_concept_id(part) for part in re.split("[+:,=]", text))


def is_concept_id(text: str) -> bool:
    """Say whether `text` is a well-formed SNOMED CT concept id: ASCII digits, a concept's partition, a right check."""
    if not _FORM.fullmatch(text) or text[-3:-1] not in _CONCEPT_PARTITIONS:
        return False
    check = 0
    for position, digit in enumerate(reversed(text)):
        check = int(_GROUP[check][int(_PERMUTATIONS[position % 8][int(digit)])])
    return check == 0
