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
    Kind.INVARIANT: "FHIR's rules between elements hold",
}


def _form(kind: Kind) -> Rule:
    return lambda message: message.structure.results[kind]


def _bundles(message: MessageUnderTest) -> list[tuple[Node, list[Node], dict[str, Node]]]:
    """The message Bundle and the document, each with the resources and all names that references have for them."""
    found = [(message.root, message.entries, message.outer_urls)]
    if message.document is not None:
        found.append((message.document, message.payload, message.payload_urls))
    return found


def _references(message: MessageUnderTest) -> CheckResult:
    violations = []
    limited = {id(node): targets for node, targets in message.structure.references}
    for bundle, resources, urls in _bundles(message):
        full_urls = {entry.text("fullUrl").lower() for entry in bundle.all("entry")}
        for resource in resources:
            contained = {
                f"#{inner.text('id')}": inner for holder in resource.all("contained") for inner in holder.children
            }
            for node in message.references.get(id(resource), ()):
                reference = node.value or ""
                # The message definition is external by design; FHIR-PAY-02 covers other external addresses.
                if reference.startswith(("http://", "https://")):
                    continue
                target = contained.get(reference) if reference.startswith("#") else message.resolve(reference, urls)
                allowed = limited.get(id(node.parent)) or _extended(node)
                if target is None or (reference.startswith("urn:") and reference.lower() not in full_urls):
                    violations.append(Violation(node, "the reference names no resource of this bundle"))
                elif allowed and target.name not in allowed:
                    words = f"the reference must be to {' or '.join(sorted(allowed))}, not to {target.name}"
                    violations.append(Violation(node, words))
                elif not _REFERENCE.fullmatch(reference):
                    violations.append(Violation(node, "a reference is a URL, or has a type before the id"))
    return check_result([message.root], [*violations, *_represented(message)])


def _extended(reference: Node) -> frozenset[str]:
    holder = reference.parent and reference.parent.parent
    return _EXTENSION_TARGETS.get(holder.url or "", frozenset()) if holder else frozenset()


_EXTENSION_TARGETS = {"http://hl7.org/fhir/StructureDefinition/encounter-associatedEncounter": frozenset({"Encounter"})}


def _represented(message: MessageUnderTest) -> list[Violation]:
    """Find who asks for another though neither a practitioner nor a device (mps-1, rfr-1)."""
    return [
        Violation(requester, "onBehalfOf is only for a Practitioner or a Device as the agent")
        for kind in ("MedicationRequest", "ReferralRequest")
        for resource in message.resources(kind)
        for requester in resource.at("requester")
        if requester.first("onBehalfOf")
        and (agent := message.referred(requester.first("agent"))) is not None
        and agent.name not in ("Practitioner", "Device")
    ]


_REFERENCE = re.compile(r"#.+|[A-Za-z][A-Za-z0-9+.-]*:.+|(.+/)?[A-Z][A-Za-z]+/[A-Za-z0-9.-]{1,64}(/_history/.+)?")


def _bundle_complete(message: MessageUnderTest) -> CheckResult:
    """Every entry has a fullUrl, a document has a date, and references join every entry to the first one.

    Source: FHIR STU3, Bundle.entry.fullUrl, and Documents (the date is Bundle.meta.lastUpdated; the Composition joins
    the entries, whichever way their references go).
    """
    violations: list[Violation] = []
    for bundle, resources, _ in _bundles(message):
        unnamed = [entry for entry in bundle.all("entry") if not entry.text("fullUrl")]
        violations += [Violation(entry, "an entry must have a fullUrl") for entry in unnamed]
        if bundle.text("type") == "document" and not bundle.text("meta", "lastUpdated"):
            violations.append(Violation(bundle, "a document must have a date: meta.lastUpdated"))
        violations += [
            Violation(resource, f"no references join this {resource.name} to the {resources[0].name}")
            for resource in _unjoined(message, resources)
        ]
    return check_result([message.root], violations)


def _unjoined(message: MessageUnderTest, resources: list[Node]) -> list[Node]:
    named: dict[str, Node] = {}
    for resource in resources:
        url = resource.parent.parent.text("fullUrl") if resource.parent and resource.parent.parent else ""
        named[url] = named[f"{resource.name}/{resource.text('id')}"] = resource
    joined: dict[int, set[int]] = {id(resource): set() for resource in resources}
    for resource in resources:
        for node in message.references.get(id(resource), ()):
            target = named.get(node.value or "")
            if target is not None:
                joined[id(resource)].add(id(target))
                joined[id(target)].add(id(resource))
    reached: set[int] = set()
    waiting = [id(resource) for resource in resources[:1]]
    while waiting:
        found = waiting.pop()
        if found not in reached:
            reached.add(found)
            waiting += joined[found]
    return [resource for resource in resources if id(resource) not in reached]


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
    *_rows(
        "STU3-REFERENCE",
        "reference",
        _references,
        "References name resources of the message of a right type",
    ),
    *_rows("STU3-BUNDLE", "Bundle.entry", _bundle_complete, "Bundles are dated and join all entries"),
    *_rows("STU3-ID", "id, fullUrl", _ids, "Ids are unique"),
    *_rows("NHS-NUMBER", "Patient.identifier", _nhs_numbers, "NHS numbers have a valid check digit", Scope.MESSAGE),
    *_rows("BASE64", "Binary.content", _base64, "Documents are complete base64", Scope.MESSAGE),
    *(
        row
        for profile in PROFILES
        for row in _rows(f"PROFILE-{profile}", profile, conforms_to(profile), f"Resources follow {profile}")
    ),
)
