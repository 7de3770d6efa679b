"""The parts of a request: an optional field that is null is one that is left out."""

from typing import Any

from pydantic import BaseModel, model_validator
from pydantic.fields import FieldInfo

from gpconnect_messaging.requests import fields


def fields_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Give a model's fields by the names that a request has for them."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


class Part(fields.Part):
    """A part of a request that can have optional fields."""

    @model_validator(mode="before")
    @classmethod
    def _null_is_left_out(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        optional = {name for name, field in fields_of(cls).items() if not field.is_required()}
        return {name: value for name, value in given.items() if value is not None or name not in optional}
