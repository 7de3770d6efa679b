"""Whether a code system has a code: HL7's own systems, UCUM's units, languages, and lists that others publish.

The table beside this module, code_systems.txt, has a system a line: URL, without HL7's own beginning, and codes. A
system without codes there may have any. `tests/conformance/code_table.py` derives it.

This product includes all or a portion of the UCUM table, UCUM codes, and UCUM definitions or is derived from it,
subject to a license from Regenstrief Institute, Inc. and The UCUM Organization. Your use of the UCUM table, UCUM codes,
UCUM definitions also is subject to this license, a copy of which is available at https://ucum.org/license. The current
complete UCUM table, UCUM Specification are available for download at https://ucum.org. The UCUM table and UCUM codes
are copyright (c) 1995-2009, Regenstrief Institute, Inc. and the Unified Codes for Units of Measures (UCUM)
Organization. All rights reserved.
"""

import re
from functools import cache
from importlib.resources import files

from gpconnect_messaging.identifiers import SNOMED_CT

UNITS, LANGUAGES = "http://unitsofmeasure.org", "urn:ietf:bcp:47"
_HL7 = "http://hl7.org/fhir/"
_OF_HL7 = tuple(
    scheme + place
    for scheme in ("http://", "https://")
    for place in ("hl7.org/fhir", "www.hl7.org/fhir", "build.fhir.org")
)
_CLASSIFICATIONS = frozenset(("icd-9", "icd-9-cm", "icd-10", "icd-10-cm", "cvx", "ndc", "srt"))
"""Systems of other publishers that HL7 gave a URL (`sid/`), and a validator knows by it."""
_NEVER_LONGER = (SNOMED_CT, "http://loinc.org", UNITS, "http://www.nlm.nih.gov/research/umls/rxnorm")
_ANNOTATION, _GROUP = re.compile(r"\{[ -z|~]*\}"), re.compile(r"\(([^()]*)\)")
_OPERATOR = re.compile(r"[./](?![^\[]*\])")
_COMPONENT = re.compile(r"(?:(10[*^]|(?:[A-Za-z%'_]|\[[^\]]*\])+)(?:[+-]?\d{1,9})?|\d{1,9}|\0)?(?:\{\})*", re.ASCII)
_GROUPED, _LONGEST_UNIT = "\0", 500


@cache
def _systems() -> dict[str, str]:
    lines = (files(__package__) / "code_systems.txt").read_text(encoding="utf-8").splitlines()
    return {system: f" {codes} " for system, _, codes in (line.partition(" ") for line in lines)}


def _has(system: str, code: str) -> bool:
    return " " not in code and f" {code} " in _systems()[system]


def is_code_of(system: str, code: str) -> bool:
    """Whether a code can be of a system. A system of another publisher that is not in the table may have any code."""
    name = system.removeprefix(_HL7)
    if not (codes := _systems().get(name)):
        known = system in _NEVER_LONGER or not system.startswith((*_OF_HL7, *_NEVER_LONGER))
        return known or name.removeprefix("sid/") in _CLASSIFICATIONS
    if not (code and codes.strip()):
        return True
    if system == UNITS:
        return _is_unit(code)
    if system == LANGUAGES:
        return _is_language(code)
    return _has(name, code)


def _is_language(code: str) -> bool:
    """Whether a code is a language, perhaps with a region. HAPI FHIR's validator knows no script and no variant."""
    language, dash, region = code.partition("-")
    return language.isalpha() and _has(LANGUAGES, language.lower()) and (not dash or _has(LANGUAGES, region.upper()))


def _is_unit(code: str) -> bool:
    """Whether a code is of UCUM's grammar, case-sensitive: a group in brackets counts as one component."""
    if len(code) > _LONGEST_UNIT or _GROUPED in code:
        return False
    code, groups = _ANNOTATION.sub("{}", code), 1
    while groups:
        code, groups = _GROUP.subn(lambda group: _GROUPED if _is_term(group[1]) else "?", code)
    return _is_term(code)


def _is_term(code: str) -> bool:
    found = [_COMPONENT.fullmatch(part) for part in _OPERATOR.split(code.removeprefix("/"))]
    return all(part and part[0] and (part[1] is None or _has(UNITS, part[1])) for part in found)
