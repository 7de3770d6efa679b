"""Whether everybody that a ready resource names is the request's patient, or another person of the message.

A reference can say three things at once: where the person's resource is, an identifier, and a name to display. A
receiver may believe any of them, so all must mean the same person (hazard: wrong patient). What cannot be seen to be
right is refused: the sender leaves it out, since the reference says it already, or gives the person as a resource.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from gpconnect_messaging.itk3.form import elements
from gpconnect_messaging.itk3.stu3 import Json
from gpconnect_messaging.names import fold
from gpconnect_messaging.requests.models import Name, Request
from gpconnect_messaging.requests.refusal import Reason

_PEOPLE = frozenset({
    "actor", "agent", "asserter", "authenticator", "author", "authorReference", "collector", "consentingParty",
    "individual", "informationSource", "onBehalfOfReference", "owner", "patient", "performer", "recipient", "recorder",
    "reference", "source", "sourcePatientInfo", "subject", "whoReference",
})  # fmt: skip
"""Elements of type Reference for which STU3 names Patient, Practitioner or RelatedPerson among the targets."""
_ORGANISATIONS = re.compile(r"\.dispenseRequest\.performer|: Device\.owner")
"""Elements of the same names for which it names organisations only."""
_PERSON_URI = re.compile(r"(?:^|/)(?:Patient|Person|Practitioner|RelatedPerson)/[A-Za-z0-9.-]{1,64}(?:/|$)")
_NHS_NUMBER = re.compile(r"nhs-?number/?|urn:oid:2\.16\.840\.1\.113883\.2\.1\.4\.1", re.IGNORECASE)
_ODS_CODE = re.compile(r"ods-(?:organization|site)-code/?", re.IGNORECASE)
_NHS_NUMBER_SYSTEM = "nhs-number"
_TITLES = frozenset(["mr", "mrs", "ms", "miss", "mx", "master", "dr", "doctor", "prof", "professor", "sir", "sister"])
_NOT_OF_THE_MESSAGE = (
    "is not of this patient, nor of a person of the message: leave it out, or give whoever it is as a resource"
)
_CONTRADICTS = "is not seen to be of the person to whom the reference beside it points: leave it out"


@dataclass(frozen=True, slots=True)
class Party:
    """A person of a message, or an organisation: the words of the name, those that must be said, and identifiers."""

    words: frozenset[str]
    family: frozenset[str]
    identifiers: frozenset[tuple[str, str]]
    is_person: bool = True

    def is_called(self, display: object) -> bool:
        """Whether a text has the family name, and beside it nothing that is not of this person's names and numbers."""
        said = _words(display) - _TITLES
        return self.family <= said <= self.words if self.family else bool(said) and said <= self.words

    def has(self, identifier: object) -> bool:
        """Whether an Identifier is one of this party's."""
        return _key(identifier) in self.identifiers


def parties(request: Request, supplied: Iterable[tuple[tuple[str, ...], Json]]) -> dict[str, Party]:
    """Map what a ready resource may call the people and organisations of a message to what is known of them.

    `supplied` are the other ready resources, and what they may be called.
    """
    patient, practitioner, relative = request.patient, request.practitioner, request.related_person
    found = {
        "Patient/patient": _party(patient.name, (_NHS_NUMBER_SYSTEM, patient.nhs_number)),
        "Organization/organisation": _organisation(
            request.organisation.name, ("ods-organization-code", request.organisation.ods_code)
        ),
    }
    if practitioner:
        found["Practitioner/practitioner"] = _party(practitioner.name, ("sds-user-id", practitioner.sds_user_id))
    if relative:
        found["RelatedPerson/related-person"] = _party(relative.name)
    for names, content in supplied:
        keys = [key for item in content.get("identifier", ()) if (key := _key(item))]
        if content["resourceType"] in ("Practitioner", "RelatedPerson"):
            party = _supplied_person(content.get("name", []), keys)
        elif content["resourceType"] == "Organization":
            party = _organisation(content.get("name", ""), *keys)
        else:
            continue
        # One that no other resource can refer to is a person of the message all the same.
        found |= dict.fromkeys(names or (f"#{len(found)}",), party)
    return found


