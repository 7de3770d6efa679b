"""Ready FHIR resources from senders: read safely, checked against STU3, and put into a message under derived ids.

Hostile or careless input ends here (hazard: hostile file; hazard: wrong patient): no entities, no deep nesting, no
embedded resources, documents or narrative, no reference to anything outside the message, and no patient but the
request's. An accepted resource is not converted: every primitive keeps the sender's notation. A refusal names the
resource type and the element, never a value.
"""

import codecs
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from gpconnect_messaging.itk3.extensions import unpublished
from gpconnect_messaging.itk3.form import elements, faults
from gpconnect_messaging.itk3.people import Party, misnamed
from gpconnect_messaging.itk3.structured_types import STRUCTURED_TYPES
from gpconnect_messaging.itk3.stu3 import Json
from gpconnect_messaging.itk3.xml import FHIR, from_xml
from gpconnect_messaging.json_reading import JsonError, read_json
from gpconnect_messaging.names import fold
from gpconnect_messaging.requests.refusal import MOST_REASONS, Reason, RequestRefusedError
from gpconnect_messaging.safe_parsing import DocumentTypeError, UnsafeContentError, as_utf_8, parse_xml, xml_parser

LARGEST_RESOURCE = 262_144
"""Longest ready resource, in bytes."""

DEEPEST = 40
"""How deep a ready resource may nest."""

_KEPT_BACK = {"r", "v", "restricted", "very restricted", "confidential"}
"""Codes and displays of v3-Confidentiality, in small letters, that mean: do not send."""

_DECLARATION_ALONE = re.compile(rb"(<\?xml\s[^>]*\?>)?")


