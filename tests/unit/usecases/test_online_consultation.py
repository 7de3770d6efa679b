from typing import Any

import pytest

from gpconnect_messaging.itk3.compose import envelope
from gpconnect_messaging.itk3.message import Message
from tests.examples import messages_of, written
from tests.xpath import find, value, values

NAME = "online-consultation-1.5"
TO_PHARMACY = "online-consultation-1.5-pharmacy"
COMPOSITION = "//f:Composition"


def the_message(name: str = NAME) -> Message:
    return messages_of(name)[0]


@pytest.fixture(scope="module")
def message() -> bytes:
    return written(the_message(), NAME)


@pytest.fixture(scope="module")
def to_pharmacy() -> bytes:
    return written(the_message(TO_PHARMACY), TO_PHARMACY)


def resource(message: bytes, reference_path: str) -> str:
    """The type of the resource that a reference names."""
    reference = value(message, f"{reference_path}/f:reference/@value")
    (found,) = find(message, f"//f:entry[f:fullUrl/@value='{reference}']/f:resource/*")
    return str(found.tag).rpartition("}")[2]


@pytest.mark.requirement("GPCM-SD-OC-001", "GPCM-SD-OC-002", "GPCM-SD-OC-003", "GPCM-SD-OC-005", "GPCM-SD-OC-006")
def test_the_composition_says_that_it_is_an_online_consultation(message: bytes) -> None:
    assert value(message, f"{COMPOSITION}/f:meta/f:profile/@value").endswith("/CareConnect-Composition-1")
    assert value(message, f"{COMPOSITION}/f:status/@value") == "final"
    assert value(message, f"{COMPOSITION}/f:type/f:coding/f:code/@value") == "149951000000107"
    assert value(message, f"{COMPOSITION}/f:title/@value") == "Online consultation report"
    assert value(message, f"{COMPOSITION}/f:confidentiality/@value") == "N"


@pytest.mark.requirement("GPCM-SD-OC-007", "GPCM-SD-OC-164")
def test_the_summary_and_the_subject_have_their_own_words(message: bytes) -> None:
    start = "Online consultation report for Mr Randal WEAVER, NHS Number 9736363066"
    assert value(message, f"{COMPOSITION}/f:text//h:p/text()") == f"{start}, Version 1"
    assert envelope(the_message()).subject == f"{start}, ODS Code Y90002"


@pytest.mark.requirement("GPCM-SD-OC-147", "GPCM-SD-OC-160")
def test_the_use_case_is_told_by_the_local_extension_and_goes_on_the_workflow_of_reports(message: bytes) -> None:
    found = value(message, "//f:extension[@url='LocalExtension']/f:valueString/@value")
    assert found == "SendDocument-OnlineConsultationReport"
    assert envelope(the_message()).workflow_id == "GPFED_CONSULT_REPORT"


@pytest.mark.requirement("GPCM-SD-OC-009", "GPCM-SD-005")
def test_the_patient_and_somebody_for_the_patient_can_be_the_authors(message: bytes) -> None:
    authors = [resource(message, f"{COMPOSITION}/f:author[{place}]") for place in (1, 2)]
    assert authors == ["Patient", "RelatedPerson"]


@pytest.mark.requirement("GPCM-SD-OC-009")
@pytest.mark.parametrize(("author", "kind"), [("device", "Device"), ("related_person", "RelatedPerson")])
def test_each_kind_of_author_is_referred_to(author: str, kind: str) -> None:
    changes: dict[str, Any] = {} if author == "device" else {"device": None}
    (changed,) = messages_of(NAME, authors=[author], **changes)
    assert resource(written(changed, NAME), f"{COMPOSITION}/f:author") == kind


@pytest.mark.requirement("GPCM-SD-OC-012", "1.5:GPCM-SD-032", "GPCM-SD-110")
def test_the_report_is_the_first_thing_that_the_composition_lists(message: bytes) -> None:
    assert resource(message, f"{COMPOSITION}/f:section[1]/f:entry") == "Binary"


@pytest.mark.requirement("GPCM-SD-OC-028", "GPCM-SD-OC-029", "GPCM-SD-OC-030")
def test_the_related_person_has_name_birth_date_and_phone(message: bytes) -> None:
    assert value(message, "//f:RelatedPerson/f:name/f:given/@value") == "Zoë"
    assert value(message, "//f:RelatedPerson/f:birthDate/@value") == "1964-02-29"
    assert value(message, "//f:RelatedPerson/f:telecom/f:value/@value") == "01632 960105"
    assert resource(message, "//f:RelatedPerson/f:patient") == "Patient"


