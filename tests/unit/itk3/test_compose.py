import base64
import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from gpconnect_messaging.itk3.compose import DocumentChangedError, compose, envelope
from gpconnect_messaging.itk3.message import Message
from gpconnect_messaging.requests.fields import Concept
from gpconnect_messaging.specification import Version
from gpconnect_messaging.usecases import Code
from gpconnect_messaging.usecases.redaction import redacted
from gpconnect_messaging.visible import visible
from tests.examples import REQUESTS, a_message, messages_of

FHIR = {"f": "http://hl7.org/fhir", "h": "http://www.w3.org/1999/xhtml"}
PDF = (REQUESTS / "consultation-report-2.0" / "report.pdf").read_bytes()


def written(message: Message, *documents: bytes) -> bytes:
    documents = documents or (PDF,)
    composed = compose(message, [len(document) for document in documents])
    return b"".join(composed.stream(lambda index: [documents[index]]))


def find(node: etree._Element, path: str) -> list[Any]:
    found = node.xpath(path, namespaces=FHIR)
    assert isinstance(found, list)
    return found


def values(message: Message, path: str) -> list[str]:
    return [str(value) for value in find(etree.fromstring(written(message)), path)]


def value(message: Message, path: str) -> str:
    (found,) = values(message, path)
    return found


HEADER = "/f:Bundle/f:entry[1]/f:resource/f:MessageHeader"
COMPOSITION = "//f:Composition"
both_specifications = pytest.mark.parametrize("specification", Version)


def handling(message: Message, key: str) -> str:
    return value(message, f"{HEADER}/f:extension/f:extension[@url='{key}']//@value[not(parent::f:system)]")


@both_specifications
@pytest.mark.requirement("GPCM-SD-CS-044", "GPCM-SD-CS-045", "2.0:GPCM-SD-040", "2.0:GPCM-SD-041")
def test_both_acknowledgements_are_asked_for(specification: Version) -> None:
    message = a_message(specification)
    assert handling(message, "BusAckRequested") == "true"
    assert handling(message, "InfAckRequested") == "true"


@both_specifications
@pytest.mark.requirement("GPCM-SD-CS-043")
def test_the_report_is_for_action(specification: Version) -> None:
    path = f"{HEADER}/f:extension/f:extension[@url='RecipientType']/f:valueCoding/*/@value"
    system = "https://fhir.nhs.uk/STU3/CodeSystem/ITK-RecipientType-1"
    assert values(a_message(specification), path) == [system, "FA", "For Action"]


@both_specifications
@pytest.mark.requirement("GPCM-SD-CS-047", "2.0:GPCM-SD-043")
def test_the_message_definition_is_send_documents_own(specification: Version) -> None:
    expected = "https://fhir.nhs.uk/STU3/MessageDefinition/ITK-GPConnectSendDocument-MessageDefinition-1"
    assert handling(a_message(specification), "MessageDefinition") == expected


@both_specifications
@pytest.mark.requirement("GPCM-SD-CS-046", "2.0:GPCM-SD-042")
def test_the_sender_reference_is_the_encounter(specification: Version) -> None:
    message = a_message(specification)
    assert handling(message, "SenderReference") == message.request.encounter


@pytest.mark.requirement("GPCM-SD-OC-145", "GPCM-SD-GE-272")
@pytest.mark.parametrize("name", ["online-consultation-1.5", "generic-document-1.5"])
def test_of_every_use_case_the_sender_reference_is_the_encounter(name: str) -> None:
    (message,) = messages_of(name)
    assert handling(message, "SenderReference") == message.request.encounter


@pytest.mark.requirement("GPCM-SD-CS-048", "2.0:GPCM-SD-044")
def test_the_use_case_is_told_as_each_specification_tells_it() -> None:
    assert handling(a_message(Version.V1_5), "LocalExtension") == "SendDocument-ConsultationReport"
    assert handling(a_message(Version.V2_0), "LocalExtension") == "None"


@both_specifications
@pytest.mark.requirement("GPCM-SD-CS-051", "GPCM-SD-047")
def test_the_event_is_send_document(specification: Version) -> None:
    expected = ["https://fhir.nhs.uk/STU3/CodeSystem/ITK-MessageEvent-2", "ITK007C", "ITK GP Connect Send Document"]
    assert values(a_message(specification), f"{HEADER}/f:event/*/@value") == expected


