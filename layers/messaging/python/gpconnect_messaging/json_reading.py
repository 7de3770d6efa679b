"""Reads JSON that others wrote: strictly, within limits, and with every number as it was written.

Accepts JSON as in RFC 8259, in UTF-8 with or without a byte order mark. Rejects a name that occurs twice in an object
(compared after escapes are read), NaN, half a surrogate pair, and NUL. An error says where and why, and quotes nothing:
a value or a name can be personal data (safety rules 5 and 10).

The standard library's scanner reads the text. The depth is checked first, because the scanner recurses. Where the
scanner does not report the position of an error, the text is searched again, only when it is refused.
"""

import codecs
import json
import re
from decimal import Decimal
from typing import Any, NoReturn, Self

from gpconnect_messaging.safe_parsing import GZIP, begins_in
from gpconnect_messaging.sizes import in_megabytes

LONGEST_NUMBER = 64
"""Longest number, in characters."""

HIGHEST_EXPONENT = 999
"""Largest power of ten of a number, up or down."""


class JsonError(ValueError):
    """The text is not acceptable JSON: `cause` says why, `line` and `column` (from 1) say where, if known."""

    def __init__(self, cause: str, line: int | None = None, column: int | None = None) -> None:
        super().__init__(cause if line is None else f"line {line}, column {column}: {cause}")
        self.cause, self.line, self.column = cause, line, column


class JsonNumber(Decimal):
    """A number that keeps the way it was written: `7.00` and `1E5` are written so again."""

    __slots__ = ("literal",)
    literal: str

    def __new__(cls, literal: str) -> Self:
        """Read a JSON number. Raises ValueError where it is too long, or the exponent is too large."""
        if len(literal) > LONGEST_NUMBER or abs(int(literal.lower().partition("e")[2] or 0)) > HIGHEST_EXPONENT:
            raise ValueError(_LONG_NUMBER)
        number = super().__new__(cls, literal)
        number.literal = literal
        return number

    def __str__(self) -> str:
        return self.literal

    @property
    def whole(self) -> int | None:
        """The number as an int, where it was written without a fraction and an exponent."""
        return int(self.literal) if self.literal.lstrip("-").isdigit() else None


def read_json(raw: bytes, *, largest: int, deepest: int) -> Any:
    """Read a JSON text of at most `largest` bytes and `deepest` levels of objects and arrays.

    Returns dict, list, str, bool, None, and JsonNumber for numbers. Raises JsonError.
    """
    if len(raw) > largest:
        raise JsonError(f"is larger than {in_megabytes(largest)}: leave out content that is not needed")
    text = _decoded(raw)
    _require_depth(text, deepest)
    try:
        value = json.loads(
            text, parse_int=JsonNumber, parse_float=JsonNumber, parse_constant=_refuse, object_pairs_hook=each_name_once
        )
    except json.JSONDecodeError as error:
        position, cause = _explained(text, error)
    except ValueError:  # a hook does not know the position
        position, cause = _searched(text)
    else:
        for escape in _ESCAPE.finditer(text) if "\\u" in text else ():
            if escape["lone"]:
                raise _at(text, escape.start(), _HALF_A_CHARACTER)
            if escape["nul"]:
                raise _at(text, escape.start(), _NUL)
        return value
    raise _at(text, position, cause)


def each_name_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object, for `json.loads`, which would let the last of two equal names win. Raises ValueError."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name occurs twice")
    return members


_LONG_NUMBER = f"a number is longer than {LONGEST_NUMBER} characters, or has an exponent above {HIGHEST_EXPONENT}"
_HALF_A_CHARACTER = "\\u stands for half a character: write both halves of the pair, or the character itself"
_NUL = "\\u0000 stands for no character: remove it"
_TRAILING_COMMA = "a comma stands before a closing bracket, with nothing between: remove it"
_LEADING_ZERO = "a number begins with 0: leave it out; a field that takes a text wants quotation marks around it"
_CUT_SHORT = "the text ends too early: the file is cut short, or a closing bracket is missing"

