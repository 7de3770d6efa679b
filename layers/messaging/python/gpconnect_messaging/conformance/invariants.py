"""FHIR STU3's invariants: the rules between the elements of a type, beyond order and number, with HL7's ids.

Those of the resources that no document of a patient holds (definitions, terminology, tests) are not here, nor those
about what a reference names. Two rules that all of the NHS's profiles have are here: an identifier has a value, and a
coding of SNOMED CT a code.
"""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

from gpconnect_messaging.code_systems import is_code_of
from gpconnect_messaging.conformance.tree import Node

Invariant = tuple[str, Callable[[Node], bool]]
"""What must be so, in words that begin with HL7's id, and whether it is."""


def _has(node: Node, name: str) -> bool:
    return bool(node.at(name)) if name.endswith("[x]") else node.first(name) is not None


def _needs(rule: str, name: str, *others: str) -> Invariant:
    """If there is the one element, there is one of the others."""
    words = f"{rule}: {name} needs {' or '.join(others)} beside it"
    return words, lambda node: not _has(node, name) or any(_has(node, other) for other in others)


def _some(rule: str, *names: str) -> Invariant:
    return f"{rule}: there must be {' or '.join(names)}", lambda node: any(_has(node, name) for name in names)


def _not_both(rule: str, first: str, second: str) -> Invariant:
    words = f"{rule}: there may be {first} or {second}, not both"
    return words, lambda node: not (_has(node, first) and _has(node, second))


def _only_if(rule: str, name: str, path: str, *values: str) -> Invariant:
    """There is the one element only if another has one of the values."""
    words = f"{rule}: {name} is only for {path} {' or '.join(values)}"
    return words, lambda node: not _has(node, name) or node.text(*path.split(".")) in values


def _never_if(rule: str, name: str, path: str, *values: str) -> Invariant:
    words = f"{rule}: {name} is not for {path} {' or '.join(values)}"
    return words, lambda node: not _has(node, name) or node.text(*path.split(".")) not in values


def _never(rule: str, name: str) -> Invariant:
    return f"{rule}: there is no {name} here", lambda node: not _has(node, name)


def _in_time(first: str, second: str) -> Callable[[Node], bool]:
    """Whether one time is not after another; times of different precision must differ where both are precise."""

    def holds(node: Node) -> bool:
        start, end = node.text(first), node.text(second)
        if not (start and end):
            return True
        try:
            if "T" in start and "T" in end:
                return datetime.fromisoformat(start) <= datetime.fromisoformat(end)
        except (ValueError, TypeError):
            return True  # a fault of the value itself
        same = min(len(start.partition("T")[0]), len(end.partition("T")[0]))
        return start <= end if len(start) == len(end) else start[:same] < end[:same]

    return holds


def _only(rule: str, name: str, value: str) -> Invariant:
    return f"{rule}: {name} is {value}", lambda node: node.text(name) in ("", value)


def _positive(node: Node) -> bool:
    value = node.text("value")
    return not value or bool(not value.startswith("-") and value.strip("0."))


def _low_before_high(node: Node) -> bool:
    low, high = node.first("low"), node.first("high")
    if low is None or high is None:
        return True
    if any(low.text(name) != high.text(name) for name in ("unit", "system", "code")):
        return False
    try:
        return Decimal(low.text("value") or "NaN") <= Decimal(high.text("value") or "NaN")
    except ArithmeticError:
        return False


def _codings(node: Node) -> set[tuple[str, str]]:
    return {(coding.text("system"), coding.text("code")) for coding in node.at("code", "coding")}


def _own_code(node: Node) -> bool:
    if not any(child.name.startswith("value") for child in node.children):
        return True
    own = _codings(node)
    return not any(own & _codings(component) for component in node.all("component"))


def _link_ids_differ(node: Node) -> bool:
    found = [child.value for child in node.walk() if child.name == "linkId"]
    return len(found) == len(set(found))


def _sensible_item(node: Node) -> bool:
    kind, filled = node.text("type"), node.first("item") is not None
    return filled if kind == "group" else not (filled and kind == "display")


def _extended_by_type(node: Node) -> bool:
    kinds = [_EXTENDED.get((child.url or "").removeprefix(_OF_QUESTIONS)) for child in node.all("extension")]
    return all(node.text("type") in kind for kind in kinds if kind)


_OF_QUESTIONS = "http://hl7.org/fhir/StructureDefinition/questionnaire-"
_EXTENDED = {"unit": ("integer", "decimal"), "referenceFilter": ("reference",), "lookupQuestionnaire": ("reference",)}
"""HL7's extensions of a question that are for some types only."""