@both_specifications
@pytest.mark.requirement("GPCM-SD-CS-049", "2.0:GPCM-SD-045")
def test_the_sender_is_the_header_organisation(specification: Version) -> None:
    message = a_message(specification)
    reference = value(message, f"{HEADER}/f:sender/f:reference/@value")
    organisation = f"/f:Bundle/f:entry[f:fullUrl/@value='{reference}']/f:resource/f:Organization"
    assert value(message, f"{organisation}/f:identifier/f:value/@value") == message.request.organisation.ods_code
    assert value(message, f"{organisation}/f:meta/f:profile/@value").endswith("/CareConnect-ITK-Header-Organization-1")


@both_specifications
@pytest.mark.requirement("GPCM-SD-CS-050", "GPCM-SD-046")
def test_the_source_is_the_mailbox_and_nothing_else(specification: Version) -> None:
    message = a_message(specification)
    assert values(message, f"{HEADER}/f:source//@value") == [message.mailbox.mailbox]


@both_specifications
@pytest.mark.requirement("GPCM-SD-CS-052", "GPCM-SD-048", "GPCM-SD-CS-020")
def test_times_are_those_of_the_message_with_their_offset(specification: Version) -> None:
    message = a_message(specification)
    assert value(message, f"{HEADER}/f:timestamp/@value") == "2026-11-20T21:30:00+00:00"
    assert value(message, f"{COMPOSITION}/f:date/@value") == "2026-11-20T21:30:00+00:00"


@both_specifications
@pytest.mark.requirement("GPCM-SD-CS-053", "GPCM-SD-049")
def test_the_header_says_nothing_of_where_it_goes(specification: Version) -> None:
    forbidden = "|".join(
        f"{HEADER}/f:{name}" for name in ("destination", "receiver", "author", "enterer", "responsible")
    )
    assert values(a_message(specification), forbidden) == []


@both_specifications
@pytest.mark.requirement("GPCM-SD-001", "GPCM-SD-103")
def test_the_focus_is_the_document(specification: Version) -> None:
    message = a_message(specification)
    assert value(message, f"{HEADER}/f:focus/f:reference/@value") == f"urn:uuid:{message.document_id}"
    payload = f"/f:Bundle/f:entry[f:fullUrl/@value='urn:uuid:{message.document_id}']/f:resource/f:Bundle"
    assert value(message, f"{payload}/f:type/@value") == "document"
    assert value(message, f"{payload}/f:meta/f:profile/@value").endswith("/ITK-Document-Bundle-1")
    assert value(message, f"{payload}/f:identifier/f:value/@value") == str(message.document_id)


@both_specifications
def test_one_message_id_names_the_message(specification: Version) -> None:
    message = a_message(specification)
    for path in (f"{HEADER}/f:id", "/f:Bundle/f:id", "/f:Bundle/f:identifier/f:value"):
        assert value(message, f"{path}/@value") == str(message.message_id)


@both_specifications
@pytest.mark.requirement(
    "GPCM-SD-002", "GPCM-SD-104", "GPCM-SD-CS-017", "GPCM-SD-CS-018", "GPCM-SD-CS-019", "GPCM-SD-CS-021",
    "GPCM-SD-CS-022", "GPCM-SD-115",
)  # fmt: skip
def test_the_composition_is_a_final_report_of_a_clinical_encounter(specification: Version) -> None:
    message = a_message(specification)
    assert value(message, f"{COMPOSITION}/f:meta/f:profile/@value").endswith("/CareConnect-Composition-1")
    assert value(message, f"{COMPOSITION}/f:status/@value") == "final"
    assert value(message, f"{COMPOSITION}/f:type/f:coding/f:code/@value") == "371531000"
    assert value(message, f"{COMPOSITION}/f:confidentiality/@value") == "N"
    assert value(message, f"{COMPOSITION}/f:title/@value") == "Consultation report"


@pytest.mark.requirement("GPCM-SD-CS-023")
def test_the_summary_says_who_was_seen_where() -> None:
    assert value(a_message(Version.V1_5), f"{COMPOSITION}/f:text//h:p/text()") == (
        "Consultation report for Mr Mike MEAKIN, NHS Number 9658218873, "
        "seen at Harbour Urgent Care Centre, ODS Code Y90002, Version 1"
    )
    assert value(a_message(Version.V2_0), f"{COMPOSITION}/f:text//h:p/text()") == (
        "Consultation report for Mr Garth WRIGHT, NHS Number: 9658218865, "
        "seen at Riverside Out of Hours, Y90001, Version: 1"
    )


