"""Checks of FHIR's elements, ids and references, the profiles, NHS numbers and base64.

No requirement id covers these rules, so the checks have other names. A receiver refuses a message that breaks them as
invalid (GPCM-SD-040 of 1.5, response code 20009).
"""

import re

from gpconnect_messaging.conformance.check_result import CheckResult, Violation, check_result
from gpconnect_messaging.conformance.checks.check import Check, Level, Scope, checks
from gpconnect_messaging.conformance.checks.payload import base64_violation
from gpconnect_messaging.conformance.message_under_test import NHS_NUMBER, MessageUnderTest
from gpconnect_messaging.conformance.profiles import PROFILES, conforms_to
from gpconnect_messaging.conformance.rules import Rule
from gpconnect_messaging.conformance.structure import Kind
from gpconnect_messaging.conformance.tree import Node
from gpconnect_messaging.identifiers import is_nhs_number

_TITLES = {
    Kind.ELEMENT: "Every element is one of FHIR's",
    Kind.ORDER: "Elements come in FHIR's order",
    Kind.CARDINALITY: "Elements come as often as FHIR allows",
    Kind.CODE: "Codes are those of FHIR's required value sets",
    Kind.VALUE: "Values are written as FHIR writes them",
}


_UUID = re.compile(r"urn:uuid:[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def _form(kind: Kind) -> Rule:
    return lambda message: message.form[kind]


def _unresolved(message: MessageUnderTest, resources: list[Node], urls: dict[str, Node]) -> list[Violation]:
    violations = []
    for resource in resources:
        for node in message.references.get(id(resource), ()):
            reference = node.value or ""
            # The message definition is external by design; FHIR-PAY-02 covers other external addresses.
            if reference.startswith(("http://", "https://")) or message.resolve(reference, urls) is not None:
                continue
            contained = {f"#{child.text('id')}" for holder in resource.all("contained") for child in holder.children}
            if reference not in contained:
                violations.append(Violation(node, "the reference names no resource of this bundle"))
    return violations


def _references(message: MessageUnderTest) -> CheckResult:
    violations = _unresolved(message, message.entries, message.outer_urls)
    violations += _unresolved(message, message.payload, message.payload_urls)
    return check_result([message.root], violations)


def _ids(message: MessageUnderTest) -> CheckResult:
    violations: list[Violation] = []
    for bundle in (message.root, message.document):
        if bundle is None:
            continue
        urls: set[str] = set()
        ids: set[str] = set()
        for entry in bundle.all("entry"):
            url = entry.first("fullUrl")
            for resource in (child for holder in entry.all("resource") for child in holder.children):
                identifier = resource.text("id")
                if identifier and identifier in ids:
                    violations.append(Violation(resource, "another resource of this bundle has the same id"))
                ids.add(identifier)
                if (
                    url
                    and identifier
                    and (url.value or "").startswith("urn:uuid:")
                    and url.value != f"urn:uuid:{identifier}"
                ):
                    violations.append(Violation(url, "fullUrl and id must be the same"))
            if url and (url.value or "").startswith("urn:uuid:") and not _UUID.fullmatch(url.value or ""):
                violations.append(Violation(url, "fullUrl is not a valid UUID"))
            if url and url.value in urls:
                violations.append(Violation(url, "another entry of this bundle has the same fullUrl"))
            urls.add((url.value or "") if url else "")
    return check_result([message.root], violations)


def _nhs_numbers(message: MessageUnderTest) -> CheckResult:
    numbers = [
        value
        for kind in ("Patient", "RelatedPerson")
        for person in message.resources(kind)
        for identifier in person.where("identifier", "system", NHS_NUMBER)
        for value in identifier.all("value")
    ]
    return check_result(numbers, [
        Violation(number, "this is not an NHS number: ten digits, the last a check digit (modulus 11)")
        for number in numbers
        if not is_nhs_number(number.value or "")
    ])  # fmt: skip


_MAY_HOLD_DOCUMENTS = frozenset(
    {"Binary", "DocumentReference", "DiagnosticReport", "Consent", "QuestionnaireResponse", "Observation", "Patient"}
)


def _base64(message: MessageUnderTest) -> CheckResult:
    documents = [
        node
        for resource in message.payload
        if resource.name in _MAY_HOLD_DOCUMENTS
        for node in resource.walk()
        if node.content is not None
    ]
    return check_result(
        documents,
        [base64_violation(document, document.content) for document in documents if document.content is not None],
    )


def _rows(name: str, looks_at: str, rule: Rule, title: str, scope: Scope = Scope.ANY) -> tuple[Check, ...]:
    return tuple(checks(name, Level.MUST, looks_at, rule, title, scope))


FORM_CHECKS: tuple[Check, ...] = (
    *(row for kind, title in _TITLES.items() for row in _rows(kind.value, "every element", _form(kind), title)),
    *_rows("STU3-REFERENCE", "reference", _references, "References name resources of the message"),
    *_rows("STU3-ID", "id, fullUrl", _ids, "Ids are unique"),
    *_rows("NHS-NUMBER", "Patient.identifier", _nhs_numbers, "NHS numbers have a valid check digit", Scope.MESSAGE),
    *_rows("BASE64", "Binary.content", _base64, "Documents are complete base64", Scope.MESSAGE),
    *(
        row
        for profile in PROFILES
        for row in _rows(f"PROFILE-{profile}", profile, conforms_to(profile), f"Resources follow {profile}")
    ),
)
