"""Converts FHIR XML (STU3) to and from FHIR JSON, keeping the notation of every primitive.

The writer leaves gaps for documents, which must not pass through memory. A test compares both with
the `fhir.resources` library, element by element.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from itertools import zip_longest
from typing import Any, TypeVar

from lxml import etree

from gpconnect_messaging.itk3.form import written
from gpconnect_messaging.itk3.stu3 import WHOLE_NUMBERS, Json, Slot, plan_of
from gpconnect_messaging.json_reading import JsonNumber

FHIR = "{http://hl7.org/fhir}"
_XHTML = "{http://www.w3.org/1999/xhtml}"
_SCHEMA_LOCATION = "{http://www.w3.org/2001/XMLSchema-instance}schemaLocation"
_ATTRIBUTE = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#9;"}
)
_PROLOGUE = '<?xml version="1.0" encoding="UTF-8"?>\n'
_NAMESPACE = ' xmlns="http://hl7.org/fhir"'

Gap = TypeVar("Gap")


def to_xml(resource: Json, gaps: Mapping[str, Gap] | None = None) -> list[bytes | Gap]:
    """Write a resource of STU3's form as UTF-8 XML, cut where a Binary's content is to be spliced in.

    `gaps` maps the id of such a Binary to the object that marks the gap; the resource holds any content there. The
    result is text and marks in order: without gaps, one piece of bytes.
    """
    pieces: list[str | tuple[Gap]] = [_PROLOGUE]
    _write_resource(resource, pieces, gaps or {}, _NAMESPACE)
    joined: list[bytes | Gap] = []
    text: list[str] = []
    for piece in pieces:
        if isinstance(piece, str):
            text.append(piece)
        else:
            joined += ["".join(text).encode(), piece[0]]
            text.clear()
    joined.append("".join(text).encode())
    return joined


def _in_order(content: Json, kind: str) -> list[tuple[str, Slot]]:
    """List the present elements, in the order of STU3's schema."""
    plan = plan_of(kind)
    slots = plan.slots if plan else {}
    present = {bare: slots[bare] for name in content if (bare := name.removeprefix("_")) in slots}
    return sorted(present.items(), key=lambda item: item[1].rank)


def _write_resource(
    resource: Json, pieces: list[str | tuple[Gap]], gaps: Mapping[str, Gap], namespace: str = ""
) -> None:
    kind = resource["resourceType"]
    pieces.append(f"<{kind}{namespace}>")
    gap = gaps.get(resource.get("id", "")) if kind == "Binary" else None
    for name, slot in _in_order(resource, kind):
        if gap is not None and name == "content":
            pieces += ['<content value="', (gap,), '"/>']
        else:
            _write(name, slot, resource, pieces, gaps)
    pieces.append(f"</{kind}>")


def _write(name: str, slot: Slot, content: Json, pieces: list[str | tuple[Gap]], gaps: Mapping[str, Gap]) -> None:
    value, extension = content.get(name), content.get(f"_{name}")
    pairs: Iterable[tuple[Any, Any]] = [(value, extension)]
    for item, extended in pairs if slot.single else zip_longest(value or (), extension or ()):
        if slot.kind == "ResourceContainer":
            pieces.append(f"<{name}>")
            _write_resource(item, pieces, gaps)
            pieces.append(f"</{name}>")
        elif slot.kind == "xhtml":
            pieces.append(etree.tostring(etree.fromstring(item), encoding="unicode"))
        elif slot.well_written is None:
            _write_complex(name, slot.kind, item, "", pieces, gaps)
        else:
            text = "" if item is None else f' value="{written(item).translate(_ATTRIBUTE)}"'
            if extended:
                _write_complex(name, "Element", extended, text, pieces, gaps)
            elif text:
                pieces.append(f"<{name}{text}/>")


def _write_complex(
    name: str, kind: str, content: Json, text: str, pieces: list[str | tuple[Gap]], gaps: Mapping[str, Gap]
) -> None:
    attributes = [
        f' {item}="{content[item].translate(_ATTRIBUTE)}"'
        for item in (("id", "url") if kind == "Extension" else ("id",))
        if item in content
    ]
    pieces.append(f"<{name}{''.join(attributes)}{text}>")
    for inner, slot in _in_order(content, kind):
        _write(inner, slot, content, pieces, gaps)
    pieces.append(f"</{name}>")


def from_xml(resource: etree._Element) -> Json:
    """Read a resource from XML, with any prefix, in FHIR JSON's shape.

    Unknown content is put under a name that FHIR does not know, so that `form.faults` finds it.
    """
    kind = str(resource.tag).removeprefix(FHIR)
    resource.attrib.pop(_SCHEMA_LOCATION, "")
    return {"resourceType": kind, **_members(resource, kind)}


def _members(element: etree._Element, kind: str, *, primitive: bool = False) -> Json:
    plan = plan_of(kind)
    slots = plan.slots if plan else {}
    attributes = {"id", "url"} if kind == "Extension" else {"id"} - slots.keys()
    content: Json = {
        str(name) if name in attributes else f"@{name!s}": str(text)
        for name, text in element.attrib.items()
        if not (primitive and name == "value")
    }
    if any(text.strip(" \t\r\n") for text in (element.text or "", *(child.tail or "" for child in element))):
        content["#text"] = True
    found: dict[str, list[tuple[Any, Any]]] = {}
    for child in element:
        name = str(child.tag).removeprefix(_XHTML).removeprefix(FHIR)
        slot = slots.get(name)
        if slot is None or child.tag != (_XHTML if slot.kind == "xhtml" else FHIR) + name:
            content[f"<{name}>"] = True
        else:
            found.setdefault(name, []).append(_value(child, slot))
    for name, pairs in found.items():
        for key, values in zip((name, f"_{name}"), zip(*pairs, strict=True), strict=True):
            if any(value is not None for value in values):
                content[key] = values[0] if slots[name].single and len(values) == 1 else list(values)
    return content


def _value(element: etree._Element, slot: Slot) -> tuple[Any, Any]:
    """Read an element's value, and the id and extensions beside a primitive's value."""
    if slot.kind == "ResourceContainer":
        return next((from_xml(child) for child in element), {}), None
    if slot.kind == "xhtml":
        return etree.tostring(element, encoding="unicode", with_tail=False), None
    if slot.well_written is None:
        return _members(element, slot.kind), None
    text = element.get("value")
    beside = _members(element, "Element", primitive=True)
    return _typed(text, slot), beside or ({} if text is None else None)


def _typed(text: str | None, slot: Slot) -> Any:
    """Convert a primitive to the JSON kind; a text that is not of that kind stays a text, and `form` finds it."""
    if text is not None and slot.kind == "boolean":
        return {"true": True, "false": False}.get(text, text)
    if text is not None and slot.kind in WHOLE_NUMBERS | {"decimal"} and slot.well_written and slot.well_written(text):
        with suppress(ValueError):  # it is too long
            return JsonNumber(text)
    return text
