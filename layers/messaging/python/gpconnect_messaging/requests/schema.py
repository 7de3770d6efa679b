"""The JSON Schema of the request, generated from the models and published as `events/request.schema.json`."""

import json
from typing import Any

from pydantic.json_schema import models_json_schema

from gpconnect_messaging.requests.models import Request, Withdrawal
from gpconnect_messaging.usecases import OPTIONAL_FIELDS, USE_CASES, UseCase


def request_schema() -> str:
    """Return the request's JSON Schema (draft 2020-12) as indented JSON text."""
    _, schema = models_json_schema([(Request, "validation"), (Withdrawal, "validation")])
    schema["$defs"]["Request"]["allOf"] = [_conditions(use_case) for use_case in USE_CASES.values()]
    kinds = {
        "if": {"properties": {"kind": {"const": "withdraw"}}, "required": ["kind"]},
        "then": {"$ref": "#/$defs/Withdrawal"},
        "else": {"$ref": "#/$defs/Request"},
    }
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **kinds, **schema}, indent=2) + "\n"


def _conditions(use_case: UseCase) -> dict[str, Any]:
    """Say which of the optional fields a use case needs, and which it does not have."""
    then: dict[str, Any] = {"properties": {name: False for name in OPTIONAL_FIELDS if name not in use_case.takes}}
    if use_case.needs:
        then["required"] = sorted(use_case.needs)
        then["properties"] |= {name: {"not": {"type": "null"}} for name in sorted(use_case.needs)}
    return {"if": {"properties": {"use_case": {"const": use_case.name}}, "required": ["use_case"]}, "then": then}


if __name__ == "__main__":
    print(request_schema(), end="")  # noqa: T201 - printing it is what this command is for
