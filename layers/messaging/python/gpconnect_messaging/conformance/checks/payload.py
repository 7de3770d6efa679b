"""Checks of the payload that every use case shares: Composition, people, organisation and documents.

Source: GPCM-SD-001 … 039, GPCM-SD-CS-017 … 042, and the same rules for online consultations and generic documents
(1.5); GPCM-SD-028 … 038 and 098 … 123 (2.0.2).
"""

import re
from collections.abc import Callable

from gpconnect_messaging.conformance.check_result import NOT_APPLICABLE, CheckResult, Violation, check_result
from gpconnect_messaging.conformance.checks.check import Check, Level, Scope, checks
from gpconnect_messaging.conformance.message_under_test import (
    NHS_NUMBER,
    ODS_CODE,
    SDS_USER,
    SNOMED_CT,
    MessageUnderTest,
)
from gpconnect_messaging.conformance.rules import (
    NodeRule,
    Rule,
    all_of,
    coded,
    composition,
    every,
    first_of,
    fixed,
    follows,
    for_all,
    has,
    must,
    organisation,
    patient,
    refers,
)
from gpconnect_messaging.conformance.tree import Content, Node
from gpconnect_messaging.identifiers import is_concept_id
from gpconnect_messaging.specification import Version

MUST, SHOULD = Level.MUST, Level.SHOULD
_UUID = re.compile(r"(?i)(urn:uuid:)?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_BIRTH_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_BASE64 = re.compile(r"[A-Za-z0-9+/\s]*(=\s*){0,2}")
_LONGEST_WORDS = 1500
_LOCATION = {", seen at ": "{organisation}", "ODS Code": "{ods_code}"}
_VERSION = re.compile(r"[Vv]ersion:? ([0-9]+)")
_AUTHORS = {
    "Practitioner": "CareConnect-Practitioner-1",
    "Patient": "CareConnect-Patient-1",
    "RelatedPerson": "CareConnect-RelatedPerson-1",
    "Device": "ITK-Device-1",
}


def _first_entry(*rules: NodeRule) -> Rule:
    first = must(
        lambda subject, message: message.payload[0] is subject, "the Composition must be the payload's first entry"
    )
    return _required(for_all(composition, first_of(first, *rules)), "Composition")


def _profiled(profile: str) -> NodeRule:
    return must(lambda subject, _: follows(subject, profile), f"meta.profile must name {profile}")


def _refers_to_profiled(path: str, profiles: dict[str, str], *, once: bool = True) -> Rule:
    """The Composition's reference names a resource of the payload that claims the profile of the type."""

    def violation(subject: Node, message: MessageUnderTest) -> Violation | None:
        references = subject.all(path)
        if not references:
            return Violation(subject, f"{path} is missing; it must refer to {' or '.join(profiles)}")
        if once and len(references) > 1:
            return Violation(references[1], f"there may be only one {path}")
        for reference in references:
            referred = message.referred(reference)
            if referred is None or referred.name not in profiles:
                return Violation(reference, f"{path} must refer to {' or '.join(profiles)} inside the document")
            if not follows(referred, profiles[referred.name]):
                return Violation(referred, f"meta.profile must name {profiles[referred.name]}")
        return None

    return for_all(composition, violation)


def _has_profiled(kind: str, profile: str) -> Rule:
    def rule(message: MessageUnderTest) -> CheckResult:
        found = message.resources(kind)
        right = [resource for resource in found if follows(resource, profile)]
        if right:
            return check_result(right[:1], [])
        words = f"the payload must have a {kind} that follows {profile}"
        return check_result(found, [Violation(found[0] if found else message.anchor, words)])

    return rule


# --- the Composition's text -------------------------------------------------------------------------------------------


_REPORT = "Consultation report for {patient}, NHS Number {nhs_number}, seen at {organisation}, ODS Code {ods_code}"
_CONFIDENTIAL = "Consultation report for {patient}, NHS Number {nhs_number}"
ONLINE = "Online consultation report for {patient}, NHS Number {nhs_number}"
GENERIC = "{title} report for {patient}, NHS Number {nhs_number}"


def report(message: MessageUnderTest) -> str:
    """Return the form of a consultation report's words: without location if it is confidential (GPCM-SD-CS-023)."""
    return _CONFIDENTIAL if message.confidential else _REPORT


def _narrative(form: Callable[[MessageUnderTest], str]) -> Rule:
    """Composition.text has the prescribed form, and the version."""

    def violation(subject: Node, message: MessageUnderTest) -> Violation | None:
        fault = wording_fault(message.narrative, form(message) + ", Version {version}", message)
        return Violation(subject.first("text") or subject, f"text {fault}") if fault else None

    return for_all(composition, violation)


def _spaced(words: str) -> str:
    return " ".join(words.split()).replace(" , NHS Number", ", NHS Number")  # as in NHS England's example


def wording_fault(words: str, form: str, message: MessageUnderTest, folded: Callable[[str], str] = str) -> str | None:
    """Return why a text does not begin as a form prescribes, as the rest of a sentence; None if it does.

    The text may have names unchanged or as `folded` turns them. `{own_title}` in a form is the Composition's title.
    """
    words = _spaced(words[:_LONGEST_WORDS])
    title = message.composition.text("title") if message.composition else ""
    titles = "|".join(re.escape(_spaced(one)) for one in (title, folded(title)))
    pattern = form.format(
        title=".+", own_title=f"(?i:{titles})", patient="(?P<patient>.+)", nhs_number="(?P<number>[0-9 ]+)",
        organisation=".+", ods_code=re.escape(message.ods_code), version=r"[0-9]+\.?$",
    )  # fmt: skip
    found = re.match(pattern, words)
    if not found:
        return f"must be in the prescribed form: {form}"
    if found["number"].replace(" ", "") != message.nhs_number:
        return "must give the patient's NHS number"
    rest = words[found.end("number") :]
    if message.confidential and any(mark in rest and part not in form for mark, part in _LOCATION.items()):
        return "must name no location, since the consultation is confidential"
    named = found["patient"].casefold()
    name = message.patient.first("name") if message.patient else None
    for text in [name.text("family"), name.text("given")] if name else []:
        if not any(_spaced(one).casefold() in named for one in (text, folded(text))):
            return "must name the patient as the message does"
    return None


# --- replacement ------------------------------------------------------------------------------------------------------


def _replacement(holds: Callable[[Node], object], words: str) -> NodeRule:
    def violation(subject: Node, _message: MessageUnderTest) -> Violation | None:
        wrong = next((related for related in subject.all("relatesTo") if not holds(related)), None)
        return Violation(wrong, words) if wrong else None

    return violation


_replaces = _replacement(lambda related: related.text("code") == "replaces", "relatesTo.code must be replaces")
_replaced = _replacement(
    lambda related: _UUID.fullmatch(related.text("targetIdentifier", "value")),
    "relatesTo.targetIdentifier must be the UUID of the replaced document",
)


def _related(message: MessageUnderTest) -> list[Node]:
    found = message.composition
    return [found] if found is not None and found.first("relatesTo") is not None else []


def stated_version(message: MessageUnderTest) -> int | None:
    """Return the version number in the Composition's text or the envelope's subject."""
    # The version comes last; an organisation's name may hold the word as well.
    versions = _VERSION.findall(message.narrative)
    if not versions and message.headers:
        versions = _VERSION.findall(message.headers.subject)
    return int(versions[-1]) if versions else None


def _later_version(message: MessageUnderTest) -> CheckResult:
    """A later version names the replaced document by UUID; the first version replaces nothing."""
    found, version = message.composition, stated_version(message)
    if found is None:
        return NOT_APPLICABLE
    related = found.all("relatesTo")
    if version and version > 1 and not related:
        words = "a version after the first must name the document that it replaces"
        return check_result([found], [Violation(found, words)])
    if version == 1 and related:
        return check_result([found], [Violation(related[0], "version 1 is the original and replaces nothing")])
    if not related:
        return NOT_APPLICABLE if version is None else check_result([found], [])
    return check_result(related, [_replaced(found, message)])


# --- people and organisation ------------------------------------------------------------------------------------------


def _person_named(what: str) -> NodeRule:
    def violation(subject: Node, _message: MessageUnderTest) -> Violation | None:
        official = subject.where("name", "use", "official")
        if len(official) != 1:
            return Violation(official[1] if official else subject, f"the {what} must have exactly one official name")
        right = official[0].text("family")
        return None if right else Violation(official[0], "the official name must have a family name")

    return violation


def _has_identifier(system: str, what: str) -> NodeRule:
    """A resource has exactly one identifier of a system, with a value."""

    def violation(subject: Node, _message: MessageUnderTest) -> Violation | None:
        found = subject.where("identifier", "system", system)
        if len(found) != 1:
            return Violation(found[1] if found else subject, f"there must be exactly one identifier with the {what}")
        return None if found[0].text("value") else Violation(found[0], f"the identifier with the {what} has no value")

    return violation


telephone = must(
    lambda subject, _: any(contact.text("value") for contact in subject.where("telecom", "system", "phone")),
    "telecom must have a telephone number (system phone, with a value)",
)
_birth_date = must(
    lambda subject, _: _BIRTH_DATE.fullmatch(subject.text("birthDate")),
    "birthDate must be given as YYYY-MM-DD",
    "birthDate",
)


def _telephone_if_any(subject: Node, message: MessageUnderTest) -> Violation | None:
    return telephone(subject, message) if subject.first("telecom") else None


def _one_name(subject: Node, _message: MessageUnderTest) -> Violation | None:
    names = subject.all("name")
    return None if len(names) == 1 else Violation(names[1] if names else subject, "there must be exactly one name")


_named = must(lambda subject, _: subject.text("name"), "the sending organisation must have a name")
_sender_described = first_of(_has_identifier(ODS_CODE, "ODS code"), _named, telephone)
_patient_described = first_of(_has_identifier(NHS_NUMBER, "NHS number"), _person_named("patient"), _birth_date)


def _practitioner_described(message: MessageUnderTest) -> CheckResult:
    nodes = message.resources("Practitioner")
    parts = (_has_identifier(SDS_USER, "SDS user id"), _person_named("practitioner"), telephone)
    found = [[violation for part in parts if (violation := part(node, message))] for node in nodes]
    # The requirement is about the sending practitioner: of several, the one with most of it.
    fewest = min(found, key=len) if found else []
    return check_result(nodes, fewest)


def _practitioner_is_author(subject: Node, message: MessageUnderTest) -> Violation | None:
    referred = [message.referred(author) for author in subject.all("author")]
    if any(one and one.name == "Practitioner" and follows(one, _AUTHORS["Practitioner"]) for one in referred):
        return None
    return Violation(subject.first("author") or subject, "an author must be a Practitioner inside the document")


def _required(rule: Rule, what: str) -> Rule:
    """Turn a rule that does not apply into a violation: the payload must have the resource."""

    def required(message: MessageUnderTest) -> CheckResult:
        result = rule(message)
        if result.nodes or result.violations:
            return result
        return check_result([], [Violation(message.anchor, f"the payload has no {what}")])

    return required


# --- documents --------------------------------------------------------------------------------------------------------


def _documents_in(section: Node, message: MessageUnderTest) -> list[Node]:
    """List the Binaries that a section's direct entries refer to."""
    referred = [message.referred(entry) for entry in section.all("entry")]
    return [resource for resource in referred if resource is not None and resource.name == "Binary"]


def _documents(message: MessageUnderTest) -> list[Node]:
    return [found for _, found in message.section_entries if found is not None and found.name == "Binary"]


def _one_section_per_document(message: MessageUnderTest) -> CheckResult:
    binaries = message.resources("Binary")
    held = {id(document) for document in _documents(message)}
    violations = [
        Violation(binary, "no section of the Composition refers to this document")
        for binary in binaries
        if id(binary) not in held
    ]
    violations += [
        Violation(section, "a section may hold one document only")
        for section in message.sections
        if len(_documents_in(section, message)) > 1
    ]
    return check_result(binaries, violations)


def _document_referred(message: MessageUnderTest) -> CheckResult:
    first = message.sections[:1]
    if _documents(message):
        return CheckResult(first, [])
    node = first[0] if first else message.composition or message.anchor
    return CheckResult(first, [Violation(node, "no section refers to an attached document")])


def _primary_is_pdf(message: MessageUnderTest) -> CheckResult:
    documents = _documents(message)
    if any(document.text("contentType") == "application/pdf" for document in documents):
        return CheckResult(documents[:1], [])
    node = documents[0] if documents else message.composition or message.anchor
    return CheckResult(documents[:1], [Violation(node, "a section must refer to the report as a PDF document")])


def _primary_first(message: MessageUnderTest) -> CheckResult:
    if not message.section_entries:
        return NOT_APPLICABLE
    entry, first = message.section_entries[0]
    right = first is not None and first.name == "Binary"
    words = "the first section entry must refer to the primary document"
    return CheckResult([entry], [] if right else [Violation(entry, words)])


def base64_violation(node: Node, content: Content) -> Violation | None:
    """Check a document's base64 by length and both ends; the middle is not read."""
    if content.length == 0:
        return Violation(node, "the document is empty")
    if content.length % 4:
        return Violation(node, "the base64 is incomplete: the length is not a multiple of four")
    if "=" in content.start.rstrip("=\t\n\r ") or not _BASE64.fullmatch(content.end):
        return Violation(node, "this is not base64")
    return None if re.fullmatch(r"[A-Za-z0-9+/=\s]*", content.start) else Violation(node, "this is not base64")


def _encoded(subject: Node, _message: MessageUnderTest) -> Violation | None:
    found = subject.first("content")
    if found is None or found.content is None:
        return Violation(subject, "the document has no content")
    return base64_violation(found, found.content)


# --- meta and ids -----------------------------------------------------------------------------------------------------


def _all_resources(message: MessageUnderTest) -> list[Node]:
    return [message.root, *message.entries, *message.payload]


def _sectioned(kind: str) -> Rule:
    words = f"no section of the Composition refers to this {kind}, directly or through a List"
    return for_all(every(kind), must(lambda subject, message: id(subject) in message.sectioned, words))


def _observations_listed(message: MessageUnderTest) -> CheckResult:
    nodes = message.resources("Observation")
    if not nodes:
        return NOT_APPLICABLE
    if any(found is not None and found.name == "List" for _, found in message.section_entries):
        return CheckResult(nodes[:1], [])
    return CheckResult(nodes, [Violation(message.anchor, "a section should refer to a List of the observations")])


def _repeated(message: MessageUnderTest) -> list[Node]:
    """List the clinical resources that are not the only one of their type."""
    several = [resources for kind in _CLINICAL if len(resources := message.resources(kind)) > 1]
    return [resource for resources in several for resource in resources]


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


def _encounter_named(message: MessageUnderTest) -> CheckResult:
    encounters = message.resources("Encounter")
    if not encounters or message.composition is None:
        return NOT_APPLICABLE
    named = message.referred(message.composition.first("encounter"))
    if named is not None and named.name == "Encounter":
        return check_result(encounters, [])
    return check_result(encounters, [Violation(message.composition, "encounter should refer to the Encounter")])


_care_setting_sent = must(
    lambda subject, _: subject.extension("CareSettingType-1"),
    "the care setting is missing: give it in the request, or set the mailbox's",
)
_ORGANISATION = {"Organization": "CareConnect-Organization-1"}
_PATIENT = {"Patient": "CareConnect-Patient-1"}
_IS_SENDER = for_all(
    organisation,
    must(lambda _, message: message.ods_code == message.sender_code, "must have the ODS code of the header's sender"),
)
_CUSTODIAN = all_of(_refers_to_profiled("custodian", _ORGANISATION), _IS_SENDER)
_SUBJECT = _refers_to_profiled("subject", _PATIENT)
_AUTHOR = _refers_to_profiled("author", _AUTHORS, once=False)
_PROFILES = for_all(
    _all_resources,
    must(
        lambda subject, _: (profiles := subject.at("meta", "profile")) and all(profile.value for profile in profiles),
        "meta.profile is missing",
    ),
)
_ODS = _required(for_all(organisation, _has_identifier(ODS_CODE, "ODS code")), "sending Organization")
_ORGANISATION_NAME = _required(has(organisation, "name"), "sending Organization")
_ORGANISATION_PHONE = _required(for_all(organisation, telephone), "sending Organization")
_NUMBER = _required(for_all(patient, _has_identifier(NHS_NUMBER, "NHS number")), "Patient")
_PATIENT_NAME = _required(for_all(patient, _person_named("patient")), "Patient")
_IDS = for_all(_all_resources, must(lambda subject, _: subject.text("id"), "id is missing"))
_REPEATED_LISTED = for_all(
    _repeated, must(lambda subject, message: id(subject) in message.listed, "should be an item of a List")
)
_BORN = _required(for_all(patient, _birth_date), "Patient")
_SDS = for_all(every("Practitioner"), _has_identifier(SDS_USER, "SDS user id"))
_PRACTITIONER_NAME = for_all(every("Practitioner"), _person_named("practitioner"))
_PRACTITIONER_PHONE = for_all(every("Practitioner"), _telephone_if_any)
_CODED_TYPE = coded(composition, "type", SNOMED_CT, written=is_concept_id)
_REPLACES = for_all(_related, _replaces)
_REPLACED = for_all(_related, _replaced)
_ENCODED = for_all(every("Binary"), _encoded)
_PROFILED_DOCUMENT = all_of(_document_referred, for_all(every("Binary"), _profiled("ITK-Attachment-Binary-1")))

PAYLOAD_CHECKS: tuple[Check, ...] = (
    # Composition
    *checks("SD-002 CS-017 OC/GE-001", MUST, "Composition", _first_entry(_profiled("CareConnect-Composition-1")),
            "The document starts with a CareConnect Composition"),
    *checks("2.0/104", MUST, "Composition", _first_entry(), "The document starts with a Composition"),
    *checks("CS-018 OC/GE-002", MUST, "Composition.status", fixed(composition, "status", "final"),
            "The Composition is final"),
    *checks("CS-019", MUST, "Composition.type", coded(composition, "type", SNOMED_CT, "371531000"),
            "The Composition is a report of a clinical encounter"),
    *checks("OC-003", MUST, "Composition.type", coded(composition, "type", SNOMED_CT, "149951000000107"),
            "The Composition is information received by online consultation"),
    *checks("GE-003", MUST, "Composition.type", _CODED_TYPE, "A SNOMED code names the kind of document"),
    # The table lists two codes as current and the published example uses a third: any SNOMED type is accepted.
    *checks("2.0/115", MUST, "Composition.type", _CODED_TYPE, "A SNOMED code names the kind of document"),
    *checks("CS-020 OC/GE-004", MUST, "Composition.date", has(composition, "date"),
            "The Composition says when it was made"),
    *checks("CS-021 OC/GE-005", MUST, "Composition.confidentiality", fixed(composition, "confidentiality", "N", "R"),
            "The Composition is normal or restricted"),
    *checks("CS-022", MUST, "Composition.title", fixed(composition, "title", "Consultation report"),
            "The title is “Consultation report”"),
    *checks("OC-006", MUST, "Composition.title", fixed(composition, "title", "Online consultation report"),
            "The title is “Online consultation report”"),
    *checks("GE-006", MUST, "Composition.title", has(composition, "title"), "The title names the kind of document"),
    *checks("CS-023", MUST, "Composition.text", _narrative(report),
            "The text sums the report up in the prescribed words"),
    *checks("OC-007", MUST, "Composition.text", _narrative(lambda _: ONLINE),
            "The text sums the report up in the prescribed words"),
    *checks("GE-007", MUST, "Composition.text", _narrative(lambda _: GENERIC),
            "The text sums the document up in the prescribed words"),
    *checks("SD-004 CS-024 OC/GE-008", MUST, "Composition.subject", _SUBJECT,
            "The subject is a CareConnect Patient in the document"),
    *checks("2.0/106", MUST, "Composition.subject", refers(composition, "subject", "Patient"),
            "The subject is a Patient in the document"),
    *checks("SD-005 OC/GE-009", MUST, "Composition.author", _AUTHOR,
            "The authors are people or devices described in the document"),
    *checks("CS-025", MUST, "Composition.author", for_all(composition, _practitioner_is_author),
            "An author is a CareConnect Practitioner in the document"),
    # The table wants the organisation, which STU3 and the profile forbid; the example names a practitioner.
    *checks("2.0/107", MUST, "Composition.author", refers(composition, "author", *_AUTHORS),
            "The author is described in the document"),
    *checks("SD-003 CS-026 OC/GE-010", MUST, "Composition.custodian", _CUSTODIAN,
            "The custodian is the sending CareConnect Organization"),
    *checks("2.0/105", MUST, "Composition.custodian",
            all_of(refers(composition, "custodian", "Organization"), _IS_SENDER),
            "The custodian is the sending Organization"),
    # Replacement
    *checks("SD-038", MUST, "Composition.relatesTo", _REPLACES, "A replacement says that it replaces"),
    *checks("SD-039", MUST, "Composition.relatesTo", _REPLACED, "A replacement names the document that it replaces"),
    *checks("CS-027 OC/GE-011 2.0/123", MUST, "Composition.relatesTo", _later_version,
            "A later version names the one before it by UUID"),
    # Structured content
    *checks("SD-006", SHOULD, "Composition.encounter", _encounter_named, "The Composition names the encounter"),
    *checks("SD-007", SHOULD, "Composition.section", _observations_listed, "A section lists the observations"),
    *checks("SD-008", SHOULD, "Composition.section", _sectioned("Observation"), "Sections refer to every Observation"),
    *(check for short, kind in _LISTED
      for check in checks(short, SHOULD, "Composition.section", _sectioned(kind), f"Sections refer to every {kind}")),
    *checks("SD-026", SHOULD, "List.entry", _REPEATED_LISTED, "Resources that come several times are in a List"),
    Check(Version.V2_0, "GPC-CARE-SETTING", SHOULD, None, Scope.MESSAGE, "Composition.extension",
          "The care setting is sent, which one page of the guide requires", for_all(composition, _care_setting_sent)),
    # Every resource
    *checks("SD-025 SD-027 2.0/108", MUST, "meta.profile", _PROFILES, "Every resource names a profile"),
    *checks("SD-028", MUST, "id", _IDS, "Every resource has an id"),
    # Documents
    *checks("SD-029 2.0/109", MUST, "Composition.section", _one_section_per_document,
            "Every document has a separate section"),
    *checks("SD-030", MUST, "Binary.meta.profile", _PROFILED_DOCUMENT,
            "Sections refer to ITK attachments"),
    *checks("GE-012", MUST, "Composition.section.entry", _PROFILED_DOCUMENT,
            "A section refers to the document"),
    *checks("2.0/110", MUST, "Composition.section.entry", all_of(_document_referred, _one_section_per_document),
            "Sections refer to every document"),
    *checks("CS-028 OC-012", MUST, "Composition.section.entry", _primary_is_pdf,
            "A section refers to the report as a PDF"),
    *checks("SD-031", MUST, "Binary.content", _ENCODED, "Documents are in base64"),
    *checks("2.0/111", MUST, "Binary.content", _required(_ENCODED, "attached document"), "Documents are in base64"),
    *checks("SD-032", MUST, "Composition.section.entry", _primary_first, "The primary document comes first"),
    # Organisation
    *checks("CS-032 OC/GE-021", MUST, "Organization", _has_profiled("Organization", "CareConnect-Organization-1"),
            "The sending organisation is described"),
    *checks("CS-033 OC/GE-022", MUST, "Organization.identifier", _ODS, "The organisation has an ODS code"),
    *checks("CS-034 OC/GE-023", MUST, "Organization.name", _ORGANISATION_NAME, "The organisation has a name"),
    *checks("CS-035 OC/GE-024", MUST, "Organization.telecom", _ORGANISATION_PHONE,
            "The organisation has a telephone number"),
    *checks("2.0/028", MUST, "Organization",
            _required(for_all(organisation, _sender_described), "sending Organization"),
            "The sending organisation has ODS code, name and telephone number"),
    # Practitioner
    *checks("CS-036", MUST, "Practitioner.identifier", _required(_SDS, "Practitioner"),
            "The practitioner has an SDS user id"),
    *checks("CS-037", MUST, "Practitioner.name", _required(_PRACTITIONER_NAME, "Practitioner"),
            "The practitioner has one official name"),
    *checks("OC/GE-025", MUST, "Practitioner.identifier", _SDS, "The practitioner has an SDS user id"),
    *checks("OC/GE-026", MUST, "Practitioner.name", _PRACTITIONER_NAME, "The practitioner has one official name"),
    *checks("CS-038 OC/GE-027", MUST, "Practitioner.telecom", _PRACTITIONER_PHONE,
            "The practitioner's contact details have a telephone number"),
    *checks("2.0/032", SHOULD, "Practitioner", _practitioner_described,
            "The practitioner, if known, has SDS user id, official name and telephone number"),
    # Patient
    *checks("OC/GE-016", MUST, "Patient", _has_profiled("Patient", "CareConnect-Patient-1"),
            "The patient is described"),
    *checks("CS-039 OC/GE-017", MUST, "Patient.identifier", _NUMBER, "The patient has an NHS number"),
    *checks("CS-040 OC/GE-018", MUST, "Patient.name", _PATIENT_NAME, "The patient has one official name"),
    *checks("CS-041 OC/GE-019", MUST, "Patient.birthDate", _BORN, "The patient has a birth date"),
    *checks("2.0/035", MUST, "Patient", _required(for_all(patient, _patient_described), "Patient"),
            "The patient has NHS number, official name and birth date"),
    # Related person, device
    *checks("OC/GE-028", MUST, "RelatedPerson.name", for_all(every("RelatedPerson"), _one_name),
            "The related person has one name"),
    *checks("OC/GE-029", MUST, "RelatedPerson.birthDate", for_all(every("RelatedPerson"), _birth_date),
            "The related person has a birth date"),
    *checks("OC/GE-030", MUST, "RelatedPerson.telecom", for_all(every("RelatedPerson"), _telephone_if_any),
            "The related person's contact details have a telephone number"),
    *checks("OC/GE-031", MUST, "Device.type", coded(every("Device"), "type", SNOMED_CT),
            "A SNOMED code names the kind of device"),
    *checks("OC/GE-032", MUST, "Device.manufacturer", has(every("Device"), "manufacturer"),
            "The device has a manufacturer"),
)  # fmt: skip
