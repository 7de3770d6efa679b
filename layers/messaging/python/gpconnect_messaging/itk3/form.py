"""Validates a FHIR JSON resource against STU3: elements, kinds of JSON value, the notation of a value.

Nothing is converted: a valid resource is sent unchanged. A reason names the element and the rule, never a value, and
never the name of an element that FHIR does not know.
"""

import binascii
from collections.abc import Iterator
from decimal import Decimal
from itertools import zip_longest
from typing import Any

from gpconnect_messaging.identifiers import NO_CONCEPT_ID, SNOMED_CT, is_expression
from gpconnect_messaging.itk3.stu3 import WELL_WRITTEN, WHOLE_NUMBERS, Json, Slot, plan_of
from gpconnect_messaging.requests.damage import damage
from gpconnect_messaging.requests.fields import XML_FORBIDS
from gpconnect_messaging.requests.refusal import Reason
from gpconnect_messaging.visible import is_blank

_UNKNOWN = "has an element or attribute that FHIR STU3 does not know"
_STRAY_TEXT = "has text between its elements: FHIR writes every text into an attribute called value"
_NUMBERS = WHOLE_NUMBERS | {"decimal"}
_WRITTEN = {
    "integer": "a whole number within 32 bits, such as 7",
    "positiveInt": "a whole number from 1 to 2147483647",
    "unsignedInt": "a whole number from 0 to 2147483647",
    "decimal": "a number without an exponent, such as 7.00, of at most 64 characters",
    "date": "a date from 1800 on such as 2026-11-20, 2026-11 or 2026",
    "dateTime": "a date from 1800 on such as 2026-11-20, 2026-11 or 2026, or a time such as 2026-11-20T10:00:00Z",
    "instant": "a time from 1800 on such as 2026-11-20T10:00:00Z, with its offset",
    "time": "a time of day such as 10:00:00, without a fraction of a second",
    "id": "1 to 64 letters, digits, hyphens and full stops",
    "code": "a code: no blank at either end, no invisible character",
    "language": "a language such as cy, or a language and a region such as en-GB, without script and variant",
    "uri": "a URI: no blank, no invisible character, % only before two of 0-9 and A-F, a port of digits, one #; "
    "urn:oid: and urn:uuid: only before a whole one, such as urn:oid:2.16.840.1 and a UUID in small letters",
    "oid": "an OID such as urn:oid:2.16.840.1: it begins with 0, 1 or 2 and has four numbers or more",
    "uuid": "a UUID in small letters such as urn:uuid:7c0e3f4e-2f1b-4e6c-9d0a-4b5f6a7b8c9d",
    "base64Binary": "base64, whole and padded, without blanks other than spaces and line breaks",
    "SampledDataDataType": "numbers, or E, U, L, with one space between",
}


def faults(resource: Json, path: str) -> Iterator[Reason]:
    """Find the faults of a resource of a known type. `path` is the resource's name in the reasons."""
    members = {name: value for name, value in resource.items() if name != "resourceType"}
    return _in_members(members, str(resource["resourceType"]), path)


def written(value: Any) -> str:
    """Write a primitive as FHIR XML does: true or false, a number with the sender's digits, text unchanged."""
    if isinstance(value, bool):
        return "true" if value else "false"
    # A JsonNumber keeps the sender's notation; any other Decimal would be written with an exponent.
    return format(value, "f") if type(value) is Decimal else str(value)


def elements(value: Any, kind: str, path: str) -> Iterator[tuple[str, str, str, Any]]:
    """Walk through the elements of a valid value: path, name (`Task.focus`), type and value."""
    plan = plan_of(kind)
    for name, content in value.items() if plan and isinstance(value, dict) else ():
        slot = plan.slots.get(name) if plan else None
        inner_kind = slot.kind if slot else "Element" if name.startswith("_") else "string"
        for where, item in _numbered(f"{path}.{name}", content):
            if item is not None:
                yield where, f"{kind}.{name}", inner_kind, item
                yield from elements(item, inner_kind, where)


def _numbered(path: str, value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, list):
        return [(f"{path}[{where}]", item) for where, item in enumerate(value)]
    return [(path, value)]


