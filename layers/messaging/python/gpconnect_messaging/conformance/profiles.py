"""Rules of the ITK3 and CareConnect profiles beyond FHIR itself: elements required, forbidden, fixed or single.

A rule is `path mark`: `1` at least one, `0` none, `<2` at most one, `=value` fixed, `snomed` a concept with at most one
coding of SNOMED CT, which has a display, `snomed-` one without a version besides; a rule applies wherever the parent
element exists. Source: the StructureDefinitions ITK-Message-Bundle-1, ITK-Document-Bundle-1, ITK-MessageHeader-2,
Extension-ITK-MessageHandling-2, ITK-Response-OperationOutcome-1, ITK-Attachment-Binary-1, ITK-Device-1 and the
CareConnect ones named below. A resource is checked against the profile of the position in the message,
claimed or not; the code below the table checks slices by system or URL.
"""

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple

from gpconnect_messaging.conformance.check_result import CheckResult, Violation
from gpconnect_messaging.conformance.message_under_test import (
    NHS_NUMBER,
    ODS_CODE,
    SDS_USER,
    SITE_CODE,
    SNOMED_CT,
    MessageUnderTest,
)
from gpconnect_messaging.conformance.rules import Rule
from gpconnect_messaging.conformance.tree import Node

_IDENTIFIED = "identifier.system 1, identifier.value 1"
_OF_ITK = (
    "identifier.type.coding.system 1, identifier.type.coding.code 1, identifier.type.coding.display 1, "
    "identifier.assigner.reference 1, identifier.value 1"
)
_BUNDLE = (
    f"identifier 1, {_OF_ITK}, total 0, link 0, entry 1, entry.link 0, entry.resource 1, entry.search 0, "
    "entry.request 0, entry.response 0, signature 0"
)
_OF_THE_FRAME = {
    "ITK-Message-Bundle-1": f"type =message, {_BUNDLE}",
    "ITK-Document-Bundle-1": f"type =document, {_BUNDLE}",
    "ITK-MessageHeader-2": (
        "event.system =https://fhir.nhs.uk/STU3/CodeSystem/ITK-MessageEvent-2, event.system 1, event.code 1, "
        "event.display 1, event.version 0, event.userSelected 0, destination 0, receiver.reference 1, sender 1, "
        "sender.reference 1, enterer 0, author 0, source.name 0, source.software 0, source.version 0, "
        "source.contact 0, responsible 0, reason 0, response.details 1, response.details.reference 1, focus <2, "
        "focus.reference 1"
    ),
    "ITK-Response-OperationOutcome-1": (
        "issue.details 1, issue.details.coding 1, issue.details.coding <2, issue.details.coding.system 1, "
        "issue.details.coding.system =https://fhir.nhs.uk/STU3/CodeSystem/ITK-ResponseCodes-1, "
        "issue.details.coding.code 1, issue.details.coding.display 1, issue.details.coding.version 0, "
        "issue.details.coding.userSelected 0"
    ),
    "CareConnect-ITK-Header-Organization-1": (
        "active 0, type 0, name 0, alias 0, telecom 0, address 0, partOf 0, contact 0, endpoint 0"
    ),
    "CareConnect-ITK-Header-Practitioner-1": (
        "name <2, name.text 0, telecom 0, address 0, gender 0, birthDate 0, photo 0, qualification 0, communication 0"
    ),
    "CareConnect-Composition-1": f"{_IDENTIFIED}, relatesTo <2",
    "ITK-Attachment-Binary-1": "securityContext 0",
    "CareConnect-Patient-1": (
        "name 1, telecom.system 1, telecom.value 1, maritalStatus.coding 1, maritalStatus.coding <2, "
        "maritalStatus.coding.system 1, maritalStatus.coding.code 1, maritalStatus.coding.display 1, contact.name 1, "
        "contact.name.use 1, animal 0, communication 0"
    ),
    "CareConnect-Practitioner-1": "communication 0",
    "CareConnect-Organization-1": "contact.name.family 1",
}
_OF_CODED_CONTENT = {
    "ITK-Device-1": (
        f"{_OF_ITK}, type 1, type.coding.system 1, type.coding.code 1, type.coding.display 1, note 0, "
        "patient.reference 1, owner.reference 1, location.reference 1, contact.system 1, contact.value 1, "
        "safety.coding.system 1, safety.coding.code 1, safety.coding.display 1"
    ),
    "CareConnect-Encounter-1": (
        f"{_IDENTIFIED}, type.coding <2, type snomed, reason snomed, hospitalization.reAdmission snomed, "
        "hospitalization.preAdmissionIdentifier.system 1, hospitalization.preAdmissionIdentifier.value 1"
    ),
    "CareConnect-List-1": _IDENTIFIED,
    "CareConnect-Location-1": "",
    "CareConnect-AllergyIntolerance-1": (
        f"{_IDENTIFIED}, assertedDate 1, code snomed, reaction.substance snomed, reaction.manifestation snomed, "
        "reaction.exposureRoute snomed"
    ),
    "CareConnect-Medication-1": (
        f"form.coding.system 1, form.coding.system ={SNOMED_CT}, form.coding.code 1, form.coding.display 1"
    ),
    # The published profiles of medications put FHIR's rule of a ratio (rat-1) at every rate: no range can keep it.
    "CareConnect-MedicationRequest-1": (
        f"{_IDENTIFIED}, medicationReference 1, dosageInstruction.additionalInstruction snomed, "
        "dosageInstruction.route snomed, dosageInstruction.rateRange 0, "
        "dispenseRequest.expectedSupplyDuration.value 1, "
        "dispenseRequest.expectedSupplyDuration.system 1, "
        "dispenseRequest.expectedSupplyDuration.system =http://unitsofmeasure.org, "
        "dispenseRequest.expectedSupplyDuration.code 1, "
        "dispenseRequest.expectedSupplyDuration.code =s|min|h|d|wk|mo|a"
    ),
    "CareConnect-MedicationStatement-1": (
        f"{_IDENTIFIED}, medicationReference 1, dosage.route snomed, dosage.rateRange 0"
    ),
    "CareConnect-Observation-1": (
        f"{_IDENTIFIED}, category snomed-, code snomed-, bodySite snomed-, method snomed-, component.code snomed-"
    ),
}
_TABLE = _OF_THE_FRAME | _OF_CODED_CONTENT
"""Every name ends with the type and the version."""
PROFILES, CODED_CONTENT = tuple(_OF_THE_FRAME), tuple(_OF_CODED_CONTENT)


