import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpconnect_messaging.identifiers import NumberRange, is_nhs_number, number_range


@pytest.mark.parametrize("number", ["9658218865", "9658218873", "9658218881", "9693632109", "9733162043", "9990000018"])
def test_published_test_patients_have_nhs_numbers(number: str) -> None:
    assert is_nhs_number(number)


@pytest.mark.parametrize(
    "number",
    [
        "9989453456",  # as in a published example message: wrong check digit
        "4857773456",
        "0000000000",
        "9999999999",
        "965 821 8865",
        "965821886",
        "96582188650",
        "９６５８２１８８６５",  # full-width digits
        "٩٦٥٨٢١٨٨٦٥",
        "9658218865\n",
        "",
    ],
)
def test_what_only_looks_like_an_nhs_number_is_refused(number: str) -> None:
    assert not is_nhs_number(number)


@given(st.integers(0, 999_999_999))
def test_at_most_one_check_digit_is_right(stem: int) -> None:
    right = [digit for digit in "0123456789" if is_nhs_number(f"{stem:09}{digit}")]
    assert len(right) <= 1


@given(st.integers(0, 8), st.integers(0, 9))
def test_every_wrong_digit_is_noticed(place: int, digit: int) -> None:
    changed = list("9658218865")
    changed[place] = str(digit)
    assert is_nhs_number("".join(changed)) == ("".join(changed) == "9658218865")


def test_numbers_from_900_are_for_tests() -> None:
    assert number_range("9658218865") is NumberRange.TEST
    assert number_range("4010232137") is NumberRange.LIVE
