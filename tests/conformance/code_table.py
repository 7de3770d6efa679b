"""Derives the library's table of the code systems that HL7 publishes with FHIR STU3, one a line: URL and codes.

    python -m tests.conformance.code_table valuesets.xml v3-codesystems.xml v2-tables.xml > …/conformance/hl7_codes.txt

The files come with HAPI's validator (`hapi-fhir-validation-resources-dstu3`). A system without codes here is one that
HL7 gives examples of, or none: any code may be of it.
"""

import sys
from pathlib import Path

from lxml import etree

_FHIR = "{http://hl7.org/fhir}"


def table(*published: Path) -> str:
    """Write the table; systems of others than HL7 are left out."""
    lines = []
    for path in published:
        for system in etree.parse(str(path)).iter(f"{_FHIR}CodeSystem"):
            url, content = (str(system.find(f"{_FHIR}{name}").get("value")) for name in ("url", "content"))  # type: ignore[union-attr]
            codes = [str(code.get("value")) for code in system.iterfind(f".//{_FHIR}concept/{_FHIR}code")]
            if url.startswith("http://hl7.org/fhir/"):
                lines.append(
                    " ".join([url.removeprefix("http://hl7.org/fhir/"), *(codes if content == "complete" else ())])
                )
    return "".join(f"{line}\n" for line in sorted(lines))


if __name__ == "__main__":
    sys.stdout.write(table(*map(Path, sys.argv[1:])))
