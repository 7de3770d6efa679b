"""Checks of the clinical resources that an online consultation or a generic document may carry.

Source: GPCM-SD-OC-033 … 140 and 168 … 173, GPCM-SD-GE-033 … 267 (1.5). Online consultations and generic documents
share most rules, under the same number.
"""

from collections.abc import Callable, Sequence

from gpconnect_messaging.conformance.check_result import CheckResult, Violation, check_result
from gpconnect_messaging.conformance.checks.check import Check, Level, checks
from gpconnect_messaging.conformance.checks.payload import telephone
from gpconnect_messaging.conformance.message_under_test import SNOMED, MessageUnderTest, identified
from gpconnect_messaging.conformance.rules import (
    Rule,
    Subjects,
    coded,
    described,
    every,
    extended,
    fixed,
    for_all,
    has,
    inner,
    lacks,
    refers,
)
from gpconnect_messaging.conformance.tree import Node

MUST, SHOULD = Level.MUST, Level.SHOULD
_SITE_CODE = "https://fhir.nhs.uk/Id/ods-site-code"
_PEOPLE = ("Practitioner", "Organization", "Patient", "RelatedPerson", "Device")
_MISCELLANEOUS = "826501000000100"


def only(kind: str, condition: Callable[[Node], bool]) -> Subjects:
    """The payload's resources of a type that meet a condition."""

    def subjects(message: MessageUnderTest) -> Sequence[Node]:
        return [resource for resource in message.resources(kind) if condition(resource)]

    return subjects


def parts(kind: str, path: str) -> Subjects:
    """The elements at a path in the payload's resources of a type."""
    names = path.split(".")
    return lambda message: [node for resource in message.resources(kind) for node in resource.at(*names)]


# --- lists and questionnaires -----------------------------------------------------------------------------------------


def _observations_have_a_list(message: MessageUnderTest) -> CheckResult:
    observations = message.resources("Observation")
    if not observations or message.resources("List"):
        return check_result(observations, [])
    return check_result(observations, [Violation(observations[0], "the payload must have a List of the observations")])


def _title_is_codes_display(subject: Node, _message: MessageUnderTest) -> Violation | None:
    displays = {display.value for display in subject.at("code", "coding", "display")}
    title = subject.first("title")
    if title is not None and title.value in displays:
        return None
    return Violation(title or subject, "title must be the display of the code")


def _every_observation_listed(message: MessageUnderTest) -> CheckResult:
    lists = message.resources("List")
    items = [message.referred(item) for holder in lists for item in holder.at("entry", "item")]
    observations = message.resources("Observation") if lists else []
    return check_result(observations, [
        Violation(observation, "the List must refer to this Observation")
        for observation in observations
        if not any(observation is item for item in items)
    ])  # fmt: skip


def _items(message: MessageUnderTest) -> list[Node]:
    return [
        node
        for response in message.resources("QuestionnaireResponse")
        for node in response.walk()
        if node.name == "item"
    ]


def _answers(message: MessageUnderTest) -> list[Node]:
    return [answer for item in _items(message) for answer in item.all("answer")]


def _valued(subject: Node, _message: MessageUnderTest) -> Violation | None:
    found = any(
        child.name.startswith("value") or child.name in ("component", "dataAbsentReason") for child in subject.children
    )
    return None if found else Violation(subject, "value is missing, and so are components")


def _answered(subject: Node, _message: MessageUnderTest) -> Violation | None:
    found = any(child.name.startswith("value") for child in subject.children)
    return None if found else Violation(subject, "answer must have a value")


# --- clinical conditions ----------------------------------------------------------------------------------------------


def _is_resolved(allergy: Node) -> bool:
    return allergy.text("clinicalStatus") == "resolved"


def _allergy_ended(what: str, *names: str) -> Rule:
    def violation(subject: Node, _message: MessageUnderTest) -> Violation | None:
        extension = subject.extension("AllergyIntoleranceEnd-1")
        if extension is not None and any(inner(extension, [name]) for name in names):
            return None
        return Violation(extension or subject, f"a resolved allergy must say {what}")

    return for_all(only("AllergyIntolerance", _is_resolved), violation)


def _stopped_plan(request: Node) -> bool:
    return request.text("status") == "stopped" and request.text("intent") != "order"


def _not_given(vaccination: Node) -> bool:
    return vaccination.text("notGiven") == "true"


