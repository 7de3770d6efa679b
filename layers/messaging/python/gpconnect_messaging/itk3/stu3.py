"""FHIR STU3's rules for the types that a message may use: elements, and the notation of primitive values.

The table beside this module, stu3.txt, has names, order, cardinality, codes and targets of references for every
resource. A test compares it with HL7's schema, and the primitives' patterns with the schema's own.
"""

import re
import unicodedata
from collections.abc import Callable
from datetime import date
from functools import cache, partial
from importlib.resources import files
from typing import Any, NamedTuple

from gpconnect_messaging.code_systems import LANGUAGES, is_code_of
from gpconnect_messaging.visible import is_visible

Json = dict[str, Any]
"""A FHIR resource or element in FHIR JSON's shape. A number is an int, or a Decimal that keeps all digits."""

_DATE = r"-?[0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01])%s)?)?"
_CLOCK = r"T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]+)?(Z|[+-]((0[0-9]|1[0-3]):[0-5][0-9]|14:00))"
_OF_URI = r"[^\s%#?/\[\]@:]|%[0-9A-Fa-f]{2}"
_AUTHORITY = rf"//(({_OF_URI}|:)*@)?(\[[^\s%#?/\[\]]+\]|({_OF_URI})*)(:[0-9]{{1,9}})?(?![^/?#])"
_SAMPLE = r"(-?([0-9]+(\.[0-9]+)?|\.[0-9]+)|[EUL])"
_PRIMITIVES = {
    "boolean": r"true|false",
    "integer": r"0|-?[1-9][0-9]*",
    "positiveInt": r"[1-9][0-9]*",
    "unsignedInt": r"0|[1-9][0-9]*",
    "decimal": r"-?(0|[1-9][0-9]*)(\.[0-9]+)?",
    "date": _DATE % "",
    "dateTime": _DATE % f"({_CLOCK})?",
    "instant": rf"[0-9]{{4}}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01]){_CLOCK}",
    "time": r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]+)?",
    "id": r"[A-Za-z0-9.-]{1,64}",
    "code": r"[^\s]+( [^\s]+)*",
    "uri": rf"(?=.)([A-Za-z][A-Za-z0-9+.-]*:(?=.)|(?![^/?#:]*:))({_AUTHORITY}|(?!//))({_OF_URI}|[/@:])*"
    rf"(\?({_OF_URI}|[/@:?])*)?(#({_OF_URI}|[/@:?\[\]])*)?",
    "oid": r"urn:oid:[0-2](\.(0|[1-9][0-9]*))+",
    "uuid": r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    "string": r"\s*\S[\s\S]*",
    "markdown": r"\s*\S[\s\S]*",
    "base64Binary": r"[A-Za-z0-9+/= \t\r\n]*",
    "SampledDataDataType": rf"{_SAMPLE}( {_SAMPLE})*",
}
_PATTERNS = {name: re.compile(pattern) for name, pattern in _PRIMITIVES.items()}
WHOLE_NUMBERS = frozenset({"integer", "positiveInt", "unsignedInt"})
_LARGEST_WHOLE_NUMBER = 2**31 - 1
_EARLIEST_YEAR = "1800"


def _in_the_calendar(value: str) -> bool:
    """Whether the month has the day, which no pattern can say, and the year can be of a patient's life.

    An earlier year is another thing: the time 1000, or the first day of year 1, as .NET writes an empty field.
    """
    if value < _EARLIEST_YEAR:
        return False
    if len(value) < len("2026-02-28"):
        return True
    try:
        date.fromisoformat(value[:10])
    except ValueError:
        return False
    return True


def _looks_as_it_is(value: str) -> bool:
    """Whether a code has no look-alike characters: a person would take it for another code, a computer for none."""
    return value.isascii() or all(
        item.isascii() or (is_visible(item) and unicodedata.category(item) != "Nd") for item in value
    )


