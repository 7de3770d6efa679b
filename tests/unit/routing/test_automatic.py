import pytest

from gpconnect_messaging.routing.automatic import (
    LONGEST_SURNAME,
    MAXIMUM_ADDRESS,
    SurnameNotCarriedError,
    automatic_routing_address,
    surname_fault,
)
from gpconnect_messaging.specification.birth_date import BirthDateFormat
from tests.examples import a_request


@pytest.mark.requirement("GPCM-SD-CS-060", "GPCM-SD-CS-064", "GPCM-SD-CS-067", "GPCM-SD-063", "GPCM-SD-056")
def test_the_address_is_made_of_number_birth_date_and_surname() -> None:
    address = automatic_routing_address(a_request().patient, BirthDateFormat.YEAR_FIRST)
    assert address == "GPPROVIDER_9658218865_19331114_WRIGHT"


def test_the_order_of_the_birth_date_is_a_setting() -> None:
    address = automatic_routing_address(a_request().patient, BirthDateFormat.DAY_FIRST)
    assert address == "GPPROVIDER_9658218865_14111933_WRIGHT"


def test_a_birth_date_keeps_the_four_digits_of_its_year() -> None:
    patient = a_request(patient__birth_date="1880-02-03").patient
    assert "_18800203_" in automatic_routing_address(patient, BirthDateFormat.YEAR_FIRST)


def test_the_longest_surname_fills_the_address_and_a_longer_one_goes_to_a_person() -> None:
    longest = a_request(patient__name__family="A" * LONGEST_SURNAME).patient
    assert len(automatic_routing_address(longest, BirthDateFormat.YEAR_FIRST)) == MAXIMUM_ADDRESS == 100
    with pytest.raises(SurnameNotCarriedError, match="longer than the 69 characters"):
        automatic_routing_address(
            a_request(patient__name__family="Æ" + "A" * (LONGEST_SURNAME - 1)).patient, BirthDateFormat.YEAR_FIRST
        )


@pytest.mark.parametrize(
    ("family", "address"),
    [("ǼBY", "AEBY"), ("Ǿster", "Oster"), ("ŉDIAYE", "'NDIAYE"), ("WRIGHT\u200b", "WRIGHT"), ("St. John−Ʌ", None),
     ("Ʌ", None), ("WR?GHT", None), ("李", None), ("Smith\ue000", None), ("...", None),
     ("O\u1fbdNeil", "O'Neil"), ("O\uff40Neil", "O'Neil"), ("Vil·la", "Villa"), ("St.\u00a0John", "St. John"),
     ("WRIGHT^GARTH", None), ("WRIGHT, Garth", None), ("WRIGHT_X", None), ("{family}", None), ("%s", None),
     ("WRI\nGHT", None), ("WRI\tGHT", None), ("Smith²", None), ("Smith2", None), ("Smith™", None), ("Henry Ⅷ", None),
     ("ⓌRIGHT", None), ("O¨Neil", None), ("Marks & Co", None), ("Smith…", None)],
)  # fmt: skip
def test_a_surname_is_carried_whole_or_not_at_all(family: str, address: str | None) -> None:
    patient = a_request(patient__name__family=family).patient
    if address is None:
        assert "inform the practice another way" in str(surname_fault(family))
        with pytest.raises(SurnameNotCarriedError):
            automatic_routing_address(patient, BirthDateFormat.YEAR_FIRST)
    else:
        assert automatic_routing_address(patient, BirthDateFormat.YEAR_FIRST).endswith(f"_19331114_{address}")
