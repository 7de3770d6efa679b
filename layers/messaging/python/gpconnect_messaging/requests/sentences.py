"""Says in words what is wrong in a request: the field, the rule, what to do. Never a value, or a name of the sender."""

import difflib
import re
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gpconnect_messaging.requests.refusal import Reason

_RULES = {
    "missing": "is missing",
    "string_type": "must be a text in quotation marks",
    "bool_type": "must be true or false, without quotation marks",
    "list_type": "must be a list in square brackets",
    "model_type": "must be an object in curly brackets",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "string_too_short": "is shorter than {min_length} characters",
    "string_too_long": "is longer than {max_length} characters: shorten it",
    "too_short": "has fewer entries than {min_length}",
    "too_long": "has more entries than {max_length}",
}
"""The rule of each type of error of pydantic's that our models can give."""


def broken_forms(kind: type[BaseModel], error: ValidationError) -> list[Reason]:
    """Give a reason for each field that is not as the model `kind` has it."""
    found = error.errors(include_url=False, include_input=False)
    return list(dict.fromkeys(_reason(kind, each) for each in found))


def _reason(kind: type[BaseModel], found: ErrorDetails) -> Reason:
    location, context, broken = found["loc"], found.get("ctx", {}), found["type"]
    if broken in ("too_short", "too_long") and context["field_type"] != "List":
        broken = f"string_{broken}"  # behind a check of our own pydantic knows no longer that it is a text
    if broken == "extra_forbidden":
        # The unknown field's name is the sender's own word, so only its parent is named.
        meant = _near_miss(kind, location)
        what = f"is `{meant}` meant?" if meant else "take it out, or see the request schema for what there is"
        return Reason(_path(location[:-1]), f"has a field that is not part of a request: {what}")
    if broken == "value_error" and not location:
        field, _, rule = str(context["error"]).partition(": ")
        return Reason(field, rule)
    if broken == "value_error":
        return Reason(_path(location), str(context["error"]))
    if broken == "string_too_short" and context["min_length"] == 1:
        return Reason(_path(location), "is empty: give a value")
    return Reason(_path(location), _RULES[broken].format(**context))


def _near_miss(kind: type[BaseModel], location: tuple[int | str, ...]) -> str | None:
    """Name the field of ours that an unknown name is a misspelling of, in camelCase for instance."""
    model = kind
    for step in location[:-1]:
        if isinstance(step, str):
            model = next(_models(model.model_fields[step].annotation))
    spelt = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", str(location[-1])).lower()
    return next(iter(difflib.get_close_matches(re.sub(r"[^a-z0-9]+", "_", spelt), model.model_fields, 1, 0.75)), None)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for each in get_args(annotation):
        yield from _models(each)


def _path(location: tuple[int | str, ...]) -> str:
    path = ""
    for step in location:
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else step
    return path or "request"
