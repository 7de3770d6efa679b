"""The checks against what NHS England published; skipped where the published files are not at hand."""

import re

import pytest

from gpconnect_messaging.conformance.validation import Finding, Verdict, validate_bytes
from gpconnect_messaging.specification import UseCase, Version
from infra.documentation.requirements import conditions, requirements
from tests.conformance.structure_table import table
from tests.examples import ROOT, spec_file

STRUCTURE = ROOT / "layers" / "messaging" / "python" / "gpconnect_messaging" / "itk3" / "stu3.txt"
RESPONSES = (
    "BusResponse-Fail-PatNoClinSet-Example-1", "BusResponse-Success-Example-2", "Response-DuplicDoc-Example-1",
    "Response-Fail-Example-2", "Response-Fail-UnrecogPayRcptOrg-Example-1", "Response-HandSpecBusRuleError-Example-1",
    "Response-InfLvlRspValueProcError-Example-1", "Response-MsgDefVersProcError-Example-1",
    "Response-PriorValProcError-Example-1", "Response-ResponseToCorruptedMsg-Example-1", "Response-Success-Example-1",
    "Response-UnauthSender-Example-1",
)  # fmt: skip

LISTS = ("send-document-core-and-consultation", "online-consultation", "generic", "send-document-2.0.2")
STORIES = ("user-stories-consultation", "user-stories-online-consultation")


def broken(findings: list[Finding], *, must: bool = True) -> set[str]:
    return {finding.id for finding in findings if finding.verdict is Verdict.BROKEN and finding.is_broken_must is must}


def test_the_2_0_example_has_these_true_gaps_and_no_others() -> None:
    transmission, findings = validate_bytes(spec_file("examples/send-document-2.0.2-generic.xml").read_bytes())
    assert transmission.specification is Version.V2_0
    assert broken(findings) == {
        "GPCM-SD-028",  # the organisation has no telephone number
        "GPCM-SD-105",  # no custodian
        "GPCM-SD-108",  # no meta.profile anywhere
        "NHS-NUMBER",  # the number's check digit is wrong
    }
    # A practitioner without SDS user id, official name and telephone number.
    assert broken(findings, must=False) == {"GPCM-SD-032", "GPC-CARE-SETTING"}


def test_the_consultation_reports_true_faults_are_found() -> None:
    transmission, findings = validate_bytes(spec_file("examples/consultation-report.xml").read_bytes())
    assert (transmission.specification, transmission.use_case) == (Version.V1_5, UseCase.CONSULTATION_REPORT)
    assert broken(findings) == {
        "STU3-ORDER",
        "STU3-BUNDLE",  # the document has no date (meta.lastUpdated)
        "NHS-NUMBER",
        "GPCM-SD-CS-048",  # it says ConsultationSummary
        "GPCM-SD-CS-023",  # the text is still a template
    }
    # Four resources break the order, the Composition twice; the first is the header: source stands before event.
    order = [(finding.line, finding.path) for finding in findings if finding.id == "STU3-ORDER"]
    assert len(order) == 5
    assert order[0] == (57, "Bundle/entry[1]/resource/MessageHeader/event")


def test_the_online_consultations_true_faults_are_found() -> None:
    transmission, findings = validate_bytes(spec_file("examples/oc-consultation-report.xml").read_bytes())
    assert (transmission.specification, transmission.use_case) == (Version.V1_5, UseCase.ONLINE_CONSULTATION)
    assert broken(findings) == {
        "STU3-ORDER",
        "STU3-VALUE",  # full URLs such as urn:uuid:OC-Observation-1
        "NHS-NUMBER",
        "GPCM-SD-OC-147",  # it says ConsultationSummary
        "GPCM-SD-OC-006",  # the title has another capital letter
        "GPCM-SD-003", "GPCM-SD-OC-010",  # the header's sender and the custodian have different ODS codes
        # The report and the questionnaire's answers have the same id, so nothing refers to the report:
        "STU3-ID", "STU3-BUNDLE", "GPCM-SD-029", "GPCM-SD-030", "GPCM-SD-032", "GPCM-SD-OC-012",
    }  # fmt: skip


@pytest.mark.parametrize("name", RESPONSES)
def test_published_responses_are_read_and_told_what_they_lack(name: str) -> None:
    transmission, findings = validate_bytes(spec_file(f"itk-responses/ITK-{name}.xml").read_bytes())
    assert transmission.is_response
    found = broken(findings)
    # None of them repeats the sender reference or declines to be answered.
    assert {"GPCM-SD-CS-054", "GPCM-SD-CS-055", "GPCM-SD-CS-056"} <= found
    # In one, the sender is a bare id, which no version of FHIR resolves.
    expected = {"STU3-REFERENCE", "STU3-BUNDLE"} if "CorruptedMsg" in name else set()
    assert {name for name in found if name.startswith("STU3-")} == expected
    assert ("GPCM-SD-CS-058" in found) == (name == "Response-Success-Example-1")  # the old event ITK002M


def test_the_table_of_elements_is_that_of_the_schema() -> None:
    written = STRUCTURE.read_text(encoding="ascii")
    as_in_the_schema = re.sub(r"(?<=:Reference)[|][|A-Za-z]+", "", written.replace("SimpleQuantity Quantity\n", ""))
    assert as_in_the_schema.replace(":SimpleQuantity", ":Quantity") == table(spec_file("schema/fhir-single.xsd"))


@pytest.mark.parametrize(("version", "files"), [(Version.V1_5, (*LISTS[:3], *STORIES)), (Version.V2_0, LISTS[3:])])
def test_no_published_requirement_is_missing_and_none_is_invented(version: Version, files: tuple[str, ...]) -> None:
    published = {
        identifier
        for file in files
        # "None", "GFR" and "ITK" are words for tables, not requirements.
        for identifier in re.findall(
            r"^- id: \"?(GPC[\w-]+)", spec_file(f"requirements/{file}.yml").read_text(), re.MULTILINE
        )
    }
    named = {requirement.id for requirement in requirements() if requirement.version is version}
    assert named - {"GPC-CARE-SETTING"} == published  # a rule of the guide's pages, without an id


_BINDING = re.compile(r"MUST|Do NOT|is mandatory|The Use the following")
_STORY_BINDING = re.compile(r"must|will be")


@pytest.mark.parametrize("name", LISTS + STORIES)
def test_a_requirement_is_a_must_where_any_word_of_it_is_or_says_that_only_the_sender_knows(name: str) -> None:
    entries = re.split(r"^- id: \"?", spec_file(f"requirements/{name}.yml").read_text(), flags=re.MULTILINE)[1:]
    published = {re.split(r"[\"\s]", entry)[0]: re.sub(r"<[^>]+>", "", entry) for entry in entries}
    version = Version.V2_0 if "2.0" in name else Version.V1_5
    ours = {one.id: one for one in requirements() if one.version is version}
    wanted = _STORY_BINDING if name in STORIES else _BINDING
    wrong = {
        key
        for key, text in published.items()
        if key in ours
        and bool(wanted.search(text)) != (ours[key].level == "MUST")
        and conditions()["content"] not in ours[key].conditions
    }
    assert wrong == set()
