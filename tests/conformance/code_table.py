"""Derives the library's table of code systems, one a line: URL, without HL7's own beginning, and codes.

    python -m tests.conformance.code_table valuesets.xml v3-codesystems.xml v2-tables.xml ucum-essence.xml \\
        registry.json old.txt > …/gpconnect_messaging/code_systems.txt

The files come with HAPI's validator: HL7's (`hapi-fhir-validation-resources-dstu3`), UCUM's units (`org.fhir:ucum`) and
the registry of languages (`hapi-fhir-validation`). The lists of currencies (ISO 4217), countries (ISO 3166) and states
(USPS) come with no file: they are taken from the old table. A system without codes here is one that HL7 gives examples
of, or none: any code may be of it.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from lxml import etree

_FHIR = "{http://hl7.org/fhir}"
_HL7 = "http://hl7.org/fhir/"


def table(*published: Path) -> str:
    """Write the table; a system that HL7 publishes no codes of is left out unless it is HL7's own."""
    lines: dict[str, str] = {}
    for path in published:
        for system, codes in _systems(path):
            lines.setdefault(system, " ".join([system, *codes]))
    return "".join(f"{line}\n" for line in sorted(lines.values()))


def _systems(path: Path) -> Iterator[tuple[str, list[str]]]:
    if path.suffix == ".txt":
        for line in path.read_text(encoding="utf-8").splitlines():
            yield line.split()[0], line.split()[1:]
    elif path.suffix == ".json":
        tags = [
            (tag["Type"], tag["Subtag"])
            for tag in json.loads(path.read_text(encoding="utf-8"))
            if ".." not in tag.get("Subtag", "..")
        ]
        yield "urn:ietf:bcp:47", [tag for kind, tag in tags if kind in ("language", "region")]
    elif path.stem == "ucum-essence":
        parts = [
            (part.tag.rpartition("}")[2], part.get("isMetric"), str(part.get("Code")))
            for part in etree.parse(str(path)).getroot()
            if part.get("Code")
        ]
        prefixes = [code for kind, _, code in parts if kind == "prefix"]
        units = [code for kind, _, code in parts if kind != "prefix"]
        metric = [code for kind, is_metric, code in parts if kind == "base-unit" or is_metric == "yes"]
        yield "http://unitsofmeasure.org", [*units, *(prefix + unit for unit in metric for prefix in prefixes)]
    else:
        for system in etree.parse(str(path)).iter(f"{_FHIR}CodeSystem"):
            url, content = (str(system.find(f"{_FHIR}{name}").get("value")) for name in ("url", "content"))  # type: ignore[union-attr]
            codes = [str(code.get("value")) for code in system.iterfind(f".//{_FHIR}concept/{_FHIR}code")]
            if content == "complete" or url.startswith(_HL7):
                yield url.removeprefix(_HL7), codes if content == "complete" else []


if __name__ == "__main__":
    sys.stdout.write(table(*map(Path, sys.argv[1:])))