def _extended_once(node: Node) -> bool:
    urls = [child.url for child in node.all("extension")]
    return len(urls) == len(set(urls))


def _bound(name: str, value_set: str) -> Invariant:
    """A validator that finds one coding of a concept in the value set wants the others of known systems in it, too.

    `value_set` lists the systems; one of which only some codes are in the value set begins with `~`.
    """
    whole = {
        system if ":" in system else _HL7 + system: not listed.startswith("~")
        for listed in value_set.split()
        for system in [listed.lstrip("~")]
    }

    def holds(node: Node) -> bool:
        for concept in node.all(name):
            systems = [coding.text("system") for coding in concept.all("coding")]
            inside = [system for system in systems if system in whole]
            outside = any(system.startswith(_LISTED) for system in systems if system not in whole)
            if inside and (outside or (len(inside) > 1 and not all(whole[system] for system in inside))):
                return False
        return True

    return f"the codings of {name} in systems of HL7 are of one value set: give one of them", holds


def _care_setting(node: Node) -> bool:
    if node.url != _CARE_SETTING:
        return True
    (concept, *_) = node.all("valueCodeableConcept") or [node]
    codings = concept.all("coding")
    whole = all(coding.text("system") and coding.text("code") and coding.text("display") for coding in codings)
    return concept is not node and whole and not any(_has(part, "version") for part in codings)


_CARE_SETTING = "https://fhir.nhs.uk/STU3/StructureDefinition/Extension-ITK-CareSettingType-1"
_HL7 = "http://hl7.org/fhir/"
_SNOMED_CT = "http://snomed.info/sct"
_UCUM, _CURRENCY, _LANGUAGE = "http://unitsofmeasure.org", "urn:iso:std:iso:4217", "urn:ietf:bcp:47"
_LISTED = (_HL7, "urn:iso:std:iso:", "urn:ietf:bcp:", _UCUM, "https://www.usps.com/", "http://dicom.nema.org/")
"""Where the URLs begin of systems whose codes a validator knows."""
_ABSOLUTE_STARTS = ("http://", "https://", "urn:")


def _absolute(uri: str) -> bool:
    return not uri or uri.startswith(_ABSOLUTE_STARTS)


def _coded(node: Node) -> bool:
    system, code = node.text("system"), node.text("code")
    return bool(code) if system == _SNOMED_CT else not system or is_code_of(system, code)


def _valued(node: Node) -> bool:
    return not node.text("system").startswith(_NHS_SYSTEMS) or bool(node.text("value"))


_NHS_SYSTEMS = ("https://fhir.nhs.uk/Id/", "https://fhir.hl7.org.uk/Id/")
_ABSOLUTE: Invariant = (
    "a system is a URI that begins with http://, https:// or urn:", lambda node: _absolute(node.text("system"))
)  # fmt: skip
_CODED = (_ABSOLUTE, ("a system whose codes are published has the code", _coded))
_QUANTITY = (_needs("qty-3", "code", "system"), *_CODED)


def _measured(rule: str, system: str) -> tuple[Invariant, ...]:
    return *_QUANTITY, _needs(rule, "value", "code"), _only(rule, "system", system)


def _of_languages(name: str) -> Invariant:
    """FHIR's binding of a language to the value set of all languages, which is required."""
    words = f"a {name} has a coding of {_LANGUAGE}"
    return words, lambda node: all(
        any(coding.text("system") == _LANGUAGE and coding.text("code") for coding in concept.all("coding"))
        for concept in node.all(name)
    )


