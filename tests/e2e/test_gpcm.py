"""gpcm at the product as it is deployed: every command, for people and programs, and nothing personal on a screen."""

import json
import re
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from gpcm.command_line import ExitStatus, app
from gpconnect_messaging.itk3.response_codes import RESPONSE_CODES
from gpconnect_messaging.ledger.stored_names import NotificationType
from gpconnect_messaging.notifications import NOTIFICATION_TEXTS
from infra.local.operators import of_product
from infra.local.run import LocalRun
from infra.local.scenarios import SCENARIOS
from tests.e2e.conftest import DeployedProduct
from tests.e2e.test_no_personal_data import revealing
from tests.examples import REQUESTS, request_data

ELSEWHERE = {
    ("backfill",),  # tests/unit/operations has the command, tests/integration/test_backfill.py what it does
    ("demo",),  # it is what `.ci/run` ends with
    ("stop",), ("new-request",), ("completion",),  # need no product: tests/unit/operations
    ("console",), ("notifications",), ("hold",), ("mailbox",),  # a server; groups of commands
}  # fmt: skip


@dataclass
class Terminal:
    """gpcm at a running product, and all that it ever said without revealing."""

    product: DeployedProduct
    used: set[tuple[str, ...]] = field(default_factory=set)
    said: list[str] = field(default_factory=list)

    def run(self, *arguments: str, revealed: bool = False) -> Any:
        known = commands()
        self.used.add(arguments[:2] if arguments[:2] in known else arguments[:1])
        ended = CliRunner().invoke(
            app, list(arguments), obj=lambda _where: of_product(self.product.run),
            env={"COLUMNS": "100", "GPCM_ACTOR": "j.doe"}, prog_name="gpcm",
        )  # fmt: skip
        assert ended.exit_code in set(ExitStatus), ended.output
        if not revealed:
            self.said.append(ended.output)
        return ended

    def well(self, *arguments: str, **how: Any) -> str:
        ended = self.run(*arguments, **how)
        assert ended.exit_code == ExitStatus.SUCCESS, ended.output
        return re.sub(r"\s+", " ", ended.stdout)

    def value(self, *arguments: str) -> Any:
        ended = self.run(*arguments, "--json")
        assert ended.stdout, ended.output
        return json.loads(ended.stdout)


def commands() -> set[tuple[str, ...]]:
    whole: Any = get_command(app)
    return {
        (name, *inner)
        for name, command in whole.commands.items()
        for inner in [(), *((subcommand,) for subcommand in getattr(command, "commands", {}))]
    }


@pytest.fixture(scope="module")
def terminal(run: LocalRun) -> Terminal:
    return Terminal(DeployedProduct(run))


@pytest.fixture(scope="module")
def ended(terminal: Terminal) -> dict[str, str]:
    """The demonstration's requests, each where it should end: the message id of each by its sample's name."""
    product = terminal.product
    dropped = {
        scenario.name: product.run.drop(REQUESTS / scenario.name, {"encounter": str(uuid.uuid4())})
        for scenario in SCENARIOS
    }
    return {
        scenario.name: product.reaches(dropped[scenario.name], scenario.status, seconds=300).message_id
        for scenario in SCENARIOS
    }


CAUSES = {
    "no-answer": (NotificationType.OVERDUE, "no infrastructure and no business acknowledgement"),
    "patient-not-known": (NotificationType.REJECTED, f"30002, {RESPONSE_CODES['30002'].meaning}"),
    "unknown-nhs-number": (NotificationType.UNDELIVERED, "epl-153"),
    "invalid": (NotificationType.INVALID, "patient.nhs_number: is not an nhs number"),
}


def test_every_failure_of_the_demonstration_is_explained_by_one_show(terminal: Terminal, ended: dict[str, str]) -> None:
    assert set(CAUSES) == {scenario.name for scenario in SCENARIOS if scenario.status != "DELIVERED"}
    for name, (notification, cause) in CAUSES.items():
        said = terminal.well("show", ended[name]).lower().replace("· ", "")
        for expected in (NOTIFICATION_TEXTS[notification].what, NOTIFICATION_TEXTS[notification].todo, cause):
            assert expected.lower() in said, name


