"""Checks of ITK3's own rules for senders of documents.

Source: ITK3 Messaging Distribution, document sender, general and conformance requirements (FHIR-PAY, -PDS, -DEM, -CC,
-CE, -VER, -SR, -DOC).
"""

from gpconnect_messaging.conformance.check_result import NOT_APPLICABLE, CheckResult, Violation, judged
from gpconnect_messaging.conformance.checks.check import Check, Level, checks
from gpconnect_messaging.conformance.checks.header import handled, recipient_type
from gpconnect_messaging.conformance.checks.payload import sections
from gpconnect_messaging.conformance.message_under_test import NHS_NUMBER, SNOMED, MessageUnderTest, identified
from gpconnect_messaging.conformance.profiles import CODED_CONTENT, conforms_to
from gpconnect_messaging.conformance.rules import all_of, coded, composition, described, every, patient
from gpconnect_messaging.conformance.rules import rule_for_each as each_one
from gpconnect_messaging.conformance.tree import Node

MUST, SHOULD = Level.MUST, Level.SHOULD
_LONGEST_REFERENCE = 255
_DEMOGRAPHICS = ("name.given", "name.family", "gender", "birthDate", "address", "address.postalCode")


def _one_document(transmission: MessageUnderTest) -> CheckResult:
    documents = [each for each in transmission.entries if each.name == "Bundle"]
    if len(documents) == 1:
        return judged(documents, [])
    place = documents[1] if documents else transmission.place
    return judged(documents, [Violation(place, "the message must carry exactly one document")])


def _inside(transmission: MessageUnderTest) -> CheckResult:
    seen = [node for each in transmission.payload for node in transmission.references[id(each)]]
    outside = [each for each in seen if (each.value or "").lower().startswith(("http://", "https://", "file:", "ftp:"))]
    faults = [
        Violation(each, "this must be in the message itself, not at an external address")
        for each in outside
        if transmission.resolve(each.value or "", transmission.payload_urls) is None
    ]
    for document in transmission.resources("DocumentReference"):
        for url in document.at("content", "attachment", "url"):
            seen.append(url)
            if transmission.resolve(url.value or "", transmission.payload_urls) is None:
                faults.append(Violation(url, "the document must be in the message itself"))
    return judged(seen, faults)


def _entries_inside(transmission: MessageUnderTest) -> CheckResult:
    entries = [entry for section in sections(transmission) for entry in section.all("entry")]
    return judged(entries, [
        Violation(each, "a section entry must refer to a resource of the same document")
        for each in entries
        if transmission.referred(each) is None
    ])  # fmt: skip


def _demographics(subject: Node) -> Violation | None:
    missing = [path for path in _DEMOGRAPHICS if not subject.at(*path.split("."))]
    return Violation(subject, f"the patient also needs {', '.join(missing)}") if missing else None


def _number(subject: Node) -> Node | None:
    return next((each for each in subject.all("identifier") if each.text("system") == NHS_NUMBER), None)


def verification(number: Node) -> str:
    """Give the code of an NHS number's verification status, "" if there is none."""
    extension = number.extension("NHSNumberVerificationStatus-1")
    return extension.text("valueCodeableConcept", "coding", "code") if extension else ""


def _unverified(transmission: MessageUnderTest) -> CheckResult:
    found = transmission.patient
    number = _number(found) if found else None
    if found is None or (number is not None and verification(number) in ("01", "")):
        return NOT_APPLICABLE
    return judged([found], [_demographics(found)])


def _unnumbered(transmission: MessageUnderTest) -> list[Node]:
    found = transmission.patient
    return [found] if found is not None and not identified(found, NHS_NUMBER) else []


def _local_identifier(subject: Node, _transmission: MessageUnderTest) -> Violation | None:
    return None if any(each.text("value") for each in subject.all("identifier")) else Violation(
        subject, "without an NHS number the patient needs another identifier"
    )  # fmt: skip


def _verified(subject: Node, _transmission: MessageUnderTest) -> Violation | None:
    number = _number(subject)
    if number is None or verification(number):
        return None
    return Violation(number, "the NHS number's verification status is missing")


def _document_identified(transmission: MessageUnderTest) -> CheckResult:
    found = transmission.document
    if found is None:
        return NOT_APPLICABLE
    return judged(
        [found], [None if found.text("identifier", "value") else Violation(found, "the document has no identifier")]
    )


def _care_setting(subject: Node, _transmission: MessageUnderTest) -> Violation | None:
    extension = subject.extension("CareSettingType-1")
    if extension is None:
        return None
    codings = extension.at("valueCodeableConcept", "coding")
    right = any(each.text("system") == SNOMED and each.text("code") for each in codings)
    return None if right else Violation(extension, "the care setting must have a SNOMED code")


def _is_definition(value: Node) -> bool:
    return value.text("reference").startswith(("http://", "https://", "urn:"))


ITK3_CHECKS: tuple[Check, ...] = (
    *checks("FHIR-PAY-01", MUST, "Bundle.entry", _one_document, "A message carries one document"),
    *checks("FHIR-PAY-02", MUST, "reference", _inside, "Attachments are in the message itself"),
    *checks("FHIR-PDS-02", MUST, "Patient", _unverified, "Without a verified number the patient is fully described"),
    *checks("FHIR-PDS-10", MUST, "Patient.identifier", each_one(patient, _verified),
            "The NHS number says whether it is verified"),
    *checks("FHIR-DEM-01", MUST, "Patient.identifier", each_one(_unnumbered, _local_identifier),
            "A patient without NHS number has another identifier"),
    *checks("FHIR-DEM-02", MUST, "Patient", each_one(_unnumbered, lambda each, _: _demographics(each)),
            "A patient without NHS number is fully described"),
    *checks("FHIR-SR-01 FHIR-SR-02", MUST, "RecipientType", recipient_type("FA", "FI"),
            "The recipient is told whether to act"),
    *checks("FHIR-SR-03", MUST, "SenderReference",
            handled("SenderReference", lambda value: 0 < len(value.value or "") <= _LONGEST_REFERENCE,
                    f"must have 1 to {_LONGEST_REFERENCE} characters"),
            "The sender reference has at most 255 characters"),
    *checks("FHIR-SR-05", MUST, "MessageDefinition", handled("MessageDefinition", _is_definition, "must be a URI"),
            "The message definition is a URI"),
    *checks("FHIR-SR-06", MUST, "LocalExtension",
            handled("LocalExtension", lambda value: bool(value.value or value.children), "must be set"),
            "The local extension is set"),
    *checks("FHIR-CC-02", MUST, "clinical resources", all_of(*map(conforms_to, CODED_CONTENT)),
            "Coded content follows its profiles"),
    *checks("FHIR-CC-04", MUST, "Composition.section.entry", _entries_inside, "Sections refer to the same document"),
    *checks("FHIR-CE-01", MUST, "Medication.code", described(every("Medication"), "code"),
            "Medicines are coded, or else told in words"),
    *checks("FHIR-CE-02", SHOULD, "AllergyIntolerance.code", described(every("AllergyIntolerance"), "code"),
            "Allergies are coded, or else told in words"),
    *checks("FHIR-VER-01", MUST, "Bundle.identifier", _document_identified, "The document has an identifier"),
    *checks("FHIR-DOC-05", MUST, "Composition.type", coded(composition, "type", SNOMED), "The type is a SNOMED code"),
    *checks("FHIR-DOC-06", MUST, "Composition.extension", each_one(composition, _care_setting),
            "The care setting, if told, is a SNOMED code"),
)  # fmt: skip
