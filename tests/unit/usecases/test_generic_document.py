import pytest

from gpconnect_messaging.itk3.compose import envelope
from tests.examples import messages_of, written
from tests.xpath import value, values

COMPOSITION = "//f:Composition"
GENERIC, DISCHARGE = "generic-document-1.5", "send-document-2.0-discharge"


@pytest.fixture(scope="module")
def generic() -> bytes:
    return written(messages_of(GENERIC)[0], GENERIC)


@pytest.fixture(scope="module")
def discharge() -> bytes:
    return written(messages_of(DISCHARGE)[0], DISCHARGE)


@pytest.mark.requirement("GPCM-SD-GE-003", "GPCM-SD-GE-006", "GPCM-SD-GE-007", "GPCM-SD-GE-274", "GPCM-SD-GE-291")
def test_in_1_5_the_request_says_what_is_sent(generic: bytes) -> None:
    assert value(generic, f"{COMPOSITION}/f:type/f:coding/f:code/@value") == "823691000000103"
    assert value(generic, f"{COMPOSITION}/f:title/@value") == "Vaccination and review"
    start = "Vaccination and review report for Mr Randal WEAVER, NHS Number 9736363066"
    assert value(generic, f"{COMPOSITION}/f:text//h:p/text()") == f"{start}, Version 1"
    assert envelope(messages_of(GENERIC)[0]).subject == f"{start}, ODS Code Y90002"
    assert value(generic, "//f:extension[@url='LocalExtension']/f:valueString/@value") == "SendDocument-Generic"


@pytest.mark.requirement("GPCM-SD-115", "2.0:GPCM-SD-044", "GPCM-SD-064")
def test_in_2_0_type_care_setting_and_event_say_what_is_sent(discharge: bytes) -> None:
    assert value(discharge, f"{COMPOSITION}/f:type/f:coding/f:code/@value") == "373942005"
    setting = f"{COMPOSITION}/f:extension"
    assert value(discharge, f"{setting}/@url").endswith("/Extension-CareConnect-CareSettingType-1")
    assert value(discharge, f"{setting}/f:valueCodeableConcept/f:coding/f:code/@value") == "789718008"
    assert value(discharge, f"{COMPOSITION}/f:event/f:code/f:coding/f:code/@value") == "58000006"
    assert value(discharge, f"{COMPOSITION}/f:event/f:period/f:start/@value") == "2026-11-20T16:00:00+00:00"
    assert value(discharge, "//f:extension[@url='LocalExtension']/f:valueString/@value") == "None"
    words = (
        "Discharge summary for Mr Garth WRIGHT, NHS Number: 9658218865, seen at Riverside Out of Hours, Y90001, "
        "Version: 1"
    )
    assert envelope(messages_of(DISCHARGE)[0]).subject == words
    assert value(discharge, f"{COMPOSITION}/f:text//h:p/text()") == words


@pytest.mark.requirement("GPCM-SD-107")
def test_in_2_0_the_sending_system_stands_in_for_an_unknown_author() -> None:
    name = "send-document-2.0-outpatient-letter"
    message = written(messages_of(name, practitioner=None, other_practitioners=[])[0], name)
    author = value(message, f"{COMPOSITION}/f:author/f:reference/@value")
    assert value(message, f"//f:entry[f:fullUrl/@value='{author}']/f:resource/f:Device/f:type/f:text/@value")


@pytest.mark.requirement(
    "GPCM-SD-018", "GPCM-SD-019", "GPCM-SD-020", "GPCM-SD-078", "GPCM-SD-021", "GPCM-SD-022", "GPCM-SD-023",
    "GPCM-SD-024",
)  # fmt: skip
def test_each_type_of_structured_resource_has_its_profile_and_section(generic: bytes) -> None:
    for kind, title, profile in (
        ("Medication", "Medications", "Medication"),
        ("MedicationRequest", "Medication requests", "MedicationRequest"),
        ("MedicationStatement", "Medication statements", "MedicationStatement"),
        ("Immunization", "Immunisations", "Immunization"),
        ("Condition", "Problems", "ProblemHeader-Condition"),
        ("ProcedureRequest", "Procedure requests", "ProcedureRequest"),
        ("DiagnosticReport", "Diagnostic reports", "DiagnosticReport"),
        ("Specimen", "Specimens", "Specimen"),
    ):
        section = f"{COMPOSITION}/f:section[f:title/@value='{title}']/f:entry/f:reference/@value"
        assert values(generic, section) == values(generic, f"//f:entry[f:resource/f:{kind}]/f:fullUrl/@value")
        assert value(generic, f"//f:{kind}/f:meta/f:profile/@value").endswith(f"/CareConnect-{profile}-1")


@pytest.mark.requirement("GPCM-SD-026")
def test_several_resources_of_one_type_are_gathered_in_the_list() -> None:
    (one,) = messages_of(GENERIC)
    ready = [each.model_dump(mode="json") for each in one.request.resources]
    inline = (
        '{"resourceType": "Condition", "clinicalStatus": "active", "code": {"text": "Another"},'
        ' "subject": {"reference": "Patient/patient"}}'
    )
    (several,) = messages_of(GENERIC, resources=[*ready, {"content_type": "application/fhir+json", "content": inline}])
    raw = written(several, GENERIC)
    problems = values(raw, "//f:entry[f:resource/f:Condition]/f:fullUrl/@value")
    assert len(problems) == 2
    assert set(problems) < set(values(raw, "//f:List/f:entry/f:item/f:reference/@value"))


def test_the_numbers_of_a_ready_resource_keep_their_precision(generic: bytes) -> None:
    assert value(generic, "//f:Observation/f:valueQuantity/f:value/@value") == "141.0"
