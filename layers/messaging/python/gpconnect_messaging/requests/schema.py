"""The JSON Schema of the request, generated from the models and published as `events/request.schema.json`."""

import json

from gpconnect_messaging.requests.models import Request


def request_schema() -> str:
    """Return the request's JSON Schema (draft 2020-12) as indented JSON text."""
    schema = Request.model_json_schema()
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}, indent=2) + "\n"


if __name__ == "__main__":
    print(request_schema(), end="")  # noqa: T201 - printing it is what this command is for
