"""A request with every field that there is, and what others write into fields that are not made for it."""

import json
from collections.abc import Iterator
from typing import Any

from infra.documentation.request_schema import request_schema
from tests.examples import request_data

CODE = {"code": "27113001", "display": "Body weight"}
NAME = {"family": "WRIGHT", "given": ["Garth", "Lee"], "prefix": "Mr"}
ADDRESS = {"lines": ["1 Example Row"], "city": "Leeds", "district": "West Yorkshire", "postcode": "LS1 4AP"}
TIME = "2026-11-20T19:10:00+00:00"
WEIGHT = {"value": 71.5, "unit": "kg", "code": "kg"}

CLINICIAN = {
    "sds_user_id": "555000000101", "sds_role_profile_id": "555000000102", "gmc_number": "1234567",
    "gmp_number": "G1234567", "gphc_number": "2012345", "hcpc_number": "PH123456", "nmc_number": "12A3456B",
    "identifiers": [{"system": "https://clinic.example/Id/staff", "value": "S-17"}], "name": NAME,
    "phone": "0113 496 0110",
}  # fmt: skip
EVERYTHING: dict[str, Any] = {
    "$schema": "https://example.org/request.schema.json",
    "kind": "send",
    "request_id": "request-0001",
    "use_case": "generic_document",
    "mailbox": "Y90002OT001",
    "encounter": "encounter-1",
    "patient": {
        "nhs_number": "9658218865",
        "nhs_number_status": "01",
        "name": NAME,
        "birth_date": "1933-11-14",
        "identifiers": [{"system": "https://fhir.hospital.nhs.uk/Id/patient", "value": "H 1234"}],
        "gender": "male",
        "deceased": True,
        "death_date": "2026-11-20",
        "address": ADDRESS,
        "phones": ["0113 496 0101"],
        "mobile": "07700 900000",
        "current_address": ADDRESS,
        "current_from": "2026-11-01",
        "current_until": "2026-12-24",
        "current_phone": "0113 496 0102",
    },
    "practitioner": {**CLINICIAN, "role": "GP"},
    "other_practitioners": [{**CLINICIAN, "role": "Pharmacist", "author": True}],
    "organisation": {
        "ods_code": "Y90002",
        "name": "Riverside",
        "address": ADDRESS,
        "phone": "0113 496 0100",
        "email": "reports@riverside.example",
        "branch": "North",
    },
    "registered_practice": {"ods_code": "A20047", "name": "Millbrook"},
    "clinically_relevant": True,
    "consultation": {
        "start": TIME,
        "end": TIME,
        "updated": TIME,
        "type": CODE,
        "priority": "R",
        "confidential": False,
        "sections": [
            {
                "title": "History",
                "text": "Sore throat",
                "items": [
                    {"term": "Sore throat", "code": "162397003", "system": "SNOMED CT", "text": "x",
                     "confidential": False},
                    {"term": "Ramipril", "code": "318902004", "text": "one a day", "kind": "medication",
                     "status": "stopped", "prescription": "repeat", "start": "2019-04-11", "end": "2026-11-20"},
                    {"term": "Hypertension", "code": "38341003", "kind": "problem", "significance": "major"},
                    {"term": "Penicillin", "code": "764146007", "kind": "allergy", "cause": "medication",
                     "reaction": "rash"},
                ],
                "results": [
                    {"test": "Hb", "code": "104142005", "value": "120", "unit": "g/L",
                     "reference_range": "115-165", "abnormal": "low", "confidential": False}
                ],
                "images": ["wound.png"],
                "confidential": False,
            }
        ],
        "follow_up_actions": ["Ring in a week"],
        "unsent_attachments": [{"name": "scan", "created": TIME, "size": 90_000_000}],
    },
    "documents": [
        {"key": "report.pdf", "content_type": "application/pdf", "title": "Report", "primary": True},
        {"key": "wound.png", "content_type": "image/png", "title": "Wound", "primary": False},
    ],
    "attention": "Practice pharmacist",
    "recipient_type": "FA",
    "title": "Report",
    "document_type": CODE,
    "care_setting": CODE,
    "event": {"code": CODE, "start": TIME, "end": TIME},
    "care_provider": {"ods_code": "A20048", "mailbox": "A20048OT001"},
    "copy_to": [{"ods_code": "A20049", "mailbox": "A20049OT001"}],
    "authors": ["practitioner", "patient", "related_person", "device"],
    "related_person": {"name": NAME, "birth_date": "1960-01-01", "phones": ["0113 496 0103"]},
    "device": {"type": CODE, "manufacturer": "Acme", "model": "M1", "version": "2"},
    "location": {"site_code": "Y9000A", "name": "North", "phone": "0113 496 0104", "address": ADDRESS},
    "observations": [
        {"code": CODE, "status": "final", "category": "vital-signs", "issued": TIME, "value": {"quantity": WEIGHT}},
        {"code": CODE, "issued": TIME, "components": [{"code": CODE, "value": {"text": "x"}}]},
    ],
    "questionnaire": {
        "authored": TIME,
        "questions": [
            {
                "link_id": "1",
                "text": "How?",
                "answers": [
                    {"text": "x"}, {"boolean": True}, {"day": "2026-11-20"}, {"concept": CODE}, {"quantity": WEIGHT}
                ],
                "questions": [{"link_id": "1.1", "text": "Why?"}],
            }
        ],
    },
    "resources": [
        {"content_type": "application/fhir+json", "content": "{}", "confidential": False},
        {"content_type": "application/fhir+xml", "key": "a.xml"},
    ],
}  # fmt: skip