@dataclass(frozen=True, slots=True)
class Supplied:
    """A valid ready resource: index in the request's `resources`, type, the sender's id, content."""

    index: int
    type: str
    own_id: str | None
    content: Json = field(repr=False)
    labelled_confidential: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The references by which other supplied resources name this one."""
        return (f"{self.type}/{self.own_id}", f"urn:uuid:{self.own_id}") if self.own_id else ()


def read_supplied(index: int, content_type: str, raw: bytes, allowed: frozenset[str]) -> Supplied:
    """Read the ready resource at `index` of a request: FHIR JSON or XML in UTF-8, of one of the `allowed` types.

    Raises RequestRefusedError.
    """
    if len(raw) > LARGEST_RESOURCE:
        raise _refused(index, f"is longer than {LARGEST_RESOURCE} bytes")
    content = (_from_xml if content_type == "application/fhir+xml" else _from_json)(index, raw)
    kind = content.get("resourceType")
    if not isinstance(kind, str) or kind not in allowed:
        raise _refused(index, f"must be one resource of {', '.join(sorted(allowed))}")
    path = f"resources[{index}]: {kind}"
    reasons = list(_unfit(path, content))
    # Generated text repeats the elements.
    content = {name: value for name, value in content.items() if name not in ("text", "contained", "implicitRules")}
    # An unknown name can occur many times in one element.
    if reasons := list(dict.fromkeys([*reasons, *faults(content, path)])) or [
        *_documents(path, content),
        *_repeated_ids(path, content),
        *unpublished(path, content),
    ]:
        raise RequestRefusedError(reasons[:MOST_REASONS])
    meta = content.pop("meta", {})
    labels = {fold(label.get(name, "")).lower() for label in meta.get("security", ()) for name in ("code", "display")}
    return Supplied(index, kind, content.get("id"), content, labelled_confidential=bool(labels & _KEPT_BACK))


def placed(
    supplied: Supplied, identifier: str, names: Mapping[str, str], patient: str, known: Mapping[str, Party]
) -> Json:
    """Put a ready resource into a message: with a derived id and the profile, and references into the message.

    `names` maps references to `urn:uuid:` ones; `patient` is the patient's; `known` are the people and organisations of
    the message. Raises RequestRefusedError.
    """
    where = f"resources[{supplied.index}]: {supplied.type}"
    reasons = list(dict.fromkeys(misnamed(supplied.content, where, known)))
    content = deepcopy(supplied.content)
    reasons += _referred(content, where, names)
    kind = STRUCTURED_TYPES[supplied.type]
    if kind.patient:
        content.setdefault(kind.patient, {"reference": patient})
        if content[kind.patient].get("reference") != patient and not reasons:
            reasons.append(Reason(f"{where}.{kind.patient}", "must be the request's patient: say Patient/patient"))
    if reasons:
        raise RequestRefusedError(reasons)
    rest = {name: value for name, value in content.items() if name not in ("resourceType", "id", "_id")}
    return {"resourceType": supplied.type, "id": identifier, "meta": {"profile": [kind.profile]}, **rest}


def _refused(index: int, rule: str) -> RequestRefusedError:
    return RequestRefusedError.because(f"resources[{index}]", rule)


def _from_json(index: int, raw: bytes) -> Json:
    try:
        content = read_json(raw, largest=LARGEST_RESOURCE, deepest=DEEPEST)
    except JsonError as error:
        wrong = str(error)
    else:
        if isinstance(content, dict):
            return content
        wrong = "is not one FHIR resource"
    raise _refused(index, wrong)


def _from_xml(index: int, raw: bytes) -> Json:
    if _DECLARATION_ALONE.fullmatch(raw.removeprefix(codecs.BOM_UTF8).strip()):
        raise _refused(index, "is empty, or an XML declaration alone: give a FHIR resource")
    try:
        root = parse_xml(as_utf_8(raw), xml_parser(blanks=True))
    except DocumentTypeError:
        raise _refused(index, "has a document type declaration, which FHIR XML must not have") from None
    except UnsafeContentError:
        raise _refused(index, "is not well-formed XML, or in an encoding that is not read: save it as UTF-8") from None
    if not root.tag.startswith(FHIR) or any(True for _ in _too_deep(root)):
        raise _refused(index, f"is not a FHIR resource of at most {DEEPEST} levels, in FHIR's namespace")
    return from_xml(root)


def _too_deep(root: Any) -> Iterator[Any]:
    level = [root]
    for _ in range(DEEPEST):
        level = [child for element in level for child in element]
    yield from level


def _unfit(path: str, content: Json) -> Iterator[Reason]:
    """Find elements that FHIR allows in a resource, but that a message may not have."""
    if "contained" in content:
        yield Reason(f"{path}.contained", "is not taken: give each resource on its own")
    if "implicitRules" in content or "_implicitRules" in content:
        yield Reason(f"{path}.implicitRules", "is not taken: no rules beyond the specification's")
    text = content.get("text", {"status": "generated"})
    if not isinstance(text, dict) or text.get("status") != "generated":
        yield Reason(f"{path}.text", "is not taken unless generated: put what it says into elements")


def _documents(path: str, content: Json) -> Iterator[Reason]:
    for where, _, kind, value in elements(content, content["resourceType"], path):
        if kind == "Attachment" and "data" in value:
            yield Reason(f"{where}.data", "is not taken: give the document itself under documents")


def _repeated_ids(path: str, content: Json) -> Iterator[Reason]:
    seen = {content.get("id")}
    for where, name, _, value in elements(content, content["resourceType"], path):
        if name.endswith(".id") and where != f"{path}.id":
            if value in seen:
                yield Reason(where, "is the id of another element of this resource: leave it out")
            seen.add(value)


def _referred(content: Json, path: str, names: Mapping[str, str]) -> Iterator[Reason]:
    """Replace references by those into the message; find references to nothing in the message."""
    for where, _, kind, value in elements(content, content["resourceType"], path):
        name = {"Reference": "reference", "Attachment": "url"}.get(kind, "")
        target = value.get(name) if name else None
        if target is not None and (kind == "Reference" or target.startswith("Binary/")):
            if target not in names:
                yield Reason(f"{where}.{name}", "refers to nothing in this message")
            value[name] = names.get(target)
