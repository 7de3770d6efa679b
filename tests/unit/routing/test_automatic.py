import pytest

from gpconnect_messaging.routing.automatic import automatic_routing_address
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


def test_a_long_surname_is_cut_to_what_mesh_takes() -> None:
    address = automatic_routing_address(a_request(patient__name__family="A" * 200).patient, BirthDateFormat.YEAR_FIRST)
    assert len(address) == 100
