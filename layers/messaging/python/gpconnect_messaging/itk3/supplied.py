"""Ready FHIR resources from senders: read safely, checked against STU3, and put into a message under ids of ours.

Hostile or careless input ends here (hazard: hostile file; hazard: wrong patient): no entities, no deep nesting, no
embedded resources, documents or narrative of the sender's, no reference to anything outside the message, and the
patient is the request's own. A refusal names the resource type and the element, never a value.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from typing import Any

from fhir.resources.STU3 import get_fhir_model_class
from fhir_core.fhirabstractmodel import FHIRAbstractModel
from lxml import etree
from pydantic import ValidationError

from gpconnect_messaging.itk3.structured_types import STRUCTURED_TYPES
from gpconnect_messaging.opening import DocumentTypeError, UnopenedError, opened_xml, xml_parser
from gpconnect_messaging.requests.fields import XML_FORBIDS
from gpconnect_messaging.requests.refusal import Reason, RequestRefusedError

LARGEST_RESOURCE = 262_144
"""Longest ready resource, in bytes."""

DEEPEST = 40
"""How deep a ready resource may nest."""

Json = dict[str, Any]

_FHIR = "{http://hl7.org/fhir}"
_ELEMENT = re.compile(r"_?[a-z][A-Za-z0-9]*")
_KEPT_BACK = {"R", "V"}
"""Confidentiality labels of v3-Confidentiality (restricted, very restricted) that mean: do not send."""
_XML_FAULTS = (ValueError, LookupError, TypeError, AttributeError, AssertionError, NotImplementedError)
"""What the library's XML reader raises for elements that FHIR does not know, or knows elsewhere."""


@dataclass(frozen=True, slots=True)
class Supplied:
    """A ready resource of valid form: its place in the request's `resources`, its type, its own id, its content."""

    place: int
    type: str
    own_id: str | None
    content: Json = field(repr=False)
    labelled_confidential: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """What other supplied resources may call it."""
        return (f"{self.type}/{self.own_id}", f"urn:uuid:{self.own_id}") if self.own_id else ()


def read_supplied(place: int, content_type: str, raw: bytes, allowed: frozenset[str]) -> Supplied:
    """Read the ready resource at `place` of a request: FHIR JSON or XML in UTF-8, of one of the `allowed` types.

    Raises RequestRefusedError.
    """
    if len(raw) > LARGEST_RESOURCE:
        raise _refused(place, f"is longer than {LARGEST_RESOURCE} bytes")
    read = _from_xml if content_type == "application/fhir+xml" else _from_json
    content = _plain(read(place, raw, allowed))
    kind = str(content["resourceType"])
    if reasons := list(_unfit(f"resources[{place}]", kind, content)):
        raise RequestRefusedError(reasons)
    meta = content.pop("meta", {})
    content.pop("text", None)  # generated: it says nothing that the elements do not say
    labels = {label.get("code") for label in meta.get("security", ())}
    return Supplied(place, kind, content.get("id"), content, labelled_confidential=bool(labels & _KEPT_BACK))


def placed(supplied: Supplied, identifier: str, names: Mapping[str, str], patient: str) -> Json:
    """Give a ready resource its place in a message: our id and profile, references by what `names` calls them.

    `names` maps what a reference may say to the `urn:uuid:` it becomes; `patient` is the patient's.
    Raises RequestRefusedError.
    """
    where = f"resources[{supplied.place}]"
    reasons: list[Reason] = []
    content: Json = _referring(supplied.content, f"{where}: {supplied.type}", names, reasons)
    kind = STRUCTURED_TYPES[supplied.type]
    if kind.patient:
        content.setdefault(kind.patient, {"reference": patient})
        if content[kind.patient].get("reference") != patient and not reasons:
            reasons.append(
                Reason(f"{where}: {supplied.type}.{kind.patient}", "must be the request's patient: say Patient/patient")
            )
    if reasons:
        raise RequestRefusedError(reasons)
    rest = {name: value for name, value in content.items() if name not in ("resourceType", "id")}
    return {"resourceType": supplied.type, "id": identifier, "meta": {"profile": [kind.profile]}, **rest}


def _refused(place: int, rule: str) -> RequestRefusedError:
    return RequestRefusedError.because(f"resources[{place}]", rule)


def _from_json(place: int, raw: bytes, allowed: frozenset[str]) -> FHIRAbstractModel:
    try:
        content = json.loads(
            raw.decode(), parse_float=Decimal, parse_constant=_no_constant, object_pairs_hook=_each_name_once
        )
    except (ValueError, RecursionError):
        raise _refused(place, "is not FHIR JSON in UTF-8 with each name once") from None
    if not isinstance(content, dict) or _depth(content) > DEEPEST:
        raise _refused(place, f"is not a FHIR resource of at most {DEEPEST} levels")
    model = get_fhir_model_class(_allowed(place, content.get("resourceType"), allowed))
    try:
        return model.model_validate(content)
    except ValidationError as error:
        found = error
    raise _not_fhir(place, model, found)


