"""The demonstration's command line, and what it calls a good end."""

import json

import pytest

from infra.local import demonstration
from infra.local.demo import main
from infra.local.demonstration import Outcome
from infra.local.denials import Denial
from infra.local.journey import Journey
from infra.local.scenarios import REQUESTS, SCENARIOS, Scenario


def way(name: str, status: str) -> Journey:
    return Journey(name, "request", "message", status, (None,) * 4, "")


def outcome(*ways: Journey, **expected: str) -> Outcome:
    return Outcome(ways, expected, (), {})


def test_it_ends_well_only_if_every_message_is_where_it_should_be() -> None:
    assert outcome(way("a", "DELIVERED"), way("b", "REJECTED"), a="DELIVERED", b="REJECTED").well
    assert not outcome(way("a", "DELIVERED"), way("b", "SENT"), a="DELIVERED", b="REJECTED").well


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_every_scenario_has_its_request_and_documents(scenario: Scenario) -> None:
    folder = REQUESTS / scenario.name
    json.loads((folder / "request.json").read_text())
    assert [file for file in folder.iterdir() if file.name != "request.json"]


def test_the_scenarios_end_in_every_way_that_needs_no_fault() -> None:
    assert {scenario.status for scenario in SCENARIOS} == {"DELIVERED", "REJECTED", "UNDELIVERED", "INVALID", "OVERDUE"}


def test_the_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert " -m infra.local.demo" in capsys.readouterr().out


def test_a_failure_names_the_message_and_the_missing_permission() -> None:
    denial = Denial("arn:aws:sts::123456789012:assumed-role/SenderRole/Sender", "s3:GetObject", "")
    failed = Outcome((way("a", "BUILT"),), {"a": "DELIVERED"}, (denial,), {"Due": "poller: Runtime.ExitError"})
    said = "\n".join(demonstration.verdict(failed, 12.0))
    assert "a: BUILT instead of DELIVERED" in said
    assert "SenderRole / Sender may not s3:GetObject" in said
    assert "schedule Due: poller: Runtime.ExitError" in said
