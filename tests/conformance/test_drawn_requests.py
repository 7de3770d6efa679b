"""Requests drawn from the published schema are refused by field, or become messages that meet every rule."""

import re
from collections import Counter
from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from gpconnect_messaging.conformance.validation import Verdict, validate_bytes
from gpconnect_messaging.requests.models import Request
from gpconnect_messaging.requests.refusal import RequestRefusedError
from infra.documentation.requirements import Standing, requirements
from tests.conformance.drawn_requests import SCHEMA, Drawing, drafts
from tests.examples import spec_file

TRIED = 60
ENOUGH = 600
"""In so many requests every alternative is drawn many times."""


def alternatives() -> Iterator[str]:
    """Every field of a request in the published schema, and every value of a list."""
    for name, definition in SCHEMA["$defs"].items():
        for key, field in definition.get("properties", {}).items() if name != "Withdrawal" else ():
            yield f"{name}.{key}"
            for option in field.get("anyOf", [field]):
                inner = option.get("items", option)
                if "$ref" in inner:
                    inner = SCHEMA["$defs"][inner["$ref"].rsplit("/", 1)[1]]
                values = inner.get("enum", [True, False] if inner.get("type") == "boolean" else [])
                yield from (f"{name}.{key}={value}" for value in values)


def test_every_field_and_alternative_of_the_published_schema_is_drawn() -> None:
    drawn: Counter[str] = Counter()
    for seed in range(ENOUGH):
        Drawing(Random(seed), drawn).request()
    assert set(alternatives()) - set(drawn) == set()


@pytest.mark.requirement("FHIR-V&V-01")
@settings(deadline=None)
@given(st.integers(min_value=0, max_value=2**32))
def test_a_drawn_request_becomes_messages_that_break_no_must_or_is_refused_by_field(seed: int) -> None:
    refused: list[str] = []
    try:
        assert drafts(Random(seed))
    except RequestRefusedError as error:
        refused = [reason.field for reason in error.reasons]
    assert {re.split(r"[.\[]", field)[0] for field in refused} <= {*Request.model_fields, "$schema"}, refused


@pytest.mark.requirement("FHIR-V&V-01")
def test_the_messages_of_drawn_requests_are_valid_stu3_and_most_requests_are_accepted() -> None:
    schema = etree.XMLSchema(etree.parse(spec_file("schema/fhir-single.xsd")))
    accepted = 0
    for seed in range(TRIED):
        try:
            messages = drafts(Random(seed))
        except RequestRefusedError:
            continue
        accepted += 1
        for message in messages:
            schema.assertValid(etree.fromstring(message.xml))
    assert accepted > TRIED / 2


@pytest.mark.requirement(
    "GPCM-SD-006", "GPCM-SD-017", "GPCM-SD-024", "GPCM-SD-026", "GPCM-SD-049"
)  # fmt: skip
def test_advice_that_is_met_always_is_followed_in_messages_of_drawn_requests() -> None:
    always = {one.key for one in requirements() if one.level == "SHOULD" and one.standing is Standing.ALWAYS}
    seen: set[str] = set()
    for seed in range(TRIED):
        try:
            messages = drafts(Random(seed))
        except RequestRefusedError:
            continue
        for message in messages:
            found = [one for one in validate_bytes(message.xml)[1] if f"{one.specification}:{one.id}" in always]
            assert [(one.id, one.path) for one in found if one.verdict is Verdict.BROKEN] == []
            seen |= {one.id for one in found if one.verdict is Verdict.HOLDS}
    assert len(seen) > len(always) / 2