INVARIANTS: dict[str, tuple[Invariant, ...]] = {
    # types
    "Extension": (
        _not_both("ext-1", "value[x]", "extension"), _some("ext-1", "value[x]", "extension"),
        ("the codings of ITK's care setting have system, code and display, and no version", _care_setting),
    ),
    "Identifier": (
        _ABSOLUTE,
        ("the value is a URI that begins with http://, https:// or urn: if the system says so",
         lambda node: node.text("system") != "urn:ietf:rfc:3986" or _absolute(node.text("value"))),
        ("an identifier of a system of the NHS has a value", _valued),
    ),
    "Coding": (*_CODED, ("a coding has every extension once", _extended_once)),
    "Attachment": (_needs("att-1", "data", "contentType"),),
    "ContactPoint": (_needs("cpt-2", "value", "system"),),
    "Period": (("per-1: start is not after end, and both are precise enough to tell", _in_time("start", "end")),),
    "Quantity": _QUANTITY,
    "SimpleQuantity": (*_QUANTITY, _never("sqty-1", "comparator")),
    "Age": (*_measured("age-1", _UCUM), ("age-1: an age is more than nothing", _positive)),
    "Distance": _measured("dis-1", _UCUM),
    "Count": (
        *_measured("cnt-3", _UCUM), ("cnt-3: the value is a whole number", lambda node: "." not in node.text("value")),
        _only("cnt-3", "code", "1"),
    ),
    "Money": _measured("mny-1", _CURRENCY),
    "Duration": (*_QUANTITY, _needs("drt-1", "code", "value"), _only_if("drt-1", "code", "system", _UCUM)),
    "Range": (("rng-2: low is not more than high, both with a value, in one unit", _low_before_high),),
    "Ratio": (
        _needs("rat-1", "numerator", "denominator"), _needs("rat-1", "denominator", "numerator"),
        _some("rat-1", "numerator", "extension"),
    ),
    "Timing.Repeat": (
        _needs("tim-1", "duration", "durationUnit"), _needs("tim-2", "period", "periodUnit"),
        _needs("tim-6", "periodMax", "period"), _needs("tim-7", "durationMax", "duration"),
        _needs("tim-8", "countMax", "count"), _needs("tim-9", "offset", "when"),
        _not_both("tim-10", "timeOfDay", "when"),
        _never_if("tim-9", "offset", "when", "C", "CM", "CD", "CV"),
        ("tim-4, tim-5: a duration or period is not negative",
         lambda node: not any(node.text(name).startswith("-") for name in ("duration", "period"))),
    ),
    # resources
    "AllergyIntolerance": (
        ("ait-1: clinicalStatus is missing",
         lambda node: node.text("verificationStatus") == "entered-in-error" or _has(node, "clinicalStatus")),
        _never_if("ait-2", "clinicalStatus", "verificationStatus", "entered-in-error"),
    ),
    "Bundle": (
        _only_if("bdl-1", "total", "type", "searchset", "history"),
        ("bdl-9: a document's identifier has system and value",
         lambda node: node.text("type") != "document"
         or bool(node.text("identifier", "system") and node.text("identifier", "value"))),
    ),
    "Bundle.Entry": (
        _some("bdl-5", "resource", "request", "response"),
        ("bdl-8: fullUrl is not of one version", lambda node: "/_history/" not in node.text("fullUrl")),
    ),
    "Composition.Section": (_some("cmp-1", "text", "entry", "section"), _not_both("cmp-2", "emptyReason", "entry")),
    "Condition": (
        ("con-3: clinicalStatus is missing",
         lambda node: node.text("verificationStatus") == "entered-in-error" or _has(node, "clinicalStatus")),
        ("con-4: a problem that abated is resolved, inactive or in remission",
         lambda node: node.text("abatementBoolean") == "false" or not _has(node, "abatement[x]")
         or node.text("clinicalStatus") in ("resolved", "remission", "inactive")),
    ),
    "Condition.Stage": (_some("con-1", "summary", "assessment"),),
    "Condition.Evidence": (_some("con-2", "code", "detail"),),
    "Consent": (_some("ppc-1", "policy", "policyRule"),),
    "FamilyMemberHistory": (
        _not_both("fhs-1", "age[x]", "born[x]"), _needs("fhs-2", "estimatedAge", "age[x]"),
        _only_if("fhs-3", "notDoneReason", "notDone", "true"),
    ),
    "Immunization": (
        ("imm-1: what was not given has no reaction and no reason to give it",
         lambda node: node.text("notGiven") != "true"
         or not (node.at("explanation", "reason") or _has(node, "reaction"))),
        ("imm-2: only what was not given has a reason not to",
         lambda node: node.text("notGiven") == "true" or not node.at("explanation", "reasonNotGiven")),
    ),
    "List": (
        _not_both("lst-1", "emptyReason", "entry"),
        ("lst-2: only a list of changes has deleted entries",
         lambda node: node.text("mode") == "changes" or not node.at("entry", "deleted")),
    ),
    "MedicationStatement": (_only_if("mst-1", "reasonNotTaken", "taken", "n"),),
    "MedicationDispense": (
        ("mdd-1: nothing is handed over before it is prepared", _in_time("whenPrepared", "whenHandedOver")),
    ),
    "Observation": (
        _not_both("obs-6", "dataAbsentReason", "value[x]"),
        ("obs-7: no component has the code of an observation with a value", _own_code),
    ),
    "Observation.ReferenceRange": (_some("obs-3", "low", "high", "text"),),
    "Organization": (
        _some("org-1", "identifier", "name"),
        ("org-2, org-3: an organisation has no home",
         lambda node: "home" not in {use.value for name in ("address", "telecom") for use in node.at(name, "use")}),
    ),
    "Patient.Contact": (_some("pat-1", "name", "telecom", "address", "organization"),),
    "Patient.Communication": (_of_languages("language"),),
    "Practitioner": (_of_languages("communication"),),
    "Procedure": (_only_if("pro-1", "notDoneReason", "notDone", "true"),),
    "Questionnaire": (
        ("que-2: every linkId is another", _link_ids_differ),
        ("url is a URI that begins with http://, https:// or urn:", lambda node: _absolute(node.text("url"))),
    ),
    "Questionnaire.Item": (
        ("que-1: a group has items, and a display has none", _sensible_item),
        ("HL7's extensions questionnaire-unit, -referenceFilter and -lookupQuestionnaire are for some types only",
         _extended_by_type),
        *(_never_if(rule, name, "type", "display")
          for rule, name in (("que-3", "code"), ("que-6", "required"), ("que-6", "repeats"), ("que-9", "readOnly"))),
        _not_both("que-4", "option", "options"),
        *(_only_if("que-5", name, "type", "choice", "open-choice") for name in ("option", "options")),
        _never_if("que-8", "initial[x]", "type", "group", "display"),
        _only_if("que-10", "maxLength", "type", "boolean", "decimal", "integer", "string", "text", "url"),
    ),
    "Questionnaire.EnableWhen": (
        _some("que-7", "hasAnswer", "answer[x]"), _not_both("que-7", "hasAnswer", "answer[x]")
    ),
    "QuestionnaireResponse.Item": (_not_both("qrs-1", "answer", "item"),),
    "Task": (("inv-1: lastModified is not before authoredOn", _in_time("authoredOn", "lastModified")),),
    "Appointment.Participant": (_some("app-1", "type", "actor"),),
}  # fmt: skip
"""The invariants by type."""
_ROLES = (
    "~v3/RoleClass ~v3/RoleCode ~v3/ParticipationFunction ~v3/ParticipationType extra-security-role-type "
    "~http://www.hl7.org/fhir/contractsignertypecodes ~http://dicom.nema.org/resources/ontology/DCM"
)
_LABELS = "~v3/Confidentiality ~v3/ActCode ~v3/ObservationValue ~v3/ActReason v3/ActUSPrivacyLaw"
_BOUND = (
    ("Identifier", "type", "~v2/0203 identifier-type"), ("Timing", "code", "~v3/GTSAbbreviation"),
    ("Condition", "severity", f"~{_SNOMED_CT}"),
    ("Consent.Actor", "role", _ROLES), ("Consent.Actor1", "role", _ROLES),
    ("DocumentReference", "type", "~http://loinc.org"), ("DocumentReference", "securityLabel", _LABELS),
    ("Encounter.Participant", "type", "~v3/ParticipationType participant-type"),
    ("Encounter.Diagnosis", "role", "diagnosis-role"), ("Encounter.Hospitalization", "admitSource", "admit-source"),
    ("Encounter.Hospitalization", "specialCourtesy", "~v3/EncounterSpecialCourtesy ~v3/NullFlavor"),
    ("Encounter.Hospitalization", "specialArrangement", "encounter-special-arrangements"),
    ("Immunization.Practitioner", "role", "~v2/0443"),
    ("List", "orderedBy", "list-order"), ("List", "emptyReason", "list-empty-reason"),
    ("Location", "type", "~v3/RoleCode"),
    ("MedicationRequest", "category", "medication-request-category"),
    ("MedicationStatement", "category", "medication-statement-category"),
    ("Observation", "category", "observation-category"), ("Observation", "dataAbsentReason", "data-absent-reason"),
    ("Observation", "interpretation", "v2/0078"), ("Observation.Component", "interpretation", "v2/0078"),
    ("Observation.Component", "dataAbsentReason", "data-absent-reason"),
    ("Observation.ReferenceRange", "type", "referencerange-meaning"),
    ("Organization.Contact", "purpose", "contactentity-type"),
    ("Questionnaire", "jurisdiction", "urn:iso:std:iso:3166 ~https://www.usps.com/"),
    ("RelatedPerson", "relationship", "v2/0131 v3/RoleCode"),
    ("Task", "performerType", "task-performer-type"),
)  # fmt: skip
"""Concepts that FHIR binds to a value set which a validator can list: the type, the element, and the systems."""
for _kind, _name, _value_set in _BOUND:
    INVARIANTS[_kind] = (*INVARIANTS.get(_kind, ()), _bound(_name, _value_set))