def _in_members(members: Json, kind: str, path: str) -> Iterator[Reason]:
    plan = plan_of(kind)
    if plan is None:
        yield Reason(path, "must be a resource of a type that the message may have")
        return
    present: dict[int, str] = {}
    for name, value in members.items():
        bare = name.removeprefix("_")
        slot = plan.slots.get(bare)
        if slot is None or (bare != name and slot.well_written is None):
            if name == "id" or (name == "url" and kind == "Extension"):  # attributes in XML, which the table lacks
                yield from _in_attribute(f"{path}.{name}", name, value)
            else:
                yield Reason(path, _STRAY_TEXT if name == "#text" else _UNKNOWN)
            continue
        if (other := present.setdefault(slot.rank, bare)) != bare:
            yield Reason(path, f"has both {other} and {bare}, of which FHIR STU3 allows one")
        if value is None or value == [] or (bare != name and isinstance(value, list) and not any(value)):
            yield Reason(f"{path}.{name}", "is null: leave it out" if value is None else "is empty: leave it out")
            continue
        if kind == "Binary" and name == "content":
            continue  # a document, which is spliced in when the message is written
        if isinstance(value, list) is slot.single:
            yield Reason(f"{path}.{name}", "may come only once" if slot.single else "must be a list: put it into [ ]")
        elif bare == name or bare not in members:
            pairs = _pairs(members.get(bare), members.get(f"_{bare}"))
            for where, (item, extension) in _numbered(f"{path}.{bare}", pairs if not slot.single else pairs[0]):
                yield from _in_value(where, item, extension, slot)
    for rank, names in plan.required:
        if rank not in present:
            yield Reason(f"{path}.{names}", "is missing")
    code = members.get("code") if kind == "Coding" and members.get("system") == SNOMED_CT else None
    if isinstance(code, str) and not is_expression(code):
        yield Reason(f"{path}.code", NO_CONCEPT_ID)
    if kind == "Extension":
        if "url" not in members:
            yield Reason(f"{path}.url", "is missing")
        if any(name.removeprefix("_").startswith("value") for name in members) is ("extension" in members):
            yield Reason(path, "must have either a value or extensions of its own")


def _pairs(value: Any, extension: Any) -> list[tuple[Any, Any]]:
    """Pair values with the primitive extensions beside them; a value that does not repeat gives one pair."""
    lists = [item if isinstance(item, list) else [item] for item in (value, extension) if item is not None]
    if value is None or extension is None:
        return [(item, None) if extension is None else (None, item) for item in (lists[0] if lists else [None])]
    return list(zip_longest(*lists))


def _in_value(path: str, value: Any, extension: Any, slot: Slot) -> Iterator[Reason]:
    if value is None and extension is None:
        yield Reason(path, "is null: leave it out")
    elif slot.well_written is not None:
        if value is None and isinstance(extension, dict) and extension.keys() == {"id"}:
            yield Reason(path, "is empty")
        if value is not None and (rule := _misfit(value, slot)):
            yield Reason(path, rule)
        if extension is not None:
            yield from _in_complex(path, extension, "Element")
    elif slot.kind == "ResourceContainer":
        yield from faults(value, f"{path}.{value['resourceType']}")
    elif slot.kind != "xhtml":
        yield from _in_complex(path, value, slot.kind)


def _in_complex(path: str, value: Any, kind: str) -> Iterator[Reason]:
    if not isinstance(value, dict):
        yield Reason(path, "must be an object with elements")
    elif not value:
        yield Reason(path, "is empty")
    else:
        yield from _in_members(value, kind, path)


def _in_attribute(path: str, name: str, value: Any) -> Iterator[Reason]:
    if rule := _unlike_text(value):
        yield Reason(path, rule)
    elif name == "url" and not WELL_WRITTEN["uri"](value):
        yield Reason(path, f"must be {_WRITTEN['uri']}")
    elif name == "id" and (" " in value or not WELL_WRITTEN["code"](value)):
        yield Reason(path, "must be without a blank and an invisible character")


def _unlike_text(value: Any) -> str:
    if not isinstance(value, str):
        return "must be text, in quotation marks"
    if is_blank(value):
        return "is blank"
    if XML_FORBIDS.search(value):
        return "holds a control character that XML does not allow: remove it"
    return damage(value)


def _misfit(value: Any, slot: Slot) -> str:
    """Give the rule of the type that a primitive breaks; "" if it is valid."""
    if slot.kind == "boolean":
        return "" if isinstance(value, bool) else "must be true or false, in JSON without quotation marks"
    if slot.kind in _NUMBERS:
        if not isinstance(value, int | Decimal) or isinstance(value, bool):
            return f"must be {_WRITTEN[slot.kind]}, in JSON without quotation marks"
    elif rule := _unlike_text(value):
        return rule
    text = written(value)
    if slot.well_written and not slot.well_written(text):
        return f"must be {_WRITTEN[slot.kind]}"
    if slot.codes and text not in slot.codes:
        return f"must be one of: {', '.join(sorted(slot.codes))}"
    if slot.kind == "base64Binary" and not _decodes(text):
        return f"must be {_WRITTEN[slot.kind]}"
    return ""


def _decodes(text: str) -> bool:
    """Whether base64 is canonical: some readers refuse a last character with unused bits that are set."""
    packed = "".join(text.split()).encode()
    try:
        return binascii.b2a_base64(binascii.a2b_base64(packed, strict_mode=True), newline=False) == packed
    except binascii.Error:
        return False