@pytest.mark.requirement("GPCM-SD-OC-031", "GPCM-SD-OC-032")
def test_the_device_has_type_and_manufacturer(message: bytes) -> None:
    assert value(message, "//f:Device/f:meta/f:profile/@value").endswith("/ITK-Device-1")
    assert value(message, "//f:Device/f:type/f:coding/f:system/@value") == "http://snomed.info/sct"
    assert value(message, "//f:Device/f:manufacturer/@value") == "Sample Online Consultations"


@pytest.mark.requirement(
    "GPCM-SD-OC-033", "GPCM-SD-OC-034", "GPCM-SD-OC-035", "GPCM-SD-OC-036", "GPCM-SD-OC-037", "GPCM-SD-OC-038",
    "GPCM-SD-OC-039", "GPCM-SD-006",
)  # fmt: skip
def test_the_encounter_is_finished_and_says_who_when_and_how_urgent(message: bytes) -> None:
    assert resource(message, f"{COMPOSITION}/f:encounter") == "Encounter"
    assert value(message, "//f:Encounter/f:status/@value") == "finished"
    assert value(message, "//f:Encounter/f:type/f:coding/f:code/@value") == "149971000000103"
    assert value(message, "//f:Encounter/f:priority/f:coding/f:code/@value") == "R"
    assert resource(message, "//f:Encounter/f:subject") == "Patient"
    assert resource(message, "//f:Encounter/f:participant/f:individual") == "RelatedPerson"
    assert resource(message, "//f:Encounter/f:serviceProvider") == "Organization"
    period = ["2026-11-20T19:02:00+00:00", "2026-11-20T19:21:00+00:00"]
    assert values(message, "//f:Encounter/f:period/*/@value") == period


@pytest.mark.requirement(
    "GPCM-SD-OC-040", "GPCM-SD-OC-041", "GPCM-SD-OC-042", "GPCM-SD-OC-043", "GPCM-SD-OC-044", "GPCM-SD-OC-045",
    "GPCM-SD-OC-046", "GPCM-SD-007",
)  # fmt: skip
def test_the_list_names_every_observation(message: bytes) -> None:
    assert value(message, "//f:List/f:status/@value") == "current"
    assert value(message, "//f:List/f:mode/@value") == "snapshot"
    assert value(message, "//f:List/f:code/f:coding/f:code/@value") == "826501000000100"
    title = value(message, "//f:List/f:title/@value")
    assert title == value(message, "//f:List/f:code/f:coding/f:display/@value") == "Miscellaneous record"
    assert resource(message, "//f:List/f:subject") == "Patient"
    observations = values(message, "//f:entry[f:resource/f:Observation]/f:fullUrl/@value")
    assert len(observations) == 2
    assert values(message, "//f:List/f:entry/f:item/f:reference/@value") == observations


@pytest.mark.requirement("GPCM-SD-008")
def test_every_observation_has_a_place_in_a_section_too(message: bytes) -> None:
    observations = values(message, "//f:entry[f:resource/f:Observation]/f:fullUrl/@value")
    section = f"{COMPOSITION}/f:section[f:title/@value='Observations']"
    assert values(message, f"{section}/f:entry/f:reference/@value") == observations


@pytest.mark.requirement(
    "GPCM-SD-OC-047", "GPCM-SD-OC-048", "GPCM-SD-OC-049", "GPCM-SD-OC-050", "GPCM-SD-OC-051", "GPCM-SD-OC-052",
    "GPCM-SD-OC-053", "GPCM-SD-OC-054",
)  # fmt: skip
def test_an_observation_is_known_as_what_the_patient_entered(message: bytes) -> None:
    weight, pressure = "(//f:Observation)[1]", "(//f:Observation)[2]"
    assert value(message, f"{weight}/f:status/@value") == "preliminary"
    assert value(message, f"{weight}/f:category/f:coding/f:code/@value") == "vital-signs"
    assert value(message, f"{weight}/f:code/f:coding/f:code/@value") == "27113001"
    assert value(message, f"{weight}/f:issued/@value") == "2026-11-20T19:10:00+00:00"
    assert resource(message, f"{weight}/f:subject") == resource(message, f"{weight}/f:performer") == "Patient"
    assert value(message, f"{weight}/f:valueQuantity/f:value/@value") == "71.50", "its precision is kept"
    assert values(message, f"{pressure}/f:component/f:valueQuantity/f:value/@value") == ["138", "82"]