def test_every_command_works_at_a_running_product(terminal: Terminal, ended: dict[str, str], tmp_path: Path) -> None:
    gpcm, product = terminal, terminal.product
    delivered, rejected, undelivered = (
        ended[name] for name in ("consultation-report-2.0", "patient-not-known", "unknown-nhs-number")
    )

    # Look.
    assert {count["status"] for count in gpcm.value("status")["messages"]} >= {"DELIVERED", "REJECTED", "INVALID"}
    assert "REJECTED" in gpcm.well("status")
    listed = gpcm.value("list", "--limit", "1000")["messages"]
    assert set(ended.values()) <= {row["message_id"] for row in listed}
    assert rejected in gpcm.well("list", "--status", "REJECTED", "--limit", "1000")
    assert gpcm.value("show", delivered)["status"] == "DELIVERED"
    traced = gpcm.value("trace", delivered)
    assert {"builder", "sender"} <= {line["function"] for line in traced}
    assert "sender" in gpcm.well("trace", delivered)
    notification = next(
        notification for notification in gpcm.value("notifications", "list") if rejected in notification["notice"]
    )
    assert notification["notice"] in gpcm.well("notifications", "list").replace(" ", "")
    assert gpcm.value("notifications", "acknowledge", notification["notice"])["taken"]
    assert "before" in gpcm.well("notifications", "acknowledge", notification["notice"])
    # On a busy machine the poller may run out of its half minute: an operator tries again.
    product.wait(lambda: gpcm.run("reconcile", "today").exit_code != ExitStatus.NO_ENVIRONMENT)
    assert gpcm.value("reconcile", "today")["mailboxes"]["Y90001OT001"]["received"] >= 4

    # Check.
    assert gpcm.value("validate", delivered)["conformant"]
    assert "Conformant" in gpcm.well("validate", delivered)
    page = tmp_path / "page.html"
    gpcm.well("render", delivered, "--page", str(page), "--reveal", revealed=True)
    assert revealing(page.read_text())
    gpcm.run("render", delivered, "--page", str(tmp_path / "none.html"))
    assert not (tmp_path / "none.html").exists()
    # What other tests have just dropped may not have been received yet.
    unwell = {finding["what"] for finding in gpcm.value("doctor") if not finding["well"]}
    assert unwell <= {"notifications", "dropped files"}
    gpcm.run("doctor")
    assert all(
        finding["well"] for finding in gpcm.value("mailbox", "check", "Y90001OT001", "--practice", "A20047")["findings"]
    )
    assert "MESH accepts" in gpcm.well("mailbox", "check", "Y90001OT001")
    assert gpcm.run("mailbox", "retry", "Y90001OT001", "20260101", "--yes").exit_code == ExitStatus.NOT_POSSIBLE

    # Ask for messages.
    folder = tmp_path / "report"
    folder.mkdir()
    (folder / "request.json").write_text(json.dumps(request_data(encounter=str(uuid.uuid4()))))
    (folder / "report.pdf").write_bytes((REQUESTS / "consultation-report-2.0" / "report.pdf").read_bytes())
    dropped = gpcm.value("drop", str(folder / "request.json"), str(folder / "report.pdf"), "--wait", "0")
    product.reaches(dropped["request_id"], "DELIVERED", seconds=300)
    gpcm.well("drop", str(folder), "--wait", "0")

    # Act.
    [withdrawn] = gpcm.value("withdraw", dropped["request_id"], "--yes")["messages"]
    assert withdrawn["status"] == "TELL_PRACTICE"
    assert gpcm.run("withdraw", rejected).exit_code == ExitStatus.WRONG_INPUT, "nobody can be asked"
    told = gpcm.value("practice-told", withdrawn["message_id"], "--yes")
    assert told["status"] == "WITHDRAWN"
    assert gpcm.run("practice-told", delivered, "--yes").exit_code == ExitStatus.NOT_POSSIBLE
    assert gpcm.run("release", delivered, "--yes").exit_code == ExitStatus.NOT_POSSIBLE
    assert gpcm.run("accept", delivered, "20260101", "--yes").exit_code == ExitStatus.NOT_POSSIBLE
    assert (
        gpcm.run("skip-earlier-versions", delivered, "--reason", "late", "--yes").exit_code == ExitStatus.NOT_POSSIBLE
    )
    for bucket in ("OutboxBucketName", "EvidenceBucketName"):
        # The template says so, and a test of it that it does; the emulator's CloudFormation leaves it out.
        product.run.session.client("s3").put_object_lock_configuration(
            Bucket=product.run.outputs[bucket], ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"}
        )
    assert gpcm.value("hold", "set", delivered, "--reason", "complaint 17", "--yes")["objects_held"] > 2
    assert "Lifted" in gpcm.well("hold", "lift", delivered, "--reason", "closed", "--yes")
    [plan] = gpcm.value("resend", undelivered, "--dry-run")
    assert plan["action"] == "sent again with identical bytes"
    gpcm.well("resend", undelivered, "--reason", "MESH can route it now", "--yes")
    assert "j.doe ordered a resend" in gpcm.well("show", undelivered, "--audit")
    product.run.session.client("sqs").send_message(
        QueueUrl=product.run.outputs["SendDeadLetterQueueUrl"],
        MessageBody=json.dumps({"message_id": delivered}),
        MessageGroupId="Y90001OT001",
    )
    assert [letter["subject"] for letter in gpcm.value("redrive", "send", "--dry-run")] == [delivered]
    assert "delivered" in gpcm.well("redrive", "send", "--reason", "it is mended", "--yes").lower()

    assert gpcm.used | ELSEWHERE >= commands(), commands() - gpcm.used - ELSEWHERE
    assert [words for output in gpcm.said if (words := revealing(output))] == []


def test_a_deployed_stack_is_worked_at_by_its_name_and_ordinary_credentials(
    run: LocalRun, ended: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in run.state.access.environment().items():
        monkeypatch.setenv(name, value)

    def gpcm(*arguments: str) -> Any:
        return CliRunner().invoke(app, [*arguments, "--region", "eu-west-2"])

    shown = gpcm("show", ended["invalid"], "--environment", "local", "--json")
    assert json.loads(shown.stdout)["status"] == "INVALID"
    assert gpcm("list", "--stack", run.state.deployment.stack).exit_code == ExitStatus.SUCCESS
    assert gpcm("trace", ended["invalid"], "-e", "local").exit_code in (ExitStatus.SUCCESS, ExitStatus.PROBLEM_FOUND)
    missing = gpcm("list", "--environment", "nowhere")
    assert missing.exit_code == ExitStatus.NO_ENVIRONMENT
    assert "There is no stack gpconnect-messaging-nowhere" in missing.stderr


def test_a_reveal_shows_the_patient_and_leaves_an_audit_event(terminal: Terminal, ended: dict[str, str]) -> None:
    message_id = ended["patient-not-known"]
    assert revealing(terminal.well("show", message_id, "--reveal", "--actor", "a.nurse", revealed=True))
    who = [event for event in terminal.value("show", message_id, "--audit")["audit"] if event["actor"] == "a.nurse"]
    assert {event["what"] for event in who} == {"personal data revealed"}
    assert not revealing(json.dumps(who))
