"""The rules of the profiles against the published StructureDefinitions; skipped where they are not at hand.

Every element without a slice whose number or value a profile narrows must have the same rule in our table, and every
slice for SNOMED CT must be one there. The other slices and the extensions are code: `make fhir-validate` shows those.
"""

from collections.abc import Iterator

import pytest
from lxml import etree

from gpconnect_messaging.conformance.profiles import CODED_CONTENT, PROFILES, rules_of
from gpconnect_messaging.itk3.stu3 import Slot, plan_of
from tests.examples import spec_file

_FHIR = {"f": "http://hl7.org/fhir"}


def _slot(kind: str, path: list[str]) -> Slot | None:
    slot = None
    for name in path:
        plan = plan_of(slot.kind if slot else kind)
        slot = plan.slots.get(name) if plan else None
        if slot is None:
            return None
    return slot


def _required(kind: str, path: list[str]) -> bool:
    slot = _slot(kind, path[:-1])
    plan = plan_of(slot.kind if slot else kind)
    return plan is not None and path[-1] in {name for _, names in plan.required for name in names.split(" or ")}


def _value(element: etree._Element, path: str) -> str:
    found = element.xpath(f"string({path}/@value)", namespaces=_FHIR)
    return str(found)


def _narrowed(profile: str) -> Iterator[str]:
    """The rules of a profile in the notation of our table."""
    root = etree.parse(str(spec_file(f"profiles/{profile}.xml"))).getroot()
    kind = _value(root, "f:type")
    for element in root.iterfind("f:snapshot/f:element", _FHIR):
        path = _value(element, "f:path").split(".")[1:]
        identifier = str(element.get("id"))
        if identifier.endswith(":snomedCT"):
            yield f"{'.'.join(path[:-1])} snomed"
        if (
            not path
            or ":" in identifier
            or path[-1] in ("id", "extension", "url")
            or (slot := _slot(kind, path)) is None
        ):
            continue
        name = ".".join(path)
        if _value(element, "f:max") == "0" and path[-1] != "comparator":
            yield f"{name} 0"
        if _value(element, "f:max") == "1" and not slot.single:
            yield f"{name} <2"
        if _value(element, "f:min") == "1" and not _required(kind, path):
            yield f"{name} 1"
        for child in element:
            if etree.QName(child).localname.startswith("fixed"):
                yield f"{name} ={child.get('value')}"


@pytest.mark.parametrize("profile", [*PROFILES, *CODED_CONTENT])
def test_every_rule_of_a_published_profile_is_in_the_table(profile: str) -> None:
    ours = {rule.removesuffix("-") for rule in rules_of(profile)}
    forbidden = {rule.removesuffix(" 0") for rule in ours if rule.endswith(" 0")}
    theirs = {rule for rule in _narrowed(profile) if not any(rule.startswith(f"{element}.") for element in forbidden)}
    assert theirs - ours == set()
