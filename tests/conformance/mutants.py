"""One way to break a valid message per requirement that a message can show: remove, change, repeat, move.

A row names the requirements, in short as the checks do, and the mutation. Paths are XPath over the message without
FHIR's namespace. They are written out here and not taken from the checks, so that a check of a wrong element lets the
mutant pass and the test fails.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from lxml import etree

from tests.conformance.samples import Sample, sample

Mutation = Callable[[Sample], Sample]
_NAMESPACE = b' xmlns="http://hl7.org/fhir"'


@dataclass(frozen=True)
class Mutant:
    """A requirement (`1.5:GPCM-SD-038`), the sample that is broken, and how."""

    key: str
    role: str
    by_client: bool
    mutate: Mutation
    half: str = ""
    """The level of the half of the requirement that is broken, where it has a MUST and a SHOULD."""

    def broken(self) -> Sample:
        """The sample, broken."""
        return self.mutate(sample(self.role, by_client=self.by_client))


def _edit(change: Callable[[Any], None]) -> Mutation:
    def mutate(valid: Sample) -> Sample:
        root = etree.fromstring(valid.body.replace(_NAMESPACE, b"", 1))
        change(root)
        return replace(valid, body=etree.tostring(root).replace(b"<Bundle", b"<Bundle" + _NAMESPACE, 1))

    return mutate


def _found(root: Any, path: str) -> list[Any]:
    nodes: list[Any] = root.xpath(path if path.startswith("/") else f"//{path}")
    assert nodes, f"the mutant finds nothing at {path}"
    return nodes


def remove(path: str) -> Mutation:
    """Take every element at the path out."""

    def change(root: Any) -> None:
        for node in _found(root, path):
            node.getparent().remove(node)

    return _edit(change)


def set_to(path: str, value: str = "mutant") -> Mutation:
    """Give every element at the path another value."""

    def change(root: Any) -> None:
        for node in _found(root, path):
            node.set("value", value)

    return _edit(change)


def repeat(path: str) -> Mutation:
    """Put a copy behind the first element at the path."""

    def change(root: Any) -> None:
        node = _found(root, path)[0]
        node.addnext(copy.deepcopy(node))

    return _edit(change)


def to_the_end(path: str) -> Mutation:
    """Move the first element at the path behind all siblings."""

    def change(root: Any) -> None:
        node = _found(root, path)[0]
        node.getparent().append(node)

    return _edit(change)


def put(path: str, xml: str, *, first: bool = False) -> Mutation:
    """Put an element into every element at the path."""

    def change(root: Any) -> None:
        for node in _found(root, path):
            node.insert(0 if first else len(node), etree.fromstring(xml))

    return _edit(change)


def refer(path: str, target: str) -> Mutation:
    """Make the references at the path name another resource of the message: one of the type `target`."""

    def change(root: Any) -> None:
        (identifier, *_) = _found(root, f"Bundle//Bundle//resource/{target}/id")
        for node in _found(root, f"{path}/reference"):
            node.set("value", f"urn:uuid:{identifier.get('value')}")

    return _edit(change)


def of_another_patient(path: str) -> Mutation:
    """Make the references at the path name a second patient."""

    def change(root: Any) -> None:
        other = "<resource><Patient><id value='other'/></Patient></resource>"
        _found(root, "Bundle//Bundle")[0].append(etree.fromstring(f"<entry>{other}</entry>"))
        for node in _found(root, f"{path}/reference"):
            node.set("value", "Patient/other")

    return _edit(change)


def words(old: str, new: str) -> Mutation:
    """Change the words of Composition.text."""

    def change(root: Any) -> None:
        for node in root.iter("{http://www.w3.org/1999/xhtml}p"):
            assert old in node.text
            node.text = node.text.replace(old, new)

    return _edit(change)


def envelope(**changes: Any) -> Mutation:
    """Give headers of the envelope other values."""

    def mutate(valid: Sample) -> Sample:
        assert valid.headers is not None
        return replace(valid, headers=replace(valid.headers, **changes))

    return mutate


def subject(old: str, new: str) -> Mutation:
    """Change the words of the subject."""

    def mutate(valid: Sample) -> Sample:
        assert valid.headers is not None
        assert old in valid.headers.subject
        return replace(valid, headers=replace(valid.headers, subject=valid.headers.subject.replace(old, new)))

    return mutate


def _key(name: str) -> str:
    return f"{'GPCM-' if name[:3] in ('SD-', 'C-0', 'C-2') else 'GPCM-SD-'}{name}"


_ROLES = {"CS": "consultation", "SD": "consultation", "C": "consultation", "OC": "online", "GE": "generic"}


def _half(level: str, ids: str, mutate: Mutation) -> list[Mutant]:
    return [replace(mutant, half=level) for mutant in _mutants(ids, mutate)]


def _mutants(ids: str, mutate: Mutation, role: str = "", *, by_client: bool = False) -> list[Mutant]:
    made = []
    for short in ids.split():
        family, _, number = short.partition("-")
        if short.startswith("2.0/"):
            name = short[4:] if short[4] == "C" else f"SD-{short[4:]}"
            made.append(Mutant(f"2.0:{_key(name)}", role or "2.0", by_client, mutate))
        elif family == "OC/GE":
            made += [Mutant(f"1.5:GPCM-SD-{name}-{number}", _ROLES[name], by_client, mutate) for name in ("OC", "GE")]
        elif family in _ROLES:
            made.append(Mutant(f"1.5:{_key(short)}", role or _ROLES[family], by_client, mutate))
        else:
            made.append(Mutant(short, role or "consultation", by_client, mutate))
    return made


HEADER = "MessageHeader"
ORGANISATION = "Organization[name]"


def _handling(key: str) -> str:
    return f"MessageHeader/extension/extension[@url='{key}']"


_HEADER_ROWS: list[list[Mutant]] = [
    _mutants("C-02 2.0/C-2", set_to("/Bundle/type", "collection")),
    _mutants("SD-001 2.0/103", remove(f"{HEADER}/focus")),
    _mutants("CS-043", set_to(f"{_handling('RecipientType')}//code", "FI")),
    _mutants("OC-141 OC-142 GE-268 GE-269", set_to(f"{_handling('RecipientType')}//code", "XX")),
    _mutants("CS-044 OC-143 GE-270 2.0/040", set_to(f"{_handling('BusAckRequested')}/valueBoolean", "false")),
    _mutants("CS-045 OC-144 GE-271 2.0/041", set_to(f"{_handling('InfAckRequested')}/valueBoolean", "false")),
    _mutants("CS-046 OC-145 GE-272 2.0/042", remove(_handling("SenderReference"))),
    _mutants(
        "CS-047 OC-146 GE-273 2.0/043", set_to(f"{_handling('MessageDefinition')}//reference", "https://x.example")
    ),
    _mutants("CS-048 OC-147 GE-274", set_to(f"{_handling('LocalExtension')}/valueString", "SendDocument-Other")),
    _mutants("2.0/044", set_to(f"{_handling('LocalExtension')}/valueString", "SendDocument-Other")),
    _mutants("CS-049 OC-148 GE-275 2.0/045", remove("/Bundle/entry[resource/Organization]")),
    _mutants("CS-050 OC-149 GE-276 2.0/046", set_to(f"{HEADER}/source/endpoint", "OTHERMAILBOX")),
    _mutants("CS-051 OC-150 GE-277 2.0/047", set_to(f"{HEADER}/event/code", "ITK006D")),
    _mutants("CS-052 OC-151 GE-278 2.0/048", remove(f"{HEADER}/timestamp")),
    _mutants("CS-053 OC-152 GE-279", put(HEADER, "<receiver><reference value='urn:uuid:1'/></receiver>")),
]
_PAYLOAD_ROWS: list[list[Mutant]] = [
    _mutants("SD-002 CS-017 OC/GE-001", remove("Composition/meta/profile")),
    _mutants("2.0/104", remove("entry[resource/Composition]")),
    _mutants("CS-018 OC/GE-002", set_to("Composition/status", "preliminary")),
    _mutants("CS-019 OC-003", set_to("Composition/type/coding/code", "1")),
    _mutants("GE-003 2.0/115 FHIR-DOC-05", set_to("Composition/type/coding/system", "http://loinc.org")),
    _mutants("GE-003 2.0/115", set_to("Composition/type/coding/code", "371531001")),
    _mutants("CS-020 OC/GE-004", remove("Composition/date")),
    _mutants("CS-021 OC/GE-005", set_to("Composition/confidentiality", "V")),
    _mutants("CS-022 OC-006", set_to("Composition/title", "Report")),
    _mutants("GE-006", remove("Composition/title")),
    _mutants("CS-023 OC/GE-007", words("9658218873", "9658218865")),
    _mutants("SD-004 CS-024 OC/GE-008 2.0/106", refer("Composition/subject", "Organization")),
    _mutants("SD-005 CS-025 OC/GE-009 2.0/107", refer("Composition/author", "Binary")),
    _mutants("SD-003 CS-026 OC/GE-010 2.0/105", remove("Composition/custodian")),
    _mutants("SD-003 CS-026 OC/GE-010 2.0/105", set_to("/Bundle/entry/resource/Organization/identifier/value", "X26")),
    _mutants("CS-027", remove("Composition/relatesTo"), "replacement"),
    _mutants("2.0/123", set_to("Composition/relatesTo//value", "not a UUID"), "2.0 replacement"),
    _mutants("OC/GE-011", words("Version 1", "Version 2")),
    _mutants("SD-038", set_to("Composition/relatesTo/code", "appends"), "replacement"),
    _mutants("SD-039", remove("Composition/relatesTo/targetIdentifier/value"), "replacement"),
    _mutants("SD-025 SD-027 2.0/108", remove("Patient/meta")),
    _mutants("SD-028", remove("Patient/id")),
    _mutants("SD-029 2.0/109", remove("Composition/section")),
    _mutants("SD-030 GE-012", remove("Binary/meta")),
    _mutants("2.0/110", refer("Composition/section/entry", "Organization")),
    _mutants(
        "2.0/110",
        put(
            "Bundle//Bundle",
            "<entry><fullUrl value='urn:uuid:1'/><resource><Binary><id value='1'/></Binary></resource></entry>",
        ),
    ),
    _mutants("CS-028 OC-012", set_to("Binary/contentType", "text/plain")),
    _mutants("SD-031 2.0/111", set_to("Binary/content", "%PDF-1.7")),
    _mutants("SD-032", refer("Composition/section[1]/entry", "Patient")),
    _mutants("CS-032 OC/GE-021", remove(f"{ORGANISATION}/meta")),
    _mutants("CS-033 OC/GE-022 2.0/028", remove(f"{ORGANISATION}/identifier/value")),
    _mutants("CS-034 OC/GE-023", remove(f"{ORGANISATION}/name")),
    _mutants("CS-035 OC/GE-024", set_to(f"{ORGANISATION}/telecom[1]/system", "fax")),
    _mutants("CS-036 OC/GE-025", set_to("Practitioner/identifier/system", "https://other.example")),
    _mutants("CS-037 OC/GE-026", set_to("Practitioner/name/use", "usual")),
    _mutants("CS-038 OC/GE-027", remove("Practitioner/telecom/value")),
    _mutants("OC/GE-016", remove("Patient/meta/profile")),
    _mutants("CS-039 OC/GE-017", set_to("Patient/identifier/system", "https://other.example")),
    _mutants("CS-040 OC/GE-018 2.0/035", repeat("Patient/name")),
    _mutants("CS-041 OC/GE-019", set_to("Patient/birthDate", "1927-06")),
    _mutants("OC/GE-028", repeat("RelatedPerson/name")),
    _mutants("OC/GE-029", remove("RelatedPerson/birthDate")),
    _mutants("OC/GE-030", remove("RelatedPerson/telecom/value")),
    _mutants("OC/GE-031", set_to("Device/type/coding/system", "http://loinc.org")),
    _mutants("OC/GE-032", remove("Device/manufacturer")),
]
_ENDED = "AllergyIntolerance/extension/extension"
_SHARED_ROWS: list[list[Mutant]] = [
    _mutants("OC/GE-033", set_to("Encounter/status", "planned")),
    _mutants("OC/GE-034", remove("Encounter/type")),
    _mutants("OC/GE-035", of_another_patient("Encounter/subject")),
    _mutants("OC/GE-050", of_another_patient("Observation/subject")),
    _mutants("OC-052 GE-052", of_another_patient("Observation/performer")),
    _mutants("OC/GE-098", of_another_patient("AllergyIntolerance/patient")),
    _mutants("OC/GE-035", refer("Encounter/subject", "Organization")),
    _mutants("OC/GE-040", remove("entry[resource/List]")),
    _mutants("OC/GE-041", set_to("List/status", "retired")),
    _mutants("OC/GE-042", set_to("List/mode", "working")),
    _mutants("OC/GE-043", set_to("List/title", "Observations")),
    _mutants("OC/GE-044", set_to("List/code/coding/code", "1")),
    _mutants("OC/GE-045", remove("List/subject")),
    _mutants("OC/GE-046", remove("List/entry")),
    _mutants("OC/GE-047", set_to("Observation/status", "amended")),
    _mutants("OC/GE-049", remove("Observation/code/coding")),
    _mutants("OC/GE-050", refer("Observation/subject", "Practitioner")),
    _mutants("OC/GE-051", remove("Observation/issued")),
    _mutants("OC-052", refer("Observation/performer", "Practitioner")),
    _mutants("GE-052", remove("Observation/performer")),
    _mutants("OC/GE-055", set_to("Questionnaire/status", "draft")),
    _mutants("OC/GE-062", remove("Questionnaire/item")),
    _mutants("OC/GE-063", set_to("QuestionnaireResponse/status", "in-progress")),
    _mutants("OC/GE-064", remove("QuestionnaireResponse/subject")),
    _mutants("OC/GE-066", remove("QuestionnaireResponse/item")),
    _mutants("OC/GE-067", remove("QuestionnaireResponse/item[2]/linkId")),
    _mutants("OC/GE-068", remove("QuestionnaireResponse/item[2]/text")),
    _mutants("OC/GE-069", remove("QuestionnaireResponse/item/answer/valueString")),
    _mutants("OC/GE-071", set_to("ReferralRequest/status", "active")),
    _mutants("OC/GE-072", set_to("ReferralRequest/intent", "plan")),
    _mutants("OC/GE-074", refer("ReferralRequest/subject", "Practitioner")),
    _mutants("OC/GE-077", set_to("ReferralRequest/requester/agent/reference", "urn:uuid:nowhere")),
    _mutants("OC/GE-082", set_to("DocumentReference/status", "draft")),
    _mutants("OC/GE-083", remove("DocumentReference/type")),
    _mutants("OC/GE-084", remove("DocumentReference/subject")),
    _mutants("OC/GE-086", remove("DocumentReference/content")),
    _mutants("OC/GE-089", remove(f"{_ENDED}[@url='endDate']")),
    _mutants("OC/GE-090", remove(f"{_ENDED}[@url='reasonEnded']")),
    _mutants("OC/GE-091", set_to("AllergyIntolerance/clinicalStatus", "inactive")),
    _mutants("OC/GE-092", set_to("AllergyIntolerance/verificationStatus", "confirmed")),
    _mutants("OC/GE-094", set_to("AllergyIntolerance/category", "food")),
    _mutants("OC/GE-097", remove("AllergyIntolerance/code")),
    _mutants("OC/GE-098", refer("AllergyIntolerance/patient", "Practitioner")),
    _mutants("OC/GE-100", remove("AllergyIntolerance/assertedDate")),
    _mutants("OC/GE-101", remove("AllergyIntolerance/recorder")),
    _mutants("OC/GE-109", set_to("FamilyMemberHistory/status", "mutant")),
    _mutants("OC/GE-110", refer("FamilyMemberHistory/patient", "Practitioner")),
    _mutants("OC/GE-111", remove("FamilyMemberHistory/relationship/coding")),
    _mutants("OC/GE-115", set_to("Task/status", "accepted")),
    _mutants("OC/GE-117", set_to("Task/intent", "filler-order")),
    _mutants("OC/GE-129", set_to("Consent/status", "draft")),
    _mutants("OC/GE-131", refer("Consent/patient", "Practitioner")),
    _mutants("OC-168 GE-141", set_to("Location/identifier/system", "https://fhir.nhs.uk/Id/ods-organization-code")),
    _mutants("OC-169 GE-142", set_to("Location/status", "suspended")),
    _mutants("OC-170 GE-143", remove("Location/name")),
    _mutants("OC-172 GE-145", remove("Location/telecom")),
]
_STOPPED = "MedicationRequest/extension/extension"
_RELATED = "Condition/extension/extension"


def _extension(kind: str, name: str) -> str:
    return f"{kind}/extension[contains(@url, '{name}')]"


_REFUSED = "Immunization[notGiven/@value='true']"
_GIVEN = "Immunization[notGiven/@value='false']"
_GENERIC_ROWS: list[list[Mutant]] = [
    _mutants("GE-147 FHIR-CE-01", remove("Medication/code"), "generic"),
    _mutants("GE-153", remove(f"{_STOPPED}[@url='statusChangeDate']")),
    _mutants("GE-155", remove(_extension("MedicationRequest", "PrescriptionType"))),
    _mutants("GE-156", remove("MedicationRequest/identifier")),
    _mutants("GE-159", set_to("MedicationRequest/status", "cancelled")),
    _mutants("GE-160", set_to("MedicationRequest/intent", "proposal")),
    _mutants("GE-161", refer("MedicationRequest/medicationReference", "Patient")),
    _mutants("GE-162", refer("MedicationRequest/subject", "Practitioner")),
    _mutants("GE-164", remove("MedicationRequest/authoredOn")),
    _mutants("GE-166", refer("MedicationRequest/recorder", "Patient")),
    _mutants("GE-168", remove("MedicationRequest/dosageInstruction")),
    _mutants("GE-169", remove("MedicationRequest/dosageInstruction/text")),
    _mutants("GE-171", remove("MedicationRequest/dispenseRequest/validityPeriod")),
    _mutants("GE-178", remove(_extension("MedicationStatement", "PrescribingAgency"))),
    _mutants("GE-180", remove("MedicationStatement/basedOn")),
    _mutants("GE-182", set_to("MedicationStatement/status", "intended")),
    _mutants("GE-183", refer("MedicationStatement/medicationReference", "Patient")),
    _mutants("GE-184", remove("MedicationStatement/effectivePeriod")),
    _mutants("GE-185", remove("MedicationStatement/dateAsserted")),
    _mutants("GE-186", refer("MedicationStatement/subject", "Practitioner")),
    _mutants("GE-187", set_to("MedicationStatement/taken", "y")),
    _mutants("GE-189", remove("MedicationStatement/dosage/text")),
    _mutants("GE-192", remove(_extension("Immunization", "DateRecorded"))),
    _mutants("GE-193", remove(_extension("Immunization", "VaccinationProcedure"))),
    _mutants("GE-194", set_to("Immunization/status", "entered-in-error")),
    _mutants("GE-195", remove("Immunization/notGiven")),
    _mutants("GE-196", remove("Immunization/vaccineCode")),
    _mutants("GE-197", refer("Immunization/patient", "Practitioner")),
    _mutants("GE-200", remove("Immunization/primarySource")),
    _mutants("GE-201", put("Immunization", "<reportOrigin><text value='Recalled'/></reportOrigin>")),
    _mutants("GE-206", put(_REFUSED, "<site><text value='Left arm'/></site>")),
    _mutants("GE-207", put(_REFUSED, "<route><text value='By mouth'/></route>")),
    _mutants("GE-208", put(_REFUSED, "<doseQuantity><value value='1'/></doseQuantity>")),
    _mutants("GE-210", set_to("Immunization/practitioner/role/coding/code", "OP")),
    _mutants("GE-211", refer("Immunization/practitioner/actor", "Patient")),
    _mutants("GE-213", put(f"{_REFUSED}/explanation", "<reason><text value='Travel'/></reason>", first=True)),
    _mutants("GE-214", put(f"{_GIVEN}/explanation", "<reasonNotGiven><text value='-'/></reasonNotGiven>")),
    _mutants("GE-215", put(_REFUSED, "<vaccinationProtocol><doseSequence value='1'/></vaccinationProtocol>")),
    _mutants("GE-216", remove("Immunization/vaccinationProtocol/doseSequence")),
    _mutants("GE-219", remove("Immunization/vaccinationProtocol/targetDisease")),
    _mutants("GE-220", set_to("Immunization/vaccinationProtocol/doseStatus/coding/code", "nocount")),
    _mutants("GE-223", set_to(f"{_RELATED}[@url='type']/valueCode", "cousin")),
    _mutants("GE-224", refer(f"{_RELATED}[@url='target']/valueReference", "Patient")),
    _mutants(
        "GE-225", set_to(f"{_extension('Condition', 'ClinicalContent')}/valueReference/reference", "urn:uuid:nowhere")
    ),
    _mutants("GE-226", set_to(f"{_extension('Condition', 'Significance')}/valueCode", "medium")),
    _mutants("GE-227", set_to("Condition/clinicalStatus", "recurrence")),
    _mutants("GE-228", set_to("Condition/category/coding/code", "encounter-diagnosis")),
    _mutants("GE-229", remove("Condition/code")),
    _mutants("GE-230", refer("Condition/subject", "Practitioner")),
    _mutants("GE-234", remove("Condition/assertedDate")),
    _mutants("GE-235", remove("Condition/asserter")),
    _mutants("GE-237", set_to("ProcedureRequest/status", "draft")),
    _mutants("GE-238", set_to("ProcedureRequest/intent", "plan")),
    _mutants("GE-239", remove("ProcedureRequest/code")),
    _mutants("GE-240", refer("ProcedureRequest/subject", "Practitioner")),
    _mutants("GE-247", set_to("DiagnosticReport/status", "amended")),
    _mutants("GE-249", remove("DiagnosticReport/code")),
    _mutants("GE-250", refer("DiagnosticReport/subject", "Practitioner")),
    _mutants("GE-251", remove("DiagnosticReport/issued")),
    _mutants("GE-258", set_to("Specimen/status", "mutant")),
    _mutants("GE-260", refer("Specimen/subject", "Practitioner")),
    _mutants("GE-261", remove("Specimen/receivedTime")),
]
_HALF_ROWS: list[list[Mutant]] = [
    _half("SHOULD", "GE-148 GE-152", set_to("MedicationRequest/intent", "order")),
    _half("MUST", "GE-149", set_to(f"{_extension('MedicationRequest', 'PrescriptionType')}//code", "acute")),
    _half("MUST", "GE-152", remove(_extension("MedicationRequest", "StatusReason"))),
    _half("MUST", "GE-154", remove(f"{_STOPPED}[@url='statusReason']")),
    _half("MUST", "GE-157", put("MedicationRequest", "<basedOn><reference value='urn:uuid:1'/></basedOn>")),
    _mutants("GE-158", remove("MedicationRequest/groupIdentifier")),
    _mutants("GE-158", remove("MedicationRequest/groupIdentifier/value")),
    _half("MUST", "GE-172", put("MedicationRequest/dispenseRequest", "<quantity><unit value='capsules'/></quantity>")),
    _half("SHOULD", "GE-206", remove(f"{_GIVEN}/site")),
    _half("SHOULD", "GE-207", remove(f"{_GIVEN}/route")),
    _half("SHOULD", "GE-208", remove(f"{_GIVEN}/doseQuantity")),
    _half("SHOULD", "GE-211", refer("Immunization/practitioner/actor", "Patient")),
    _half("SHOULD", "GE-213", remove(f"{_GIVEN}/explanation")),
    _half("SHOULD", "GE-214", remove(f"{_REFUSED}/explanation")),
    _half("SHOULD", "GE-215", remove(f"{_GIVEN}/vaccinationProtocol")),
]
_ENVELOPE_ROWS: list[list[Mutant]] = [
    _mutants("CS-042", envelope(to="GPPROVIDER_9658218873_19270619_OTHER")),
    _mutants("OC/GE-020", envelope(to="GPPROVIDER_9658218865_19270619_MEAKIN")),
    _mutants("2.0/038", envelope(to="GPPROVIDER_9658218865_19331115_WRIGHT")),
    _mutants("CS-060 CS-067", envelope(to="A20047OT001")),
    _mutants("2.0/056 2.0/063", envelope(to="GPPROVIDER_WRIGHT")),
    _mutants("2.0/038 2.0/056 2.0/063", envelope(to="A20047OT001")),
    _mutants("2.0/060 CS-064", envelope(to="A20047OT001"), by_client=True),
    _mutants("2.0/063 CS-067 OC-163 GE-290", envelope(to="GPPROVIDER_9693632109_19460623_GARTON")),
    _mutants("2.0/060 CS-064 OC-166 GE-294", envelope(to="GPPROVIDER_9693632109_19460623_GARTON"), by_client=True),
    _mutants("CS-061 OC-160 GE-287", envelope(workflow_id="GPCONNECT_SEND_DOCUMENT")),
    _mutants("2.0/057", envelope(workflow_id="GPFED_CONSULT_REPORT")),
    _mutants("CS-066 OC-162 GE-289", envelope(sender="OTHERMAILBOX")),
    _mutants("OC-163 GE-290", envelope(to="GPPROVIDER_MEAKIN")),
    _mutants("CS-068", subject(", seen at ", " at ")),
    _mutants("OC-164 GE-291", subject(", ODS Code ", " of ")),
    _mutants("2.0/064", subject("NHS Number: 9658218865", "NHS Number: 9658218873")),
    _mutants("CS-080 OC-175 GE-292", envelope(local_id="X26")),
    _mutants("2.0/064", subject(" for ", " about ")),
    _mutants("2.0/064", subject("WRIGHT", "Garth")),
    _mutants("2.0/064", subject("Consultation report for", "Letter for")),
    _mutants("CS-068 OC-164 GE-291", subject("NHS Number 9658218873, ", "")),
    _mutants("CS-068", subject("seen at Harbour Urgent Care Centre", "seen at ")),
    _mutants("GE-291", subject("Discharge report for", "Discharge for")),
    _mutants("GE-007", words("Discharge report for", "Discharge for")),
    _mutants("CS-023 OC/GE-007", words("Mike", "M")),
    _mutants("CS-023 OC/GE-007", words(", Version 1", "")),
    _mutants("2.0/091", subject(", Version: 1", "")),
    _mutants("2.0/098", words("Version: 1", "Version: 2")),
    _mutants("CS-063 OC-165 GE-293 2.0/059", envelope(sender=""), by_client=True),
    _mutants("CS-064 OC-166 GE-294 2.0/060", envelope(to="GPPROVIDER-9658218873-19270619-MEAKIN"), by_client=True),
    _mutants("CS-065", subject("Consultation report for", "Report for"), by_client=True),
    _mutants("OC-167 GE-295", subject("MEAKIN", "OTHER"), by_client=True),
    _mutants("2.0/061 2.0/062", subject(", seen at ", " at "), by_client=True),
    _mutants("CS-079 OC-174 GE-296", envelope(local_id=""), by_client=True),
]
_RESPONSE_ROWS: list[list[Mutant]] = [
    _mutants("SD-042", remove("OperationOutcome/issue/diagnostics"), "response"),
    _mutants("CS-054", set_to(f"{_handling('BusAckRequested')}/valueBoolean", "true"), "response"),
    _mutants("CS-055", set_to(f"{_handling('InfAckRequested')}/valueBoolean", "true"), "response"),
    _mutants("CS-056", remove(_handling("SenderReference")), "response"),
    _mutants("CS-057", remove(f"{HEADER}/sender"), "response"),
    _mutants("CS-058", set_to(f"{HEADER}/event/code", "ITK007C"), "response"),
    _mutants("CS-059", remove(f"{HEADER}/timestamp"), "response"),
    _mutants("CS-062", envelope(workflow_id="GPFED_CONSULT_REPORT"), "response"),
]
_UNVERIFIED = "Patient/identifier/extension"
_ITK3_ROWS: list[list[Mutant]] = [
    _mutants("FHIR-PAY-01", repeat("/Bundle/entry[resource/Bundle]")),
    _mutants("FHIR-PAY-02", set_to("Composition/section/entry/reference", "https://files.example/report.pdf")),
    _mutants("FHIR-PDS-02", remove("Patient/gender"), "unverified"),
    _mutants("FHIR-PDS-10", remove(_UNVERIFIED)),
    _mutants("FHIR-DEM-01", remove("Patient/identifier"), "unnumbered"),
    _mutants("FHIR-DEM-02", remove("Patient/address/postalCode"), "unnumbered"),
    _mutants("FHIR-SR-01 FHIR-SR-02", remove(_handling("RecipientType"))),
    _mutants("FHIR-SR-03", set_to(f"{_handling('SenderReference')}/valueString", "x" * 256)),
    _mutants("FHIR-SR-05", set_to(f"{_handling('MessageDefinition')}//reference", "Send Document")),
    _mutants("FHIR-SR-06", remove(_handling("LocalExtension"))),
    _mutants("FHIR-CC-02", remove("Encounter/identifier/value"), "online"),
    _mutants("FHIR-CC-02", remove("Device/type"), "online"),
    _mutants("FHIR-CC-02", remove("List/identifier/value"), "online"),
    _mutants("FHIR-CC-02", remove("AllergyIntolerance/assertedDate"), "online"),
    _mutants("FHIR-CC-02", remove("Observation/code/coding/display"), "online"),
    _mutants("FHIR-CC-02", put("Observation/code/coding", "<version value='1'/>"), "online"),
    _mutants("FHIR-CC-02", repeat("Observation/code/coding"), "online"),
    _mutants("FHIR-CC-02", remove("MedicationRequest/medicationReference"), "generic"),
    _mutants("FHIR-CC-02", repeat("MedicationRequest/extension"), "generic"),
    _mutants("FHIR-CC-04", set_to("Composition/section[2]/entry/reference", "urn:uuid:nowhere"), "online"),
    _mutants("FHIR-VER-01", remove("Bundle//Bundle/identifier")),
    [Mutant("2.0:GPC-CARE-SETTING", "2.0", False, remove("Composition/extension"))],
    _mutants(
        "FHIR-DOC-06",
        put(
            "Composition",
            "<extension url='https://fhir.nhs.uk/STU3/StructureDefinition/Extension-ITK-CareSettingType-1'>"
            "<valueCodeableConcept><text value='Out of hours'/></valueCodeableConcept></extension>",
        ),
    ),
]
_FORM_ROWS: list[list[Mutant]] = [
    _mutants("STU3-ELEMENT", put("Patient", "<nickname value='x'/>")),
    _mutants("STU3-ORDER", to_the_end("Composition/status")),
    _mutants("STU3-CARDINALITY", remove("Composition/title")),
    _mutants("STU3-INVARIANT", remove("Composition/section[1]/*[not(self::title)]")),
    _mutants("STU3-BUNDLE", remove("/Bundle/entry[2]/fullUrl")),
    _mutants("STU3-CODE", set_to("Composition/status", "done")),
    _mutants("STU3-VALUE", set_to("Composition/date", "20/11/2026")),
    _mutants("STU3-VALUE", set_to("Patient/birthDate", "2025-02-29")),
    _mutants(
        "STU3-VALUE",
        put("Composition/text/*[local-name()='div']", "<script xmlns='http://www.w3.org/1999/xhtml'>x</script>"),
    ),
    _mutants("STU3-REFERENCE", set_to("Composition/custodian/reference", "urn:uuid:nowhere")),
    _mutants("STU3-ID", repeat("Bundle//Bundle/entry[resource/Binary]")),
    _mutants("NHS-NUMBER", set_to("Patient/identifier/value", "9658218874")),
    _mutants("BASE64", set_to("Binary/content", "JVBERi0xLj")),
    _mutants("PROFILE-ITK-Message-Bundle-1", put("/Bundle", "<total value='3'/>")),
    _mutants("PROFILE-ITK-Document-Bundle-1", set_to("Bundle//Bundle/type", "collection")),
    _mutants("PROFILE-ITK-MessageHeader-2", put(f"{HEADER}/source", "<name value='x'/>", first=True)),
    _mutants("PROFILE-ITK-Response-OperationOutcome-1", remove("OperationOutcome//coding/display"), "response"),
    _mutants(
        "PROFILE-CareConnect-ITK-Header-Organization-1", put("/Bundle/entry/resource/Organization", "<name value='x'/>")
    ),
    _mutants(
        "PROFILE-CareConnect-ITK-Header-Practitioner-1",
        put(
            "/Bundle",
            "<entry><resource><Practitioner><gender value='female'/></Practitioner></resource></entry>",
        ),
        "response",
    ),
    _mutants("PROFILE-CareConnect-Composition-1", remove("Composition/identifier/system")),
    _mutants(
        "PROFILE-ITK-Attachment-Binary-1", put("Binary", "<securityContext><reference value='x'/></securityContext>")
    ),
    _mutants("PROFILE-CareConnect-Patient-1", put("Patient", "<animal><species><text value='x'/></species></animal>")),
    _mutants(
        "PROFILE-CareConnect-Practitioner-1", put("Practitioner", "<communication><text value='cy'/></communication>")
    ),
    _mutants(
        "PROFILE-CareConnect-Organization-1", put(ORGANISATION, "<contact><name><text value='x'/></name></contact>")
    ),
]


def hollow(path: str, name: str) -> Mutation:
    """Put an empty element into every element at the path."""
    return put(
        path,
        "".join(f"<{tag}>" for tag in name.split("/")) + "".join(f"</{tag}>" for tag in reversed(name.split("/"))),
    )


def _gone(path: str, **numbers: str) -> list[Mutant]:
    return [mutant for name, ids in numbers.items() for mutant in _mutants(ids, remove(f"{path}/{name}"))]


def _hollow(path: str, **numbers: str) -> list[Mutant]:
    return [
        mutant
        for name, ids in numbers.items()
        for mutant in _mutants(ids, hollow(path, name.replace("__", "/")))
    ]  # fmt: skip


_REPEATS = "MedicationRequest/extension/extension"
_ROUTE = (
    "<reaction><manifestation><text value='Rash'/></manifestation>"
    "<exposureRoute><text value='By mouth'/></exposureRoute></reaction>"
)
_COLLECTION = "<collection><bodySite><text value='Arm'/></bodySite></collection>"
_ADVICE_ROWS: list[list[Mutant]] = [
    _mutants("SD-006", remove("Composition/encounter"), "online"),
    _mutants(
        "SD-007 SD-008 SD-009 SD-010 SD-011 SD-012 SD-013 SD-014 SD-015 SD-016 SD-017 SD-018 SD-019 SD-020 SD-078 "
        "SD-021 SD-022 SD-023 SD-024",
        remove("Composition/section[position() > 1]"),
        "generic",
    ),
    _mutants("SD-026", remove("List/entry"), "generic"),
    _mutants("2.0/032", remove("Practitioner/telecom")),
    _mutants("2.0/049", put(HEADER, "<receiver><reference value='urn:uuid:1'/></receiver>")),
    _mutants("FHIR-CE-02", remove("AllergyIntolerance/code"), "online"),
    _mutants("OC/GE-036", refer("Encounter/participant/individual", "Organization")),
    _mutants("OC/GE-039", refer("Encounter/serviceProvider", "Patient")),
    _mutants("OC/GE-123", refer("Task/owner", "Binary")),
    *(_mutants(ids, refer(f"{kind}/{element}", "Organization" if element == "practitioner/actor" else "Patient"))
      for kind, element, ids in (
          ("MedicationRequest", "context", "GE-163"), ("MedicationStatement", "context", "GE-181"),
          ("Immunization", "encounter", "GE-198"), ("Immunization", "practitioner/actor", "GE-209"),
          ("Condition", "context", "GE-231"), ("ProcedureRequest", "requester/agent", "GE-242"),
          ("DiagnosticReport", "performer/actor", "GE-252"),
      )),
    _mutants("OC/GE-108", put("AllergyIntolerance", _ROUTE)),
    _gone("Encounter", participant="OC/GE-036", priority="OC/GE-037", period="OC/GE-038", serviceProvider="OC/GE-039"),
    _gone("Observation", category="OC/GE-048", valueString="OC/GE-053"),
    _mutants("OC/GE-054", put("Observation", "<component><code><text value='Pulse'/></code></component>")),
    _gone("Questionnaire", version="OC/GE-056", name="OC/GE-057", title="OC/GE-058", date="OC/GE-059",
          description="OC/GE-060", effectivePeriod="OC/GE-061"),
    _gone("QuestionnaireResponse", authored="OC/GE-065"),
    _mutants("OC/GE-070", set_to("QuestionnaireResponse//valueReference/reference", "urn:uuid:nowhere")),
    _gone("ReferralRequest", priority="OC/GE-073", requester="OC/GE-076", description="OC/GE-080"),
    _mutants("OC/GE-075", refer("ReferralRequest/context", "Patient")),
    _hollow("ReferralRequest", recipient="OC/GE-078", reasonCode="OC/GE-079", supportingInfo="OC/GE-081"),
    _mutants("OC/GE-085", refer("DocumentReference/author", "Binary")),
    _gone("DocumentReference", context="OC/GE-087"),
    _mutants("OC/GE-088", remove(f"{_extension('AllergyIntolerance', 'associatedEncounter')}/*")),
    _mutants("OC/GE-093", set_to("AllergyIntolerance/type", "mutant")),
    _mutants("OC/GE-095 OC/GE-096", set_to("AllergyIntolerance/criticality", "")),
    _gone("AllergyIntolerance", onsetDateTime="OC/GE-099"),
    _hollow("AllergyIntolerance", asserter="OC/GE-102", lastOccurrence="OC/GE-103", note="OC/GE-104",
            reaction__manifestation="OC/GE-105", reaction__description="OC/GE-106", reaction__severity="OC/GE-107",
            reaction__exposureRoute="OC/GE-108"),
    _mutants("OC/GE-112",
             put("FamilyMemberHistory", "<reasonReference><reference value='urn:uuid:x'/></reasonReference>")),
    _hollow("FamilyMemberHistory", note="OC/GE-113"),
    _gone("FamilyMemberHistory", condition="OC/GE-114"),
    _hollow("Task", statusReason="OC/GE-116", note="OC/GE-125", restriction="OC/GE-126", input="OC/GE-127",
            output="OC/GE-128"),
    _mutants("OC/GE-118", set_to("Task/priority", "mutant")),
    _gone("Task", code="OC/GE-119", owner="OC/GE-123", reason="OC/GE-124"),
    _mutants("OC/GE-120", refer("Task/for", "Practitioner")),
    _mutants("OC/GE-121", refer("Task/context", "Patient")),
    _mutants("OC/GE-122", set_to("Task/requester/agent/reference", "urn:uuid:nowhere")),
    _gone("Consent", category="OC/GE-130", period="OC/GE-132", sourceReference="OC/GE-135"),
    _hollow("Consent", consentingParty="OC/GE-133", action="OC/GE-134", policy="OC/GE-136", purpose="OC/GE-137",
            dataPeriod="OC/GE-138", data="OC/GE-139", **{"except": "OC/GE-140"}),
    _gone("Location", type="OC-171 GE-144", address="OC-173 GE-146"),
    _mutants("GE-148", remove(_extension("MedicationRequest", "RepeatInformation"))),
    _mutants("GE-149", remove(f"{_REPEATS}[@url='numberOfRepeatPrescriptionsAllowed']")),
    _mutants("GE-150", remove(f"{_REPEATS}[@url='numberOfRepeatPrescriptionsIssued']")),
    _mutants("GE-151", remove(f"{_REPEATS}[@url='authorisationExpiryDate']")),
    _mutants("GE-152", remove(_extension("MedicationRequest", "StatusReason"))),
    _mutants("GE-154", remove(f"{_REPEATS}[@url='statusReason']")),
    _mutants("GE-157", set_to("MedicationRequest/intent", "order")),
    _gone("MedicationRequest", context="GE-163", requester="GE-165"),
    _hollow("MedicationRequest", note="GE-167", priorPrescription="GE-176"),
    _hollow("MedicationRequest/dosageInstruction", patientInstruction="GE-170"),
    _hollow("MedicationRequest/dispenseRequest", quantity="GE-172", expectedSupplyDuration="GE-174",
            performer="GE-175"),
    _mutants("GE-173", put("MedicationRequest/dispenseRequest", "<quantity><value value='1'/></quantity>")),
    _mutants("GE-177", remove(_extension("MedicationStatement", "LastIssueDate"))),
    _mutants("GE-179", remove(f"{_extension('MedicationStatement', 'DosageLastChanged')}/*")),
    _gone("MedicationStatement", context="GE-181"),
    _hollow("MedicationStatement", note="GE-188"),
    _hollow("MedicationStatement/dosage", patientInstruction="GE-190"),
    _mutants("GE-191", remove(_extension("Immunization", "ParentPresent"))),
    _gone("Immunization", encounter="GE-198", date="GE-199", practitioner="GE-209"),
    _hollow("Immunization", location="GE-202", manufacturer="GE-203", lotNumber="GE-204", expirationDate="GE-205",
            note="GE-212"),
    _gone("Immunization/vaccinationProtocol", description="GE-217", seriesDoses="GE-218"),
    _mutants("GE-221", remove(f"{_extension('Condition', 'ActualProblem')}/*")),
    _mutants("GE-222", remove(f"{_extension('Condition', 'RelatedProblemHeader')}/*")),
    _gone("Condition", context="GE-231", onsetDateTime="GE-232", abatementDateTime="GE-233"),
    _hollow("Condition", note="GE-236"),
    _gone("ProcedureRequest", performer="GE-241", requester="GE-242"),
    _hollow("ProcedureRequest", reasonCode="GE-243", reasonReference="GE-244", note="GE-245"),
    _gone("DiagnosticReport", category="GE-248", performer="GE-252"),
    _hollow("DiagnosticReport", basedOn="GE-246", specimen="GE-253", result="GE-254", codedDiagnosis="GE-255",
            conclusion="GE-256"),
    _gone("Specimen", type="GE-259"),
    _hollow("Specimen", accessionIdentifier="GE-257", collection="GE-262", collection__collector="GE-264",
            collection__quantity="GE-265", collection__bodySite="GE-266", note="GE-267"),
    _mutants("GE-263", put("Specimen", _COLLECTION)),
]  # fmt: skip


def _for_family(mutants: list[Mutant], family: str, numbers: dict[str, str]) -> list[Mutant]:
    """Say the consultation report's response rules again under another use case's numbers."""
    return [
        replace(mutant, key=f"1.5:GPCM-SD-{family}-{numbers[mutant.key[-3:]]}", role=f"{family} response")
        for mutant in mutants
        if "-CS-" in mutant.key
    ]


_RESPONSES = [mutant for row in _RESPONSE_ROWS for mutant in row]
MUTANTS: list[Mutant] = [
    *(
        mutant
        for rows in (
            _HEADER_ROWS, _PAYLOAD_ROWS, _SHARED_ROWS, _GENERIC_ROWS, _HALF_ROWS, _ENVELOPE_ROWS, _RESPONSE_ROWS,
            _ITK3_ROWS, _FORM_ROWS, _ADVICE_ROWS,
        )
        for row in rows
        for mutant in row
    ),
    *_for_family(_RESPONSES, "OC", dict(zip(("054", "055", "056", "057", "058", "059", "062"),
                                            ("153", "154", "155", "156", "157", "158", "161"), strict=True))),
    *_for_family(_RESPONSES, "GE", dict(zip(("054", "055", "056", "057", "058", "059", "062"),
                                            ("280", "281", "282", "283", "284", "285", "288"), strict=True))),
]  # fmt: skip