@pytest.mark.requirement("GPCM-SD-CS-021", "GPCM-SD-CS-023", "GPCM-SD-CS-030")
def test_a_confidential_report_does_not_say_where_the_patient_was_seen() -> None:
    message = a_message(Version.V1_5, consultation__confidential=True)
    assert value(message, f"{COMPOSITION}/f:confidentiality/@value") == "R"
    summary = value(message, f"{COMPOSITION}/f:text//h:p/text()")
    assert summary == "Consultation report for Mr Mike MEAKIN, NHS Number 9658218873, Version 1"
    assert envelope(message).subject == "Consultation report for Mr Mike MEAKIN, NHS Number 9658218873"


@both_specifications
@pytest.mark.requirement(
    "GPCM-SD-003", "GPCM-SD-004", "GPCM-SD-005", "GPCM-SD-105", "GPCM-SD-106", "GPCM-SD-CS-024", "GPCM-SD-CS-025",
    "GPCM-SD-CS-026", "GPCM-SD-CS-032",
)  # fmt: skip
def test_subject_author_and_custodian_are_in_the_payload(specification: Version) -> None:
    message = a_message(specification)
    for role, kind in (("subject", "Patient"), ("author", "Practitioner"), ("custodian", "Organization")):
        reference = value(message, f"{COMPOSITION}/f:{role}/f:reference/@value")
        entry = f"//f:Bundle//f:Bundle/f:entry[f:fullUrl/@value='{reference}']/f:resource/f:{kind}"
        assert value(message, f"{entry}/f:meta/f:profile/@value").endswith(f"/CareConnect-{kind}-1")


@pytest.mark.requirement("GPCM-SD-107")
def test_without_a_practitioner_the_sending_system_of_the_organisation_is_the_author() -> None:
    message = a_message(Version.V2_0, practitioner=None)
    author = value(message, f"{COMPOSITION}/f:author/f:reference/@value")
    entry = f"//f:Bundle//f:Bundle/f:entry[f:fullUrl/@value='{author}']/f:resource/f:Device"
    custodian = value(message, f"{COMPOSITION}/f:custodian/f:reference/@value")
    assert value(message, f"{entry}/f:owner/f:reference/@value") == custodian
    assert values(message, "//f:Practitioner") == []


@both_specifications
@pytest.mark.requirement("GPCM-SD-CS-039", "GPCM-SD-CS-040", "GPCM-SD-CS-041", "2.0:GPCM-SD-035")
def test_the_patient_has_number_official_name_and_birth_date(specification: Version) -> None:
    message = a_message(specification)
    patient = message.request.patient
    assert value(message, "//f:Patient/f:identifier/f:system/@value") == "https://fhir.nhs.uk/Id/nhs-number"
    assert value(message, "//f:Patient/f:identifier/f:value/@value") == patient.nhs_number
    assert value(message, "//f:Patient/f:identifier//f:coding/f:code/@value") == "02", "no PDS was asked"
    assert value(message, "//f:Patient/f:name[f:use/@value='official']/f:family/@value") == patient.name.family
    assert values(message, "//f:Patient/f:name/f:given/@value") == patient.name.given
    assert value(message, "//f:Patient/f:birthDate/@value") == patient.birth_date.isoformat()


@both_specifications
@pytest.mark.requirement("GPCM-SD-CS-036", "GPCM-SD-CS-037", "GPCM-SD-CS-038", "2.0:GPCM-SD-032")
def test_the_practitioner_has_user_id_official_name_and_phone(specification: Version) -> None:
    message = a_message(specification)
    practitioner = message.request.practitioner
    assert practitioner is not None
    assert values(message, "//f:Practitioner/f:identifier/*/@value") == [
        "https://fhir.nhs.uk/Id/sds-user-id",
        practitioner.sds_user_id,
    ]
    assert value(message, "//f:Practitioner/f:name/f:use/@value") == "official"
    assert values(message, "//f:Practitioner/f:telecom/*/@value") == ["phone", practitioner.phone, "work"]


