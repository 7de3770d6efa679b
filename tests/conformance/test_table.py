"""The table of checks in `structured.txt`: what its columns mean."""

from pathlib import Path

import pytest

from gpconnect_messaging.conformance.check_result import NOT_APPLICABLE
from gpconnect_messaging.conformance.checks import table
from gpconnect_messaging.conformance.checks.check import Check, Level, checks
from gpconnect_messaging.conformance.checks.structured import STRUCTURED_CHECKS
from gpconnect_messaging.conformance.message_under_test import MessageUnderTest
from gpconnect_messaging.conformance.rules import Rule
from gpconnect_messaging.conformance.tree import read
from gpconnect_messaging.specification import UseCase


def message(*resources: str) -> MessageUnderTest:
    """A message whose document holds these resources, each in FHIR XML."""
    entries = "".join(f"<entry><resource>{resource}</resource></entry>" for resource in resources)
    document = f"<Bundle>{entries}</Bundle>"
    xml = f'<Bundle xmlns="http://hl7.org/fhir"><entry><resource>{document}</resource></entry></Bundle>'
    return MessageUnderTest(read(xml.encode()))


def outcome(rule: Rule, *resources: str) -> str:
    """What the rule says of a document with these resources."""
    nodes, violations = rule(message(*resources))
    return "broken" if violations else "holds" if nodes else "not applicable"


def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *lines: str) -> tuple[Check, ...]:
    (tmp_path / "rows.txt").write_text("\n".join(lines), encoding="utf-8")
    monkeypatch.setattr(table, "files", lambda _package: tmp_path)
    return table.read_table("rows.txt", {}, {})


@pytest.mark.parametrize(
    ("element", "words", "right", "wrong", "none"),
    [
        ("Task.note", "present", "<note><text value='x'/></note>", "<note/>", None),
        ("Task.note?", "present", "<note><text value='x'/></note>", "<note/>", ""),
        ("Task.value[x]", "present", "<valueString value='x'/>", "", None),
        ("Task(status=a).note", "absent", "<status value='a'/>", "<status value='a'/><note/>", "<note/>"),
        ("Task(status!=a).note", "absent", "<status value='b'/>", "<note/>", "<status value='a'/><note/>"),
        ("Task.input(type)/code", "is x", "<input><type/><code value='x'/></input>", "<input><type/></input>",
         "<input><code value='y'/></input>"),
        ("Task.extension(End-1)/", "valueCode: is x or y",
         "<extension url='An-End-1'><valueCode value='y'/></extension>",
         "<extension url='An-End-1'><valueCode value='z'/></extension>", "<extension url='Other-1'/>"),
        ("Task.item*/code", "present", "<item><code value='x'/><item><code value='x'/></item></item>",
         "<item><code value='x'/><item/></item>", ""),
        ("Task.code", "coded",
         "<code><coding><code value='1'/></coding></code>", "<code><text value='x'/></code>", None),
        ("Task.code", "coded in SNOMED as 1",
         "<code><coding><system value='http://snomed.info/sct'/><code value='1'/></coding></code>",
         "<code><coding><system value='http://snomed.info/sct'/><code value='2'/></coding></code>", None),
        ("Task.code", "described", "<code><text value='x'/></code>", "<code/>", None),
        ("Task.for", "refers to Device or Task", "<id value='1'/><for><reference value='Task/1'/></for>", "", None),
        ("Task.for?", "refers to Device", "", "<id value='1'/><for><reference value='Task/1'/></for>", None),
        ("Task.extension", "unextended by End-1", "<extension url='Other-1'/>", "<extension url='An-End-1'/>", None),
        ("Task.extension", "extended by End-1 with when",
         "<extension url='End-1'><extension url='when'><valueDate value='2026'/></extension></extension>",
         "<extension url='End-1'/>", None),
        ("Task.extension?", "extended by End-1", "<extension url='Other-1'/>", "<extension url='End-1'/>", None),
    ],
)  # fmt: skip
def test_a_row_is_a_check_of_every_element_that_it_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, element: str, words: str, right: str, wrong: str, none: str | None
) -> None:
    (check,) = rows(tmp_path, monkeypatch, f"GE-001  MUST  {element}  {words}")
    assert outcome(check.rule, f"<Task>{right}</Task>") == "holds"
    assert outcome(check.rule, f"<Task>{wrong}</Task>") == "broken"
    assert outcome(check.rule, f"<Task>{right}</Task>", f"<Task>{wrong}</Task>") == "broken"
    assert outcome(check.rule, f"<Device>{wrong}</Device>") == "not applicable"
    if none is not None:
        assert outcome(check.rule, f"<Task>{none}</Task>") == "not applicable"


def test_a_row_names_its_requirements_level_element_and_title(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    online, generic, other = rows(
        tmp_path,
        monkeypatch,
        "# a comment",
        "OC/GE-001   MUST    Task(status=a).item*/code  is a or b",
        "",
        "GE-002      SHOULD  Task.note?                 present    A task has a note, if there is one",
    )
    assert (online.key, generic.key, other.key) == ("1.5:GPCM-SD-OC-001", "1.5:GPCM-SD-GE-001", "1.5:GPCM-SD-GE-002")
    assert (generic.level, generic.looks_at, generic.title) == (
        Level.MUST,
        "Task.item.code",
        "Task.item.code is a or b",
    )
    assert (other.level, other.looks_at) == (Level.SHOULD, "Task.note")
    assert other.title == "A task has a note, if there is one"
    assert online.rule is generic.rule  # it runs once


@pytest.mark.parametrize(
    ("ids", "keys", "use_case"),
    [
        ("CS-018", {"1.5:GPCM-SD-CS-018"}, UseCase.CONSULTATION_REPORT),
        ("SD-029 C-02", {"1.5:GPCM-SD-029", "1.5:GPCM-C-02"}, None),
        ("2.0/104 2.0/C-2", {"2.0:GPCM-SD-104", "2.0:GPCM-C-2"}, None),
        ("2.0/GE-001", {"2.0:GPCM-SD-GE-001"}, UseCase.GENERIC_DOCUMENT),
        ("FHIR-MR-01 BASE64 NHS-NUMBER", {"FHIR-MR-01", "BASE64", "NHS-NUMBER"}, None),
    ],
)
def test_a_short_id_names_a_requirement_of_a_version_and_perhaps_of_a_use_case(
    ids: str, keys: set[str], use_case: UseCase | None
) -> None:
    made = list(checks(ids, Level.MUST, "Task", lambda _message: NOT_APPLICABLE, "A task"))
    assert {check.key for check in made} == keys
    assert {check.use_case for check in made} == {use_case}


@pytest.mark.parametrize("row", ["GE-1  MUST  Task.a  presnt", "GE-1  MAY  Task.a  present", "GE-1  MUST  Task.a"])
def test_a_row_that_says_nothing_known_stops_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, row: str
) -> None:
    with pytest.raises((KeyError, ValueError, TypeError)):
        rows(tmp_path, monkeypatch, row)


def test_every_requirement_about_clinical_resources_has_a_row() -> None:
    ids = {check.id for check in STRUCTURED_CHECKS}
    assert len(STRUCTURED_CHECKS) == len({(check.id, check.title) for check in STRUCTURED_CHECKS})
    assert {*range(33, 268)} == {int(name[-3:]) for name in ids if "-GE-" in name}
    assert {*range(33, 141), *range(168, 174)} == {int(name[-3:]) for name in ids if "-OC-" in name}
