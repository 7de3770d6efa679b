"""What of others' words may be repeated: identifiers by their form, and of their own organisation no name."""

import pytest

from gpconnect_messaging.quoting import NOT_READABLE, own_ods_code


@pytest.mark.parametrize("stated", ["A20047", "b86071", " RR8 ", "X26"])
def test_an_ods_code_that_a_response_states_of_itself_is_given_in_capitals(stated: str) -> None:
    assert own_ods_code(stated, ()) == stated.strip().upper()


@pytest.mark.parametrize("stated", ["SMITH", "Lee", "9434765919", "943476", "not a code", "Ali-1", "É20047"])
def test_what_can_be_a_name_or_a_number_of_a_patient_is_not(stated: str) -> None:
    assert own_ods_code(stated, ()) == NOT_READABLE


def test_a_code_without_digits_is_given_where_the_message_went_to_that_organisation() -> None:
    assert own_ods_code("rcd", {"RCD"}) == "RCD"
    assert own_ods_code("rae", {"RCD"}) == NOT_READABLE


@pytest.mark.parametrize("stated", [None, ""])
def test_nothing_stated_is_nothing(stated: str | None) -> None:
    assert own_ods_code(stated, ()) is None
