"""Checks that a ready resource names only the request's patient, or other persons of the message.

A reference can hold three things: a link to the person's resource, an identifier, and a display name. A receiver may
believe any of them, so all must mean the same person (hazard: wrong patient). An identifier or name that cannot be
verified is refused: the sender leaves it out, since the link is enough, or adds the person as a resource. A name
without a link is checked wherever STU3 allows a person; elsewhere it names a device, a specimen or a location.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from gpconnect_messaging.identifiers import is_nhs_number
from gpconnect_messaging.itk3.form import elements
from gpconnect_messaging.itk3.stu3 import Json
from gpconnect_messaging.names import fold
from gpconnect_messaging.quoting import ods_code
from gpconnect_messaging.requests.models import Name, Practitioner, Request
from gpconnect_messaging.requests.refusal import Reason

_PEOPLE = frozenset({
    "AllergyIntolerance.asserter", "AllergyIntolerance.patient", "AllergyIntolerance.recorder",
    "Annotation.authorReference", "Condition.asserter", "Condition.subject", "Consent.patient", "Device.patient",
    "DiagnosticReport.subject", "DocumentReference.Context.sourcePatientInfo", "DocumentReference.subject",
    "Encounter.Participant.individual", "Encounter.subject", "FamilyMemberHistory.patient",
    "Immunization.Practitioner.actor", "Immunization.patient", "MedicationRequest.recorder",
    "MedicationRequest.subject", "MedicationStatement.subject", "Observation.subject", "ProcedureRequest.subject",
    "QuestionnaireResponse.author", "QuestionnaireResponse.source", "ReferralRequest.subject", "RelatedPerson.patient",
    "Specimen.Collection.collector", "Specimen.subject",
})  # fmt: skip
"""Elements of type Reference among whose targets STU3 names people, and no organisation."""
_PEOPLE_OR_ORGANISATIONS = frozenset({
    "Condition.Evidence.detail", "Consent.Actor.reference", "Consent.Actor1.reference", "Consent.Data.reference",
    "Consent.Data1.reference", "Consent.consentingParty", "DiagnosticReport.Performer.actor",
    "DocumentReference.Related.ref", "DocumentReference.authenticator", "DocumentReference.author",
    "Extension.valueReference", "MedicationRequest.Requester.agent", "MedicationRequest.supportingInformation",
    "MedicationStatement.derivedFrom", "MedicationStatement.informationSource", "Observation.performer",
    "ProcedureRequest.Requester.agent", "ProcedureRequest.basedOn", "ProcedureRequest.performer",
    "ProcedureRequest.replaces", "ProcedureRequest.supportingInfo", "Questionnaire.EnableWhen.answerReference",
    "Questionnaire.Item.initialReference", "QuestionnaireResponse.Answer.valueReference",
    "QuestionnaireResponse.Item.subject", "QuestionnaireResponse.subject", "ReferralRequest.Requester.agent",
    "ReferralRequest.recipient", "ReferralRequest.supportingInfo", "Signature.onBehalfOfReference",
    "Signature.whoReference", "Task.Input.valueReference", "Task.Output.valueReference", "Task.Requester.agent",
    "Task.Restriction.recipient", "Task.basedOn", "Task.focus", "Task.for", "Task.owner",
})  # fmt: skip
"""Elements whose targets are people and organisations, or any resource. Any other reference names no person."""
_PERSON_URI = re.compile(r"(?:^|/)(?:Patient|Person|Practitioner|RelatedPerson)/[A-Za-z0-9.-]{1,64}(?:/|$)")
_NHS_NUMBER = re.compile(r"nhs[\W_]?n(?:umber|o\b)|\b2\.16\.840\.1\.113883\.2\.1\.4\.1(?![0-9.])", re.IGNORECASE)
_FREE_TEXT = ("Extension.url", "Extension.value", "Reference.display")
"""Prefixes of elements with free text, which may hold only NHS numbers of people of the message."""
_WRITTEN_NUMBER = re.compile(r"(?<!\d)(\d{3})[ -]?(\d{3})[ -]?(\d{4})(?!\d)")
"""Ten digits, also in the groups in which the NHS prints numbers."""
_ODS_CODE = re.compile(r"ods-(?:organization|site)-code/?", re.IGNORECASE)
_NHS_NUMBER_SYSTEM = "nhs-number"
_TITLES = frozenset(["mr", "mrs", "ms", "miss", "mx", "master", "dr", "doctor", "prof", "professor", "sir", "sister"])
_NOT_OF_THE_MESSAGE = (
    "is not of this patient, nor of a person of the message: leave it out, or give the person as a resource"
)
_STRANGE = "holds an NHS number that is neither this patient's nor that of a person of the message: leave it out"
_WITHOUT_A_SYSTEM = "can be another person's NHS number: add the system of the identifier, or leave it out"
_CONTRADICTS = "is not seen to belong to what the reference beside it points to: leave it out"


@dataclass(frozen=True, slots=True)
class Party:
    """A person or organisation of a message: all words of the name, the required ones (`family`), and identifiers."""

    words: frozenset[str]
    family: frozenset[str]
    identifiers: frozenset[tuple[str, str]]
    is_person: bool = True

    def is_called(self, display: object) -> bool:
        """Whether a text has the family name, and otherwise only this person's names and numbers."""
        words = _words(display) - (_TITLES - self.family)  # Doctor and Master are surnames, too
        return self.family <= words <= self.words if self.family else bool(words) and words <= self.words

    def has(self, identifier: Json) -> bool:
        """Whether an Identifier is one of this party's."""
        return _key(identifier) in self.identifiers