@both_specifications
@pytest.mark.requirement("GPCM-SD-CS-036", "GPCM-SD-OC-025", "GPCM-SD-GE-025", "2.0:GPCM-SD-032", "GPCM-SD-107")
def test_every_clinician_has_all_numbers_with_their_systems_and_a_role(specification: Version) -> None:
    numbers = {
        "sds_role_profile_id": "555000000102", "gmc_number": "1234567", "gmp_number": "G1234567",
        "gphc_number": "2012345", "hcpc_number": "PH123456", "nmc_number": "12A3456B",
    }  # fmt: skip
    name = {"family": "Okafor", "given": ["Ngozi"]}
    staff = {"system": "https://clinic.example/Id/staff", "value": "S-17"}
    others = [
        {**numbers, "identifiers": [staff], "name": name, "role": "Nurse", "author": True},
        {"sds_user_id": "555000000103", "name": name, "role": "Pharmacist"},
    ]
    message = a_message(specification, other_practitioners=others)
    unknown = {"sds-user-id": "UNK"} if specification is Version.V1_5 else {}
    systems = values(message, "//f:Practitioner/f:identifier/f:system/@value")
    assert len(systems) == 1 + len(unknown) + len(numbers) + 1 + 1
    sent = dict(
        zip(
            (system.rpartition("/")[2] for system in systems[1:-1]),
            values(message, "//f:Practitioner/f:identifier/f:value/@value")[1:-1],
            strict=True,
        )
    )
    assert sent == unknown | {name.replace("_", "-"): number for name, number in numbers.items()} | {"staff": "S-17"}
    assert values(message, "//f:PractitionerRole/f:code/f:text/@value")[-2:] == ["Nurse", "Pharmacist"]
    practitioners = values(message, "//f:entry[f:resource/f:Practitioner]/f:fullUrl/@value")
    assert values(message, f"{COMPOSITION}/f:author/f:reference/@value") == practitioners[:2]
    assert values(message, "//f:PractitionerRole/f:practitioner/f:reference/@value")[-2:] == practitioners[1:]


@both_specifications
@pytest.mark.requirement("GPCM-SD-CS-033", "GPCM-SD-CS-034", "GPCM-SD-CS-035", "2.0:GPCM-SD-028")
def test_the_organisation_has_ods_code_name_and_phone(specification: Version) -> None:
    message = a_message(specification)
    organisation = message.request.organisation
    full = "//f:Organization[f:name]"
    assert value(message, f"{full}/f:name/@value") == organisation.name
    assert value(message, f"{full}/f:identifier/f:value/@value") == organisation.ods_code
    assert value(message, f"{full}/f:telecom[f:system/@value='phone']/f:value/@value") == organisation.phone


@both_specifications
@pytest.mark.requirement(
    "GPCM-SD-029", "GPCM-SD-030", "GPCM-SD-031", "1.5:GPCM-SD-032", "GPCM-SD-109", "GPCM-SD-110", "GPCM-SD-111",
    "GPCM-SD-088", "GPCM-SD-CS-003", "GPCM-SD-CS-028",
)  # fmt: skip
def test_every_document_has_a_section_and_a_binary_the_primary_first(specification: Version) -> None:
    documents = [
        {"key": "b.png", "content_type": "image/png", "title": "Photo"},
        {"key": "a.pdf", "content_type": "application/pdf", "title": "Report", "primary": True},
    ]
    message = a_message(specification, documents=documents)
    root = etree.fromstring(written(message, PDF, b"\x89PNG"))
    sections = find(root, "//f:Composition/f:section")
    found = []
    for section in sections:
        title, reference = find(section, "f:title/@value|f:entry/f:reference/@value")
        (binary,) = find(root, f"//f:entry[f:fullUrl/@value='{reference}']/f:resource/f:Binary")
        (content,) = find(binary, "f:content/@value")
        (kind,) = find(binary, "f:contentType/@value")
        found.append((title, kind, base64.b64decode(content, validate=True)))
    assert found == [("Report", "application/pdf", PDF), ("Photo", "image/png", b"\x89PNG")]


@both_specifications
@pytest.mark.requirement("GPCM-SD-025", "GPCM-SD-027", "1.5:GPCM-SD-028", "GPCM-SD-108")
def test_every_resource_has_an_id_and_a_profile(specification: Version) -> None:
    root = etree.fromstring(written(a_message(specification)))
    resources = [root, *find(root, "//f:resource/*")]
    assert len(resources) == 10
    for resource in resources:
        assert len(find(resource, "f:id/@value")) == 1
        assert len(find(resource, "f:meta/f:profile/@value")) == 1