_SPACE = " \t\r\n"
_STRING = r'"[^"\\]*(?:\\.[^"\\]*)*"'
_STRINGS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)', re.DOTALL)
"""Strings, and one without an end, so that the search through a text that is cut short takes one pass."""
_BRACKETS = re.compile(r"[\[\]{}]")
_TOKEN = re.compile(rf"(?P<string>{_STRING})|(?P<constant>-?Infinity|NaN)|(?P<number>-?[0-9][0-9.eE+-]*)|[\[\]{{}},:]")
_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<lone>u[dD][89a-fA-F])|(?P<nul>u0000)|.)"
)
_BEGINNINGS = (
    (("/", "#"), "a comment stands here, which JSON does not have: remove it"),
    (("'", "‘", "’", "“", "”", "„"), 'a quotation mark other than " stands here: use "'),
    (("True", "False", "None"), "a word that JSON does not have stands here: write true, false or null"),
    (("\ufeff",), "a byte order mark stands in the middle of the text: remove it"),
    (("+", "."), "a number must begin with a digit, or with - and a digit"),
    (("\x00",), "a NUL stands here: the file is damaged, or is not UTF-8"),
    (("<",), "XML or HTML stands here: give one JSON object"),
)
_CAUSES = (
    ("Unterminated string", 'a text is not closed: its second " is missing, or the file is cut short'),
    ("Invalid control", "a line break, tab or other control character stands inside a text: write \\n, \\t or \\u…"),
    ("Invalid \\", "a backslash stands before a letter that it does not go with: write \\\\ for a backslash"),
    ("Expecting ':'", "a colon is missing after a name"),
    ("Expecting ','", "a comma or a closing bracket is missing before this"),
    ("Expecting property name", 'a name in " is missing: write a name in quotation marks'),
    ("Extra data", "more stands after the end: give one JSON object and nothing else"),
)


def _decoded(raw: bytes) -> str:
    if raw.startswith(GZIP):
        raise JsonError("is compressed with gzip: give it as plain JSON")
    if (encoding := begins_in(raw)[1]).startswith(("utf-16", "utf-32")):
        raise JsonError(f"is written in {encoding[:6].upper()}: save it as UTF-8")
    encoded = raw.removeprefix(codecs.BOM_UTF8)
    try:
        text = encoded.decode()
    except UnicodeDecodeError as error:
        before = encoded[: error.start].decode()
    else:
        if not text.strip(_SPACE):
            raise JsonError("is empty: give one JSON object")
        return text
    raise _at(before, len(before), "this is not UTF-8: save the file as UTF-8, not as Windows-1252 or Latin-1")


def _require_depth(text: str, deepest: int) -> None:
    if text.count("[") + text.count("{") <= deepest:
        return
    depth = 0
    for bracket in _BRACKETS.findall(_STRINGS.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        if depth > deepest:
            raise JsonError(f"has more than {deepest} levels of objects and lists within each other")


def _refuse(_: str) -> NoReturn:
    raise ValueError("not a number of JSON")


def _searched(text: str) -> tuple[int, str]:
    """Find the token that a hook refused. The text before it is JSON, so a name is a string after { or a comma."""
    names: list[set[str] | None] = []
    before = ""
    for token in _TOKEN.finditer(text):
        characters = token[0]
        if characters in ("{", "["):
            names.append(set() if characters == "{" else None)
        elif characters in ("}", "]"):
            names.pop()
        elif token["constant"]:
            return token.start(), "NaN and Infinity are no numbers of JSON: leave the value out"
        elif token["number"] and _is_refused(characters):
            return token.start(), _LONG_NUMBER
        elif token["string"] and before in ("{", ",") and (seen := names[-1]) is not None:
            if (name := json.loads(characters)) in seen:
                return token.start(), "a name stands twice in one object: it is not clear which value is right"
            seen.add(name)
        before = characters
    raise AssertionError("a hook refused valid JSON")


def _is_refused(literal: str) -> bool:
    try:
        JsonNumber(literal)
    except ValueError:
        return True
    return False


def _explained(text: str, error: json.JSONDecodeError) -> tuple[int, str]:
    """Describe the scanner's error in our words: the text and position differ between versions of Python."""
    position, rest = error.pos, text[error.pos :].lstrip(_SPACE)
    before = text[:position].rstrip(_SPACE)
    if not rest:
        return position, _CUT_SHORT
    if rest[0] in "]}" and before.endswith(","):
        return len(before) - 1, _TRAILING_COMMA
    if re.match(r",[ \t\r\n]*[\]}]", rest):
        return position, _TRAILING_COMMA
    if not error.msg.startswith(("Unterminated", "Invalid")):
        if rest[0].isdigit() and before.endswith("0"):
            return position, _LEADING_ZERO
        if rest[0] in ".eE" and before[-1:].isdigit():
            return position, "a number must have a digit after its point, or after its e"
        for beginnings, cause in _BEGINNINGS:
            if rest.startswith(beginnings):
                return position, cause
    otherwise = "a value is missing" if before else "this is not JSON: give one JSON object"
    return position, next((cause for message, cause in _CAUSES if error.msg.startswith(message)), otherwise)


def _at(text: str, position: int, cause: str) -> JsonError:
    line = text.count("\n", 0, position)
    return JsonError(cause, line + 1, position - text.rfind("\n", 0, position))
