from hypothesis import given
from hypothesis import strategies as st

from gpconnect_messaging.itk3.compose import envelope
from gpconnect_messaging.routing.header_text import fitted
from gpconnect_messaging.specification import Version
from tests.examples import a_message

TEMPLATE = "{title} for {patient}, NHS Number: {nhs_number}"
ELASTIC = ("title", "patient")


def test_what_fits_is_left_as_it_is() -> None:
    words = {"title": "Letter", "patient": "Siân O’Brien", "nhs_number": "9658218865"}
    assert fitted(TEMPLATE, words, 500, ELASTIC) == "Letter for Sian O'Brien, NHS Number: 9658218865"


def test_long_names_are_cut_and_what_tells_messages_apart_stays() -> None:
    name = {"family": "F" * 60, "given": ["G" * 200, "H" * 200]}
    found = envelope(a_message(Version.V2_0, version=3, patient__name=name, organisation__name="O" * 200)).subject
    assert len(found) <= 500
    assert ", NHS Number: 9658218865, seen at " in found
    assert found.endswith(", Y90001, Version: 3")


@given(title=st.text(max_size=700), patient=st.text(max_size=700), limit=st.integers(40, 500))
def test_whatever_the_names_the_line_fits_and_keeps_the_number(title: str, patient: str, limit: int) -> None:
    line = fitted(TEMPLATE, {"title": title, "patient": patient, "nhs_number": "9658218865"}, limit, ELASTIC)
    assert len(line) <= limit
    assert line.endswith(", NHS Number: 9658218865")
