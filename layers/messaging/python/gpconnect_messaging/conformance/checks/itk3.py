"""Checks of ITK3's own rules for senders of documents.

Source: ITK3 Messaging Distribution, document sender, general and conformance requirements (FHIR-PAY, -PDS, -DEM, -CC,
-CE, -VER, -SR, -DOC).
"""

from gpconnect_messaging.conformance.check_result import NOT_APPLICABLE, CheckResult, Violation, check_result
from gpconnect_messaging.conformance.checks.check import Check, Level, checks
from gpconnect_messaging.conformance.checks.header import handled, recipient_type
from gpconnect_messaging.conformance.message_under_test import NHS_NUMBER, SNOMED_CT, MessageUnderTest, identified
from gpconnect_messaging.conformance.profiles import CODED_CONTENT, conforms_to
from gpconnect_messaging.conformance.rules import all_of, coded, composition, described, every, for_all, must, patient
from gpconnect_messaging.conformance.tree import Node

MUST, SHOULD = Level.MUST, Level.SHOULD
_LONGEST_REFERENCE = 255
# Not name.given: a person with one name has it as the family name.
_DEMOGRAPHICS = ("name.family", "gender", "birthDate", "address", "address.postalCode")


def _one_document(message: MessageUnderTest) -> CheckResult:
    documents = [resource for resource in message.entries if resource.name == "Bundle"]
    if len(documents) == 1:
        return check_result(documents, [])
    node = documents[1] if documents else message.anchor
    return check_result(documents, [Violation(node, "the message must carry exactly one document")])


def _inside(message: MessageUnderTest) -> CheckResult:
    nodes = [node for resource in message.payload for node in message.references[id(resource)]]
    outside = [
        node for node in nodes if (node.value or "").lower().startswith(("http://", "https://", "file:", "ftp:"))
    ]
    violations = [
        Violation(node, "this must be in the message itself, not at an external address")
        for node in outside
        if message.resolve(node.value or "", message.payload_urls) is None
    ]
    for document in message.resources("DocumentReference"):
        for url in document.at("content", "attachment", "url"):
            nodes.append(url)
            if message.resolve(url.value or "", message.payload_urls) is None:
                violations.append(Violation(url, "the document must be in the message itself"))
    return check_result(nodes, violations)


def _entries_inside(message: MessageUnderTest) -> CheckResult:
    words = "a section entry must refer to a resource of the same document"
    return check_result(
        [entry for entry, _ in message.section_entries],
        [Violation(entry, words) for entry, referred in message.section_entries if referred is None],
    )


def _demographics(subject: Node) -> Violation | None:
    missing = [path for path in _DEMOGRAPHICS if not subject.at(*path.split("."))]
    return Violation(subject, f"the patient also needs {', '.join(missing)}") if missing else None


def _number(subject: Node) -> Node | None:
    return next(iter(subject.where("identifier", "system", NHS_NUMBER)), None)


def _verification(number: Node) -> str:
    """Return the code of an NHS number's verification status, or ""."""
    extension = number.extension("NHSNumberVerificationStatus-1")
    return extension.text("valueCodeableConcept", "coding", "code") if extension else ""


def _unverified(message: MessageUnderTest) -> CheckResult:
    found = message.patient
    number = _number(found) if found else None
    if found is None or (number is not None and _verification(number) in ("01", "")):
        return NOT_APPLICABLE
    return check_result([found], [_demographics(found)])


def _unnumbered(message: MessageUnderTest) -> list[Node]:
    found = message.patient
    return [found] if found is not None and not identified(found, NHS_NUMBER) else []


_local_identifier = must(
    lambda subject, _: any(identifier.text("value") for identifier in subject.all("identifier")),
    "without an NHS number the patient needs another identifier",
)


def _verified(subject: Node, _message: MessageUnderTest) -> Violation | None:
    number = _number(subject)
    if number is None or _verification(number):
        return None
    return Violation(number, "the NHS number's verification status is missing")


def _care_setting(subject: Node, _message: MessageUnderTest) -> Violation | None:
    extension = subject.extension("CareSettingType-1")
    if extension is None:
        return None
    codings = extension.at("valueCodeableConcept", "coding")
    right = any(coding.text("system") == SNOMED_CT and coding.text("code") for coding in codings)
    return None if right else Violation(extension, "the care setting must have a SNOMED code")


def _is_definition(value: Node) -> bool:
    return value.text("reference").startswith(("http://", "https://", "urn:"))


_DOCUMENT_IDENTIFIED = for_all(
    lambda message: [message.document] if message.document else [],
    must(lambda subject, _: subject.text("identifier", "value"), "the document has no identifier"),
)
ITK3_CHECKS: tuple[Check, ...] = (
    *checks("FHIR-PAY-01", MUST, "Bundle.entry", _one_document, "A message carries one document"),
    *checks("FHIR-PAY-02", MUST, "reference", _inside, "Attachments are in the message itself"),
    *checks("FHIR-PDS-02", MUST, "Patient", _unverified, "Without a verified number the patient is fully described"),
    *checks("FHIR-PDS-10", MUST, "Patient.identifier", for_all(patient, _verified),
            "The NHS number says whether it is verified"),
    *checks("FHIR-DEM-01", MUST, "Patient.identifier", for_all(_unnumbered, _local_identifier),
            "A patient without NHS number has another identifier"),
    *checks("FHIR-DEM-02", MUST, "Patient", for_all(_unnumbered, lambda subject, _: _demographics(subject)),
            "A patient without NHS number is fully described"),
    *checks("FHIR-SR-01 FHIR-SR-02", MUST, "RecipientType", recipient_type("FA", "FI"),
            "The recipient type says whether to act"),
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
            "Coded content follows the profiles"),
    *checks("FHIR-CC-04", MUST, "Composition.section.entry", _entries_inside, "Sections refer to the same document"),
    *checks("FHIR-CE-01", MUST, "Medication.code", described(every("Medication"), "code"),
            "Medicines have a code, or else a text"),
    *checks("FHIR-CE-02", SHOULD, "AllergyIntolerance.code", described(every("AllergyIntolerance"), "code"),
            "Allergies have a code, or else a text"),
    *checks("FHIR-VER-01", MUST, "Bundle.identifier", _DOCUMENT_IDENTIFIED, "The document has an identifier"),
    *checks("FHIR-DOC-05", MUST, "Composition.type", coded(composition, "type", SNOMED_CT),
            "The type is a SNOMED code"),
    *checks("FHIR-DOC-06", MUST, "Composition.extension", for_all(composition, _care_setting),
            "The care setting, if given, is a SNOMED code"),
)  # fmt: skip