WITHDRAWAL = request_data("withdrawal") | {
    "$schema": "https://example.org/request.schema.json",
    "request_id": "withdrawal-1",
    "deleted": "2026-11-20T22:10:00+00:00",
}

Path = tuple[str | int, ...]

NUMBERS = ("0", "1", "7.00", "20261122", "202611221000", "1795341600", "1e3", "-0")
TEXTS = (
    "", " ", "\u00a0", "\u200b", "7", "7.00", "20261122", "202611221000", "20261122100000+0000", "1795341600",
    "22/11/2026", "٢٠٢٦١١٢٢", "９６５８２１８８６５", "true", "null", "WRIGHT\u200b", "\ufeffWRIGHT",
    "WRI\u00adGHT", "\u202eTHGIRW", "a\tb", "\x7f",
)  # fmt: skip
AROUND = ("{} ", " {}", "{}\u200b", "\ufeff{}", "{}\n", "\u00a0{}")
OTHER = ("true", "false", "null", "[]", "{}", '["x"]')


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Each value of a request that is no object and no list, with its path."""
    if isinstance(value, dict | list):
        for step, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(inner, (*path, step))
    else:
        yield path, value


def fields(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Each field of each object of a request, whatever is in it, with its path."""
    if isinstance(value, dict | list):
        for step, inner in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(step, str):
                yield (*path, step), inner
            yield from fields(inner, (*path, step))


def different(request: dict[str, Any]) -> Iterator[tuple[Path, Any]]:
    """Its values, without those of an address, a name, a code or a measured value that stands elsewhere as well."""
    seen: set[tuple[str, ...]] = set()
    for path, value in leaves(request):
        parents = [str(step) for step in path if isinstance(step, str)]
        shared = [step for step in parents if step in ("address", "current_address", "name", "quantity")]
        if parents[-1] in ("code", "display") and len(parents) > 1:
            shared = ["concept" if parents[-2] != "quantity" and "items" not in parents else parents[-2]]
        kind = (shared[0].removeprefix("current_"), parents[-1]) if shared and shared[0] != parents[-1] else (*parents,)
        if kind not in seen:
            seen.add(kind)
            yield path, value


def tokens(value: Any) -> Iterator[str]:
    """What is written into a field in place of its value, as JSON."""
    yield from (*NUMBERS, *(json.dumps(text) for text in TEXTS), *OTHER)
    if isinstance(value, str):
        yield from (json.dumps(around.format(value)) for around in AROUND)
    else:
        yield json.dumps(json.dumps(value))


def with_token(request: dict[str, Any], path: Path, token: str) -> bytes:
    """The request with one value written otherwise."""
    data = json.loads(json.dumps(request))
    place = data
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = "@@"
    return json.dumps(data).replace('"@@"', token).encode()


def without(request: dict[str, Any], path: Path) -> dict[str, Any]:
    """The request with one field left out."""
    data: dict[str, Any] = json.loads(json.dumps(request))
    place: Any = data
    for step in path[:-1]:
        place = place[step]
    del place[path[-1]]
    return data


def written(path: Path) -> str:
    """A path as a reason names it."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")


def properties() -> set[tuple[str, str]]:
    """Each field of each model of the published schema."""
    models = json.loads(request_schema())["$defs"]
    return {(name, field) for name, model in models.items() for field in model.get("properties", {})}