class _Demands(NamedTuple):
    """The rules of one profile for the children of the elements at one path."""

    parent: tuple[str, ...]
    required: tuple[str, ...]
    forbidden: frozenset[str]
    single: tuple[str, ...]
    fixed: tuple[tuple[str, str], ...]
    coded: tuple[tuple[str, str], ...]


def rules_of(profile: str) -> list[str]:
    """List the rules of a profile: `path mark`."""
    return _TABLE[profile].split(", ") if _TABLE[profile] else []


@cache
def _demands(profile: str) -> tuple[_Demands, ...]:
    gathered: dict[tuple[str, ...], dict[str, list[tuple[str, str]]]] = {}
    for rule in rules_of(profile):
        path, mark = rule.split(" ")
        *parent, name = path.split(".")
        marks = gathered.setdefault(tuple(parent), {"1": [], "0": [], "<": [], "=": [], "s": []})
        marks[mark[0]].append((name, mark[1:]))
    return tuple(
        _Demands(
            parent,
            tuple(name for name, _ in marks["1"]),
            frozenset(name for name, _ in marks["0"]),
            tuple(name for name, _ in marks["<"]),
            tuple(marks["="]),
            tuple(marks["s"]),
        )
        for parent, marks in gathered.items()
    )


def _violations(resource: Node, profile: str) -> Iterator[Violation]:
    for demand in _demands(profile):
        for node in resource.at(*demand.parent):
            names = {child.name for child in node.children}
            for name in demand.required:
                if name not in names:
                    yield Violation(node, f"{profile} requires {name}")
            if not demand.forbidden.isdisjoint(names):
                for child in node.children:
                    if child.name in demand.forbidden:
                        yield Violation(child, f"{profile} forbids {child.name}")
            for name in demand.single:
                if name in names and len(found := node.all(name)) > 1:
                    yield Violation(found[1], f"{profile} allows only one {name}")
            for name, value in demand.fixed:
                for child in node.all(name):
                    if child.value not in value.split("|"):
                        yield Violation(child, f"{profile} fixes {name} to {value.replace('|', ' or ')}")
            for name, mark in demand.coded:
                for concept in node.all(name):
                    yield from _snomed(concept, profile, versioned=not mark.endswith("-"))


_REPEATABLE = ("ReasonCondition-1", "MedicationChangeSummary-1", "NHSCommunication-1")
_ONCE = (
    "https://fhir.hl7.org.uk/STU3/StructureDefinition/Extension-CareConnect-",
    "http://hl7.org/fhir/StructureDefinition/organization-period",
    "http://hl7.org/fhir/StructureDefinition/encounter-associatedEncounter",
)


def _repeated(resource: Node, profile: str) -> Iterator[Violation]:
    """Find the second extension of one URL where the profile allows one."""
    holders = (resource, *resource.at("hospitalization"), *resource.at("dispenseRequest", "quantity"))
    for holder in holders:
        urls: set[str | None] = set()
        for extension in holder.all("extension"):
            url = extension.url or ""
            if url in urls and url.startswith(_ONCE) and not url.endswith(_REPEATABLE):
                yield Violation(extension, f"{profile} allows this extension only once")
            urls.add(url)