def _given(vaccination: Node) -> bool:
    return vaccination.text("notGiven") == "false"


def _roles(message: MessageUnderTest) -> list[Node]:
    return [
        practitioner
        for immunization in message.resources("Immunization")
        for practitioner in immunization.all("practitioner")
        if practitioner.first("role")
    ]


def _problem_extensions(url_end: str) -> Subjects:
    def subjects(message: MessageUnderTest) -> Sequence[Node]:
        return [
            extension
            for condition in message.resources("Condition")
            for extension in condition.all("extension")
            if (extension.url or "").endswith(url_end)
        ]

    return subjects


def _inner_value(extension: Node, name: str) -> Node | None:
    return next((child for part in inner(extension, [name]) for child in part.children), None)


def _related_type(subject: Node, _message: MessageUnderTest) -> Violation | None:
    value = _inner_value(subject, "type")
    right = value is not None and value.value in ("parent", "child", "sibling")
    return None if right else Violation(value or subject, "type must be parent, child or sibling")


def _refers_to_problem(subject: Node, message: MessageUnderTest) -> Violation | None:
    referred = message.referred(_inner_value(subject, "target"))
    right = referred is not None and referred.name == "Condition"
    return None if right else Violation(subject, "target must refer to another problem in the document")


def _refers_to_content(subject: Node, message: MessageUnderTest) -> Violation | None:
    value = subject.first("valueReference")
    return None if message.referred(value) else Violation(subject, "it must refer to a resource in the document")


def _significance(subject: Node, _message: MessageUnderTest) -> Violation | None:
    extension = subject.extension("ProblemSignificance-1")
    value = extension.first("valueCode") if extension else None
    right = value is not None and value.value in ("major", "minor")
    return None if right else Violation(extension or subject, "the problem's significance must be major or minor")


def _referral_priority(subject: Node, _message: MessageUnderTest) -> Violation | None:
    found = subject.first("priority") or subject.first("note")
    return None if found else Violation(subject, "priority should be present, or else given in a note")


def _site(subject: Node, _message: MessageUnderTest) -> Violation | None:
    return None if identified(subject, _SITE_CODE) else Violation(subject, "identifier must have the ODS site code")


def _medication_named(subject: Node, message: MessageUnderTest) -> Violation | None:
    value = subject.first("medicationReference")
    referred = message.referred(value)
    right = referred is not None and referred.name == "Medication"
    return (
        None if right else Violation(value or subject, "medicationReference must refer to a Medication in the document")
    )


def _based_on_request(subject: Node, message: MessageUnderTest) -> Violation | None:
    for reference in subject.all("basedOn"):
        referred = message.referred(reference)
        if referred is not None and referred.name == "MedicationRequest":
            return None if referred.text("intent") == "plan" else Violation(reference, "basedOn must name a plan")
    return Violation(subject, "basedOn must refer to a MedicationRequest in the document")


_WHERE_KNOWN = frozenset(
    # Elements that a sender gives only if known: a message cannot show that one was left out.
    {"recipient", "reasonReference", "note", "restriction", "input", "output", "action", "policy", "dataPeriod", "data",
     "except", "purpose", "asserter", "lastOccurrence", "reaction.manifestation", "reaction.description",
     "reaction.severity", "reaction.exposureRoute", "reaction.onset", "criticality", "statusReason", "consentingParty",
     "groupIdentifier", "priorPrescription", "dosageInstruction.patientInstruction", "dosage.patientInstruction",
     "dispenseRequest.quantity", "dispenseRequest.expectedSupplyDuration", "location", "manufacturer", "lotNumber",
     "expirationDate", "basedOn", "specimen", "result", "codedDiagnosis", "conclusion",
     "accessionIdentifier", "collection", "collection.collector", "collection.quantity", "collection.bodySite",
     "supportingInfo", "dispenseRequest.performer", "reasonCode"}
)  # fmt: skip


def present_or_advised(subjects: Subjects, path: str, level: Level) -> Rule:
    """Require an element; an element that need not be known may be missing."""
    if level is MUST or path not in _WHERE_KNOWN:
        return has(subjects, path)

    def holders(message: MessageUnderTest) -> Sequence[Node]:
        names = tuple(path.split("."))
        return [node for node in subjects(message) if _has_any(node, names)]

    return has(holders, path)


