"""The rules of NHS numbers: ten ASCII digits, modulus 11, and the range kept for tests.

Source: NHS Data Dictionary, NHS NUMBER; the test range 900-999 is NHS England's for synthetic patients.
"""

import re
from enum import StrEnum

_TEN_DIGITS = re.compile(r"[0-9]{10}")
_WEIGHTS = range(10, 1, -1)


class NumberRange(StrEnum):
    """Which NHS numbers an environment accepts (safety rule 4): never both."""

    TEST = "test"
    LIVE = "live"


def is_nhs_number(text: str) -> bool:
    """Say whether `text` is a well-formed NHS number: ten ASCII digits, not all alike, with a right check digit."""
    if not _TEN_DIGITS.fullmatch(text) or len(set(text)) == 1:
        return False
    digits = [int(digit) for digit in text]
    check = 11 - sum(weight * digit for weight, digit in zip(_WEIGHTS, digits, strict=False)) % 11
    return check != 10 and check % 11 == digits[9]


def number_range(nhs_number: str) -> NumberRange:
    """Say whether a well-formed NHS number lies in the test range 900-999 or could be a living patient's."""
    return NumberRange.TEST if nhs_number.startswith("9") else NumberRange.LIVE