def _snomed(concept: Node, profile: str, *, versioned: bool) -> Iterator[Violation]:
    codings = concept.where("coding", "system", SNOMED_CT)
    for coding in codings:
        if not coding.text("display"):
            yield Violation(coding, f"{profile} requires a display for a code of SNOMED CT")
        if not versioned and coding.first("version"):
            yield Violation(coding, f"{profile} forbids a version of SNOMED CT here")
    if len(codings) > 1:
        yield Violation(codings[1], f"{profile} allows only one code of SNOMED CT")


# --- slices -----------------------------------------------------------------------------------------------------------

_HANDLING_KEYS = (
    "BusAckRequested", "InfAckRequested", "RecipientType", "MessageDefinition", "SenderReference", "LocalExtension"
)  # fmt: skip


def _handling(resource: Node, profile: str) -> Iterator[Violation]:
    url_end = "/Extension-ITK-MessageHandling-2"
    found = [extension for extension in resource.all("extension") if (extension.url or "").endswith(url_end)]
    if len(found) != 1:
        yield Violation(found[1] if found else resource, f"{profile} requires exactly one handling extension")
        return
    urls = [child.url for child in found[0].children]
    for key in _HANDLING_KEYS:
        if urls.count(key) != 1:
            yield Violation(found[0], f"the handling extension requires {key}, once")
    for child in found[0].children:
        if child.name == "extension" and len(child.children) != 1:
            yield Violation(child, "a key of the handling extension has exactly one value")
        for coding in child.all("valueCoding"):
            for name in ("system", "code", "display"):
                if coding.first(name) is None:
                    yield Violation(coding, f"the handling extension requires {name} here")


def _single_identifier(*systems: str) -> Callable[[Node, str], Iterator[Violation]]:
    def slices(resource: Node, profile: str) -> Iterator[Violation]:
        for system in systems:
            found = resource.where("identifier", "system", system)
            for identifier in found:
                if not identifier.text("value"):
                    yield Violation(identifier, f"{profile} requires a value here")
            if len(found) > 1:
                yield Violation(found[1], f"{profile} allows only one identifier of this system")

    return slices


_STATUSES = frozenset(f"0{number}" for number in range(1, 9))
_STATUS_SYSTEM = re.compile(r"https://fhir\.(hl7\.org|nhs)\.uk/.*NHSNumberVerificationStatus-1")


def _patient(resource: Node, profile: str) -> Iterator[Violation]:
    yield from _single_identifier(NHS_NUMBER)(resource, profile)
    for identifier in resource.where("identifier", "system", NHS_NUMBER):
        # Senders use the extension under a CareConnect or a GP Connect URL; the published example uses the latter.
        status = identifier.extension("NHSNumberVerificationStatus-1")
        if not status:
            yield Violation(identifier, f"{profile} requires the NHS number's verification status")
            continue
        codings = status.at("valueCodeableConcept", "coding")
        if not any(
            coding.text("code") in _STATUSES and _STATUS_SYSTEM.fullmatch(coding.text("system")) for coding in codings
        ):
            yield Violation(status, "the verification status must be 01 to 08 of the code system of that name")
    official = resource.where("name", "use", "official")
    if len(official) != 1:
        yield Violation(official[1] if official else resource, f"{profile} requires exactly one official name")


_SLICES: dict[str, Callable[[Node, str], Iterator[Violation]]] = {
    "ITK-MessageHeader-2": _handling,
    "CareConnect-Patient-1": _patient,
    "CareConnect-ITK-Header-Organization-1": _single_identifier(ODS_CODE, SITE_CODE),
    "CareConnect-ITK-Header-Practitioner-1": _single_identifier(SDS_USER),
    "CareConnect-Organization-1": _single_identifier(ODS_CODE, SITE_CODE),
    "CareConnect-Practitioner-1": _single_identifier(SDS_USER),
    "CareConnect-Location-1": _single_identifier(SITE_CODE),
}


def _subjects(message: MessageUnderTest, profile: str) -> list[Node]:
    """List the resources that a profile applies to, by position in the message."""
    kind = profile.split("-")[-2]
    if kind == "Bundle":
        bundle = message.root if profile == "ITK-Message-Bundle-1" else message.document
        return [bundle] if bundle is not None and bundle.name == kind else []
    if kind in ("MessageHeader", "OperationOutcome") or "-Header-" in profile:
        return [resource for resource in message.entries if resource.name == kind]
    return message.resources(kind)


def conforms_to(profile: str) -> Rule:
    """Make the rule that the resources of a profile conform to it."""
    rules = (_violations, _repeated, *filter(None, [_SLICES.get(profile)]))

    def rule(message: MessageUnderTest) -> CheckResult:
        nodes = _subjects(message, profile)
        return CheckResult(nodes, [found for node in nodes for part in rules for found in part(node, profile)])

    return rule