def _registered(value: str) -> bool:
    """Whether a URN of an OID or of a UUID has a whole one, of no fewer digits than HL7's validator takes."""
    if value.startswith("urn:oid:"):
        return _PATTERNS["oid"].fullmatch(value) is not None and value.rindex(".") >= len("urn:oid:1.2.3")
    return not value.startswith("urn:uuid:") or _PATTERNS["uuid"].fullmatch(value) is not None


def _fits(value: str) -> bool:
    return -_LARGEST_WHOLE_NUMBER - 1 <= int(value[:12]) <= _LARGEST_WHOLE_NUMBER


_BEYOND_PATTERNS: dict[str, Callable[[str], bool]] = {
    **dict.fromkeys(("date", "dateTime", "instant"), _in_the_calendar),
    **dict.fromkeys(WHOLE_NUMBERS, _fits),
    "code": _looks_as_it_is,
    "uri": lambda value: _looks_as_it_is(value) and _registered(value),
    "oid": _registered,
    "time": lambda value: "." not in value,  # the schema allows a fraction of a second, HAPI FHIR's validator does not
}


def _well_written(name: str) -> Callable[[str], bool]:
    pattern, beyond = _PATTERNS[name].fullmatch, _BEYOND_PATTERNS.get(name)
    if beyond is None:
        return lambda value: pattern(value) is not None
    return lambda value: pattern(value) is not None and beyond(value)


WELL_WRITTEN: dict[str, Callable[[str], bool]] = {
    **{name: _well_written(name) for name in _PRIMITIVES},
    "language": partial(is_code_of, LANGUAGES),
}
"""Whether a value has the notation of a primitive type, by the type's name; a language is a kind of code."""

_NO_CODES: frozenset[str] = frozenset()


class Slot(NamedTuple):
    """FHIR's rules for one element of a type.

    `rank` is the position in the order, the same for the alternatives of a choice; `kind` is the type; `single` means
    at most once. `well_written` judges the value of a primitive and is None for anything else; `codes` are the allowed
    values, if limited; `targets` are the types that a reference may be to, if limited.
    """

    rank: int
    kind: str
    single: bool
    well_written: Callable[[str], bool] | None
    codes: frozenset[str]
    targets: frozenset[str] = _NO_CODES


class Plan(NamedTuple):
    """The elements of a type by name, and the rank and name of the required ones."""

    slots: dict[str, Slot]
    required: tuple[tuple[int, str], ...]


_PART = re.compile(r"\(([^)]*)\)([?!*+])|(\S+)([?!*+])")


@cache
def _lines() -> dict[str, str]:
    text = (files(__package__) / "stu3.txt").read_text(encoding="ascii")
    return {line.partition(" ")[0]: line for line in text.splitlines()}


@cache
def plan_of(kind: str) -> Plan | None:
    """Return the elements of a type, including the base type's; None for a type that is not in the table."""
    line = _lines().get(kind)
    if line is None or line.startswith("="):
        return None
    _, base, *rest = line.split(" ", 2)
    inherited = plan_of(base) if base != "-" else None
    slots = dict(inherited.slots) if inherited else {}
    required = list(inherited.required) if inherited else []
    rank = max((slot.rank for slot in slots.values()), default=-1)
    for choice, choice_mark, plain, mark in _PART.findall(rest[0] if rest else ""):
        rank += 1
        names = []
        for item in (choice or plain).split():
            name, _, item_kind = item.partition(":")
            item_kind, *targets = item_kind.split("|")
            names.append(name)
            codes = _lines().get(f"={item_kind}")
            slots[name] = Slot(
                rank,
                "code" if codes else item_kind,
                (choice_mark or mark) in "?!",
                WELL_WRITTEN.get("code" if codes else item_kind),
                frozenset(codes.split()[1:]) if codes else _NO_CODES,
                frozenset(targets),
            )
        if (choice_mark or mark) in "!+":
            required.append((rank, " or ".join(names)))
    return Plan(slots, tuple(required))


@cache
def resource_types() -> frozenset[str]:
    """Return the names of FHIR's resources."""
    return frozenset(_lines()["=ResourceType"].split()[1:]) - {"Resource", "DomainResource"}
