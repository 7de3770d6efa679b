"""Each field of a request takes what is right unchanged, and refuses all else by its name; the schema says the same."""

import itertools
import json
import os
import re
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import BaseModel

from gpconnect_messaging.request_rules import _use_case
from gpconnect_messaging.requests.models import Request, Withdrawal, parse
from gpconnect_messaging.requests.refusal import Reason, RequestRefusedError
from infra.documentation.request_schema import ONLY_THE_PRODUCT_KNOWS, request_schema
from tests.unit.requests.every_field import (
    EVERYTHING,
    WITHDRAWAL,
    Path,
    different,
    fields,
    leaves,
    properties,
    tokens,
    with_token,
    without,
    written,
)

SCHEMA: dict[str, Any] = json.loads(request_schema())
VALID = Draft202012Validator(SCHEMA)
FIELDS = [(request, path, value) for request in (EVERYTHING, WITHDRAWAL) for path, value in different(request)]

SHARE = 8 if os.environ.get("EXAMPLES") == "few" else 1
"""A field is tried with one in so many tokens: with all, unless few examples are asked for."""

RULES = {
    "check digit": 0,
    "leave it out if the unit has none": 0,
    "does not have": 1,
    "control character": 2,
    "is blank": 2,
    "invisible character": 2,
    "six or more digits in a row": 3,
    "must stay inside the drop": 4,
    "longer than S3 allows": 4,
    "is the key of a request": 4,
    "such as 7.00": 5,
    "digits, or more than": 5,
    "whole number above 0": 5,
    "holds nothing": 6,
    "needs it": 6,
    "is not for": 6,
    "say when it was": 6,
    "say that it is": 6,
    "lies before its start": 6,
    "must be exactly one of": 6,
    "which no local identifier has": 6,
    "value.day is for answers": 6,
    "components: each holds": 6,
    "must have either a key or content": 6,
    "name each file once": 7,
    "only one document can be primary": 7,
    "give a primary document": 7,
    "say true where this PDF": 7,
    "must be named once each": 7,
    "and authors names it": 7,
    "is not the key of a PNG or JPEG": 7,
    "document must be": 7,
    "authors does not name it": 7,
    "levels of objects": 8,
}
"""What the sentence of a rule says that the schema does not have, and the place of the rule in its description."""


def verdict(raw: bytes) -> Request | Withdrawal | tuple[Reason, ...]:
    try:
        return parse(raw)
    except RequestRefusedError as refused:
        return refused.reasons


def found(request: Any, path: Path) -> Any:
    for step in path:
        if isinstance(request, BaseModel):
            request = getattr(request, "schema_" if step == "$schema" else str(step))
        else:
            request = request[step]
    return request


def as_given(value: Any) -> str:
    """A value that was read, as JSON writes it."""
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    if isinstance(value, str):
        return json.dumps(str(value))
    return json.dumps(value.isoformat()) if hasattr(value, "isoformat") else str(value)


def test_the_requests_of_these_tests_have_every_field_that_there_is() -> None:
    assert isinstance(verdict(json.dumps(EVERYTHING).encode()), Request)
    assert isinstance(verdict(json.dumps(WITHDRAWAL).encode()), Withdrawal)
    seen: set[tuple[str, str]] = set()

    def see(model: BaseModel) -> None:
        for name, field in type(model).model_fields.items():
            value = getattr(model, name)
            if name in model.model_fields_set:
                seen.add((type(model).__name__, field.alias or name))
            for item in value if isinstance(value, list) else [value]:
                if isinstance(item, BaseModel):
                    see(item)

    see(parse(json.dumps(EVERYTHING).encode()))
    see(parse(json.dumps(WITHDRAWAL).encode()))
    assert seen == properties()


@pytest.mark.parametrize(("request_", "path", "value"), FIELDS, ids=[written(path) for _, path, _ in FIELDS])
def test_what_is_written_into_a_field_is_taken_unchanged_or_refused_by_its_name(
    request_: dict[str, Any], path: Path, value: Any
) -> None:
    near = {written(path)}
    if path[0] == "authors":
        near.add("authors")
    if path == ("documents", 1, "key") or path == ("documents", 1, "content_type"):
        near.add("consultation.sections[0].images[0]")
    rotation = FIELDS.index((request_, path, value))
    for token in itertools.islice(tokens(value), rotation % SHARE, None, SHARE):
        raw = with_token(request_, path, token)
        answer = verdict(raw)
        agrees(raw, answer)
        if isinstance(answer, tuple):
            named = {reason.field for reason in answer}
            if path[-1] in _OF_THE_WHOLE:
                named |= {written(path) for field in named if field.startswith(written(path[:-1]))}
            assert near & named, (token, [str(reason) for reason in answer])
        elif token == "null":
            assert answer == verdict(json.dumps(without(request_, path)).encode())
        else:
            assert as_given(found(answer, path)) == token or _same_time(found(answer, path), token), token


