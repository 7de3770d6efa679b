"""Whatever a valid request of any use case holds, its messages are valid, whole, derived and repeatable."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import cache
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from gpconnect_messaging.conformance import broken_requirements
from gpconnect_messaging.identifiers import NumberRange
from gpconnect_messaging.itk3.compose import compose, envelope
from gpconnect_messaging.itk3.message import Message
from gpconnect_messaging.request_rules import broken_rules
from gpconnect_messaging.visible import visible
from tests.examples import CREATED_AT, SPEC, messages_of, written
from tests.xpath import find, value, values

SCHEMA = SPEC / "schema" / "fhir-single.xsd"
TEXT = st.text(
    st.characters(
        exclude_categories=("Cs", "Cc"),
        exclude_characters="\ufffd\ufffe\uffff\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
    ),
    min_size=1,
    max_size=200,
).filter(lambda text: bool(visible(text)))
IDENTIFIER = st.from_regex(r"[!-~]([ -~]{0,80}[!-~])?", fullmatch=True)
# What an address can carry whole: letters of Europe's registers, and every mark that writing a name varies in.
SURNAME = st.text("AZaz àéÆæØøßŁłþŉǼﬁ'’ʻ′-–−\u00ad\u200b\ufeff", max_size=20)
NAME = st.fixed_dictionaries(
    {"family": SURNAME.map(lambda text: f"{text} ap Rhys"), "given": st.lists(TEXT, min_size=1, max_size=3)},
    optional={"prefix": TEXT},
)
DAYS = st.dates(date(1880, 1, 1), date(2026, 11, 19)) | st.sampled_from([date(1896, 2, 29), date(2024, 2, 29)])
TIMES = st.datetimes(datetime(2026, 11, 20), datetime(2026, 11, 20, 21), timezones=st.just(UTC)).map(  # noqa: DTZ001
    lambda time: time.isoformat()
)
CONCEPT = st.builds(
    lambda code, display: {"code": code, "display": display},
    st.sampled_from(["27113001", "75367002", "149971000000103", "373942005", "823681000000100"]),
    TEXT,
)
ADDRESS = st.fixed_dictionaries({"lines": st.lists(TEXT, min_size=1, max_size=4)}, optional={"postcode": TEXT})
QUANTITY = st.fixed_dictionaries(
    {"value": st.decimals(-99999, 99999, places=3).map(float), "unit": TEXT}, optional={"code": st.just("mm[Hg]")}
)
PART = st.one_of(
    st.fixed_dictionaries({"text": TEXT}),
    st.fixed_dictionaries({"concept": CONCEPT}),
    st.fixed_dictionaries({"quantity": QUANTITY}),
)
RESULT = PART | st.fixed_dictionaries({"boolean": st.booleans()})
ANSWER = RESULT | st.fixed_dictionaries({"day": DAYS.map(date.isoformat)})


def _with_components_of_their_own(observation: dict[str, Any]) -> dict[str, Any]:
    """An observation whose components have other codes (FHIR's obs-7)."""
    if "value" not in observation:
        return observation
    code = observation["code"]["code"]
    components = [part for part in observation.get("components", ()) if part["code"]["code"] != code]
    return observation | {"components": components}


OBSERVATION = st.fixed_dictionaries(
    {"code": CONCEPT, "issued": TIMES},
    optional={
        "status": st.sampled_from(["preliminary", "final"]),
        "category": st.sampled_from(["vital-signs", "survey"]),
        "value": RESULT,
        "components": st.lists(st.fixed_dictionaries({"code": CONCEPT, "value": PART}), max_size=2),
    },
).map(_with_components_of_their_own)
LEAF = st.fixed_dictionaries({"link_id": IDENTIFIER, "text": TEXT}, optional={"answers": st.lists(ANSWER, max_size=2)})
QUESTION = LEAF | st.builds(
    lambda question, inner: question | {"questions": inner}, LEAF, st.lists(LEAF, min_size=1, max_size=2)
)


def a_resource(kind: str, text: str, encounter: bool) -> str:
    resource: dict[str, Any] = {"resourceType": kind, "note": [{"text": text}]}
    match kind:
        case "Condition":
            resource |= {"clinicalStatus": "active", "subject": {"reference": "Patient/patient"}}
        case "Immunization":
            resource |= {"status": "completed", "notGiven": False, "primarySource": True}
            resource |= {"vaccineCode": {"text": text}, "patient": {"reference": "Patient/patient"}}
        case "Task":
            resource |= {"status": "requested", "intent": "order"}
        case "ProcedureRequest":
            resource |= {"status": "active", "intent": "order", "code": {"text": text}}
            resource |= {"subject": {"reference": "Patient/patient"}}
    if encounter and kind != "Immunization":
        resource["context"] = {"reference": "Encounter/encounter"}
    return json.dumps(resource)


ENCOUNTER = st.fixed_dictionaries({"type": CONCEPT}, optional={"priority": st.sampled_from(["R", "UR", "EM", "A"])})


def ready(*kinds: str) -> st.SearchStrategy[list[dict[str, str]]]:
    contents = st.builds(a_resource, st.sampled_from(kinds), TEXT, st.booleans())
    return st.lists(
        contents.map(lambda content: {"content_type": "application/fhir+json", "content": content}), max_size=4
    )


ANY = {
    "encounter": IDENTIFIER,
    "patient__name": NAME,
    "patient__birth_date": DAYS.map(date.isoformat),
    "patient__address": st.none() | ADDRESS,
    "patient__gender": st.sampled_from(["male", "female", "other", "unknown", None]),
    "organisation__name": TEXT,
}
STRUCTURED = {
    "observations": st.lists(OBSERVATION, max_size=3),
    "questionnaire": st.none()
    | st.fixed_dictionaries({"questions": st.lists(QUESTION, min_size=1, max_size=3)}, optional={"authored": TIMES}),
    "location": st.none()
    | st.fixed_dictionaries(
        {"site_code": st.just("Y9000A"), "name": TEXT, "phone": TEXT}, optional={"address": ADDRESS}
    ),
    "device": st.none() | st.fixed_dictionaries({"type": CONCEPT, "manufacturer": TEXT}, optional={"model": TEXT}),
    "consultation": ENCOUNTER.map(lambda known: {"start": "2026-11-20T10:00:00+00:00"} | known),
    "resources": ready("Condition", "Immunization", "Task", "ProcedureRequest"),
}
EVENT = st.none() | st.fixed_dictionaries({"code": CONCEPT})
ONLINE_ONLY = STRUCTURED | {"resources": ready("Task")}
CHANGES: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "consultation-report-1.5": ANY | {"consultation__confidential": st.booleans()},
    "consultation-report-2.0": ANY | {"care_setting": st.none() | CONCEPT, "event": EVENT},
    "online-consultation-1.5": ANY | ONLINE_ONLY | {"authors": st.just(["patient", "related_person"])},
    "online-consultation-1.5-pharmacy": ANY | ONLINE_ONLY,
    "generic-document-1.5": ANY
    | STRUCTURED
    | {"title": TEXT, "document_type": CONCEPT, "care_setting": st.none() | CONCEPT, "event": EVENT},
    "send-document-2.0-discharge": ANY | STRUCTURED | {"title": TEXT, "care_setting": CONCEPT, "event": EVENT},
}


