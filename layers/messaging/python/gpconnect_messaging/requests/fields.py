"""The kinds of fields that requests are made of: what each must look like, in words for whoever wrote the request."""

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from gpconnect_messaging.quoting import ods_code
from gpconnect_messaging.requests.nhs_number import is_nhs_number
from gpconnect_messaging.requests.snomed import is_concept_id

LONGEST_KEY = 1024
"""The longest key of an S3 object, in bytes of UTF-8."""
XML_FORBIDS = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _printable(value: str) -> str:
    if XML_FORBIDS.search(value):
        raise ValueError("holds a control character that XML does not allow: remove it")
    return value


def _not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("is blank: give a value")
    return value


def _valid_nhs_number(value: str) -> str:
    if not is_nhs_number(value):
        raise ValueError("is not an NHS number: ten digits without spaces, the last one the check digit (modulus 11)")
    return value


def _valid_concept_id(value: str) -> str:
    if not is_concept_id(value):
        raise ValueError("is not a SNOMED CT concept id: digits only, the last one the check digit")
    return value


def _no_long_number(value: str) -> str:
    if ods_code(value) is None:
        raise ValueError("is not an ODS code: it has six or more digits in a row")
    return value


def _safe_key(value: str) -> str:
    if len(value.encode()) > LONGEST_KEY:
        raise ValueError(f"is longer than S3 allows: {LONGEST_KEY} bytes in UTF-8")
    if value.startswith("/") or ".." in value.split("/"):
        raise ValueError("must stay inside the drop: no leading '/', no '..'")
    return value


Text = Annotated[str, Field(min_length=1), AfterValidator(_printable), AfterValidator(_not_blank)]
ShortText = Annotated[Text, Field(max_length=255)]
OdsCode = Annotated[
    str,
    Field(pattern=r"^[A-Z0-9]{3,10}$", description="ODS code in capital letters"),
    AfterValidator(_no_long_number),
]
NhsNumber = Annotated[
    str,
    AfterValidator(_valid_nhs_number),
    Field(description="NHS number: ten digits, no spaces", json_schema_extra={"pattern": "^[0-9]{10}$"}),
]
ConceptId = Annotated[
    str,
    AfterValidator(_valid_concept_id),
    Field(description="SNOMED CT concept id", json_schema_extra={"pattern": "^[1-9][0-9]{5,17}$"}),
]
DropKey = Annotated[
    str,
    Field(
        min_length=1,
        max_length=LONGEST_KEY,
        description="S3 key in the drop bucket: relative to request.json's folder in a drop, whole in a queue message",
    ),
    AfterValidator(_safe_key),
]


class Part(BaseModel):
    """A part of a request: unknown fields are refused, values are not changed on their way in."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


class Concept(Part):
    """A SNOMED CT concept and its words."""

    code: ConceptId
    display: ShortText
