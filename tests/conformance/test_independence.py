"""The checks have values of the specification of their own: what the builder gets wrong, they see."""

import ast
import re
from dataclasses import replace
from pathlib import Path

import pytest

from gpconnect_messaging import conformance, usecases
from gpconnect_messaging.conformance.headers import Headers
from gpconnect_messaging.conformance.message_under_test import MessageUnderTest
from gpconnect_messaging.conformance.tree import read
from gpconnect_messaging.conformance.validation import Verdict, validate_message
from gpconnect_messaging.itk3.compose import envelope
from gpconnect_messaging.itk3.resources import message_bundle
from gpconnect_messaging.itk3.xml import to_xml
from gpconnect_messaging.specification import SPECIFICATIONS, UseCase, Version
from tests.conformance.samples import sample
from tests.examples import a_message

# Types and functions: no value that a message has to have. The tests of a function name the right results.
_OF_THE_BUILDER = re.compile(r"gpconnect_messaging\.(?!conformance)")
_TAKEN = {
    "UseCase", "Version", "USE_CASES", "ComposedMessage", "Envelope", "WELL_WRITTEN", "plan_of", "resource_types",
    "is_code_of", "is_nhs_number", "is_concept_id", "header_text", "fold", "UnsafeContentError", "parse_xml",
    "xml_parser", "gunzip",
}  # fmt: skip


def test_the_checks_take_no_value_of_the_specification_from_the_builder() -> None:
    taken = set()
    for file in Path(conformance.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and _OF_THE_BUILDER.match(node.module or ""):
                taken |= {alias.name for alias in node.names}
    assert taken - _TAKEN == set()


def broken(role: str, workflow_id: str) -> set[str]:
    """The ids that a sample breaks if the envelope has another value."""
    valid = sample(role)
    assert valid.headers is not None
    headers = replace(valid.headers, workflow_id=workflow_id)
    message = MessageUnderTest(read(valid.body), headers, specification=valid.specification, use_case=valid.use_case)
    return {finding.id for finding in validate_message(message) if finding.verdict is Verdict.BROKEN}


@pytest.mark.parametrize(("version", "id_"), [(Version.V1_5, "GPCM-SD-CS-061"), (Version.V2_0, "GPCM-SD-057")])
def test_a_wrong_workflow_id_of_the_builder_is_found(
    monkeypatch: pytest.MonkeyPatch, version: Version, id_: str
) -> None:
    monkeypatch.setitem(SPECIFICATIONS, version, replace(SPECIFICATIONS[version], workflow_id="GPFED_OTHER"))
    message = a_message(version)
    headers = Headers.of(envelope(message))
    assert headers.workflow_id == "GPFED_OTHER"
    found = validate_message(
        MessageUnderTest(read(b"".join(to_xml(message_bundle(message)[0]))), headers, specification=version)
    )
    assert id_ in {finding.id for finding in found if finding.verdict is Verdict.BROKEN}


def test_a_wrong_message_definition_of_the_builder_is_found() -> None:
    message = a_message(Version.V1_5)
    other = replace(message.mailbox)
    object.__setattr__(other, "message_definition", "https://x.example")  # settings refuse it
    tree = read(b"".join(to_xml(message_bundle(replace(message, mailbox=other))[0])))
    for use_case, id_ in (
        (UseCase.CONSULTATION_REPORT, "GPCM-SD-CS-047"),
        (UseCase.ONLINE_CONSULTATION, "GPCM-SD-OC-146"),
        (UseCase.GENERIC_DOCUMENT, "GPCM-SD-GE-273"),
    ):
        found = validate_message(MessageUnderTest(tree, specification=Version.V1_5, use_case=use_case))
        assert id_ in {finding.id for finding in found if finding.verdict is Verdict.BROKEN}


@pytest.mark.parametrize("use_case", usecases.USE_CASES)
def test_a_wrong_workflow_id_is_found_for_every_use_case(use_case: UseCase) -> None:
    role = {UseCase.ONLINE_CONSULTATION: "online", UseCase.GENERIC_DOCUMENT: "generic"}.get(use_case, "consultation")
    ids = {"online": "GPCM-SD-OC-160", "generic": "GPCM-SD-GE-287", "consultation": "GPCM-SD-CS-061"}
    assert ids[role] in broken(role, workflow_id="GPFED_OTHER")
