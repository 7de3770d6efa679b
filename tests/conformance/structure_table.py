"""Derives the library's table of STU3 elements (names, order, cardinality, codes) from HL7's schema.

    python -m tests.conformance.structure_table fhir-single.xsd profiles-types.xml profiles-resources.xml > stu3.txt

One line a type: the base, then the elements in order as `name:type` with a mark (`?` 0..1, `!` 1..1, `*` 0..n, `+`
1..n); `(… …)` holds alternatives; `Reference|Patient|Group` names the resources that a reference may be to. A line that
starts with `=` gives the codes of a required value set. The schema does not say what a reference may be to, nor which
quantity has no comparator: HL7's definitions of the resources do, which come with HAPI's validator
(`hapi-fhir-validation-resources-dstu3`). A code that is called language is of the value set of all languages.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from lxml import etree

_XS = "{http://www.w3.org/2001/XMLSchema}"
_MARKS = {("0", "1"): "?", ("1", "1"): "!", ("0", "unbounded"): "*", ("1", "unbounded"): "+"}
_Element = etree._Element


def table(schema: Path, *definitions: Path) -> str:
    """Write the table for every resource and every type that they use; without definitions, with no targets."""
    root = etree.parse(str(schema)).getroot()
    narrower = {where: kind for path in definitions for where, kind in _narrower(path)}
    types = {str(element.get("name")): element for element in root.findall(f"{_XS}complexType")}
    lists = {str(element.get("name")): element for element in root.findall(f"{_XS}simpleType")}
    lines: dict[str, str] = {}
    container = root.find(f"{_XS}complexType[@name='ResourceContainer']")
    assert container is not None
    resources = [str(resource.get("ref")) for resource in container.iter(f"{_XS}element")]
    wanted = [(name, name) for name in ("Extension", *resources)]
    while wanted:
        name, path = wanted.pop(0)  # a type that stands at two paths is defined at the shorter one
        if name in lines or name not in types:
            continue
        if (codes := lists.get(f"{name}-list")) is not None:
            lines[name] = f"={name} " + " ".join(str(code.get("value")) for code in codes.iter(f"{_XS}enumeration"))
            continue
        if f"{name}-primitive" in lists or name in ("ResourceContainer", "xhtml"):
            continue
        extension = types[name].find(f".//{_XS}extension")
        base = "" if extension is None else str(extension.get("base"))
        sequence = types[name].find(f".//{_XS}sequence")
        parts, used = _elements(sequence, path, narrower) if sequence is not None else ([], [])
        lines[name] = " ".join([name, base or "-", *parts])
        wanted += [(base, base), *used]
    if narrower:
        lines["SimpleQuantity"] = "SimpleQuantity Quantity"
    return "".join(f"{lines[name]}\n" for name in sorted(lines))


def _mark(element: _Element) -> str:
    return _MARKS[element.get("minOccurs", "1"), element.get("maxOccurs", "1")]


_FHIR = "{http://hl7.org/fhir}"
_ANY = "http://hl7.org/fhir/StructureDefinition/Resource"
_SIMPLE_QUANTITY = "http://hl7.org/fhir/StructureDefinition/SimpleQuantity"


def _narrower(definitions: Path) -> Iterator[tuple[str, str]]:
    """Give types that the schema does not have, by the element's path: `Reference|Patient|Group`, `SimpleQuantity`."""
    for element in etree.parse(str(definitions)).iterfind(f".//{_FHIR}snapshot/{_FHIR}element"):
        path = str(element.find(f"{_FHIR}path").get("value"))  # type: ignore[union-attr]
        urls = {str(target.get("value")) for target in element.iterfind(f"{_FHIR}type/{_FHIR}targetProfile")}
        if urls and _ANY not in urls:
            targets = "".join(sorted(f"|{url.rpartition('/')[2]}" for url in urls))
            yield path.replace("[x]", "Reference"), f"Reference{targets}"
        if any(profile.get("value") == _SIMPLE_QUANTITY for profile in element.iterfind(f"{_FHIR}type/{_FHIR}profile")):
            yield path.replace("[x]", "Quantity"), "SimpleQuantity"


def _elements(sequence: _Element, path: str, narrower: dict[str, str]) -> tuple[list[str], list[tuple[str, str]]]:
    parts: list[str] = []
    used: list[tuple[str, str]] = []
    for element in sequence:
        members = list(element.iter(f"{_XS}element"))
        names = []
        for member in members:
            name = member.get("name") or str(member.get("ref")).rpartition(":")[2]
            kind = str(member.get("type") or "xhtml")
            used.append((kind, f"{path}.{name}" if "." in kind else kind))
            if kind in ("Reference", "Quantity"):
                kind = narrower.get(f"{path}.{name}", kind)
            names.append(f"{name}:{'language' if (name, kind) == ('language', 'code') else kind}")
        if element.tag == f"{_XS}choice":
            parts.append(f"({' '.join(names)}){_mark(element)}")
        elif names:
            parts.append(names[0] + _mark(element))
    return parts, used


if __name__ == "__main__":
    sys.stdout.write(table(*map(Path, sys.argv[1:])))