def names_nhs_number(system: str, value: str) -> bool:
    """Whether an identifier is, or looks like, an NHS number."""
    return _is_nhs_number({"system": system}) or is_nhs_number("".join(re.findall("[0-9]", value)))


def parties(request: Request, supplied: Iterable[tuple[tuple[str, ...], Json]]) -> dict[str, Party]:
    """Map the references that a ready resource may use to the people and organisations of a message.

    `supplied` are the names and contents of the ready resources.
    """
    patient, relative = request.patient, request.related_person
    known = {
        "Patient/patient": _party(
            patient.name,
            (_NHS_NUMBER_SYSTEM, patient.nhs_number),
            *(key for number in patient.identifiers if (key := _key({"system": number.system, "value": number.value}))),
        ),
        "Organization/organisation": _organisation(
            request.organisation.name, ("ods-organization-code", request.organisation.ods_code)
        ),
    }
    known |= {f"Practitioner/{name}": _practitioner(one) for name, one in request.clinicians.items()}
    if relative:
        known["RelatedPerson/related-person"] = _party(relative.name)
    for names, content in supplied:
        is_person = content["resourceType"] in ("Practitioner", "RelatedPerson")
        if not is_person and content["resourceType"] != "Organization":
            continue
        keys = [key for item in content.get("identifier", ()) if (key := _key(item))]
        name = content.get("name", ())
        party = _supplied_person(name, keys) if is_person else _organisation(name or "", *keys)
        # A person to whom no other resource can refer still belongs to the message.
        known |= dict.fromkeys(names or (f"#{len(known)}",), party)
    return known


def misnamed(content: Json, path: str, known: Mapping[str, Party]) -> Iterator[Reason]:
    """Find the elements of a ready resource that name a person outside the message, or the wrong one."""
    people = [party for party in known.values() if party.is_person]
    for where, name, kind, value in elements(content, content["resourceType"], path):
        if kind == "Reference":
            yield from _in_reference(where, name, value, known)
        elif kind == "Identifier" and _is_nhs_number(value) and not any(party.has(value) for party in people):
            yield Reason(f"{where}.value", _NOT_OF_THE_MESSAGE)
        elif kind == "Identifier" and "system" not in value and _has_a_strange_number(value.get("value"), people):
            yield Reason(f"{where}.value", _WITHOUT_A_SYSTEM)
        elif kind == "HumanName" and name.endswith(".valueHumanName"):
            if not any(party.is_called(" ".join(_name_parts(value))) for party in people):
                yield Reason(where, _NOT_OF_THE_MESSAGE)
        elif (kind == "uri" or name == "Extension.url") and _PERSON_URI.search(str(value)):
            yield Reason(where, "points to a person outside the message: leave it out")
        elif name.startswith(_FREE_TEXT) and _has_a_strange_number(value, people):
            yield Reason(where, _STRANGE)


