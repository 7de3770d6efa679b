"""Checks of the payload that every use case shares: Composition, people, organisation and documents.

Source: GPCM-SD-001 … 039, GPCM-SD-CS-017 … 042, and the same rules for online consultations and generic documents
(1.5); GPCM-SD-028 … 038 and 098 … 123 (2.0.2).
"""

import re
from collections.abc import Callable

from gpconnect_messaging.conformance.check_result import NOT_APPLICABLE, CheckResult, Violation, judged
from gpconnect_messaging.conformance.checks.check import Check, Level, checks
from gpconnect_messaging.conformance.message_under_test import (
    NHS_NUMBER,
    ODS_CODE,
    ONLINE_CONSULTATION_TYPE,
    SDS_USER,
    SNOMED,
    MessageUnderTest,
)
from gpconnect_messaging.conformance.rules import (
    Rule,
    all_of,
    coded,
    composition,
    every,
    fixed,
    follows,
    has,
    organisation,
    patient,
    refers,
)
from gpconnect_messaging.conformance.rules import rule_for_each as each_one
from gpconnect_messaging.conformance.tree import Content, Node
from gpconnect_messaging.requests.snomed import is_concept_id

MUST, SHOULD = Level.MUST, Level.SHOULD
_UUID = re.compile(r"(?i)(urn:uuid:)?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_BIRTH_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_BASE64 = re.compile(r"[A-Za-z0-9+/\s]*(=\s*){0,2}")
_VERSION = re.compile(r"[Vv]ersion:? ([0-9]+)")
AUTHORS = {
    "Practitioner": "CareConnect-Practitioner-1",
    "Patient": "CareConnect-Patient-1",
    "RelatedPerson": "CareConnect-RelatedPerson-1",
    "Device": "ITK-Device-1",
}


def _composition(transmission: MessageUnderTest) -> CheckResult:
    found = transmission.composition
    if found is None:
        return judged([], [Violation(transmission.place, "the payload has no Composition")])
    if transmission.payload[0] is not found:
        return judged([found], [Violation(found, "the Composition must be the payload's first entry")])
    return judged([found], [])


def _profiled_composition(transmission: MessageUnderTest) -> CheckResult:
    seen, faults = _composition(transmission)
    faults = faults or [
        Violation(each, "meta.profile must name CareConnect-Composition-1")
        for each in seen
        if not follows(each, "CareConnect-Composition-1")
    ]
    return CheckResult(seen, faults)


def refers_to_profiled(path: str, profiles: dict[str, str], *, once: bool = True) -> Rule:
    """Judge a reference of the Composition: it names a resource of the payload that claims the type's profile."""

    def fault(subject: Node, transmission: MessageUnderTest) -> Violation | None:
        references = subject.all(path)
        if not references:
            return Violation(subject, f"{path} is missing; it must refer to {' or '.join(profiles)}")
        if once and len(references) > 1:
            return Violation(references[1], f"there may be only one {path}")
        for reference in references:
            referred = transmission.referred(reference)
            if referred is None or referred.name not in profiles:
                return Violation(reference, f"{path} must refer to {' or '.join(profiles)} inside the document")
            if not follows(referred, profiles[referred.name]):
                return Violation(referred, f"meta.profile must name {profiles[referred.name]}")
        return None

    return each_one(composition, fault)


def _there(kind: str, profile: str) -> Rule:
    def rule(transmission: MessageUnderTest) -> CheckResult:
        found = transmission.resources(kind)
        right = [each for each in found if follows(each, profile)]
        if right:
            return judged(right[:1], [])
        words = f"the payload must have a {kind} that follows {profile}"
        return judged(found, [Violation(found[0] if found else transmission.place, words)])

    return rule


# --- the Composition's words ------------------------------------------------------------------------------------------


def _narrative(kind: str, *, place_told: bool, version_word: str = "Version ") -> Rule:
    """Judge Composition.text: the use case's words, the patient's name and number, the place, the version."""

    def fault(subject: Node, transmission: MessageUnderTest) -> Violation | None:
        told = subject.first("text")
        words = transmission.narrative
        if told is None or not words:
            return Violation(told or subject, "text is missing")
        faults = wording_faults(words, transmission, kind, place_told=place_told)
        if not _VERSION.search(words) or version_word not in words:
            faults.append("the version number")
        return Violation(told, f"text must give {', '.join(faults)} in the prescribed form") if faults else None

    return each_one(composition, fault)


def wording_faults(
    words: str, transmission: MessageUnderTest, kind: str, *, place_told: bool, folded: Callable[[str], str] = str
) -> list[str]:
    """List what is wrong in a text of the form "{kind} for {name}, NHS Number {n}, seen at {place}, ODS Code {ods}".

    `folded` is what became of the name on its way into the text: it may stand there either way.
    """
    faults = []
    if kind and not words.startswith(f"{kind} for "):
        faults.append(f"the words “{kind} for”")
    elif " for " not in words:
        faults.append("what it is and for whom")
    family = transmission.patient.text("name", "family") if transmission.patient else ""
    names = (" ".join(each.split()).casefold() for each in (family, folded(family)))
    if family and not any(each in words.casefold() for each in names):
        faults.append("the patient's name")
    number = re.search(r"NHS Number:? ([0-9 ]+)", words)
    if not number or number[1].replace(" ", "") != transmission.nhs_number:
        faults.append("the patient's NHS number")
    if place_told:
        told = ", seen at " in words
        if transmission.confidential and (told or "ODS Code" in words):
            faults.append("no place, since the consultation is confidential,")
        elif not transmission.confidential and not (told and f"ODS Code {transmission.ods_code}" in words):
            faults.append("the place and its ODS code")
    return faults


# --- replacement ------------------------------------------------------------------------------------------------------


def _replaces(subject: Node, _transmission: MessageUnderTest) -> Violation | None:
    for related in subject.all("relatesTo"):
        if related.text("code") != "replaces":
            return Violation(related, "relatesTo.code must be replaces")
    return None


def _replaced(subject: Node, _transmission: MessageUnderTest) -> Violation | None:
    for related in subject.all("relatesTo"):
        if not _UUID.fullmatch(related.text("targetIdentifier", "value")):
            return Violation(related, "relatesTo.targetIdentifier must be the UUID of the replaced document")
    return None


def _related(transmission: MessageUnderTest) -> list[Node]:
    found = transmission.composition
    return [found] if found is not None and found.first("relatesTo") is not None else []


def version_told(transmission: MessageUnderTest) -> int | None:
    """The version number that the Composition's text or the envelope's subject gives."""
    # The version comes last; an organisation's name may hold the word as well.
    told = _VERSION.findall(transmission.narrative)
    if not told and transmission.headers:
        told = _VERSION.findall(transmission.headers.subject)
    return int(told[-1]) if told else None


def _later_version(transmission: MessageUnderTest) -> CheckResult:
    """Judge that a later version says what it replaces, by a UUID, and that the first one replaces nothing."""
    found, version = transmission.composition, version_told(transmission)
    if found is None:
        return NOT_APPLICABLE
    related = found.all("relatesTo")
    if version and version > 1 and not related:
        return judged([found], [Violation(found, "a version after the first must name the document that it replaces")])
    if version == 1 and related:
        return judged([found], [Violation(related[0], "version 1 is the original: it replaces nothing")])
    if not related:
        return NOT_APPLICABLE if version is None else judged([found], [])
    return judged(related, [_replaced(found, transmission)])


# --- people and organisation ------------------------------------------------------------------------------------------


def _person_named(what: str) -> Callable[[Node, MessageUnderTest], Violation | None]:
    def fault(subject: Node, _transmission: MessageUnderTest) -> Violation | None:
        official = [each for each in subject.all("name") if each.text("use") == "official"]
        if len(official) != 1:
            return Violation(official[1] if official else subject, f"the {what} must have exactly one official name")
        return (
            None if official[0].text("family") else Violation(official[0], "the official name must have a family name")
        )

    return fault


def has_identifier(system: str, what: str) -> Callable[[Node, MessageUnderTest], Violation | None]:
    """Judge that a resource has exactly one identifier of a system, with a value."""

    def fault(subject: Node, _transmission: MessageUnderTest) -> Violation | None:
        found = [each for each in subject.all("identifier") if each.text("system") == system]
        if len(found) != 1:
            return Violation(found[1] if found else subject, f"there must be exactly one identifier with the {what}")
        return None if found[0].text("value") else Violation(found[0], f"the identifier with the {what} has no value")

    return fault


def telephone(subject: Node, _transmission: MessageUnderTest) -> Violation | None:
    """Judge that a resource has a telephone number."""
    for each in subject.all("telecom"):
        if each.text("system") == "phone" and each.text("value"):
            return None
    return Violation(subject, "telecom must have a telephone number (system phone, with a value)")


def _telephone_if_any(subject: Node, transmission: MessageUnderTest) -> Violation | None:
    return telephone(subject, transmission) if subject.first("telecom") else None


def birth_date(subject: Node, _transmission: MessageUnderTest) -> Violation | None:
    """Judge that a resource has a birth date to the day."""
    found = subject.first("birthDate")
    if found is None or not _BIRTH_DATE.fullmatch(found.value or ""):
        return Violation(found or subject, "birthDate must be given as YYYY-MM-DD")
    return None


def _one_name(subject: Node, _transmission: MessageUnderTest) -> Violation | None:
    names = subject.all("name")
    return None if len(names) == 1 else Violation(names[1] if names else subject, "there must be exactly one name")


def _sender_described(subject: Node, transmission: MessageUnderTest) -> Violation | None:
    if fault := has_identifier(ODS_CODE, "ODS code")(subject, transmission):
        return fault
    if not subject.text("name"):
        return Violation(subject, "the sending organisation must have a name")
    return telephone(subject, transmission)


def _patient_described(subject: Node, transmission: MessageUnderTest) -> Violation | None:
    parts = (has_identifier(NHS_NUMBER, "NHS number"), _person_named("patient"), birth_date)
    return next((fault for part in parts if (fault := part(subject, transmission))), None)


def _practitioner_described(transmission: MessageUnderTest) -> CheckResult:
    seen = transmission.resources("Practitioner")
    parts = (has_identifier(SDS_USER, "SDS user id"), _person_named("practitioner"), telephone)
    return judged(seen, [part(each, transmission) for each in seen for part in parts])


def _needed(rule: Rule, what: str) -> Rule:
    """Make a rule that applies to nothing broken: the thing itself must be there."""

    def needing(transmission: MessageUnderTest) -> CheckResult:
        judgement = rule(transmission)
        if judgement.seen or judgement.faults:
            return judgement
        return judged([], [Violation(transmission.place, f"the payload has no {what}")])

    return needing


# --- documents --------------------------------------------------------------------------------------------------------


def sections(transmission: MessageUnderTest) -> list[Node]:
    """List the Composition's sections, and those inside them."""
    found = transmission.composition.all("section") if transmission.composition else []
    for each in found:  # grows as it goes
        found += each.all("section")
    return found


def documents_in(section: Node, transmission: MessageUnderTest) -> list[Node]:
    """List the Binaries that a section's own entries refer to."""
    referred = [transmission.referred(entry) for entry in section.all("entry")]
    return [each for each in referred if each is not None and each.name == "Binary"]


def _one_section_each(transmission: MessageUnderTest) -> CheckResult:
    binaries = transmission.resources("Binary")
    found = sections(transmission)
    held = [documents_in(section, transmission) for section in found]
    faults = [
        Violation(binary, "no section of the Composition refers to this document")
        for binary in binaries
        if not any(binary is each for documents in held for each in documents)
    ]
    faults += [
        Violation(section, "a section may hold one document only")
        for section, documents in zip(found, held, strict=True)
        if len(documents) > 1
    ]
    return judged(binaries, faults)


def _document_referred(transmission: MessageUnderTest) -> CheckResult:
    found = sections(transmission)
    if any(documents_in(section, transmission) for section in found):
        return judged(found[:1], [])
    place = found[0] if found else transmission.composition or transmission.place
    return judged(found[:1], [Violation(place, "no section refers to an attached document")])


def _primary_is_pdf(transmission: MessageUnderTest) -> CheckResult:
    documents = [each for section in sections(transmission) for each in documents_in(section, transmission)]
    if any(each.text("contentType") == "application/pdf" for each in documents):
        return judged(documents[:1], [])
    place = documents[0] if documents else transmission.composition or transmission.place
    return judged(documents[:1], [Violation(place, "a section must refer to the report as a PDF document")])


def _primary_first(transmission: MessageUnderTest) -> CheckResult:
    entries = [entry for section in sections(transmission) for entry in section.all("entry")]
    if not entries:
        return NOT_APPLICABLE
    first = transmission.referred(entries[0])
    if first is not None and first.name == "Binary":
        return judged(entries[:1], [])
    return judged(entries[:1], [Violation(entries[0], "the first section entry must refer to the primary document")])


def base64_fault(node: Node, content: Content) -> Violation | None:
    """Judge a document's base64 by its length and its ends; the middle is not read."""
    if content.length == 0:
        return Violation(node, "the document is empty")
    if content.length % 4:
        return Violation(node, "the base64 is not whole: its length is no multiple of four")
    if "=" in content.start.rstrip("=\t\n\r ") or not _BASE64.fullmatch(content.end):
        return Violation(node, "this is not base64")
    return None if re.fullmatch(r"[A-Za-z0-9+/=\s]*", content.start) else Violation(node, "this is not base64")


def _encoded(subject: Node, _transmission: MessageUnderTest) -> Violation | None:
    found = subject.first("content")
    if found is None or found.content is None:
        return Violation(subject, "the document has no content")
    return base64_fault(found, found.content)


# --- meta and ids -----------------------------------------------------------------------------------------------------


def _all_resources(transmission: MessageUnderTest) -> list[Node]:
    return [transmission.root, *transmission.entries, *transmission.payload]


def _has_profile(subject: Node, _transmission: MessageUnderTest) -> Violation | None:
    profiles = subject.at("meta", "profile")
    return None if profiles and all(each.value for each in profiles) else Violation(subject, "meta.profile is missing")


def _has_id(subject: Node, _transmission: MessageUnderTest) -> Violation | None:
    return None if subject.text("id") else Violation(subject, "id is missing")


def _sectioned(kind: str) -> Rule:
    """Judge that resources of a type are listed: a section refers to them, or to a List that does."""

    def rule(transmission: MessageUnderTest) -> CheckResult:
        seen = transmission.resources(kind)
        if not seen:
            return NOT_APPLICABLE
        listed = [transmission.referred(entry) for section in sections(transmission) for entry in section.all("entry")]
        for each in [found for found in listed if found is not None and found.name == "List"]:
            listed += [transmission.referred(item) for item in each.at("entry", "item")]
        return judged(seen, [
            Violation(each, f"no section of the Composition refers to this {kind}, directly or through a List")
            for each in seen
            if not any(each is found for found in listed)
        ])  # fmt: skip

    return rule


def _observations_listed(transmission: MessageUnderTest) -> CheckResult:
    seen = transmission.resources("Observation")
    if not seen:
        return NOT_APPLICABLE
    listed = [transmission.referred(entry) for section in sections(transmission) for entry in section.all("entry")]
    if any(each is not None and each.name == "List" for each in listed):
        return judged(seen[:1], [])
    return judged(seen, [Violation(transmission.place, "a section should refer to a List of the observations")])


def _repeated_listed(transmission: MessageUnderTest) -> CheckResult:
    """Judge that clinical resources of one type that come several times are gathered in a List."""
    items = {
        id(found)
        for each in transmission.resources("List")
        for item in each.at("entry", "item")
        if (found := transmission.referred(item)) is not None
    }
    seen = [
        each
        for kind in _CLINICAL
        if len(resources := transmission.resources(kind)) > 1
        for each in resources
    ]  # fmt: skip
    return judged(seen, [Violation(each, "should be an item of a List") for each in seen if id(each) not in items])


_CLINICAL = (
    "Observation", "AllergyIntolerance", "FamilyMemberHistory", "MedicationRequest", "MedicationStatement",
    "Immunization", "Condition", "ProcedureRequest", "DiagnosticReport",
)  # fmt: skip
_LISTED = (
    ("SD-009", "Questionnaire"), ("SD-010", "QuestionnaireResponse"), ("SD-011", "ReferralRequest"),
    ("SD-012", "DocumentReference"), ("SD-013", "AllergyIntolerance"), ("SD-014", "FamilyMemberHistory"),
    ("SD-015", "Task"), ("SD-016", "Consent"), ("SD-017", "Location"), ("SD-018", "Medication"),
    ("SD-019", "MedicationRequest"), ("SD-020", "MedicationStatement"), ("SD-078", "Immunization"),
    ("SD-021", "Condition"), ("SD-022", "ProcedureRequest"), ("SD-023", "DiagnosticReport"), ("SD-024", "Specimen"),
)  # fmt: skip


def _encounter_named(transmission: MessageUnderTest) -> CheckResult:
    encounters = transmission.resources("Encounter")
    if not encounters or transmission.composition is None:
        return NOT_APPLICABLE
    named = transmission.referred(transmission.composition.first("encounter"))
    if named is not None and named.name == "Encounter":
        return judged(encounters, [])
    return judged(encounters, [Violation(transmission.composition, "encounter should refer to the Encounter")])


_ORGANISATION = {"Organization": "CareConnect-Organization-1"}
_PATIENT = {"Patient": "CareConnect-Patient-1"}
_CUSTODIAN = refers_to_profiled("custodian", _ORGANISATION)
_SUBJECT = refers_to_profiled("subject", _PATIENT)
_AUTHOR = refers_to_profiled("author", AUTHORS, once=False)
_PROFILES = each_one(_all_resources, _has_profile)
_ODS = _needed(each_one(organisation, has_identifier(ODS_CODE, "ODS code")), "sending Organization")
_ORGANISATION_NAME = _needed(has(organisation, "name"), "sending Organization")
_ORGANISATION_PHONE = _needed(each_one(organisation, telephone), "sending Organization")
_NUMBER = _needed(each_one(patient, has_identifier(NHS_NUMBER, "NHS number")), "Patient")
_PATIENT_NAME = _needed(each_one(patient, _person_named("patient")), "Patient")
_BORN = _needed(each_one(patient, birth_date), "Patient")
_SDS = each_one(every("Practitioner"), has_identifier(SDS_USER, "SDS user id"))
_PRACTITIONER_NAME = each_one(every("Practitioner"), _person_named("practitioner"))
_PRACTITIONER_PHONE = each_one(every("Practitioner"), _telephone_if_any)
_CODED_TYPE = coded(composition, "type", SNOMED, written=is_concept_id)
_REPLACES = each_one(_related, _replaces)
_REPLACED = each_one(_related, _replaced)
_ENCODED = each_one(every("Binary"), _encoded)
_PROFILED_BINARY = each_one(
    every("Binary"),
    lambda each, _: (
        None
        if follows(each, "ITK-Attachment-Binary-1")
        else Violation(each, "meta.profile must name ITK-Attachment-Binary-1")
    ),
)

PAYLOAD_CHECKS: tuple[Check, ...] = (
    # Composition
    *checks("SD-002 CS-017 OC/GE-001", MUST, "Composition", _profiled_composition,
            "The document starts with a CareConnect Composition"),
    *checks("2.0/104", MUST, "Composition", _composition, "The document starts with a Composition"),
    *checks("CS-018 OC/GE-002", MUST, "Composition.status", fixed(composition, "status", "final"),
            "The Composition is final"),
    *checks("CS-019", MUST, "Composition.type", coded(composition, "type", SNOMED, "371531000"),
            "The Composition is a report of a clinical encounter"),
    *checks("OC-003", MUST, "Composition.type", coded(composition, "type", SNOMED, ONLINE_CONSULTATION_TYPE),
            "The Composition is information received by online consultation"),
    *checks("GE-003", MUST, "Composition.type", _CODED_TYPE, "A SNOMED code says what is sent"),
    # The table calls its two codes the current ones and the published example uses a third: any SNOMED type will do.
    *checks("2.0/115", MUST, "Composition.type", _CODED_TYPE, "A SNOMED code says what is sent"),
    *checks("CS-020 OC/GE-004", MUST, "Composition.date", has(composition, "date"),
            "The Composition says when it was made"),
    *checks("CS-021 OC/GE-005", MUST, "Composition.confidentiality", fixed(composition, "confidentiality", "N", "R"),
            "The Composition is normal or restricted"),
    *checks("CS-022", MUST, "Composition.title", fixed(composition, "title", "Consultation report"),
            "The title is “Consultation report”"),
    *checks("OC-006", MUST, "Composition.title", fixed(composition, "title", "Online consultation report"),
            "The title is “Online consultation report”"),
    *checks("GE-006", MUST, "Composition.title", has(composition, "title"), "The title says what is sent"),
    *checks("CS-023", MUST, "Composition.text", _narrative("Consultation report", place_told=True),
            "The text sums the report up in the prescribed words"),
    *checks("OC-007", MUST, "Composition.text", _narrative("Online consultation report", place_told=False),
            "The text sums the report up in the prescribed words"),
    *checks("GE-007", MUST, "Composition.text", _narrative("", place_told=False),
            "The text sums the document up in the prescribed words"),
    *checks("SD-004 CS-024 OC/GE-008", MUST, "Composition.subject", _SUBJECT,
            "The subject is a CareConnect Patient in the document"),
    *checks("2.0/106", MUST, "Composition.subject", refers(composition, "subject", "Patient"),
            "The subject is a Patient in the document"),
    *checks("SD-005 OC/GE-009", MUST, "Composition.author", _AUTHOR,
            "The authors are people or devices described in the document"),
    *checks("CS-025", MUST, "Composition.author",
            refers_to_profiled("author", {"Practitioner": "CareConnect-Practitioner-1"}, once=False),
            "The author is a CareConnect Practitioner in the document"),
    # The table wants the organisation, the profile forbids it and the example names a practitioner: either will do.
    *checks("2.0/107", MUST, "Composition.author", refers(composition, "author", "Organization", *AUTHORS),
            "The author is described in the document"),
    *checks("SD-003 CS-026 OC/GE-010", MUST, "Composition.custodian", _CUSTODIAN,
            "The custodian is the sending CareConnect Organization"),
    *checks("2.0/105", MUST, "Composition.custodian", refers(composition, "custodian", "Organization"),
            "The custodian is the sending Organization"),
    # Replacement
    *checks("SD-038", MUST, "Composition.relatesTo", _REPLACES, "A replacement says that it replaces"),
    *checks("SD-039", MUST, "Composition.relatesTo", _REPLACED, "A replacement names the document that it replaces"),
    *checks("CS-027 OC/GE-011 2.0/123", MUST, "Composition.relatesTo", _later_version,
            "A later version names the one before it by UUID"),
    # Structured content
    *checks("SD-006", SHOULD, "Composition.encounter", _encounter_named, "The Composition names the encounter"),
    *checks("SD-007", SHOULD, "Composition.section", _observations_listed, "A section lists the observations"),
    *checks("SD-008", SHOULD, "Composition.section", _sectioned("Observation"), "Sections refer to each Observation"),
    *(check for short, kind in _LISTED
      for check in checks(short, SHOULD, "Composition.section", _sectioned(kind), f"Sections refer to each {kind}")),
    *checks("SD-026", SHOULD, "List.entry", _repeated_listed, "Resources that come several times are in a List"),
    # Every resource
    *checks("SD-025 SD-027 2.0/108", MUST, "meta.profile", _PROFILES, "Every resource names its profile"),
    *checks("SD-028", MUST, "id", each_one(_all_resources, _has_id), "Every resource has an id"),
    # Documents
    *checks("SD-029 2.0/109", MUST, "Composition.section", _one_section_each, "Each document has a section of its own"),
    *checks("SD-030", MUST, "Binary.meta.profile", all_of(_document_referred, _PROFILED_BINARY),
            "Sections refer to ITK attachments"),
    *checks("GE-012", MUST, "Composition.section.entry", all_of(_document_referred, _PROFILED_BINARY),
            "A section refers to the document"),
    *checks("2.0/110", MUST, "Composition.section.entry", _document_referred, "A section refers to the document"),
    *checks("CS-028 OC-012", MUST, "Composition.section.entry", _primary_is_pdf,
            "A section refers to the report as a PDF"),
    *checks("SD-031", MUST, "Binary.content", _ENCODED, "Documents are in base64"),
    *checks("2.0/111", MUST, "Binary.content", _needed(_ENCODED, "attached document"), "Documents are in base64"),
    *checks("SD-032", MUST, "Composition.section.entry", _primary_first, "The primary document comes first"),
    # Organisation
    *checks("CS-032 OC/GE-021", MUST, "Organization", _there("Organization", "CareConnect-Organization-1"),
            "The sending organisation is described"),
    *checks("CS-033 OC/GE-022", MUST, "Organization.identifier", _ODS, "The organisation has its ODS code"),
    *checks("CS-034 OC/GE-023", MUST, "Organization.name", _ORGANISATION_NAME, "The organisation has its name"),
    *checks("CS-035 OC/GE-024", MUST, "Organization.telecom", _ORGANISATION_PHONE,
            "The organisation has a telephone number"),
    *checks("2.0/028", MUST, "Organization", _needed(each_one(organisation, _sender_described), "sending Organization"),
            "The sending organisation has ODS code, name and telephone number"),
    # Practitioner
    *checks("CS-036", MUST, "Practitioner.identifier", _needed(_SDS, "Practitioner"),
            "The practitioner has an SDS user id"),
    *checks("CS-037", MUST, "Practitioner.name", _needed(_PRACTITIONER_NAME, "Practitioner"),
            "The practitioner has one official name"),
    *checks("OC/GE-025", MUST, "Practitioner.identifier", _SDS, "The practitioner has an SDS user id"),
    *checks("OC/GE-026", MUST, "Practitioner.name", _PRACTITIONER_NAME, "The practitioner has one official name"),
    *checks("CS-038 OC/GE-027", MUST, "Practitioner.telecom", _PRACTITIONER_PHONE,
            "The practitioner's contact details have a telephone number"),
    *checks("2.0/032", SHOULD, "Practitioner", _practitioner_described,
            "The practitioner, if known, has SDS user id, official name and telephone number"),
    # Patient
    *checks("OC/GE-016", MUST, "Patient", _there("Patient", "CareConnect-Patient-1"), "The patient is described"),
    *checks("CS-039 OC/GE-017", MUST, "Patient.identifier", _NUMBER, "The patient has an NHS number"),
    *checks("CS-040 OC/GE-018", MUST, "Patient.name", _PATIENT_NAME, "The patient has one official name"),
    *checks("CS-041 OC/GE-019", MUST, "Patient.birthDate", _BORN, "The patient has a birth date"),
    *checks("2.0/035", MUST, "Patient", _needed(each_one(patient, _patient_described), "Patient"),
            "The patient has NHS number, official name and birth date"),
    # Related person, device
    *checks("OC/GE-028", MUST, "RelatedPerson.name", each_one(every("RelatedPerson"), _one_name),
            "The related person has one name"),
    *checks("OC/GE-029", MUST, "RelatedPerson.birthDate", each_one(every("RelatedPerson"), birth_date),
            "The related person has a birth date"),
    *checks("OC/GE-030", MUST, "RelatedPerson.telecom", each_one(every("RelatedPerson"), _telephone_if_any),
            "The related person's contact details have a telephone number"),
    *checks("OC/GE-031", MUST, "Device.type", coded(every("Device"), "type", SNOMED),
            "A SNOMED code says what the device is"),
    *checks("OC/GE-032", MUST, "Device.manufacturer", has(every("Device"), "manufacturer"),
            "The device has its manufacturer"),
)  # fmt: skip