def _from_xml(place: int, raw: bytes, allowed: frozenset[str]) -> FHIRAbstractModel:
    parser = xml_parser(blanks=True)
    try:
        root = opened_xml(raw, parser)
    except DocumentTypeError:
        raise _refused(place, "has a document type declaration, which FHIR XML must not have") from None
    except UnopenedError:
        raise _refused(place, "is not XML") from None
    if not root.tag.startswith(_FHIR) or any(True for _ in _too_deep(root)):
        raise _refused(place, f"is not a FHIR resource of at most {DEEPEST} levels")
    model = get_fhir_model_class(_allowed(place, root.tag.removeprefix(_FHIR), allowed))
    found: ValidationError | None = None
    try:
        validated: FHIRAbstractModel = model.model_validate_xml(etree.tostring(root), xmlparser=parser)
    except ValidationError as error:
        found = error
    except _XML_FAULTS:
        raise _refused(place, f"has an element that FHIR STU3 does not know in {model.__name__}") from None
    else:
        return validated
    raise _not_fhir(place, model, found)


def _too_deep(root: Any) -> Iterator[Any]:
    level = [root]
    for _ in range(DEEPEST):
        level = [child for element in level for child in element]
    yield from level


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level:
        depth += 1
        level = [
            inner
            for each in level
            for inner in (each.values() if isinstance(each, dict) else each if isinstance(each, list) else ())
        ]
    return depth


def _no_constant(_: str) -> None:
    raise ValueError("not a JSON number")


def _each_name_once(pairs: list[tuple[str, Any]]) -> Json:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("a name stands twice")
    return content


def _allowed(place: int, kind: object, allowed: frozenset[str]) -> str:
    if not isinstance(kind, str) or kind not in allowed:
        raise _refused(place, f"must be one resource of {', '.join(sorted(allowed))}")
    return kind


def _not_fhir(place: int, model: type[FHIRAbstractModel], error: ValidationError) -> RequestRefusedError:
    name = model.__name__
    reasons = set()
    for found in error.errors(include_url=False, include_input=False, include_context=False):
        location = found["loc"][:-1] if found["type"] == "extra_forbidden" else found["loc"]
        # A name that FHIR does not know is the sender's own word: it stays behind.
        path = ".".join([name, *(str(step) for step in location if isinstance(step, int) or _ELEMENT.fullmatch(step))])
        rule = "has an element that FHIR STU3 does not know" if location != found["loc"] else "is not as FHIR STU3 asks"
        reasons.add(Reason(f"resources[{place}]: {path}", rule))
    return RequestRefusedError(sorted(reasons, key=str))


@cache
def _attributes(kind: type[FHIRAbstractModel]) -> tuple[tuple[str, str], ...]:
    attributes = kind.get_alias_mapping()
    return tuple((name, attributes[name]) for name in kind.elements_sequence())


def _plain(value: Any) -> Any:
    """Turn a validated model into FHIR JSON's shape, its numbers and times still exact."""
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if not isinstance(value, FHIRAbstractModel):
        return value
    content: Json = {"resourceType": value.get_resource_type()} if value.has_resource_base() else {}
    for name, attribute in _attributes(type(value)):
        for element, each in ((name, attribute), (f"_{name}", f"{attribute}__ext")):
            found = value.__dict__.get(each)
            if found is not None:
                content[element] = _plain(found)
    return content


def _unfit(path: str, kind: str, content: Json) -> Iterator[Reason]:
    """Find what FHIR allows and a message may not have."""
    if "contained" in content:
        yield Reason(f"{path}: {kind}.contained", "is not taken: give each resource on its own")
    if "implicitRules" in content:
        yield Reason(f"{path}: {kind}.implicitRules", "is not taken: no rules beyond the specification's")
    if content.get("text", {}).get("status", "generated") != "generated":
        yield Reason(f"{path}: {kind}.text", "is not taken unless generated: put what it says into elements")
    rest = {name: value for name, value in content.items() if name not in ("contained", "text", "meta")}
    yield from _unfit_values(f"{path}: {kind}", rest)


def _unfit_values(path: str, value: Any) -> Iterator[Reason]:
    if isinstance(value, dict):
        if not value:
            yield Reason(path, "is empty")
        if "contentType" in value and "data" in value:
            yield Reason(f"{path}.data", "is not taken: give the document itself under documents")
        for name, each in value.items():
            yield from _unfit_values(f"{path}.{name}", each)
    elif isinstance(value, list):
        for each in value:
            yield from _unfit_values(path, each)
    elif isinstance(value, str):
        if not value.strip():
            yield Reason(path, "is blank")
        if XML_FORBIDS.search(value):
            yield Reason(path, "holds a control character that XML does not allow: remove it")


def _referring(value: Any, path: str, names: Mapping[str, str], reasons: list[Reason]) -> Any:
    if isinstance(value, list):
        return [_referring(each, path, names, reasons) for each in value]
    if not isinstance(value, dict):
        return value
    changed: Json = {}
    for name, each in value.items():
        is_reference = name == "reference" or (name == "url" and str(each).startswith("Binary/"))
        if is_reference and isinstance(each, str):
            if each not in names:
                reasons.append(Reason(f"{path}.{name}", "refers to nothing in this message"))
            changed[name] = names.get(each)
        else:
            changed[name] = _referring(each, f"{path}.{name}", names, reasons)
    return changed
