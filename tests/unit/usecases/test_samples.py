"""Every sample request that a sender could start from becomes a message that holds together."""

from uuid import UUID

import pytest
from lxml import etree

from gpconnect_messaging.conformance import broken_requirements
from gpconnect_messaging.conformance.checks.check import Level
from gpconnect_messaging.documents.gate import REFUSING
from gpconnect_messaging.identifiers import NumberRange
from gpconnect_messaging.itk3.compose import compose, envelope
from gpconnect_messaging.request_rules import broken_rules
from gpconnect_messaging.usecases import USE_CASES
from tests.examples import CREATED_AT, REQUESTS, messages_of, request_data, spec_file, written
from tests.xpath import find, values

SAMPLES = sorted(
    folder.name
    for folder in REQUESTS.iterdir()
    if folder.name != "invalid" and any(each.get("primary") for each in request_data(folder.name).get("documents", ()))
)
every_sample = pytest.mark.parametrize("name", SAMPLES)


@pytest.fixture(scope="module")
def stu3() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(str(spec_file("schema/fhir-single.xsd"))))


def test_there_is_a_sample_of_every_use_case_in_every_version_that_has_it() -> None:
    found = {
        (message.specification.version, message.use_case.name) for name in SAMPLES for message in messages_of(name)
    }
    offered = {(version, use_case.name) for use_case in USE_CASES.values() for version in use_case.versions}
    assert found == offered
    assert {name for _, name in offered} == {use_case.name for use_case in USE_CASES.values()}


@every_sample
def test_a_sample_breaks_no_rule_and_its_documents_are_what_they_say(name: str) -> None:
    for message in messages_of(name):
        found = broken_rules(message.request, message.mailbox, NumberRange.TEST, CREATED_AT)
        assert [str(reason) for reason in found] == []
        for document in message.request.documents:
            content = (REQUESTS / name / document.key).read_bytes()
            assert REFUSING.examine(document.content_type, [content]).refusal is None


@every_sample
def test_a_sample_is_valid_fhir(name: str, stu3: etree.XMLSchema) -> None:
    for message in messages_of(name):
        stu3.assertValid(etree.fromstring(written(message, name)))


@every_sample
def test_a_sample_breaks_no_must_for_any_of_its_recipients(name: str) -> None:
    for message in messages_of(name):
        sizes = [(REQUESTS / name / each.key).stat().st_size for each in message.request.documents_in_order]
        broken = broken_requirements(compose(message, sizes), envelope(message), message.mailbox.specification)
        assert [f"{finding.id} {finding.message}" for finding in broken if finding.level is Level.MUST] == []


@every_sample
def test_a_sample_gives_the_same_bytes_twice(name: str) -> None:
    first, second = ([written(message, name) for message in messages_of(name)] for _ in range(2))
    assert first == second


@every_sample
@pytest.mark.requirement("GPCM-SD-025", "GPCM-SD-027", "1.5:GPCM-SD-028", "GPCM-SD-108")
def test_in_a_sample_ids_are_unique_and_derived_profiles_named_and_references_inside(name: str) -> None:
    for message in messages_of(name):
        root = etree.fromstring(written(message, name))
        ids = values(root, "//f:resource/*/f:id/@value")
        assert len(set(ids)) == len(ids)
        assert {UUID(each).version for each in ids} == {5, 8}
        assert find(root, "//f:resource/*[not(f:meta/f:profile)]") == []
        references = set(values(root, "//f:reference/@value"))
        assert references - {f"urn:uuid:{each}" for each in ids} == {message.mailbox.message_definition}


@every_sample
def test_every_structured_resource_of_a_sample_is_listed_in_a_section(name: str) -> None:
    unlisted = (
        "Composition",
        "Patient",
        "Practitioner",
        "PractitionerRole",
        "Organization",
        "RelatedPerson",
        "Device",
        "Encounter",
    )
    payload = "/f:Bundle/f:entry/f:resource/f:Bundle/f:entry"
    others = " or ".join(f"f:{each}" for each in unlisted)
    for message in messages_of(name):
        root = etree.fromstring(written(message, name))
        expected = values(root, f"{payload}[not(f:resource[{others}])]/f:fullUrl/@value")
        listed = values(root, "//f:Composition/f:section/f:entry/f:reference/@value")
        assert sorted(listed) == sorted(expected)
