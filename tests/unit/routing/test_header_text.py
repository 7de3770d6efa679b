import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpconnect_messaging.routing.header_text import header_text


@pytest.mark.parametrize(
    ("name", "folded"),
    [
        ("O'Brien-Smith", "O'Brien-Smith"),
        ("O’Brien", "O'Brien"),
        ("Siân Ŵyn Llŷr", "Sian Wyn Llyr"),
        ("Łukasz Żółć", "Lukasz Zolc"),
        ("Straße Ødegård Æsop", "Strasse Odegard AEsop"),
        ("Þórr Ðan", "Thorr Dan"),
        ("Nguyễn", "Nguyen"),
        ("ﬁeld", "field"),
        ("李", "?"),
        ("Ǽby\u200b", "AEby"),
        ("“Ward” …", '"Ward" ...'),
        ("a\r\nMex-To: x", "a Mex-To: x"),
        ("tab\tand\u00a0space", "tab and space"),
    ],
)
def test_names_fold_to_plain_letters(name: str, folded: str) -> None:
    assert header_text(name, 500) == folded


@given(st.text(), st.integers(0, 100))
def test_whatever_the_name_the_header_is_printable_ascii_within_its_limit(text: str, limit: int) -> None:
    folded = header_text(text, limit)
    assert len(folded) <= limit
    assert all(" " <= character <= "~" for character in folded)


@given(st.text(alphabet=[chr(code) for code in range(33, 127) if chr(code) != "`"]))
def test_plain_text_is_left_alone_but_for_a_spacing_accent(text: str) -> None:
    assert header_text(text, 1000) == text
