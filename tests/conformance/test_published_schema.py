"""Our messages against the published FHIR STU3 schema; skipped where the specifications are not at hand."""

from typing import Any

import pytest
from hypothesis import given, settings
from lxml import etree

from gpconnect_messaging.specification import Version
from tests.examples import a_message, spec_file
from tests.unit.itk3.test_compose import CHANGES, PDF, written


@pytest.fixture(scope="module")
def schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(str(spec_file("schema/fhir-single.xsd"))))


def faults(schema: etree.XMLSchema, raw: bytes) -> list[str]:
    schema.validate(etree.fromstring(raw))
    log: Any = schema.error_log  # the stubs do not know that it can be iterated
    return [f"{error.path}: {error.type_name}" for error in log]


@pytest.mark.requirement("GPCM-C-02", "GPCM-C-2")
@pytest.mark.parametrize("specification", Version)
@settings(max_examples=40, deadline=None)
@given(changes=CHANGES)
def test_whatever_the_request_the_message_is_valid(
    schema: etree.XMLSchema, specification: Version, changes: dict[str, Any]
) -> None:
    message = a_message(specification, version=2, **changes)
    assert faults(schema, written(message, *[PDF] * len(message.request.documents))) == []


def test_the_schema_does_notification_a_broken_message(schema: etree.XMLSchema) -> None:
    raw = written(a_message())
    assert faults(schema, raw.replace(b'<status value="final"/>', b'<status value="finished"/>')) != []
    assert faults(schema, raw.replace(b"<event>", b"<evnt>").replace(b"</event>", b"</evnt>")) != []