@both_specifications
@pytest.mark.requirement(
    "GPCM-SD-036", "1.5:GPCM-SD-038", "GPCM-SD-039", "GPCM-SD-098", "GPCM-SD-123", "GPCM-SD-129", "GPCM-SD-CS-007",
    "GPCM-SD-CS-027",
)  # fmt: skip
def test_a_later_version_replaces_the_one_before_it(specification: Version) -> None:
    first, second, third = (a_message(specification, version=version) for version in (1, 2, 3))
    assert values(first, f"{COMPOSITION}/f:relatesTo") == []
    for earlier, later in ((first, second), (second, third)):
        assert value(later, f"{COMPOSITION}/f:relatesTo/f:code/@value") == "replaces"
        target = value(later, f"{COMPOSITION}/f:relatesTo/f:targetIdentifier/f:value/@value")
        assert target == value(earlier, "//f:Bundle//f:Bundle/f:identifier/f:value/@value")


@pytest.mark.requirement(
    "GPCM-SD-CS-042", "GPCM-SD-CS-061", "GPCM-SD-CS-065", "GPCM-SD-CS-067", "GPCM-SD-CS-068", "GPCM-SD-CS-079",
    "GPCM-SD-CS-080", "GPCM-SD-CS-006", "2.0:GPCM-SD-038", "GPCM-SD-057", "GPCM-SD-060", "GPCM-SD-061", "GPCM-SD-062",
    "GPCM-SD-064", "GPCM-SD-091",
)  # fmt: skip
def test_the_envelope_is_written_as_each_specification_writes_it() -> None:
    old, new = envelope(a_message(Version.V1_5)), envelope(a_message(Version.V2_0, version=3))
    assert (old.workflow_id, new.workflow_id) == ("GPFED_CONSULT_REPORT", "GPCONNECT_SEND_DOCUMENT")
    assert (old.local_id, new.local_id) == ("Y90002", "Y90001")
    assert old.to == "GPPROVIDER_9658218873_19270619_MEAKIN"
    assert new.to == "GPPROVIDER_9658218865_19331114_WRIGHT"
    assert old.subject == (
        "Consultation report for Mr Mike MEAKIN, NHS Number 9658218873, "
        "seen at Harbour Urgent Care Centre, ODS Code Y90002"
    )
    assert new.subject == (
        "Consultation report for Mr Garth WRIGHT, NHS Number: 9658218865, "
        "seen at Riverside Out of Hours, Y90001, Version: 3"
    )


def test_an_envelope_does_not_show_itself() -> None:
    original = envelope(a_message())
    assert "9658218865" not in repr(original)
    assert "WRIGHT" not in repr(original)


@settings(deadline=None)  # the first message imports the FHIR models
@given(document=st.binary(max_size=2000), cuts=st.lists(st.integers(1, 700), max_size=10))
def test_however_a_document_is_cut_its_base64_is_whole_and_the_announced_size_exact(
    document: bytes, cuts: list[int]
) -> None:
    def chunks(_index: int) -> Iterator[bytes]:
        place = 0
        for cut in itertools.chain(cuts, itertools.repeat(512)):
            if place >= len(document):
                return
            yield document[place : place + cut]
            place += cut

    composed = compose(a_message(), [len(document)])
    message = b"".join(composed.stream(chunks))
    assert len(message) == composed.size
    (content,) = find(etree.fromstring(message), "//f:Binary/f:content/@value")
    assert base64.b64decode(str(content), validate=True) == document


@pytest.mark.parametrize("change", [b"", b"longer"])
def test_a_document_that_changed_under_our_hands_is_noticed(change: bytes) -> None:
    composed = compose(a_message(), [len(PDF)])
    changed = PDF + change if change else PDF[:-1]
    with pytest.raises(DocumentChangedError):
        list(composed.stream(lambda _index: [changed]))


