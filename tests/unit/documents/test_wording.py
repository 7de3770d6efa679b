from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from gpconnect_messaging.documents import wording
from gpconnect_messaging.requests.models import Address, Name

LAYOUT = pytest.mark.requirement("GPCM-SD-CS-005")


@LAYOUT
def test_a_name_is_surname_forenames_title() -> None:
    assert wording.patient_name(Name(family="Smith", given=["John", "Simon"], prefix="Mr")) == "SMITH, John Simon (Mr)"
    assert wording.patient_name(Name(family="ap Rhys", given=["Siân"])) == "AP RHYS, Siân"


@LAYOUT
def test_a_date_names_the_month() -> None:
    assert wording.day(date(1933, 5, 4)) == "04-May-1933"


@LAYOUT
@pytest.mark.parametrize(
    ("when", "shown"),
    [
        (datetime(2026, 1, 5, 9, 7, tzinfo=UTC), "05-Jan-2026 09:07"),
        (datetime(2026, 7, 5, 9, 7, tzinfo=UTC), "05-Jul-2026 10:07"),
        (datetime(2026, 7, 5, 0, 7, tzinfo=timezone(timedelta(hours=1))), "05-Jul-2026 00:07"),
        (datetime(2026, 3, 29, 0, 59, tzinfo=UTC), "29-Mar-2026 00:59"),
        (datetime(2026, 3, 29, 1, 0, tzinfo=UTC), "29-Mar-2026 02:00"),
        (datetime(2026, 10, 25, 0, 59, tzinfo=UTC), "25-Oct-2026 01:59"),
        (datetime(2026, 10, 25, 1, 0, tzinfo=UTC), "25-Oct-2026 01:00"),
    ],
)
def test_a_moment_is_in_uk_time(when: datetime, shown: str) -> None:
    assert wording.moment(when) == shown


@LAYOUT
def test_an_nhs_number_is_grouped() -> None:
    assert wording.nhs_number("9658218865") == "965 821 8865"


@LAYOUT
@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("01632960101", "0163 296 0101"),
        ("01632 960101", "0163 296 0101"),
        ("+44 (0)1632-960101", "0163 296 0101"),
        ("+353 1 555 0123", "+353 1 555 0123"),
        ("01632 960101 ext. 4", "01632 960101 ext. 4"),
        ("999", "999"),
    ],
)
def test_a_uk_telephone_number_is_grouped_and_any_other_is_left_alone(given: str, shown: str) -> None:
    assert wording.telephone(given) == shown


@LAYOUT
def test_an_address_is_one_text() -> None:
    address = Address(lines=["Flat 2a", "123 Generic Street"], city="Hull", postcode="AB12 3CD")
    assert wording.address(address) == "Flat 2a, 123 Generic Street, Hull, AB12 3CD"


@pytest.mark.parametrize(("count", "shown"), [(1, "1 bytes"), (73_400_320, "73.4 MB"), (2_000, "2.0 kB")])
def test_a_size_is_readable(count: int, shown: str) -> None:
    assert wording.size(count) == shown