def filled(subjects: Subjects, url_end: str) -> Rule:
    """An extension, if present, is not empty."""

    def violation(subject: Node, _message: MessageUnderTest) -> Violation | None:
        extension = subject.extension(url_end)
        return Violation(extension, "the extension is empty") if extension and not extension.children else None

    return for_all(subjects, violation)


def _has_any(node: Node, names: Sequence[str]) -> bool:
    nodes = [node]
    for name in names:
        nodes = [child for parent in nodes for child in parent.children if child.name == name]
    return bool(nodes)


class _Table:
    """Collects the checks of one family of ids, so that a row gives only the parts that differ."""

    def __init__(self, family: str) -> None:
        self.family = family
        self.rows: list[Check] = []

    def row(self, number: int, level: Level, looks_at: str, rule: Rule, title: str, family: str = "") -> None:
        self.rows += checks(f"{family or self.family}-{number:03}", level, looks_at, rule, title)


def _shared() -> list[Check]:
    table = _Table("OC/GE")

    def present(number: int, level: Level, kind: str, path: str, title: str) -> None:
        table.row(number, level, f"{kind}.{path}", present_or_advised(every(kind), path, level), title)

    def about_patient(number: int, kind: str, path: str = "subject") -> None:
        rule = refers(every(kind), path, "Patient")
        table.row(number, MUST, f"{kind}.{path}", rule, f"{kind} is about the Patient in the document")

    def one_of(number: int, level: Level, kind: str, path: str, *values: str) -> None:
        rule = fixed(every(kind), path, *values)
        table.row(number, level, f"{kind}.{path}", rule, f"{kind}.{path} is {' or '.join(values)}")

    def optional_of(number: int, level: Level, kind: str, path: str, *kinds: str) -> None:
        rule = refers(every(kind), path, *kinds, optional=True)
        table.row(number, level, f"{kind}.{path}", rule, f"{kind}.{path} refers to {' or '.join(kinds)}")

    one_of(33, MUST, "Encounter", "status", "finished")
    table.row(
        34, MUST, "Encounter.type", coded(every("Encounter"), "type", SNOMED), "A SNOMED code says the encounter's type"
    )
    about_patient(35, "Encounter")
    present(36, SHOULD, "Encounter", "participant", "The encounter says who took part")
    present(37, SHOULD, "Encounter", "priority", "The encounter has a priority")
    present(38, SHOULD, "Encounter", "period", "The encounter has a start and an end")
    present(39, SHOULD, "Encounter", "serviceProvider", "The encounter names the responsible organisation")
    table.row(40, MUST, "List", _observations_have_a_list, "Coded observations come with a List")
    one_of(41, MUST, "List", "status", "current")
    one_of(42, MUST, "List", "mode", "snapshot")
    table.row(
        43,
        MUST,
        "List.title",
        for_all(every("List"), _title_is_codes_display),
        "The List's title is the display of the code",
    )
    table.row(
        44,
        MUST,
        "List.code",
        coded(every("List"), "code", SNOMED, _MISCELLANEOUS),
        "The List is a miscellaneous record",
    )
    about_patient(45, "List")
    table.row(46, MUST, "List.entry.item", _every_observation_listed, "The List refers to every Observation")
    one_of(47, MUST, "Observation", "status", "preliminary", "final")
    present(48, SHOULD, "Observation", "category", "The observation has a category")
    table.row(
        49, MUST, "Observation.code", coded(every("Observation"), "code"), "A clinical code names the observation"
    )
    about_patient(50, "Observation")
    present(51, MUST, "Observation", "issued", "The observation says when it was recorded")
    table.row(
        52,
        MUST,
        "Observation.performer",
        refers(every("Observation"), "performer", "Patient"),
        "Observations that the patient entered name the Patient as performer",
    )
    table.row(53, SHOULD, "Observation.value[x]", for_all(every("Observation"), _valued), "The observation has a value")
    table.row(
        54,
        SHOULD,
        "Observation.component",
        has(parts("Observation", "component"), "value[x]"),
        "A pair of results is given in components",
    )
    one_of(55, MUST, "Questionnaire", "status", "active")
    for number, path in enumerate(("version", "name", "title", "date", "description", "effectivePeriod"), 56):
        present(number, SHOULD, "Questionnaire", path, f"The questionnaire has {path}")
    present(62, MUST, "Questionnaire", "item", "The questionnaire has questions")
    one_of(63, MUST, "QuestionnaireResponse", "status", "completed")
    about_patient(64, "QuestionnaireResponse")
    present(65, SHOULD, "QuestionnaireResponse", "authored", "The answers say when they were recorded")
    present(66, MUST, "QuestionnaireResponse", "item", "The answers are there")
    table.row(
        67, MUST, "QuestionnaireResponse.item.linkId", has(_items, "linkId"), "Every answer points to the question"
    )
    table.row(68, MUST, "QuestionnaireResponse.item.text", has(_items, "text"), "Every answer repeats the question")
    table.row(69, MUST, "QuestionnaireResponse.item.answer", for_all(_answers, _answered), "Every answer has a value")
    table.row(
        70,
        SHOULD,
        "QuestionnaireResponse.item.answer.valueReference",
        refers(_answers, "valueReference", "Observation", "Binary", "DocumentReference", *_PEOPLE, optional=True),
        "An answer that refers to a resource finds it in the document",
    )
    one_of(71, MUST, "ReferralRequest", "status", "unknown")
    one_of(72, MUST, "ReferralRequest", "intent", "order")
    table.row(
        73,
        SHOULD,
        "ReferralRequest.priority",
        for_all(every("ReferralRequest"), _referral_priority),
        "The referral has a priority, or a note of it",
    )
    about_patient(74, "ReferralRequest")
    optional_of(75, SHOULD, "ReferralRequest", "context", "Encounter")
    present(76, SHOULD, "ReferralRequest", "requester", "The referral says who asks")
    table.row(
        77,
        MUST,
        "ReferralRequest.requester.agent",
        refers(parts("ReferralRequest", "requester"), "agent", *_PEOPLE),
        "Who asks for the referral is described in the document",
    )
    for number, path in ((78, "recipient"), (79, "reasonCode"), (80, "description"), (81, "supportingInfo")):
        present(number, SHOULD, "ReferralRequest", path, f"The referral has {path}")
    one_of(82, MUST, "DocumentReference", "status", "current", "superseded", "entered-in-error")
    table.row(
        83,
        MUST,
        "DocumentReference.type",
        described(every("DocumentReference"), "type"),
        "A code, or else a text, names the kind of document",
    )
    about_patient(84, "DocumentReference")
    optional_of(85, SHOULD, "DocumentReference", "author", *_PEOPLE)
    present(86, MUST, "DocumentReference", "content", "The reference describes the document")
    present(87, SHOULD, "DocumentReference", "context", "The reference gives the clinical context")

    allergy = every("AllergyIntolerance")
    table.row(
        88,
        SHOULD,
        "AllergyIntolerance.extension",
        extended(allergy, "encounter-associatedEncounter"),
        "The allergy names the encounter",
    )
    table.row(
        89,
        MUST,
        "AllergyIntolerance.extension",
        _allergy_ended("when it ended", "endDate"),
        "A resolved allergy says when it ended",
    )
    table.row(
        90,
        MUST,
        "AllergyIntolerance.extension",
        _allergy_ended("why it ended", "reasonEnded", "endReason"),
        "A resolved allergy says why it ended",
    )
    one_of(91, MUST, "AllergyIntolerance", "clinicalStatus", "active", "resolved")
    one_of(92, MUST, "AllergyIntolerance", "verificationStatus", "unconfirmed")
    one_of(93, SHOULD, "AllergyIntolerance", "type", "allergy", "intolerance")
    one_of(94, MUST, "AllergyIntolerance", "category", "medication", "environment")
    present(95, SHOULD, "AllergyIntolerance", "criticality", "The allergy says how critical it is")
    present(96, SHOULD, "AllergyIntolerance", "criticality", "The allergy says how critical it is (listed twice)")
    table.row(97, MUST, "AllergyIntolerance.code", described(allergy, "code"), "The allergy names the cause")
    about_patient(98, "AllergyIntolerance", "patient")
    present(99, SHOULD, "AllergyIntolerance", "onsetDateTime", "The allergy says when it first showed")
    present(100, MUST, "AllergyIntolerance", "assertedDate", "The allergy says when it was believed true")
    table.row(
        101,
        MUST,
        "AllergyIntolerance.recorder",
        refers(allergy, "recorder", "Practitioner", "Patient"),
        "Who recorded the allergy is described in the document",
    )
    for number, path in (
        (102, "asserter"),
        (103, "lastOccurrence"),
        (104, "note"),
        (105, "reaction.manifestation"),
        (106, "reaction.description"),
        (107, "reaction.severity"),
        (108, "reaction.exposureRoute"),
    ):
        present(number, SHOULD, "AllergyIntolerance", path, f"The allergy has {path}")

    one_of(109, MUST, "FamilyMemberHistory", "status", "partial", "completed", "entered-in-error", "health-unknown")
    about_patient(110, "FamilyMemberHistory", "patient")
    table.row(
        111,
        MUST,
        "FamilyMemberHistory.relationship",
        coded(every("FamilyMemberHistory"), "relationship"),
        "A code says how the relative is related",
    )
    optional_of(
        112,
        SHOULD,
        "FamilyMemberHistory",
        "reasonReference",
        "QuestionnaireResponse",
        "Observation",
        "AllergyIntolerance",
    )
    present(113, SHOULD, "FamilyMemberHistory", "note", "The family history has a note")
    present(114, SHOULD, "FamilyMemberHistory", "condition", "The family history has the condition")
    one_of(115, MUST, "Task", "status", "requested")
    present(116, SHOULD, "Task", "statusReason", "The task has a reason for the status")
    one_of(117, MUST, "Task", "intent", "proposal", "plan", "order")
    one_of(118, SHOULD, "Task", "priority", "normal", "routine", "urgent", "asap", "stat")
    present(119, SHOULD, "Task", "code", "A code names the task")
    optional_of(120, SHOULD, "Task", "for", "Patient")
    optional_of(121, SHOULD, "Task", "context", "Encounter")
    table.row(
        122,
        SHOULD,
        "Task.requester.agent",
        refers(every("Task"), "requester.agent", *_PEOPLE),
        "Who asks for the task is described in the document",
    )
    for number, path in (
        (123, "owner"),
        (124, "reason"),
        (125, "note"),
        (126, "restriction"),
        (127, "input"),
        (128, "output"),
    ):
        present(number, SHOULD, "Task", path, f"The task has {path}")
    one_of(129, MUST, "Consent", "status", "proposed", "active", "rejected")
    present(130, SHOULD, "Consent", "category", "The consent has a category")
    about_patient(131, "Consent", "patient")
    for number, path in (
        (132, "period"),
        (133, "consentingParty"),
        (134, "action"),
        (135, "source[x]"),
        (136, "policy"),
        (137, "purpose"),
        (138, "dataPeriod"),
        (139, "data"),
        (140, "except"),
    ):
        present(number, SHOULD, "Consent", path, f"The consent has {path}")

    # These six rules have different numbers in the two lists.
    location = every("Location")
    for offset, (level, path, rule, title) in enumerate(
        (
            (MUST, "identifier", for_all(location, _site), "The location has an ODS site code"),
            (MUST, "status", fixed(location, "status", "active"), "The location is active"),
            (MUST, "name", has(location, "name"), "The location has a name"),
            (SHOULD, "type", has(location, "type"), "The location has a type"),
            (MUST, "telecom", for_all(location, telephone), "The location has a telephone number"),
            (SHOULD, "address", has(location, "address"), "The location has an address"),
        )
    ):
        for family, first in (("OC", 168), ("GE", 141)):
            table.row(first + offset, level, f"Location.{path}", rule, title, family)
    return table.rows