def misnamed(content: Json, path: str, known: Mapping[str, Party]) -> Iterator[Reason]:
    """Find what in a ready resource names somebody who is not a person of the message, or another one."""
    for where, name, kind, value in elements(content, content["resourceType"], path):
        if kind == "Reference":
            yield from _in_reference(where, name, value, known)
        elif kind == "Identifier":
            key = _key(value)
            people = [party for party in known.values() if party.is_person]
            if key and key[0] == _NHS_NUMBER_SYSTEM and not any(party.has(value) for party in people):
                yield Reason(f"{where}.value", _NOT_OF_THE_MESSAGE)
        elif kind == "uri" and name != "reference" and _PERSON_URI.search(str(value)):
            yield Reason(where, "points to a person outside the message: leave it out")


def _in_reference(path: str, name: str, value: Json, known: Mapping[str, Party]) -> Iterator[Reason]:
    reference, identifier, display = (value.get(item) for item in ("reference", "identifier", "display"))
    if reference is not None:
        target = known.get(reference)
        if target is not None and target.is_person:
            if identifier is not None and not target.has(identifier):
                yield Reason(f"{path}.identifier", _CONTRADICTS)
            if display is not None and not target.is_called(display):
                yield Reason(f"{path}.display", _CONTRADICTS)
    elif name in _PEOPLE and not _is_organisation(identifier) and not _ORGANISATIONS.search(path):
        meant = [party for party in known.values() if identifier is None or party.has(identifier)]
        if not meant:
            yield Reason(f"{path}.identifier", _NOT_OF_THE_MESSAGE)
        elif display is not None and not any(party.is_called(display) for party in meant):
            yield Reason(f"{path}.display", _NOT_OF_THE_MESSAGE)


def _is_organisation(identifier: object) -> bool:
    return isinstance(identifier, dict) and bool(_ODS_CODE.search(str(identifier.get("system", ""))))


def _key(identifier: object) -> tuple[str, str] | None:
    """Write an Identifier's system and value so that they can be compared; None where one is missing."""
    if not isinstance(identifier, dict) or not (identifier.get("system") and identifier.get("value")):
        return None
    system, value = str(identifier["system"]), "".join(str(identifier["value"]).split())
    if _NHS_NUMBER.search(system):
        return _NHS_NUMBER_SYSTEM, value
    return system.rstrip("/").rpartition("/")[2].lower(), value


def _words(text: object) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", fold(str(text)).casefold().replace("'", "")))


def _party(name: Name, *identifiers: tuple[str, str]) -> Party:
    return _person(_words(name.family), _words(" ".join([name.prefix or "", *(name.given or ())])), identifiers)


def _person(family: frozenset[str], others: frozenset[str], identifiers: Iterable[tuple[str, str]]) -> Party:
    numbers = frozenset(identifiers)
    said = frozenset(value.casefold() for _, value in numbers)
    initials = frozenset(word[0] for word in others)
    return Party(family | others | initials | said, family, numbers)


def _supplied_person(names: list[Json], identifiers: Iterable[tuple[str, str]]) -> Party:
    family: frozenset[str] = frozenset()
    others: frozenset[str] = frozenset()
    for name in names:
        family |= _words(name.get("family", ""))
        parts = [*name.get("given", ()), *name.get("prefix", ()), *name.get("suffix", ()), name.get("text", "")]
        others |= _words(" ".join(part for part in parts if part))
    # Of several names any may be said.
    return _person(family if len(names) == 1 else frozenset(), others | family, identifiers)


def _organisation(name: str, *identifiers: tuple[str, str]) -> Party:
    return Party(_words(name), _words(name), frozenset(identifiers), is_person=False)