def _in_reference(path: str, name: str, value: Json, known: Mapping[str, Party]) -> Iterator[Reason]:
    for where, _, kind, _ in elements(value, "Reference", path):
        if kind == "Extension":
            yield Reason(where, "is not taken in a reference: leave it out")
    reference, identifier, display = (value.get(item) for item in ("reference", "identifier", "display"))
    names_people = name in _PEOPLE or name in _PEOPLE_OR_ORGANISATIONS
    if reference is not None:
        target = known.get(reference)
        if names_people or (target is not None and target.is_person):
            if identifier is not None and target is not None and not target.has(identifier):
                yield Reason(f"{path}.identifier", _CONTRADICTS)
            if display is not None and not (target is not None and target.is_called(display)):
                yield Reason(f"{path}.display", _CONTRADICTS)
    elif names_people:
        candidates = [party for party in known.values() if party.is_person or name in _PEOPLE_OR_ORGANISATIONS]
        meant = [party for party in candidates if identifier is None or party.has(identifier)]
        if not meant and name in _PEOPLE_OR_ORGANISATIONS and _is_organisation(identifier or {}):
            return
        if not meant:
            yield Reason(f"{path}.identifier", _NOT_OF_THE_MESSAGE)
        elif display is not None and not any(party.is_called(display) for party in meant):
            yield Reason(f"{path}.display", _NOT_OF_THE_MESSAGE)


def _is_organisation(identifier: Json) -> bool:
    return bool(_ODS_CODE.search(identifier.get("system", "")) and ods_code(identifier.get("value", "")))


def _is_nhs_number(identifier: Json) -> bool:
    return bool(_NHS_NUMBER.search(f"{identifier.get('system')} {identifier.get('type')}"))


def _has_a_strange_number(value: object, people: Iterable[Party]) -> bool:
    """Whether a value holds a well-formed NHS number that belongs to none of these people."""
    numbers = {f"{int(''.join(groups)):010d}" for groups in _WRITTEN_NUMBER.findall(str(value))}
    return any(
        is_nhs_number(number) for number in numbers - {number for party in people for _, number in party.identifiers}
    )


def _key(identifier: Json) -> tuple[str, str] | None:
    """Write an Identifier's system and value so that they can be compared; None where one is missing."""
    if not (identifier.get("system") and identifier.get("value")):
        return None
    system, value = str(identifier["system"]), "".join(str(identifier["value"]).split())
    if _is_nhs_number(identifier):
        return _NHS_NUMBER_SYSTEM, value
    return _system(system), value


def _system(uri: str) -> str:
    """Return the last part of a system's URI, since senders write the same system under several."""
    return uri.rstrip("/").rpartition("/")[2].lower()


def _words(text: object) -> frozenset[str]:
    joined = _WRITTEN_NUMBER.sub(r"\1\2\3", fold(str(text)))
    return frozenset(re.findall(r"\w+", joined.casefold().replace("'", "")))


def _name_parts(name: Json) -> list[str]:
    """List the parts of a HumanName, the family name last."""
    parts = [*name.get("given", ()), *name.get("prefix", ()), *name.get("suffix", ()), name.get("text", "")]
    return [part for part in (*parts, name.get("family")) if part]


def _party(name: Name, *identifiers: tuple[str, str]) -> Party:
    return _person(_words(name.family), _words(" ".join(name.given)), _words(name.prefix or ""), identifiers)


def _practitioner(practitioner: Practitioner) -> Party:
    return _party(practitioner.name, *((_system(system), value) for system, value in practitioner.numbers))


def _person(
    family: frozenset[str], given: frozenset[str], titles: frozenset[str], identifiers: Iterable[tuple[str, str]]
) -> Party:
    """Make a person, who may be called by the initials of the given names; the M of Mr is another's."""
    numbers = frozenset(identifiers)
    values = frozenset(value.casefold() for _, value in numbers)
    initials = frozenset(word[0] for word in given - _TITLES)
    return Party(family | given | titles | initials | values, family, numbers)


def _supplied_person(names: list[Json], identifiers: Iterable[tuple[str, str]]) -> Party:
    family: frozenset[str] = frozenset()
    given: frozenset[str] = frozenset()
    titles: frozenset[str] = frozenset()
    for name in names:
        family |= _words(name.get("family", ""))
        given |= _words(" ".join([*name.get("given", ()), name.get("text", "")]))
        titles |= _words(" ".join(_name_parts(name)))
    # With several names, none is required.
    return _person(family if len(names) == 1 else frozenset(), given, titles | family, identifiers)


def _organisation(name: str, *identifiers: tuple[str, str]) -> Party:
    return Party(_words(name), _words(name), frozenset(identifiers), is_person=False)