@pytest.mark.requirement(
    "GPCM-SD-OC-063", "GPCM-SD-OC-064", "GPCM-SD-OC-065", "GPCM-SD-OC-066", "GPCM-SD-OC-067", "GPCM-SD-OC-068",
    "GPCM-SD-OC-069", "GPCM-SD-010",
)  # fmt: skip
def test_the_answers_are_complete_and_in_order(message: bytes) -> None:
    response = "//f:QuestionnaireResponse"
    assert value(message, f"{response}/f:status/@value") == "completed"
    assert resource(message, f"{response}/f:subject") == "Patient"
    assert value(message, f"{response}/f:authored/@value") == "2026-11-20T19:21:00+00:00"
    assert values(message, f"{response}//f:linkId/@value") == ["1", "2", "2.1", "2.2", "2.3"]
    assert values(message, f"{response}//f:item/f:text/@value")[0] == "How can we help?"
    assert value(message, f"{response}//f:valueString/@value") == (
        "Sore throat & cough, < 3 days. Dim ond yn y nos \N{CRESCENT MOON}"
    )
    assert value(message, f"{response}//f:valueBoolean/@value") == "false"
    assert value(message, f"{response}//f:valueDate/@value") == "2026-11-18"
    assert value(message, f"{response}//f:valueCoding/f:code/@value") == "162397003"


@pytest.mark.requirement(
    "GPCM-SD-OC-168", "GPCM-SD-OC-169", "GPCM-SD-OC-170", "GPCM-SD-OC-172", "GPCM-SD-017"
)  # fmt: skip
def test_the_location_has_site_code_name_and_phone_and_is_listed(to_pharmacy: bytes) -> None:
    assert values(to_pharmacy, "//f:Location/f:identifier/*/@value") == [
        "https://fhir.nhs.uk/Id/ods-site-code", "Y90002A",
    ]  # fmt: skip
    assert value(to_pharmacy, "//f:Location/f:status/@value") == "active"
    assert value(to_pharmacy, "//f:Location/f:name/@value") == "Harbour Urgent Care Centre, Dock House"
    assert value(to_pharmacy, "//f:Location/f:telecom/f:value/@value") == "01632 960100"
    assert resource(to_pharmacy, f"{COMPOSITION}/f:section[f:title/@value='Locations']/f:entry") == "Location"


@pytest.mark.requirement(
    "GPCM-SD-009", "GPCM-SD-011", "GPCM-SD-012", "GPCM-SD-013", "GPCM-SD-014", "GPCM-SD-015", "GPCM-SD-016"
)
def test_ready_resources_are_profiled_and_listed_by_type(to_pharmacy: bytes) -> None:
    for kind, title in (
        ("Questionnaire", "Questionnaires"),
        ("QuestionnaireResponse", "Questionnaire responses"),
        ("ReferralRequest", "Referral requests"),
        ("DocumentReference", "Document references"),
        ("AllergyIntolerance", "Allergies and adverse reactions"),
        ("FamilyMemberHistory", "Family history"),
        ("Task", "Tasks"),
        ("Consent", "Consent"),
    ):
        section = f"{COMPOSITION}/f:section[f:title/@value='{title}']"
        assert resource(to_pharmacy, f"{section}/f:entry") == kind
        assert value(to_pharmacy, f"//f:{kind}/f:meta/f:profile/@value").endswith(f"/CareConnect-{kind}-1")


def test_a_ready_resource_kept_back_by_the_patient_is_not_sent(to_pharmacy: bytes) -> None:
    assert values(to_pharmacy, "//f:AllergyIntolerance/f:code/f:coding/f:code/@value") == ["91936005"]
    assert b"peanut" not in to_pharmacy


def test_references_between_ready_resources_and_to_the_message_are_kept(to_pharmacy: bytes) -> None:
    assert resource(to_pharmacy, "//f:Task/f:focus") == "ReferralRequest"
    assert resource(to_pharmacy, "//f:Task/f:context") == "Encounter"
    assert resource(to_pharmacy, "//f:ReferralRequest/f:requester/f:agent") == "Practitioner"
    assert resource(to_pharmacy, "//f:QuestionnaireResponse/f:questionnaire") == "Questionnaire"
    letter = value(to_pharmacy, "//f:DocumentReference/f:content/f:attachment/f:url/@value")
    section = f"{COMPOSITION}/f:section[f:title/@value='Letter to the pharmacy']"
    assert value(to_pharmacy, f"{section}/f:entry/f:reference/@value") == letter
