"""PDS's answers about an NHS number, as values, and their reader.

    Answer = Found | NoPractice | Restricted | Superseded | Invalidated | NotFound

Source: PDS FHIR API description, "Get patient details". The reader is tolerant: unused fields may have any form.
Identifying fields stay out of every repr.
"""

import calendar
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from gpconnect_messaging.identifiers import is_ods_code

_UNRESTRICTED, _REDACTED = "U", "REDACTED"
_NO_PRACTICE = frozenset({"V81997", "V81998", "V81999"})
"""The organisation directory's codes for no practice: none, not applicable, not known."""

_FHIR_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?(?:T.*)?", re.ASCII)
_CODE = re.compile(r"[A-Z][A-Z_]{2,60}", re.ASCII)
_DEATH_NOTIFICATION = "DeathNotificationStatus"
_INFORMAL_OR_FORMAL_DEATH = frozenset({"1", "2"})

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Practice:
    """A GP practice: ODS code, and name if known (PDS gives only the code)."""

    ods_code: str
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """The details of a person on which a message depends. Absent is None: PDS has people without a name."""

    family: str | None = field(repr=False)
    birth_date: str | None = field(repr=False)
    """As PDS writes it: YYYY-MM-DD, and shorter if the day or month is not known."""
    deceased: bool


@dataclass(frozen=True, slots=True)
class Found:
    """The person, and the practice where they are registered today."""

    person: Person
    practice: Practice


@dataclass(frozen=True, slots=True)
class NoPractice:
    """The person is registered with no practice today."""

    person: Person


@dataclass(frozen=True, slots=True)
class Restricted:
    """The record is restricted (sensitive): PDS withholds where the person lives, and so the practice."""

    person: Person


@dataclass(frozen=True, slots=True)
class Superseded:
    """The NHS number was replaced by another, whose record PDS returns instead."""

    by: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Invalidated:
    """The record was marked as invalid, and no other replaces it."""


@dataclass(frozen=True, slots=True)
class NotFound:
    """PDS has no person with the NHS number."""


Answer = Found | NoPractice | Restricted | Superseded | Invalidated | NotFound

BY_CODE: Mapping[str, Answer] = {
    "RESOURCE_NOT_FOUND": NotFound(),
    "INVALIDATED_RESOURCE": Invalidated(),
    "INVALID_RESOURCE_ID": NotFound(),  # not well-formed for PDS: no person can have it
}
"""The error codes that are answers; all others are failures."""


def json_object(body: bytes) -> Json | None:
    """Read a body; None if it is not a JSON object."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def error_codes(content: Json) -> list[str]:
    """List the codes of an OperationOutcome's issues, such as RESOURCE_NOT_FOUND, and nothing else of them."""
    codings = (
        coding
        for issue in _objects(content.get("issue"))
        for coding in _objects(_object(issue.get("details")).get("coding"))
    )
    return [code for coding in codings if isinstance(code := coding.get("code"), str) and _CODE.fullmatch(code)]


def read_patient(asked: str, content: Json, today: date) -> Answer | None:
    """Read the Patient that PDS returned for the NHS number `asked`; None if it is no Patient."""
    returned = content.get("id")
    if content.get("resourceType", "Patient") != "Patient" or not isinstance(returned, str):
        return None
    if returned != asked:
        return Superseded(returned)
    labels = {label.get("code") for label in _objects(_object(content.get("meta")).get("security"))}
    if _REDACTED in labels:
        return Invalidated()
    person = Person(
        family=_family(_objects(content.get("name")), today),
        birth_date=_text(content.get("birthDate")),
        deceased=_deceased(content),
    )
    if labels != {_UNRESTRICTED}:  # R, V, other labels, or no label at all
        return Restricted(person)
    practice = _practice(_objects(content.get("generalPractitioner")), today)
    return Found(person, practice) if practice else NoPractice(person)


def _practice(references: Iterable[Json], today: date) -> Practice | None:
    """Choose the practice whose period covers today, not simply the first; of several, the latest."""
    active = []
    for reference in references:
        identifier = _object(reference.get("identifier"))
        code = (_text(identifier.get("value")) or "").strip().upper()
        period = _object(identifier.get("period") or reference.get("period"))
        if is_ods_code(code) and code not in _NO_PRACTICE and _covers(period, today):
            active.append((_begins(period), Practice(ods_code=code, name=_text(reference.get("display")))))
    return max(active, key=lambda dated: dated[0])[1] if active else None


def _family(names: Iterable[Json], today: date) -> str | None:
    """Choose the usual name: the one in force today, or else the latest, which has no successor."""
    usual = [name for name in names if name.get("use", "usual") == "usual"]
    in_force = [name for name in usual if _covers(_object(name.get("period")), today)] or usual
    latest = max(in_force, key=lambda name: _begins(_object(name.get("period"))), default=None)
    return _text(latest.get("family")) if latest else None


def _deceased(content: Json) -> bool:
    if content.get("deceasedDateTime") or content.get("deceasedBoolean") is True:
        return True
    statuses = (
        coding.get("code")
        for extension in _objects(content.get("extension"))
        if str(extension.get("url", "")).endswith(_DEATH_NOTIFICATION)
        for part in _objects(extension.get("extension"))
        for coding in _objects(_object(part.get("valueCodeableConcept")).get("coding"))
    )
    return any(status in _INFORMAL_OR_FORMAL_DEATH for status in statuses)


def _covers(period: Json, day: date) -> bool:
    """Whether a period includes a day; both ends are inclusive, and a missing end leaves it open."""
    start, end = _day(period.get("start"), last=False), _day(period.get("end"), last=True)
    return (start is None or start <= day) and (end is None or day <= end)


def _begins(period: Json) -> date:
    return _day(period.get("start"), last=False) or date.min


def _day(text: object, *, last: bool) -> date | None:
    """Read the day of a FHIR date or time; of a year or a month alone the first, or the last, day."""
    match = _FHIR_DATE.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    year = int(match[1])
    month = int(match[2] or (12 if last else 1))
    try:
        return date(year, month, int(match[3] or (calendar.monthrange(year, month)[1] if last else 1)))
    except ValueError:
        return None


def _objects(value: object) -> list[Json]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _object(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value.strip() else None
