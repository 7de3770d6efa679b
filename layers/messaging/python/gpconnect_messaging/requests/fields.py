"""The field types of requests, with rules in sentences for the request's author.

A field takes one JSON kind and converts nothing (safety rule 10).
"""

import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)
from pydantic.annotated_handlers import GetJsonSchemaHandler
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, core_schema

from gpconnect_messaging.drop_keys import is_request
from gpconnect_messaging.identifiers import (
    CONCEPT_ID,
    MAILBOX_ID,
    MAILBOX_ID_RULE,
    NHS_NUMBER,
    NO_CONCEPT_ID,
    ODS_CODE,
    ODS_CODE_RULE,
    has_long_number,
    is_concept_id,
    is_nhs_number,
)
from gpconnect_messaging.json_reading import JsonNumber
from gpconnect_messaging.visible import is_blank, is_visible, visible

LONGEST_KEY = 1024
"""The longest key of an S3 object, in bytes of UTF-8."""
XML_FORBIDS = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
STRAY = "has a blank or an invisible character in it: remove it"

_MEASURED = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.([0-9]+))?")
_DIGITS, _DECIMALS = 18, 8


@dataclass(frozen=True)
class Shape:
    """The one form of a text, as a regular expression for programs and as a rule for people."""

    pattern: str
    rule: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Check the form once the value is known to be a text."""
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Give the form to the JSON Schema."""
        return {**handler(schema), "pattern": f"^{self.pattern}$"}

    def _checked(self, value: str) -> str:
        if re.fullmatch(self.pattern, value):
            return value
        if re.fullmatch(self.pattern, visible(value)):
            raise ValueError(STRAY)
        if re.fullmatch(self.pattern, visible(value).upper()):
            raise ValueError(f"has small letters: write it in capital letters; it must be {self.rule}")
        raise ValueError(f"must be {self.rule}")


def _printable(value: str) -> str:
    if XML_FORBIDS.search(value):
        raise ValueError("holds a control character that XML does not allow: remove it")
    return value


def _not_blank(value: str) -> str:
    if is_blank(value):
        raise ValueError("is blank: give a value")
    return value


def _identifier(value: str) -> str:
    if value != value.strip(" ") or not all(character == " " or is_visible(character) for character in value):
        raise ValueError("has a blank before or behind it, or an invisible character in it: remove it")
    return value


def _valid_nhs_number(value: str) -> str:
    if not is_nhs_number(value):
        if is_nhs_number(value.replace(" ", "")):
            raise ValueError("has blanks: write the ten digits alone")
        raise ValueError(
            "is not an NHS number, ten digits 0-9 with the last one the check digit (modulus 11): check every digit"
        )
    return value


def _valid_concept_id(value: str) -> str:
    if not is_concept_id(value):
        raise ValueError(NO_CONCEPT_ID)
    return value


def _no_long_number(value: str) -> str:
    if has_long_number(value):
        raise ValueError("is not an ODS code: it has six or more digits in a row")
    return value


def _safe_key(value: str) -> str:
    if len(value.encode()) > LONGEST_KEY:
        raise ValueError(f"is longer than S3 allows, {LONGEST_KEY} bytes in UTF-8: shorten it")
    if value.startswith("/") or ".." in value.split("/"):
        raise ValueError("must stay inside the drop: write it without '/' at the beginning and without '..'")
    if any(unicodedata.category(character) == "Cc" for character in value):
        raise ValueError("holds a control character: name the file without it")
    if is_request(value):
        raise ValueError("is the key of a request: name the file itself")
    return value


def _whole(value: object) -> int:
    whole = value.whole if isinstance(value, JsonNumber) else None
    if whole is None or whole <= 0:
        raise ValueError("must be a whole number above 0, without quotation marks, fraction and exponent")
    return whole


def _measured(value: object) -> JsonNumber:
    form = _MEASURED.fullmatch(value.literal) if isinstance(value, JsonNumber) else None
    if not isinstance(value, JsonNumber) or form is None:
        raise ValueError("must be a number without quotation marks and exponent, such as 7.00")
    if len(value.as_tuple().digits) > _DIGITS or len(form[1] or "") > _DECIMALS:
        raise ValueError(f"has more than {_DIGITS} digits, or more than {_DECIMALS} after the point: leave some out")
    return value


Text = Annotated[
    str,
    Field(min_length=1, json_schema_extra={"pattern": r"\S"}),
    AfterValidator(_printable),
    AfterValidator(_not_blank),
]
ShortText = Annotated[Text, Field(max_length=255)]
Identifier = Annotated[ShortText, AfterValidator(_identifier), Field(json_schema_extra={"pattern": r"^\S(.*\S)?$"})]
OdsCode = Annotated[
    str,
    Shape(ODS_CODE, ODS_CODE_RULE),
    AfterValidator(_no_long_number),
    Field(description="ODS code in capital letters"),
]
MailboxId = Annotated[str, Shape(MAILBOX_ID, MAILBOX_ID_RULE)]
NhsNumber = Annotated[
    str,
    AfterValidator(_valid_nhs_number),
    Field(description="NHS number: ten digits, no spaces", json_schema_extra={"pattern": f"^{NHS_NUMBER}$"}),
]
ConceptId = Annotated[
    str,
    AfterValidator(_valid_concept_id),
    Field(description="SNOMED CT concept id", json_schema_extra={"pattern": f"^{CONCEPT_ID}$"}),
]
DropKey = Annotated[
    str,
    Field(
        min_length=1,
        max_length=LONGEST_KEY,
        description="S3 key in the drop bucket: relative to request.json's folder in a drop, whole in a queue message",
    ),
    AfterValidator(_not_blank),
    AfterValidator(_safe_key),
]
Measured = Annotated[Decimal, PlainValidator(_measured), WithJsonSchema({"type": "number"})]
"""A number that keeps the digits as written: 7.00 is not 7."""
Count = Annotated[int, PlainValidator(_whole), WithJsonSchema({"type": "integer", "exclusiveMinimum": 0})]


def fields_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return a model's fields by their names in a request."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


class Part(BaseModel):
    """A part of a request: unknown fields are refused, values are not changed on their way in.

    An optional field that is null is one that is left out.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _null_is_left_out(cls, content: Any) -> Any:
        if not isinstance(content, dict):
            return content
        optional = {name for name, field in fields_of(cls).items() if not field.is_required()}
        return {name: value for name, value in content.items() if value is not None or name not in optional}


class Concept(Part):
    """A SNOMED CT concept: the code and the words."""

    code: ConceptId
    display: ShortText
