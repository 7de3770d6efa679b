"""Checks of the clinical resources that an online consultation or a generic document may carry: `structured.txt`.

Source: GPCM-SD-OC-033 … 140 and 168 … 173, GPCM-SD-GE-033 … 267 (1.5). Online consultations and generic documents
share most rules, under the same number. This module has the rules that no other table needs, by their words.
"""

from gpconnect_messaging.conformance.check_result import CheckResult, Violation, check_result
from gpconnect_messaging.conformance.checks.payload import telephone
from gpconnect_messaging.conformance.checks.table import read_table
from gpconnect_messaging.conformance.message_under_test import MessageUnderTest, identified
from gpconnect_messaging.conformance.rules import NodeRule, inner, must
from gpconnect_messaging.conformance.tree import Node

_SITE_CODE = "https://fhir.nhs.uk/Id/ods-site-code"


def _observations_have_a_list(message: MessageUnderTest) -> CheckResult:
    observations = message.resources("Observation")
    if not observations or message.resources("List"):
        return check_result(observations, [])
    return check_result(observations, [Violation(observations[0], "the payload must have a List of the observations")])


def _every_observation_listed(message: MessageUnderTest) -> CheckResult:
    observations = message.resources("Observation") if message.resources("List") else []
    return check_result(observations, [
        Violation(observation, "the List must refer to this Observation")
        for observation in observations
        if id(observation) not in message.listed
    ])  # fmt: skip


def _titled(subject: Node, _message: MessageUnderTest) -> bool:
    title = subject.first("title")
    return title is not None and title.value in {display.value for display in subject.at("code", "coding", "display")}


def _answered(subject: Node, *others: str) -> bool:
    return any(child.name.startswith("value") or child.name in others for child in subject.children)


def _ended(what: str, *names: str) -> NodeRule:
    def violation(subject: Node, _message: MessageUnderTest) -> Violation | None:
        extension = subject.extension("AllergyIntoleranceEnd-1")
        if extension is not None and any(inner(extension, [name]) for name in names):
            return None
        return Violation(extension or subject, f"a resolved allergy must say {what}")

    return violation


def _inner_value(extension: Node, name: str) -> Node | None:
    return next((child for part in inner(extension, [name]) for child in part.children), None)


def _related(subject: Node, _message: MessageUnderTest) -> Violation | None:
    value = _inner_value(subject, "type")
    right = value is not None and value.value in ("parent", "child", "sibling")
    return None if right else Violation(value or subject, "type must be parent, child or sibling")


def _targets_problem(subject: Node, message: MessageUnderTest) -> bool:
    referred = message.referred(_inner_value(subject, "target"))
    return referred is not None and referred.name == "Condition"


def _significant(subject: Node, _message: MessageUnderTest) -> Violation | None:
    extension = subject.extension("ProblemSignificance-1")
    right = extension is not None and extension.text("valueCode") in ("major", "minor")
    return None if right else Violation(extension or subject, "the problem's significance must be major or minor")


def _prescribed_as(request: Node) -> str:
    extension = request.extension("PrescriptionType-1")
    return extension.text("valueCodeableConcept", "coding", "code") if extension else ""


def _unlimited(request: Node, _message: MessageUnderTest) -> bool:
    repeats = request.extension("MedicationRepeatInformation-1")
    limited = repeats is not None and inner(repeats, ["numberOfRepeatPrescriptionsAllowed"])
    return not (limited and _prescribed_as(request).startswith("acute"))


def _grouped(request: Node, _message: MessageUnderTest) -> bool:
    if request.first("groupIdentifier") is None:
        return not _prescribed_as(request).startswith("repeat")
    return bool(request.text("groupIdentifier", "value"))


def _names_plan(subject: Node, message: MessageUnderTest) -> Violation | None:
    for reference in subject.all("basedOn"):
        referred = message.referred(reference)
        if referred is not None and referred.name == "MedicationRequest":
            return None if referred.text("intent") == "plan" else Violation(reference, "basedOn must name a plan")
    return Violation(subject, "basedOn must refer to a MedicationRequest in the document")


_PHRASES: dict[str, NodeRule] = {
    "repeats the display of the code": must(_titled, "title must be the display of the code", "title"),
    "has a value": must(lambda subject, _: _answered(subject), "answer must have a value"),
    "has a value or components": must(
        lambda subject, _: _answered(subject, "component", "dataAbsentReason"),
        "value is missing, and so are components",
    ),
    "given, or else in a note": must(
        lambda subject, _: subject.first("priority") or subject.first("note"),
        "priority should be present, or else given in a note",
    ),
    "says when the allergy ended": _ended("when it ended", "endDate"),
    "says why the allergy ended": _ended("why it ended", "reasonEnded", "endReason"),
    "has an ODS site code": must(
        lambda subject, _: identified(subject, _SITE_CODE), "identifier must have the ODS site code"
    ),
    "has a telephone number": telephone,
    "names a plan": _names_plan,
    "is unlimited where acute": must(_unlimited, "an acute plan must have no number of repeats"),
    "has a group where repeated": must(_grouped, "groupIdentifier.value is missing", "groupIdentifier"),
    "gives a reason with a date": must(
        lambda subject, _: inner(subject, ["statusReason"]) or not inner(subject, ["statusChangeDate"]),
        "statusReason is missing beside statusChangeDate",
    ),
    "has parent, child or sibling as type": _related,
    "has a Condition as target": must(_targets_problem, "target must refer to another problem in the document"),
    "names a resource of the document": must(
        lambda subject, message: message.referred(subject.first("valueReference")),
        "it must refer to a resource in the document",
    ),
    "has major or minor as significance": _significant,
}

STRUCTURED_CHECKS = read_table(
    "structured.txt",
    _PHRASES,
    {
        "accompanies the Observations": _observations_have_a_list,
        "names every Observation": _every_observation_listed,
    },
)
