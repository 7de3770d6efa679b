"""The people of the local PDS, as FHIR resources.

`people.json` holds public test patients and invented ones, all in the test range 900-999:

    {"nhs_number": "9…", "family": "…", "given": ["…"], "birth_date": "YYYY-MM-DD",
     "practices": [{"ods_code": "…", "start": "…", "end": "…"}], "security": "U", "deceased": "YYYY-MM-DD",
     "name_period": {…}, "superseded_by": "9…", "invalidated": true}

All fields but the NHS number are optional, as in PDS.
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
    """Read a people file; return the people by NHS number. Raises ValueError for another kind of file."""
    people = json.loads(path.read_text(encoding="utf-8"))
    return {person["nhs_number"]: person for person in people}


def patient(person: Person) -> dict[str, Any]:
    """Return a person's Patient resource: PDS omits unknown data, and data that the security label withholds."""
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
        resource["generalPractitioner"] = [
            _practice(number, practice) for number, practice in enumerate(person["practices"])
        ]
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
