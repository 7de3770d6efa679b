"""The order of the birth date in an automatic-routing address: a setting, because the sources contradict each other.

1.5's page says DDMMYYYY; MESH guidance and 2.0 say YYYYMMDD. The wrong one makes MESH refuse every patient (EPL-154).
"""

from enum import StrEnum


class BirthDateFormat(StrEnum):
    """The order of day, month and year."""

    YEAR_FIRST = "YYYYMMDD"
    DAY_FIRST = "DDMMYYYY"
