"""Describes the faults of a request: the field, the rule, what to do. Never a value, or a name of the sender's."""

import difflib
import re
from collections.abc import Iterator, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gpconnect_messaging.requests.fields import fields_of
from gpconnect_messaging.requests.refusal import Reason

_Location = tuple[int | str, ...]

_RULES = {
    "missing": "is missing",
    "string_type": "must be a text in quotation marks",
    "bool_type": "must be true or false, without quotation marks",
    "list_type": "must be a list in square brackets",
    "model_type": "must be an object in curly brackets",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "string_too_short": "is shorter than {min_length} characters: give a longer one",
    "string_too_long": "is longer than {max_length} characters: shorten it",
    "too_long": "has more entries than {max_length}: leave some out",
}
"""The rules, by pydantic's error types that our models can raise."""


_SYNONYMS = {
    "dob": ("birth_date",), "date_of_birth": ("birth_date",), "surname": ("family",), "last_name": ("family",),
    "forenames": ("given",), "first_name": ("given",), "telephone": ("phone", "phones"),
    "mime_type": ("content_type",), "filename": ("key",), "file_name": ("key",), "file": ("key",),
    "attachments": ("documents",), "clinician": ("practitioner",),
}  # fmt: skip
"""Other names for our fields."""

_MOST_NUMBERS = 10


def broken_forms(kind: type[BaseModel], error: ValidationError, content: dict[str, object]) -> list[Reason]:
    """Return a reason for every field of the content that does not fit the model `kind`."""
    faults = error.errors(include_url=False)
    known = [_reason(kind, fault) for fault in faults if fault["type"] != "extra_forbidden"]
    unknown: dict[_Location, list[str]] = {}
    for fault in faults:
        if fault["type"] == "extra_forbidden":
            unknown.setdefault(fault["loc"][:-1], []).append(str(fault["loc"][-1]))
    return list(dict.fromkeys([*known, *_unknown_fields(kind, unknown, content)]))


def _reason(kind: type[BaseModel], fault: ErrorDetails) -> Reason:
    location, context, broken = fault["loc"], fault.get("ctx", {}), fault["type"]
    if broken in ("too_short", "too_long") and context["field_type"] != "List":
        broken = f"string_{broken}"  # after one of our checks pydantic no longer knows that it is a text
    if fault["input"] is None:
        entry = isinstance(location[-1], int)
        return Reason(_path(location), f"is null{': take it out, or' if entry else ', and needed:'} give a value")
    if broken == "value_error":  # a rule of an object names the field within it, and a colon
        field, _, rule = str(context["error"]).partition(": ")
        if rule and " " not in field:
            return Reason(f"{_path(location)}.{field}" if location else field, rule)
        return Reason(_path(location), str(context["error"]))
    if broken == "string_too_short" and context["min_length"] == 1:
        return Reason(_path(location), "is empty: give a value")
    if broken == "too_short":  # of a list, which must have one entry at least
        *above, parent, _ = location
        optional = isinstance(parent, str) and not fields_of(_model_at(kind, above))[parent].is_required()
        return Reason(_path(location), "is empty: give an entry" + (f", or leave {parent} out" if optional else ""))
    words = {name: value.replace("'", '"') if name == "expected" else value for name, value in context.items()}
    return Reason(_path(location), _RULES[broken].format(**words))


def _unknown_fields(
    kind: type[BaseModel], unknown: dict[_Location, list[str]], content: dict[str, object]
) -> Iterator[Reason]:
    """Name unknown fields by their number in the object: the names are the sender's words."""
    title = kind.__name__.lower()
    for location, names in unknown.items():
        known = list(fields_of(_model_at(kind, location)))
        part: Any = content
        for step in location:
            part = part[step]
        numbers = {name: str(number) for number, name in enumerate(part, 1)}
        meant = {name: _meant(name, known) for name in names}
        several = {name: numbers[name] for name in names}
        for name in filter(meant.get, names):
            which = f"number {several.pop(name)} in it: is `{meant[name]}` meant?"
            yield Reason(_path(location), f"has a field that is not part of a {title}, {which}")
        if several:
            which = ", ".join([*several.values()][:_MOST_NUMBERS]) + (", …" if len(several) > _MOST_NUMBERS else "")
            some = "fields that are not" if len(several) > 1 else "a field that is not"
            advice = f"leave out what is not one of {', '.join(known)}"
            yield Reason(_path(location), f"has {some} part of a {title}, number {which} in it: {advice}")


def _meant(name: str, known: list[str]) -> str | None:
    """Name our field that an unknown name may mean: a synonym, a misspelling, or camelCase."""
    snake = re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower())
    near = (*_SYNONYMS.get(snake, ()), *difflib.get_close_matches(snake, known, 1, 0.75))
    return next((field for field in near if field in known), None)


def _model_at(kind: type[BaseModel], location: Sequence[int | str]) -> type[BaseModel]:
    for step in location:
        if isinstance(step, str):
            kind = next(_models(fields_of(kind)[step].annotation))
    return kind


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


def _path(location: tuple[int | str, ...]) -> str:
    path = ""
    for step in location:
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else step
    return path or "request"
