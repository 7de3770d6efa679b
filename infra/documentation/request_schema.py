"""The JSON Schema of the request, generated from the models and published as `events/request.schema.json`."""

import json
from typing import Any

from pydantic.json_schema import models_json_schema

from gpconnect_messaging.requests.models import Request, Withdrawal
from gpconnect_messaging.usecases import OPTIONAL_FIELDS, USE_CASES, UseCaseDefinition
from infra.assurance.tools import PROJECT

PUBLISHED = PROJECT / "events" / "request.schema.json"

ONLY_THE_PRODUCT_KNOWS = (
    "the check digits of NHS numbers and SNOMED CT codes, and which codes UCUM has",
    "days that a month does not have",
    "control characters, texts of nothing that can be seen, and what cannot be seen in an id",
    "six digits in a row in an ODS code",
    "where a key may lead, and its length in bytes",
    "how a number is written: a measured value without an exponent, with at most 18 digits, of them 8 after the point; "
    "a size without a fraction and an exponent",
    "what a section, a coded item, a value and a resource must hold, which systems are not local ones, and of which "
    "kinds an observation's values are in FHIR",
    "how documents, authors and images belong together",
    "the size and depth of the whole, and a name that stands twice in an object",
)
"""Rules that the schema cannot check; rules that need the mailbox's settings or the clock come on top."""


_NULL = {"type": "null"}


def request_schema() -> str:
    """Return the request's JSON Schema (draft 2020-12) as indented JSON text, for validators and type generators."""
    _, schema = models_json_schema([(Request, "validation"), (Withdrawal, "validation")])
    schema["$defs"]["Request"]["allOf"] = [_conditions(use_case) for use_case in USE_CASES.values()]
    for model in schema["$defs"].values():
        for name, field in model.get("properties", {}).items():
            field.pop("title", None)  # it repeats the name, and makes generators name a type for every field
            if name not in model.get("required", ()):
                model["properties"][name] = _or_null(field)
    root = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Request or withdrawal",
        "description": "What a sending system asks for. A schema cannot say everything; a request that it accepts may "
        f"still be refused for: {'; '.join(ONLY_THE_PRODUCT_KNOWS)}; and what depends on the mailbox or the clock.",
        "oneOf": [{"$ref": "#/$defs/Request"}, {"$ref": "#/$defs/Withdrawal"}],
    }
    return json.dumps(root | schema, indent=2) + "\n"


def _or_null(field: dict[str, Any]) -> dict[str, Any]:
    """Let an optional field be null, as `fields.Part` does: generated types write null for a field that is left out."""
    if _NULL in field.get("anyOf", ()):
        return field
    about: dict[str, Any] = {key: field.pop(key) for key in ("default", "description") if key in field}
    return {"anyOf": [field, _NULL]} | about


def _conditions(use_case: UseCaseDefinition) -> dict[str, Any]:
    """Return the condition on the optional fields: those a use case needs, and those it does not take."""
    then: dict[str, Any] = {"type": "object"}
    then["properties"] = {name: _NULL for name in OPTIONAL_FIELDS if name not in use_case.takes}
    if use_case.needs:
        then["required"] = sorted(use_case.needs)
        then["properties"] |= {name: {"not": _NULL} for name in sorted(use_case.needs)}
    is_asked = {"type": "object", "properties": {"use_case": {"const": use_case.name}}, "required": ["use_case"]}
    return {"if": is_asked, "then": then}