def _medicines() -> list[Check]:
    table = _Table("GE")

    def present(number: int, level: Level, kind: str, path: str) -> None:
        table.row(number, level, f"{kind}.{path}", present_or_advised(every(kind), path, level), f"{kind} has {path}")

    def about_patient(number: int, kind: str, path: str = "subject") -> None:
        rule = refers(every(kind), path, "Patient")
        table.row(number, MUST, f"{kind}.{path}", rule, f"{kind} is about the Patient in the document")

    def one_of(number: int, kind: str, path: str, *values: str) -> None:
        rule = fixed(every(kind), path, *values)
        table.row(number, MUST, f"{kind}.{path}", rule, f"{kind}.{path} is {' or '.join(values)}")

    def gone(number: int, subjects: Subjects, kind: str, path: str, when: str) -> None:
        table.row(number, MUST, f"{kind}.{path}", lacks(subjects, path), f"{kind} has no {path} where {when}")

    request = "MedicationRequest"
    plan = only(request, lambda resource: resource.text("intent") == "plan")
    order = only(request, lambda resource: resource.text("intent") == "order")
    repeats = "MedicationRepeatInformation-1"
    table.row(147, MUST, "Medication.code", coded(every("Medication"), "code"), "A code says which medicine it is")
    table.row(148, SHOULD, "MedicationRequest.extension", extended(plan, repeats), "A plan has repeat information")
    for number, name in (
        (149, "numberOfRepeatPrescriptionsAllowed"),
        (150, "numberOfRepeatPrescriptionsIssued"),
        (151, "authorisationExpiryDate"),
    ):
        table.row(
            number,
            SHOULD,
            "MedicationRequest.extension",
            extended(plan, repeats, name),
            f"A plan's repeat information has {name}",
        )
    stopped = only(request, _stopped_plan)
    table.row(
        152,
        SHOULD,
        "MedicationRequest.extension",
        extended(stopped, "MedicationStatusReason-1"),
        "A stopped plan has a status reason",
    )
    table.row(
        153,
        MUST,
        "MedicationRequest.extension",
        extended(stopped, "MedicationStatusReason-1", "statusChangeDate"),
        "A stopped plan says when it was stopped",
    )
    table.row(
        154,
        SHOULD,
        "MedicationRequest.extension",
        extended(stopped, "MedicationStatusReason-1", "statusReason"),
        "A stopped plan says why it was stopped",
    )
    table.row(
        155,
        MUST,
        "MedicationRequest.extension",
        extended(every(request), "PrescriptionType-1"),
        "The request says whether it is acute or repeat",
    )
    present(156, MUST, request, "identifier")
    table.row(
        157, SHOULD, "MedicationRequest.basedOn", has(order, "basedOn"), "An issue names the plan that it is based on"
    )
    present(158, SHOULD, request, "groupIdentifier")
    one_of(159, request, "status", "active", "completed", "stopped")
    one_of(160, request, "intent", "plan", "order")
    table.row(
        161,
        MUST,
        "MedicationRequest.medicationReference",
        for_all(every(request), _medication_named),
        "The request names a Medication in the document",
    )
    about_patient(162, request)
    present(163, SHOULD, request, "context")
    present(164, MUST, request, "authoredOn")
    present(165, SHOULD, request, "requester")
    table.row(
        166,
        MUST,
        "MedicationRequest.recorder",
        refers(every(request), "recorder", "Practitioner"),
        "The request names the responsible Practitioner in the document",
    )
    present(167, SHOULD, request, "note")
    present(168, MUST, request, "dosageInstruction")
    table.row(
        169,
        MUST,
        "MedicationRequest.dosageInstruction.text",
        has(parts(request, "dosageInstruction"), "text"),
        "The dosage has a text",
    )
    present(170, SHOULD, request, "dosageInstruction.patientInstruction")
    present(171, MUST, request, "dispenseRequest.validityPeriod.start")
    present(172, SHOULD, request, "dispenseRequest.quantity")
    table.row(
        173,
        SHOULD,
        "MedicationRequest.dispenseRequest.quantity",
        extended(parts(request, "dispenseRequest.quantity"), "MedicationQuantityText-1"),
        "The quantity has units",
    )
    present(174, SHOULD, request, "dispenseRequest.expectedSupplyDuration")
    table.row(
        175,
        SHOULD,
        "MedicationRequest.dispenseRequest.performer",
        present_or_advised(every(request), "dispenseRequest.performer", SHOULD),
        "An issue names the dispenser, if known",
    )
    present(176, SHOULD, request, "priorPrescription")

    statement = "MedicationStatement"
    table.row(
        177,
        SHOULD,
        f"{statement}.extension",
        extended(every(statement), "MedicationStatementLastIssueDate-1"),
        "The statement says when the medicine was last issued",
    )
    table.row(
        178,
        MUST,
        f"{statement}.extension",
        extended(every(statement), "PrescribingAgency-1"),
        "The statement says where the medicine was prescribed",
    )
    table.row(
        179,
        SHOULD,
        f"{statement}.extension",
        filled(every(statement), "DosageLastChanged-1"),
        "The statement says when the dosage last changed",
    )
    table.row(
        180,
        MUST,
        f"{statement}.basedOn",
        for_all(every(statement), _based_on_request),
        "The statement is based on a plan in the document",
    )
    present(181, SHOULD, statement, "context")
    one_of(182, statement, "status", "active", "completed", "stopped")
    table.row(
        183,
        MUST,
        f"{statement}.medicationReference",
        for_all(every(statement), _medication_named),
        "The statement names a Medication in the document",
    )
    present(184, MUST, statement, "effective[x]")
    present(185, MUST, statement, "dateAsserted")
    about_patient(186, statement)
    one_of(187, statement, "taken", "unk")
    present(188, SHOULD, statement, "note")
    present(189, MUST, statement, "dosage.text")
    present(190, SHOULD, statement, "dosage.patientInstruction")

    vaccine = "Immunization"
    not_given, given = only(vaccine, _not_given), only(vaccine, _given)
    table.row(
        191,
        SHOULD,
        f"{vaccine}.extension",
        extended(every(vaccine), "ParentPresent-1"),
        "The vaccination says whether a parent was present",
    )
    table.row(
        192,
        MUST,
        f"{vaccine}.extension",
        extended(every(vaccine), "DateRecorded-1"),
        "The vaccination says when it was recorded",
    )
    table.row(
        193,
        MUST,
        f"{vaccine}.extension",
        extended(every(vaccine), "VaccinationProcedure-1"),
        "The vaccination has the procedure's code",
    )
    one_of(194, vaccine, "status", "completed")
    one_of(195, vaccine, "notGiven", "true", "false")
    table.row(
        196,
        MUST,
        f"{vaccine}.vaccineCode",
        described(every(vaccine), "vaccineCode"),
        "The vaccination names the vaccine",
    )
    about_patient(197, vaccine, "patient")
    present(198, SHOULD, vaccine, "encounter")
    present(199, SHOULD, vaccine, "date")
    one_of(200, vaccine, "primarySource", "true", "false")
    gone(
        201,
        only(vaccine, lambda resource: resource.text("primarySource") == "true"),
        vaccine,
        "reportOrigin",
        "the source is primary",
    )
    for number, path in ((202, "location"), (203, "manufacturer"), (204, "lotNumber"), (205, "expirationDate")):
        present(number, SHOULD, vaccine, path)
    for number, path in ((206, "site"), (207, "route"), (208, "doseQuantity")):
        gone(number, not_given, vaccine, path, "it was not given")
    present(209, SHOULD, vaccine, "practitioner")
    table.row(
        210,
        MUST,
        f"{vaccine}.practitioner.role",
        fixed(_roles, "role.coding.code", "EP", "AP"),
        "A practitioner's role is entering or administering",
    )
    table.row(
        211,
        MUST,
        f"{vaccine}.practitioner.actor",
        refers(_roles, "actor", "Practitioner"),
        "A practitioner with a role is described in the document",
    )
    present(212, SHOULD, vaccine, "note")
    gone(213, not_given, vaccine, "explanation.reason", "it was not given")
    gone(214, given, vaccine, "explanation.reasonNotGiven", "it was given")
    gone(215, not_given, vaccine, "vaccinationProtocol", "it was not given")
    protocol = parts(vaccine, "vaccinationProtocol")
    table.row(
        216,
        MUST,
        f"{vaccine}.vaccinationProtocol",
        has(protocol, "doseSequence"),
        "The protocol has the dose's position in the series",
    )
    table.row(217, SHOULD, f"{vaccine}.vaccinationProtocol", has(protocol, "description"), "The protocol is described")
    table.row(
        218,
        SHOULD,
        f"{vaccine}.vaccinationProtocol",
        has(protocol, "seriesDoses"),
        "The protocol has the number of doses",
    )
    table.row(
        219, MUST, f"{vaccine}.vaccinationProtocol", has(protocol, "targetDisease"), "The protocol names the disease"
    )
    table.row(
        220,
        MUST,
        f"{vaccine}.vaccinationProtocol",
        fixed(protocol, "doseStatus.coding.code", "count"),
        "The dose's status is count",
    )
    return table.rows


