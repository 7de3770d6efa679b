"""The people of the local PDS, and the FHIR resources that it gives of them.

`people.json` holds public test patients and invented ones, all in the test range 900-999:

    {"nhs_number": "9…", "family": "…", "given": ["…"], "birth_date": "YYYY-MM-DD",
     "practices": [{"ods_code": "…", "start": "…", "end": "…"}], "security": "U", "deceased": "YYYY-MM-DD",
     "name_period": {…}, "superseded_by": "9…", "invalidated": true}

Everything but the NHS number may be left out: PDS has such people.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

DEFAULT_PEOPLE = Path(__file__).with_name("people.json")

_CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
_LABELS = {"U": "unrestricted", "R": "restricted", "V": "very restricted"}

Person = Mapping[str, Any]


def read(path: Path = DEFAULT_PEOPLE) -> dict[str, Person]:
    """Read a people file; by NHS number. Raises ValueError for one that is no such file."""
    people = json.loads(path.read_text(encoding="utf-8"))
    return {person["nhs_number"]: person for person in people}


def patient(person: Person) -> dict[str, Any]:
    """Write a person as PDS does: what is not known is left out, and what the label withholds, too."""
    label = person.get("security", "U")
    resource: dict[str, Any] = {
        "resourceType": "Patient",
        "id": person["nhs_number"],
        "identifier": [{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": person["nhs_number"]}],
        "meta": {
            "versionId": "1",
            "security": [{"system": _CONFIDENTIALITY, "code": label, "display": _LABELS[label]}],
        },
    }
    if "family" in person and label != "V":
        name = {"id": "n1", "use": "usual", "family": person["family"], "given": person.get("given", [])}
        period = person.get("name_period", {"start": person.get("birth_date", "1900-01-01")})
        former = person.get("former_family")
        old = [{"id": "n2", "use": "old", "family": former, "period": {"end": period["start"]}}] if former else []
        resource["name"] = [*old, {**name, "period": period}]
    if "birth_date" in person:
        resource["birthDate"] = person["birth_date"]
    if "deceased" in person:
        resource["deceasedDateTime"] = f"{person['deceased']}T00:00:00+00:00"
    if person.get("practices") and label == "U":
        resource["generalPractitioner"] = [_practice(number, each) for number, each in enumerate(person["practices"])]
    return resource


def _practice(number: int, practice: Mapping[str, str]) -> dict[str, Any]:
    return {
        "id": f"gp{number}",
        "type": "Organization",
        "identifier": {
            "system": "https://fhir.nhs.uk/Id/ods-organization-code",
            "value": practice["ods_code"],
            "period": {name: practice[name] for name in ("start", "end") if name in practice},
        },
    }
