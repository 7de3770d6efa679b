import codecs
import json
import time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gpconnect_messaging.json_reading import JsonError, JsonNumber, read_json

SECRET = "garton9693632109"


def read(text: str | bytes, *, largest: int = 2_000_000, deepest: int = 40) -> Any:
    return read_json(text.encode() if isinstance(text, str) else text, largest=largest, deepest=deepest)


def refusal(text: str | bytes, **bounds: int) -> JsonError:
    with pytest.raises(JsonError) as refused:
        read(text, **bounds)
    return refused.value


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
NUMBERS = st.integers(-(10**60), 10**60) | st.decimals(-(10**20), 10**20, allow_nan=False, places=6)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
    max_leaves=20,
)


def plain(value: Any) -> Any:
    """A value with numbers as text, so that 7 is not 7.0."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return ("number", str(value)) if isinstance(value, int | Decimal) and not isinstance(value, bool) else value


def as_json(value: Any, *, ascii_only: bool) -> str:
    if isinstance(value, dict):
        pairs = (
            f"{json.dumps(name, ensure_ascii=ascii_only)}: {as_json(item, ascii_only=ascii_only)}"
            for name, item in value.items()
        )
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + ",\n".join(as_json(item, ascii_only=ascii_only) for item in value) + "]"
    return str(value) if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=ascii_only)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(VALUES, st.booleans(), st.booleans())
def test_what_is_written_is_read_again_number_by_number(value: Any, ascii_only: bool, marked: bool) -> None:
    text = as_json(value, ascii_only=ascii_only).encode()
    assert plain(read(codecs.BOM_UTF8 * marked + text)) == plain(value)


@pytest.mark.parametrize(
    "literal",
    ["7.00", "1234567890.12345678", "-0", "0", "1E5", "1e+5", "0.10e-3", "12345678901234567890123456789", "1e999"],
)
def test_a_number_keeps_how_it_was_written(literal: str) -> None:
    number = read(f"[{literal}]")[0]
    assert isinstance(number, JsonNumber)
    assert str(number) == literal
    assert number == Decimal(literal)


def test_only_a_number_without_a_fraction_or_an_exponent_is_whole() -> None:
    assert [number.whole for number in read("[7, -7, 7.0, 7e0]")] == [7, -7, None, None]


@pytest.mark.parametrize(
    ("text", "cause", "line", "column"),
    [
        ("", "is empty", None, None),
        ("\ufeff \n", "is empty", None, None),
        ('{"a": 1,\n}', "a comma stands before a closing bracket", 1, 8),
        ("[1 , ]", "a comma stands before a closing bracket", 1, 4),
        ('{"a": [1, 2', "the text ends too early", 1, 12),
        ('{"a":', "the text ends too early", 1, 6),
        ('{"a": "b', "a text is not closed", 1, 7),
        ("// made by us\n{}", "a comment stands here", 1, 1),
        ('{"a": 1, /* why */ "b": 2}', "a comment stands here", 1, 10),
        ('{"a": 1 # why\n}', "a comment stands here", 1, 9),
        ('{"é": 1,\n "a": {"b": 1, "\\u0062": 2}}', "a name stands twice", 2, 16),
        ('{"a": "[{,", "a": 1}', "a name stands twice", 1, 14),
        ('{"a": NaN}', "NaN and Infinity", 1, 7),
        ('["NaN", -Infinity]', "NaN and Infinity", 1, 9),
        ('{"a": 007}', "a number begins with 0", 1, 8),
        ('{"a": 01}', "wants quotation marks around it", 1, 8),
        ('{"a": 1.}', "a number must have a digit after its point", 1, 8),
        ("[1e+]", "a number must have a digit after its point, or after its e", 1, 3),
        (b"\x1f\x8b\x08\x00\x00\x00\x00\x00", "is compressed with gzip", None, None),
        (b"{}\x00\x00", "a NUL stands here", 1, 3),
        ('{"a": .5}', "a number must begin with a digit", 1, 7),
        ('{"a": +5}', "a number must begin with a digit", 1, 7),
        (f"[1, {'9' * 65}]", "a number is longer than 64 characters", 1, 5),
        ("[1e1000]", "exponent above 999", 1, 2),
        ("[1e-99999999999999999999999]", "exponent above 999", 1, 2),
        ('["\\ud800"]', "half a character", 1, 3),
        ('["\\\\\\udc00\\ud800"]', "half a character", 1, 5),
        ('["a\\u0000"]', "\\u0000", 1, 4),
        ('["a\tb"]', "a line break, tab or other control character", 1, 4),
        ('["C:\\docs"]', "a backslash stands before", 1, 5),
        ("{'a': 1}", "a quotation mark other than", 1, 2),
        ("{“a”: 1}", "a quotation mark other than", 1, 2),
        ("{a: 1}", 'a name in " is missing: write a name in quotation marks', 1, 2),
        ("%PDF-1.7", "this is not JSON: give one JSON object", 1, 1),
        (b"PK\3\4", "this is not JSON: give one JSON object", 1, 1),
        ('{"a" 1}', "a colon is missing", 1, 6),
        ('{"a": 1 "b": 2}', "a comma or a closing bracket is missing", 1, 9),
        ('{"a": True}', "write true, false or null", 1, 7),
        ('{"a": }', "a value is missing", 1, 7),
        ("{} {}", "more stands after the end", 1, 4),
        ("[\ufeff1]", "a byte order mark stands in the middle", 1, 2),
        ("<request/>", "XML or HTML stands here: give one JSON object", 1, 1),
        (b'{"a":\n "\xb5g"}', "not UTF-8", 2, 3),
        (codecs.BOM_UTF8 + b'["\xc3\xa9\xed\xa0\x80"]', "not UTF-8", 1, 4),
        *((f'{{"{SECRET}": 1}}'.encode(form), f"written in {form[:6].upper()}", None, None)
          for form in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be")),
    ],
)  # fmt: skip
def test_what_is_not_read_is_refused_with_its_cause_and_its_place(
    text: str | bytes, cause: str, line: int | None, column: int | None
) -> None:
    error = refusal(text)
    assert cause in error.cause
    assert (error.line, error.column) == (line, column)
    assert str(error) == (f"line {line}, column {column}: {error.cause}" if line else error.cause)


def test_no_error_quotes_what_was_written() -> None:
    for text in (
        f'{{"{SECRET}": 1, "{SECRET}": 2}}', f'{{"{SECRET}" 1}}', f"{{{SECRET}: 1}}", f'{{"a": {SECRET}}}',
        f'{{"a": "{SECRET}', f'{{"a": "{SECRET}\\x"}}', f'"{SECRET}" "{SECRET}"', f'["{SECRET}", NaN]',
    ):  # fmt: skip
        assert "garton" not in str(refusal(text))
        assert "969" not in repr(refusal(text))


def test_halves_of_a_pair_that_belong_together_are_one_character() -> None:
    assert read('["\\uD83D\\ude00", "\\\\ud800"]') == ["\U0001f600", "\\ud800"]


@pytest.mark.parametrize("text", ["[" * 41 + "]" * 41, '{"a":' * 41 + "1" + "}" * 41, "[" * 1_000_000])
def test_deeper_levels_than_allowed_are_refused_before_they_are_entered(text: str) -> None:
    assert "has more than 40 levels" in refusal(text).cause


def test_brackets_side_by_side_or_in_a_text_are_no_levels() -> None:
    assert read("[" + "[]," * 100 + "[]]") == [[]] * 101
    assert read(json.dumps(["[" * 100 + '"\\']))[0].startswith("[[")
    assert len(read("[" * 40 + "]" * 40)) == 1


@pytest.mark.parametrize("end", ["", "\\"])
def test_a_text_that_is_cut_short_is_said_to_be_so_at_once_whatever_stands_in_it(end: str) -> None:
    """A ready resource that is written into a request has a quotation mark behind a backslash around every name."""
    started = time.process_time()
    error = refusal('{"content": "' + '[{\\"name\\": ' * 80_000 + end, largest=1_048_576)
    assert "a text is not closed" in error.cause
    assert time.process_time() - started < 2


def test_the_bound_on_size_is_exact_and_in_words() -> None:
    assert read(b"[" + b" " * 98 + b"]", largest=100) == []
    error = refusal(b"[" + b" " * 1_048_575 + b"]", largest=1_048_576)
    assert error.cause == "is larger than 1.05 MB (1,048,576 bytes): leave out content that is not needed"