@cache
def stu3() -> etree.XMLSchema | None:
    return etree.XMLSchema(etree.parse(str(SCHEMA))) if SCHEMA.exists() else None


def broken_ids(message: Message) -> list[str]:
    """The MUSTs that a message breaks: a later version must break no other than the first would."""
    composed = compose(message, [1_000] * len(message.request.documents))
    broken = broken_requirements(composed, envelope(message), message.specification.version)
    return [each.id for each in broken if each.is_broken_must]


@pytest.mark.parametrize("name", CHANGES)
@settings(
    max_examples=settings().max_examples // 3,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(data=st.data(), version=st.integers(1, 50))
def test_a_valid_request_makes_messages_that_hold_together(name: str, data: st.DataObject, version: int) -> None:
    changes = data.draw(st.fixed_dictionaries(CHANGES[name])) | {"patient__nhs_number_status": "01"}
    if changes.get("device"):
        changes["authors"] = [*changes.get("authors", ["practitioner"]), "device"]
    schema = stu3()
    for message, again in zip(
        messages_of(name, version=version, **changes), messages_of(name, version=version, **changes), strict=True
    ):
        request = message.request
        assert [str(each) for each in broken_rules(request, message.mailbox, NumberRange.TEST, CREATED_AT)] == []
        raw = written(message, name)
        assert raw == written(again, name)
        root = etree.fromstring(raw)
        if schema is not None:
            schema.assertValid(root)
        ids = values(root, "//f:resource/*/f:id/@value")
        assert len(set(ids)) == len(ids)
        assert {UUID(each).version for each in ids} == {5, 8}
        assert values(root, "//f:fullUrl/@value") == [f"urn:uuid:{each}" for each in ids]
        references = set(values(root, "//f:reference/@value"))
        assert references - {f"urn:uuid:{each}" for each in ids} == {message.mailbox.message_definition}
        assert value(root, "//f:Patient/f:name/f:family/@value") == request.patient.name.family
        assert value(root, "//f:Patient/f:birthDate/@value") == request.patient.birth_date.isoformat()
        assert value(root, "//f:Composition/f:title/@value") == (request.title or message.use_case.title)
        listed = set(values(root, "//f:List/f:entry/f:item/f:reference/@value"))
        assert set(values(root, "//f:entry[f:resource/f:Observation]/f:fullUrl/@value")) <= listed
        replaced = find(root, "//f:Composition/f:relatesTo[f:code/@value='replaces']")
        assert len(replaced) == (version > 1)
        assert broken_ids(message) == broken_ids(replace(message, version=1))