OBJECTS = [(request, path) for request in (EVERYTHING, WITHDRAWAL) for path, value in fields(request)]


@pytest.mark.parametrize(("request_", "path"), OBJECTS, ids=[written(path) for _, path in OBJECTS])
def test_null_is_a_field_left_out_or_where_it_is_needed_refused(request_: dict[str, Any], path: Path) -> None:
    raw = with_token(request_, path, "null")
    answer, left_out = verdict(raw), verdict(json.dumps(without(request_, path)).encode())
    agrees(raw, answer)
    if isinstance(left_out, tuple) and Reason(written(path), "is missing") in left_out:
        assert isinstance(answer, tuple)
        assert Reason(written(path), "is null, and needed: give a value") in answer
    else:
        assert answer == left_out


_OF_THE_WHOLE = {
    "text", "boolean", "day", "key", "content", "prescription", "significance", "cause", "status", "start", "end",
    "kind", "system",
}  # fmt: skip
"""Fields that others of the object decide: what is wrong with them is said of the object, or of another field of it."""


def _same_time(value: Any, token: str) -> bool:
    return hasattr(value, "isoformat") and value.isoformat() == type(value).fromisoformat(json.loads(token)).isoformat()


def agrees(raw: bytes, answer: Request | Withdrawal | tuple[Reason, ...]) -> None:
    accepted = VALID.is_valid(json.loads(raw))
    if not isinstance(answer, tuple):
        if isinstance(answer, Request):
            answer = tuple(_use_case(answer))
            assert accepted or answer, raw
        else:
            assert accepted, raw
    if accepted and isinstance(answer, tuple):
        unknown = [str(reason) for reason in answer if not any(said in reason.rule for said in RULES)]
        assert unknown == [], raw


def test_what_only_the_product_knows_is_said_in_the_schema_and_nothing_more() -> None:
    assert set(RULES.values()) == set(range(len(ONLY_THE_PRODUCT_KNOWS)))
    assert all(rule in SCHEMA["description"] for rule in ONLY_THE_PRODUCT_KNOWS)


@cache
def of_schema(reference: str) -> st.SearchStrategy[Any]:
    return st.deferred(lambda: instances(SCHEMA["$defs"][reference.rpartition("/")[2]]))


def instances(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Whatever a part of our schema accepts, but for the conditions between fields."""
    if "$ref" in schema:
        return of_schema(schema["$ref"])
    if "anyOf" in schema:
        return st.one_of([instances(option) for option in schema["anyOf"]])
    if "const" in schema or "enum" in schema:
        return st.sampled_from(schema.get("enum", [schema.get("const")]))
    match schema["type"]:
        case "object":
            fields = {name: instances(field) for name, field in schema["properties"].items()}
            required = set(schema.get("required", ()))
            return st.fixed_dictionaries(
                {name: field for name, field in fields.items() if name in required},
                optional={name: field for name, field in fields.items() if name not in required},
            )
        case "array":
            return st.lists(instances(schema["items"]), min_size=schema.get("minItems", 0), max_size=2)
        case "boolean":
            return st.booleans()
        case "integer":
            return st.integers(1, 10**9)
        case "number":
            return st.integers(-100, 100) | st.floats(-1e6, 1e6)
        case "null":
            return st.none()
    pattern = schema.get("pattern", "")
    if pattern in ("", r"\S"):
        text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
        return text.filter(lambda value: len(value) >= schema.get("minLength", 0) and re.search(pattern, value))
    of_pattern = st.from_regex(pattern.removesuffix("$") + r"\Z", fullmatch=True)
    return of_pattern.filter(
        lambda value: "\0" not in value and schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", 10**6)
    )


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(of_schema("#/$defs/Request") | of_schema("#/$defs/Withdrawal"))
def test_schema_and_models_agree_on_whatever_the_schema_makes(content: dict[str, Any]) -> None:
    raw = json.dumps(content).encode()
    agrees(raw, verdict(raw))


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_every_mistake_has_a_sentence_of_ours(data: st.DataObject) -> None:
    """A part of a request in the place of another: no mistake is left that pydantic would have to word."""
    request = data.draw(st.sampled_from([EVERYTHING, WITHDRAWAL]))
    path, value = data.draw(st.sampled_from(list(leaves(request))))
    cut = path[: data.draw(st.integers(1, len(path)))]
    token = data.draw(
        st.sampled_from([*tokens(value), json.dumps(EVERYTHING), json.dumps([1] * 300), json.dumps("x" * 2000)])
    )
    answer = verdict(with_token(request, cut, token))
    for reason in answer if isinstance(answer, tuple) else ():
        assert not re.search("[Ii]nput|valid |items|pydantic|dictionary|should", reason.rule), reason