def _problems_and_tests() -> list[Check]:
    table = _Table("GE")

    def present(number: int, level: Level, kind: str, path: str) -> None:
        table.row(number, level, f"{kind}.{path}", present_or_advised(every(kind), path, level), f"{kind} has {path}")

    def about_patient(number: int, kind: str) -> None:
        table.row(
            number,
            MUST,
            f"{kind}.subject",
            refers(every(kind), "subject", "Patient"),
            f"{kind} is about the Patient in the document",
        )

    def one_of(number: int, kind: str, path: str, *values: str) -> None:
        table.row(
            number, MUST, f"{kind}.{path}", fixed(every(kind), path, *values), f"{kind}.{path} is {' or '.join(values)}"
        )

    problem = "Condition"
    table.row(
        221,
        SHOULD,
        f"{problem}.extension",
        filled(every(problem), "ActualProblem-1"),
        "The problem names the item that it grew from",
    )
    table.row(
        222,
        SHOULD,
        f"{problem}.extension",
        filled(every(problem), "RelatedProblemHeader-1"),
        "The problem names related problems",
    )
    related = _problem_extensions("RelatedProblemHeader-1")
    table.row(
        223,
        MUST,
        f"{problem}.extension",
        for_all(related, _related_type),
        "A related problem is parent, child or sibling",
    )
    table.row(
        224, MUST, f"{problem}.extension", for_all(related, _refers_to_problem), "A related problem is in the document"
    )
    table.row(
        225,
        MUST,
        f"{problem}.extension",
        for_all(_problem_extensions("RelatedClinicalContent-1"), _refers_to_content),
        "Clinical content that a problem names is in the document",
    )
    table.row(
        226, MUST, f"{problem}.extension", for_all(every(problem), _significance), "The problem is major or minor"
    )
    one_of(227, problem, "clinicalStatus", "active", "inactive")
    one_of(228, problem, "category.coding.code", "problem-list-item")
    table.row(
        229,
        MUST,
        f"{problem}.code",
        described(every(problem), "code"),
        "A code, or else a text, names the problem",
    )
    about_patient(230, problem)
    present(231, SHOULD, problem, "context")
    present(232, SHOULD, problem, "onset[x]")
    table.row(
        233,
        SHOULD,
        f"{problem}.abatement[x]",
        has(only(problem, lambda resource: resource.text("clinicalStatus") == "inactive"), "abatement[x]"),
        "A problem that is over says since when",
    )
    present(234, MUST, problem, "assertedDate")
    table.row(
        235,
        MUST,
        f"{problem}.asserter",
        refers(every(problem), "asserter", "Practitioner"),
        "Who recorded the problem is described in the document",
    )
    present(236, SHOULD, problem, "note")

    request = "ProcedureRequest"
    one_of(237, request, "status", "active")
    one_of(238, request, "intent", "order")
    table.row(
        239,
        MUST,
        f"{request}.code",
        described(every(request), "code"),
        "A code, or else a text, names the requested procedure",
    )
    about_patient(240, request)
    for number, path in enumerate(("performer", "requester", "reasonCode", "reasonReference", "note"), 241):
        present(number, SHOULD, request, path)

    report = "DiagnosticReport"
    present(246, SHOULD, report, "basedOn")
    one_of(247, report, "status", "registered", "partial", "preliminary", "final")
    present(248, SHOULD, report, "category")
    table.row(249, MUST, f"{report}.code", described(every(report), "code"), "A code, or else a text, names the report")
    about_patient(250, report)
    present(251, MUST, report, "issued")
    for number, path in enumerate(("performer", "specimen", "result", "codedDiagnosis", "conclusion"), 252):
        present(number, SHOULD, report, path)

    specimen = "Specimen"
    present(257, SHOULD, specimen, "accessionIdentifier")
    one_of(258, specimen, "status", "available", "unavailable", "unsatisfactory", "entered-in-error")
    present(259, SHOULD, specimen, "type")
    about_patient(260, specimen)
    present(261, MUST, specimen, "receivedTime")
    present(262, SHOULD, specimen, "collection")
    table.row(
        263,
        SHOULD,
        f"{specimen}.collection.extension",
        extended(parts(specimen, "collection"), "FastingStatus-1"),
        "The collection says whether the patient fasted",
    )
    for number, path in (
        (264, "collection.collector"),
        (265, "collection.quantity"),
        (266, "collection.bodySite"),
        (267, "note"),
    ):
        present(number, SHOULD, specimen, path)
    return table.rows


STRUCTURED_CHECKS: tuple[Check, ...] = (*_shared(), *_medicines(), *_problems_and_tests())