TEXT = st.text(
    st.characters(
        exclude_categories=("Cs", "Cc"),
        exclude_characters="\ufffd\ufffe\uffff\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
    ),
    min_size=1,
    max_size=200,
).filter(lambda text: bool(visible(text)))
CHANGES = st.fixed_dictionaries(
    {
        "encounter": st.uuids().map(str),
        "patient__name": st.fixed_dictionaries({"family": TEXT, "given": st.lists(TEXT, min_size=1, max_size=4)}),
        "patient__birth_date": st.dates(date(1880, 1, 1), date(2026, 11, 19)).map(date.isoformat),
        "patient__address": st.none() | st.fixed_dictionaries({"lines": st.lists(TEXT, min_size=1, max_size=5)}),
        "patient__phones": st.lists(TEXT, max_size=2),
        "organisation__name": TEXT,
        "organisation__phone": TEXT,
        "documents": st.lists(TEXT, min_size=1, max_size=4).map(
            lambda titles: [
                {"key": f"{n}.pdf", "content_type": "application/pdf", "title": title, "primary": n == 0}
                for n, title in enumerate(titles)
            ]
        ),
    }
)


@both_specifications
@settings(max_examples=settings().max_examples // 3, deadline=None)
@given(changes=CHANGES, version=st.integers(1, 99))
def test_whatever_the_request_ids_are_unique_references_resolve_and_the_bytes_repeat(
    specification: Version, changes: dict[str, Any], version: int
) -> None:
    message = a_message(specification, version=version, **changes)
    documents = [PDF] * len(message.request.documents)
    raw = written(message, *documents)
    assert raw == written(a_message(specification, version=version, **changes), *documents)
    root = etree.fromstring(raw)
    urls = [str(url) for url in find(root, "//f:fullUrl/@value")]
    ids = [str(element_id) for element_id in find(root, "//f:resource/*/f:id/@value")]
    assert len(set(urls)) == len(urls)
    assert urls == [f"urn:uuid:{element_id}" for element_id in ids]
    references = {str(url) for url in find(root, "//f:reference/@value")}
    assert {url for url in references if url.startswith("urn:uuid:")} <= set(urls)
    assert {url for url in references if not url.startswith("urn:uuid:")} == {message.mailbox.message_definition}
    assert find(root, "//f:Patient/f:name/f:family/@value") == [message.request.patient.name.family]
    (encounter,) = find(root, "//f:extension[@url='SenderReference']/f:valueString/@value")
    assert encounter == message.request.encounter


def test_line_ends_and_tabs_inside_a_value_survive() -> None:
    message = a_message(organisation__name="Two\nlines\r\nand a\ttab")
    assert value(message, "//f:Organization/f:name/@value") == "Two\nlines\r\nand a\ttab"


def test_the_time_of_a_message_may_not_decide_its_ids() -> None:
    early, late = (
        a_message(),
        Message(
            request=a_message().request,
            mailbox=a_message().mailbox,
            identifiers=a_message().identifiers,
            version=1,
            created_at=datetime(2027, 1, 1, tzinfo=UTC),
        ),
    )
    assert early.message_id == late.message_id


@pytest.mark.parametrize(("specification", "version", "times"), [("2.0", 1, 0), ("2.0", 2, 2), ("1.5", 2, 0)])
def test_a_replacement_of_2_0_names_its_version_in_the_meta_of_bundle_and_composition(
    specification: str, version: int, times: int
) -> None:
    body = written(a_message(Version(specification), version=version))
    assert body.count(b'<meta><versionId value="2"/>') == times
    assert body == written(a_message(Version(specification), version=version)), "a repeat gives the same bytes"


def test_a_document_that_names_no_care_setting_has_the_mailboxs() -> None:
    message = a_message(Version.V2_0, care_setting=None)
    by_default = replace(message, mailbox=replace(message.mailbox, care_setting="789718008 Cardiology service"))
    own = replace(
        by_default,
        request=by_default.request.model_copy(update={"care_setting": Concept(code="27113001", display="x")}),
    )
    assert [message.care_setting, by_default.care_setting, own.care_setting] == [
        None, Code("789718008", "Cardiology service"), Code("27113001", "x"),
    ]  # fmt: skip


@pytest.mark.requirement("GPCM-SD-CS-008")
def test_a_confidential_consultation_says_neither_whom_it_is_for_nor_other_numbers() -> None:
    said: dict[str, Any] = {
        "attention": "Sexual health", "consultation__confidential": True,
        "patient__identifiers": [{"system": "https://clinic.example/Id", "value": "H 1"}],
    }  # fmt: skip
    message = a_message(Version.V1_5, **said)
    assert b"Sexual health" in written(message)
    body = written(replace(message, request=redacted(message.request)))
    assert b"Sexual health" not in body
    assert b"clinic.example" not in body
