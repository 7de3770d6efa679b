"""gpcm on a place in memory: what it says, to a person and to a program, and how it ends."""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

import gpconnect_messaging.ledger.search
import infra.local.operators  # noqa: F401 - makes the commands known
from gpcm.command_line import COMMON, ExitStatus, app
from gpcm.commands import notifications, requests
from gpcm.doctor import drop_examined
from gpcm.dropping import drop_folder
from gpcm.environment import OperatorEnvironmentError
from gpcm.personal_data import REVEALED
from gpconnect_messaging.itk3.envelope import Envelope
from gpconnect_messaging.ledger import events as ledger_events
from gpconnect_messaging.ledger.balances import Reckoning
from gpconnect_messaging.ledger.encounter_table import pk_of
from gpconnect_messaging.ledger.events import LedgerEvent
from gpconnect_messaging.ledger.reconciliation import Balance, MailboxBalance
from gpconnect_messaging.ledger.records import QUARANTINED, Received
from gpconnect_messaging.ledger.stored_names import NotificationType, Status
from gpconnect_messaging.ledger.table import item
from gpconnect_messaging.notifications import NOTIFICATION_TEXTS
from tests.examples import REQUESTS, request_data
from tests.fakes.clock import Clock
from tests.identifiers import ids_of, key_of
from tests.unit.ledger.events import (
    BUILT,
    INVALID,
    OVERDUE,
    WAITS,
    WARNED,
    accepted,
    refused,
    reported,
    response,
    started,
    unresolved,
)
from tests.unit.operations.an_environment import ENCOUNTER, MAILBOX, PlaceInMemory

SENT = (BUILT, started(), accepted())
SUBJECT = "Consultation report for Garth WRIGHT, NHS Number 9658218865"
ADDRESS = "GPPROVIDER_9658218865_19331114_WRIGHT"
PERSONAL = (ENCOUNTER, "WRIGHT", "9658218865", "19331114")


class Terminal:
    """gpcm, and the place that it works at."""

    def __init__(self) -> None:
        self.environment = PlaceInMemory()

    def run(self, *arguments: str, answer: str | None = None) -> Any:
        return CliRunner().invoke(
            app, list(arguments), obj=lambda _where: self.environment, input=answer,
            env={"GPCM_ACTOR": "j.doe", "COLUMNS": "120"}, prog_name="gpcm",
        )  # fmt: skip

    def well(self, *arguments: str, **how: Any) -> str:
        """Run a command that ends well; give what it says."""
        ended = self.run(*arguments, **how)
        assert ended.exit_code == ExitStatus.SUCCESS, ended.output
        return str(ended.stdout)

    def value(self, *arguments: str) -> Any:
        """Run a command for a program; give what it says."""
        return json.loads(self.run(*arguments, "--json").stdout)


GPCM = get_command(app)


@pytest.fixture(autouse=True)
def _made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Typer makes the command anew at each invocation, which takes longer than most commands do."""
    monkeypatch.setattr("typer.testing._get_command", lambda _app: GPCM)


@pytest.fixture
def terminal() -> Terminal:
    return Terminal()


def plain(text: str) -> str:
    """A screen's text without its layout."""
    return re.sub(r"\s+", " ", re.sub(r"[│╭╮╰╯─·]", " ", text))


def commands() -> Iterator[tuple[str, ...]]:
    whole: Any = GPCM
    for name, command in whole.commands.items():
        yield (name,)
        for inner in getattr(command, "commands", {}):
            yield (name, inner)


def test_the_common_commands_are_those_of_their_one_module() -> None:
    program = (
        "import gpcm.commands.messages, gpcm.command_line as c; print(*(i.name for i in c.app.registered_commands))"
    )
    paths = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run([sys.executable, "-c", program], env=paths, capture_output=True, text=True, check=True)
    assert set(ended.stdout.split()) == COMMON


@pytest.mark.parametrize("command", list(commands()), ids=" ".join)
def test_every_command_has_help_with_an_example(terminal: Terminal, command: tuple[str, ...]) -> None:
    said = plain(terminal.well(*command, "--help"))
    example = said.partition("Example: gpcm ")[2].split()
    assert example[: len(command)] == list(command), said


def test_the_help_says_what_the_exit_statuses_mean(terminal: Terminal) -> None:
    said = plain(terminal.well("--help"))
    for number in (0, 1, 2, 3, 4):
        assert f"{number} " in said.partition("Exit status:")[2]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["list", "--since", "long ago"], "Give a time as"),
        (["list", "--status", "LOST"], "is not one of"),
        (["list", "--cursor", "page 2"], "not one that a page ended with"),
        (["show"], "Missing argument"),
        (["drop", "no-such-sample"], "Give a folder with one"),
        (["drop", "no-such-folder", "report.pdf"], "only after a request's file"),
        (["drop", "no-such-folder"], "The folder does not exist. Give"),
        (["drop", "events"], "no request.json, or several"),
        (["drop", "README.md"], "A request is named request.json"),
        (["render", "0000abcd", "--page", "x.html", "--extract", "x"], "add --clinical"),
        (["validate", "no/such/file.xml"], "does not exist"),
        (["reconcile", "tomorrow"], "Give a day as"),
        (["reconcile", "2999-01-01"], "still to come"),
        (["notifications", "acknowledge", "mine"], "gpcm notifications list"),
        (["status", "--watch", "1", "--json"], "for a person"),
        (["backfill", "2026/"], "has no backfill"),
        (["resend"], "choose by message"),
        (["resend", "--until", "today"], "add --since"),
        (["resend", "--encounter", "x"], "name the mailbox, too"),
        (["demo", "--only", "nothing"], "choose from"),
        (["mailbox", "check"], "Name one of the mailboxes"),
    ],
)  # fmt: skip
def test_wrong_input_gets_a_sentence_that_says_what_to_do(
    terminal: Terminal, arguments: list[str], sentence: str
) -> None:
    terminal.environment.parameters.values[f"/mailboxes/{MAILBOX[:-1]}2"] = "{}"
    ended = terminal.run(*arguments)
    assert ended.exit_code == ExitStatus.WRONG_INPUT
    assert sentence.lower() in plain(ended.stderr).lower()
    assert "Traceback" not in ended.output


@pytest.mark.parametrize("command", ["show", "trace", "release", "withdraw", "practice-told", "validate"])
def test_a_message_that_is_not_there_says_so_without_repeating_what_was_typed(terminal: Terminal, command: str) -> None:
    ended = terminal.run(command, "Wright")
    assert ended.exit_code == ExitStatus.NOT_POSSIBLE
    assert "message id" in plain(ended.stderr)
    assert "Wright" not in ended.output


def test_a_place_that_is_not_there_says_how_to_get_one() -> None:
    def closed(_where: object) -> Any:
        raise OperatorEnvironmentError("There is no detached local run. Start one with `make demo KEEP=1`.")

    ended = CliRunner().invoke(app, ["list"], obj=closed)
    assert ended.exit_code == ExitStatus.NO_ENVIRONMENT
    assert "make demo KEEP=1" in ended.stderr
    assert not ended.stdout


def test_several_messages_of_one_name_are_listed(terminal: Terminal) -> None:
    request_id, message_ids = terminal.environment.have_several()
    ended = terminal.run("show", request_id)
    assert ended.exit_code == ExitStatus.NOT_POSSIBLE
    assert all(message_id in ended.stderr for message_id in message_ids)
    assert not ended.stdout


@pytest.mark.parametrize("width", ["60", "80", "120"])
@pytest.mark.parametrize("command", ["list", "resend", "redrive", "show"])
def test_no_list_breaks_an_id_in_two(terminal: Terminal, command: str, width: str) -> None:
    made = [a_message(terminal, *SENT, response("30002")), a_message(terminal, BUILT)]
    if command == "redrive":
        terminal.environment.sqs.send_message(
            QueueUrl="https://queues/send-dead", MessageBody=json.dumps({"message_id": made[1]})
        )
    request_id, several = terminal.environment.have_several()
    arguments, expected = {
        "list": (["list"], [*made, *several]),
        "resend": (["resend", *made, "--dry-run"], made),
        "redrive": (["redrive", "--dry-run"], made[1:]),
        "show": (["show", request_id], several),
    }[command]
    ended = CliRunner().invoke(
        app, arguments, obj=lambda _where: terminal.environment, env={"COLUMNS": width}
    )  # fmt: skip
    lines = (ended.stdout + ended.stderr).splitlines()
    assert max(map(len, lines)) <= int(width)
    for message_id in expected:
        assert any(message_id in line for line in lines), lines


def a_message(terminal: Terminal, *events: LedgerEvent, **changes: Any) -> str:
    """Have a message whose envelope names the patient, as envelopes do."""
    message_id = terminal.environment.have(str(uuid.uuid4()), *events, **changes)
    envelope = Envelope(
        mailbox=MAILBOX, to=ADDRESS, workflow_id="W", subject=SUBJECT, local_id="Y90001", file_name="x.xml"
    )
    terminal.environment.outbox.put(message_id, envelope, [b"message"])
    return message_id


FAILURES = {
    Status.INVALID: ((INVALID,), NotificationType.INVALID, "patient: is missing"),
    Status.REJECTED: ((*SENT, response("30002")), NotificationType.REJECTED, "30002, the patient is not known here"),
    Status.UNDELIVERED: ((*SENT, reported()), NotificationType.UNDELIVERED, "EPL-153: not found"),
    Status.OVERDUE: ((*SENT, OVERDUE), NotificationType.OVERDUE, "no business acknowledgement"),
    Status.REFUSED: ((BUILT, started(), refused()), NotificationType.REFUSED, "417 SEND 12"),
}


@pytest.mark.parametrize("status", FAILURES)
@pytest.mark.parametrize("width", ["80", "120"])
def test_one_show_explains_a_failure(terminal: Terminal, status: Status, width: str) -> None:
    events, notification, cause = FAILURES[status]
    message_id = a_message(terminal, *events)
    said = CliRunner().invoke(
        app, ["show", message_id], obj=lambda _where: terminal.environment, env={"COLUMNS": width}
    ).stdout  # fmt: skip
    assert max(map(len, said.splitlines())) <= int(width)
    for expected in (
        message_id,
        status.value,
        NOTIFICATION_TEXTS[notification].what,
        cause,
        "What to do",
        NOTIFICATION_TEXTS[notification].todo,
    ):
        assert expected.lower() in plain(said).lower()


def test_show_says_when_the_request_came_and_when_its_message_was_recorded(terminal: Terminal) -> None:
    now = terminal.environment.now()
    came = now - timedelta(minutes=9)
    built = ledger_events.built(
        at=now, sha256="00", size=1, infrastructure_due=timedelta(hours=1), business_due=timedelta(hours=5),
        to_mailbox="A20047OT001", arrived=came,
    )  # fmt: skip
    message_id = a_message(terminal, built)
    said = plain(terminal.well("show", message_id))
    assert f"came in {came:%d %b %H:%M:%S} UTC, 9 min ago" in said
    assert f"recorded {now:%d %b %H:%M:%S} UTC" in said
    assert terminal.value("show", message_id)["arrived"] == came.isoformat()
    listed = plain(terminal.well("list"))
    assert "recorded" in listed
    assert f"{now:%d %b %H:%M:%S}" in listed
    assert "came in" not in plain(terminal.well("show", a_message(terminal, INVALID)))


def test_show_for_a_program_says_the_same(terminal: Terminal) -> None:
    value = terminal.value("show", a_message(terminal, *SENT, response("20013"), response("30002")))
    assert value["status"] == "REJECTED"
    assert value["what_to_do"] == [NOTIFICATION_TEXTS[NotificationType.REJECTED].todo]
    assert value["acknowledgements"]["infrastructure"]["state"] == "positive"
    assert value["acknowledgements"]["business"]["state"] == "negative"
    assert value["timeline"][0]["kind"] == "built"


def test_a_list_is_filtered_and_turned_page_by_page(terminal: Terminal) -> None:
    made = [a_message(terminal, *(SENT if number % 2 else (BUILT,))) for number in range(4)]
    every = terminal.value("list", "--limit", "3")
    rest = terminal.value("list", "--limit", "3", "--cursor", every["cursor"])
    assert {row["message_id"] for page in (every, rest) for row in page["messages"]} == set(made)
    assert len(every["messages"]) == 3
    sent = terminal.value("list", "--status", "sent")
    assert {row["message_id"] for row in sent["messages"]} == set(made[1::2])
    assert terminal.value("list", "--status", "SENT", "--mailbox", "Y90002OT001")["messages"] == []
    assert made[1] in terminal.well("list", "--status", "SENT")


def test_an_encounter_is_asked_for_and_stays_off_the_screen(terminal: Terminal) -> None:
    message_id = a_message(terminal, BUILT)
    said = terminal.run("list", "--encounter", "-", answer=f"{ENCOUNTER}\n")
    assert message_id in said.stdout
    assert ENCOUNTER not in said.stdout


def test_status_says_what_is_not_counted(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        a_message(terminal, *SENT, response("20013"), response("30001"))
    said = plain(terminal.well("status"))
    assert "DELIVERED 2" in said
    assert "not counted" not in said
    monkeypatch.setattr(gpconnect_messaging.ledger.search, "MOST_COUNTED", 1)
    said = plain(terminal.well("status"))
    assert "DELIVERED" not in said
    assert "2 requests in the last day; settled ones that did not fail are not counted" in said
    value = terminal.value("status")
    assert (value["complete"], value["requests"]) == (False, 2)


def test_lists_say_what_this_release_cannot_read(terminal: Terminal) -> None:
    message_id = a_message(terminal, *SENT, response("30002"))
    table = terminal.environment.dynamodb
    record = terminal.environment.ledger.find(message_id)
    assert record is not None
    table.put_item(Item=table._items[pk_of(record.encounter_key), "STATE"] | item({"v": 2}))
    for command in ("list", "status"):
        assert "This release cannot read 1 encounter" in plain(terminal.well(command))
        assert terminal.value(command)["unreadable"] == [record.encounter_key]


def test_status_counts_and_says_what_to_do(terminal: Terminal) -> None:
    a_message(terminal, *SENT, response("30002"))
    a_message(terminal, BUILT)
    terminal.environment.sqs.fill("https://queues/intake-dead", 2, 0, 0)
    terminal.environment.clock.advance(timedelta(hours=1))
    said = plain(terminal.well("status"))
    for expected in ("BUILT 1 1 h", "REJECTED 1", "intake dead letters 2", "1 open notification", "2 dead letters",
                     "1 message that the sweep should have handled"):  # fmt: skip
        assert expected in said
    value = terminal.value("status")
    assert value["open_notifications"] == 1
    assert [row["status"] for row in value["late"]] == ["BUILT"]


def test_nothing_personal_is_shown_unless_it_is_revealed(terminal: Terminal) -> None:
    message_id = a_message(terminal, *SENT, response("30002"))
    for command in (["show", message_id], ["show", message_id, "--audit"], ["list"], ["status"],
                    ["notifications", "list"], ["resend", message_id, "--dry-run"]):  # fmt: skip
        for more in ([], ["--json"]):
            said = terminal.run(*command, *more).output
            assert not [personal for personal in PERSONAL if personal in said]


def test_what_is_revealed_is_recorded(terminal: Terminal) -> None:
    message_id = a_message(terminal, *SENT)
    said = terminal.well("show", message_id, "--reveal", "--actor", "a.nurse")
    assert ENCOUNTER in said
    assert ADDRESS in said
    events = [event for event in terminal.environment.trail.of_message(message_id) if event.what == REVEALED]
    assert {event.actor for event in events} == {"a.nurse"}
    assert REVEALED in plain(terminal.well("show", message_id, "--audit"))


def test_a_patients_number_is_no_operators_name(terminal: Terminal) -> None:
    message_id = a_message(terminal, *SENT)
    ended = terminal.run("show", message_id, "--reveal", "--actor", "9658218865")
    assert ended.exit_code == ExitStatus.WRONG_INPUT
    assert ENCOUNTER not in ended.output
    assert "9658218865" not in ended.output


def test_a_stored_message_is_drawn_only_if_it_is_revealed(terminal: Terminal, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    ended = terminal.run("render", a_message(terminal, *SENT), "--page", str(page))
    assert ended.exit_code == ExitStatus.WRONG_INPUT
    assert "--reveal" in ended.stderr
    assert not page.exists()


def test_nothing_is_changed_where_nobody_can_be_asked(terminal: Terminal) -> None:
    held = a_message(terminal, WAITS, version=0)
    ended = terminal.run("release", held)
    assert ended.exit_code == ExitStatus.WRONG_INPUT
    assert "--yes" in ended.stderr
    assert terminal.environment.find(held).status is Status.HELD


def test_a_held_request_is_released_with_the_operators_name(terminal: Terminal) -> None:
    held = a_message(terminal, WAITS, version=0)
    assert terminal.run("release", held, "--yes").exit_code == ExitStatus.SUCCESS
    assert "released by j.doe" in plain(terminal.well("show", held))
    again = terminal.run("release", a_message(terminal, *SENT), "--yes")
    assert again.exit_code == ExitStatus.NOT_POSSIBLE
    assert "is not held" in again.stderr


def test_a_practice_that_was_told_is_recorded(terminal: Terminal) -> None:
    withdrawal = a_message(terminal, WARNED, version=0)
    terminal.well("practice-told", withdrawal, "--yes")
    assert terminal.environment.find(withdrawal).status is Status.WITHDRAWN


def test_a_version_passes_an_earlier_one_that_never_leaves(terminal: Terminal) -> None:
    ledger = terminal.environment.ledger
    for _ in range(2):
        ledger.claim(str(uuid.uuid4()), ids_of(MAILBOX, ENCOUNTER), ("v",), BUILT.at)
    versions = ledger.encounter(key_of(MAILBOX, ENCOUNTER)).versions
    stuck, second = (
        terminal.environment.have(version.message_ids[0], BUILT, version=number)
        for number, version in enumerate(versions, 1)
    )
    assert terminal.run("skip-earlier-versions", second, "--reason", " ", "--yes").exit_code == ExitStatus.WRONG_INPUT
    terminal.well("skip-earlier-versions", second, "--reason", "damaged in store", "--yes")
    assert terminal.environment.find(stuck).status is Status.SUPERSEDED
    assert "skipped by j.doe" in plain(terminal.well("show", stuck))
    assert (
        terminal.run("skip-earlier-versions", second, "--reason", "once more", "--yes").exit_code
        == ExitStatus.NOT_POSSIBLE
    )


def test_a_suspicious_answer_counts_once_a_person_accepts_it(terminal: Terminal) -> None:
    built = ledger_events.built(
        at=BUILT.at, sha256="00", size=1, infrastructure_due=timedelta(hours=1), business_due=timedelta(hours=5),
        to_mailbox="A20047OT001",
    )  # fmt: skip
    answer = response("20013", from_mailbox="B99999OT001")
    message_id = a_message(terminal, built, started(), accepted(), answer)
    said = plain(terminal.well("show", message_id))
    assert "suspicious, does not count" in said
    terminal.well("accept", message_id, answer.details["mesh_message_id"], "--yes")
    assert terminal.environment.find(message_id).status is Status.ACKNOWLEDGED


def test_a_legal_hold_is_placed_and_lifted_with_a_reason(terminal: Terminal) -> None:
    message_id = a_message(terminal, *SENT)
    assert terminal.run("hold", "set", message_id, "--reason", " ", "--yes").exit_code == ExitStatus.WRONG_INPUT
    terminal.well("hold", "set", message_id, "--reason", "complaint 17", "--yes")
    assert "the message's data does not expire" in terminal.well("show", message_id)
    terminal.well("hold", "lift", message_id, "--reason", "closed", "--yes")
    assert not terminal.environment.find(message_id).legal_hold


def test_a_notification_is_taken_on_once(terminal: Terminal) -> None:
    a_message(terminal, *SENT, response("30002"))
    [notification] = terminal.value("notifications", "list")
    assert notification["what_to_do"] == NOTIFICATION_TEXTS[NotificationType.REJECTED].todo
    assert notification["notice"] in plain(terminal.well("notifications", "list"))
    assert terminal.value("notifications", "acknowledge", notification["notice"])["taken"]
    assert not terminal.value("notifications", "acknowledge", notification["notice"])["taken"]
    assert "no open notifications" in terminal.well("notifications", "list")


def test_a_released_message_is_new_again_and_who_did_it_is_recorded(terminal: Terminal) -> None:
    mesh_message_id = "20260304120000000001_AB12CD"
    received = Received(
        mailbox=MAILBOX, mesh_message_id=mesh_message_id, at=Clock()(), evidence_key="", outcome=QUARANTINED
    )
    terminal.environment.ledger.received(received, unmatched_because="it could not be taken in")
    terminal.well("mailbox", "retry", MAILBOX, mesh_message_id, "--yes")
    assert terminal.environment.ledger.find_received(MAILBOX, mesh_message_id) is None
    now = terminal.environment.now()
    events = list(terminal.environment.trail.between(now - timedelta(minutes=5), now + timedelta(minutes=5)))
    assert [event.actor for event in events if event.what == "quarantined message retried"] == ["j.doe"]
    again = terminal.run("mailbox", "retry", MAILBOX, mesh_message_id, "--yes")
    assert again.exit_code == ExitStatus.NOT_POSSIBLE
    assert "not quarantined" in again.stderr


def test_a_re_send_is_shown_first_and_done_only_with_a_reason(terminal: Terminal) -> None:
    message_id = a_message(terminal, BUILT)
    [plan] = terminal.value("resend", message_id, "--dry-run")
    assert plan["action"] == "put on the send queue again"
    ended = terminal.run("resend", message_id, "--yes")
    assert ended.exit_code == ExitStatus.WRONG_INPUT
    assert "--reason" in ended.stderr
    assert not terminal.environment.sqs.sent_bodies
    terminal.well("resend", message_id, "--reason", "the sender was switched off", "--yes")
    assert terminal.environment.sqs.sent_bodies == [("https://queues/send", {"message_id": message_id})]


def test_what_cannot_be_sent_again_says_what_to_do_instead(terminal: Terminal) -> None:
    message_id = a_message(terminal, *SENT)
    ended = terminal.run("resend", message_id, "--reason", "why not", "--yes")
    assert ended.exit_code == ExitStatus.NOT_POSSIBLE
    assert "Wait until it is OVERDUE" in plain(ended.stdout)


def test_an_unresolved_recipient_is_explained(terminal: Terminal) -> None:
    said = plain(terminal.well("show", a_message(terminal, BUILT, started(), unresolved(mailboxes=2))))
    assert "2 mailboxes for FA565" in said
    assert NOTIFICATION_TEXTS[NotificationType.UNRESOLVED].todo in said


@pytest.mark.parametrize(("sample", "status"), [("consultation-report-2.0", ExitStatus.SUCCESS), ("invalid", 1)])
def test_a_request_is_held_to_its_rules(terminal: Terminal, sample: str, status: int) -> None:
    ended = terminal.run("validate", str(REQUESTS / sample / "request.json"))
    assert ended.exit_code == status
    assert ("refused" in ended.stdout) is (status != ExitStatus.SUCCESS)


def test_a_request_is_held_to_times_that_can_be_and_a_file_that_is_not_json_is_told_why(
    terminal: Terminal, tmp_path: Path
) -> None:
    file = tmp_path / "request.json"
    file.write_text(json.dumps(request_data(patient__birth_date="2026-11-21")), encoding="utf-8")
    ended = terminal.run("validate", str(file))
    assert ended.exit_code == ExitStatus.PROBLEM_FOUND
    assert "consultation.start: lies before the patient's birth" in plain(ended.stdout)
    file.write_bytes(b'{"patient": 1,}')
    assert "line 1, column 14: a comma stands before" in plain(terminal.run("validate", str(file)).stdout)


OBSERVATION = {
    "resourceType": "Observation", "status": "final", "code": {"text": "Weight"}, "issued": "2026-11-20T10:00:00Z",
    "subject": {"reference": "Patient/patient"},
}  # fmt: skip


def beside(folder: Path, resource: dict[str, Any] | None = None, **changes: Any) -> Path:
    """A request with one ready resource, and its document beside it."""
    content = {"content_type": "application/fhir+json", "content": json.dumps(OBSERVATION | (resource or {}))}
    data = request_data("generic-document-1.5", **{"resources": [content], **changes})
    (folder / "report.pdf").write_bytes((REQUESTS / "generic-document-1.5" / "report.pdf").read_bytes())
    (folder / "request.json").write_text(json.dumps(data), encoding="utf-8")
    return folder / "request.json"


DEVICE = {"type": {"code": "27113001", "display": "x"}, "manufacturer": "A"}
DOCUMENT = {"key": "report.pdf", "content_type": "application/pdf", "title": "x", "primary": True}
NUMBER = {"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9999999999"}


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"resource": {"status": 202611}}, "resources[0]: Observation.status: must be text"),
        ({"resource": {"subject": {"reference": "Patient/patient", "identifier": NUMBER}}}, "identifier: is not seen"),
        ({"resource": {"subject": {"reference": "Patient/other"}}}, "Observation.subject.reference: refers to nothing"),
        ({"patient__name__family": "WRIGHT_X"}, "patient.name.family: has a sign or letter"),
        ({"device": DEVICE}, "device: is given, and authors does not name it"),
        ({"documents": [DOCUMENT | {"content_type": "image/gif"}]}, "documents[0].content_type: the primary document"),
        ({"documents": [DOCUMENT | {"content_type": "image/png"}]}, "documents[0]: "),
        ({"title": None}, "title: is missing"),
    ],
)  # fmt: skip
def test_a_request_is_held_to_all_that_needs_no_settings(
    terminal: Terminal, tmp_path: Path, given: dict[str, Any], sentence: str
) -> None:
    ended = terminal.run("validate", str(beside(tmp_path, **given)))
    assert ended.exit_code == ExitStatus.PROBLEM_FOUND
    assert sentence in plain(ended.stdout)


@pytest.mark.parametrize("key", ["not-there.pdf", "a" * 300, "."])
def test_a_file_that_is_not_beside_the_request_is_named(terminal: Terminal, tmp_path: Path, key: str) -> None:
    resources = [{"content_type": "application/fhir+json", "key": name} for name in ("allergy.json", "b" * 300)]
    file = beside(tmp_path, documents=[DOCUMENT | {"key": key}], resources=resources)
    said = terminal.well("validate", str(file))
    for field in ("documents[0]", "resources[0]", "resources[1]"):
        assert f"{field}: the file is not beside the request" in plain(said)
    assert "does not exist" in plain(terminal.run("validate", "a" * 300 + ".json").output)


@pytest.mark.parametrize("name", sorted(sample.parent.name for sample in REQUESTS.glob("*/request.json")))
def test_a_sample_is_in_order_or_was_made_to_be_refused(terminal: Terminal, name: str) -> None:
    ended = terminal.run("validate", str(REQUESTS / name / "request.json"))
    assert ended.exit_code == (ExitStatus.PROBLEM_FOUND if name == "invalid" else ExitStatus.SUCCESS), ended.output
    assert "is not beside the request" not in plain(ended.output)


def test_a_requests_folder_is_taken_and_what_an_environment_says_is_not(terminal: Terminal, tmp_path: Path) -> None:
    folder = beside(tmp_path).parent
    assert "is valid" in plain(terminal.well("validate", str(folder)))
    refused = terminal.run("validate", str(folder), "--environment", "prod")
    assert refused.exit_code == ExitStatus.WRONG_INPUT
    assert "leave the environment out" in plain(refused.output)
    (folder / "request.json").rename(folder / "other.json")
    assert "no request.json, or several" in plain(terminal.run("validate", str(folder)).output)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda raw: raw[:-1] + b',"encounter":"x"}', "a name stands twice"),
        (lambda raw: raw[:-1] + b",}", "a comma stands before a closing bracket"),
        (lambda raw: raw[:-5], "line 1, column "),
        (lambda raw: raw[:-1] + b',"x":NaN}', "NaN and Infinity"),
        (lambda raw: raw[:-1] + b',"x":"\xe9"}', "this is not UTF-8"),
        (lambda raw: raw.decode().encode("utf-16"), "is written in UTF-16"),
        (lambda raw: b'{"<": "<",}', "line 1, column 10"),
    ],
)  # fmt: skip
def test_a_broken_request_with_a_resource_in_it_is_told_where(
    terminal: Terminal, tmp_path: Path, change: Callable[[bytes], bytes], sentence: str
) -> None:
    file = beside(tmp_path)
    file.write_bytes(change(file.read_bytes()))
    ended = terminal.run("validate", str(file))
    assert ended.exit_code == ExitStatus.PROBLEM_FOUND
    assert sentence in plain(ended.stdout)


@pytest.mark.parametrize("raw", [b' {"resourceType": "Bundle",}', b"\xef\xbb\xbf<Bundle", "<Bundle".encode("utf-16")])
def test_what_begins_as_a_message_is_held_to_be_one(terminal: Terminal, tmp_path: Path, raw: bytes) -> None:
    file = tmp_path / "message"
    file.write_bytes(raw)
    assert "The message cannot be checked: " in plain(terminal.run("validate", str(file)).output)


def test_a_request_is_written_from_answers_and_only_its_writer_can_read_it(terminal: Terminal, tmp_path: Path) -> None:
    answers = ["y90001ot001", "", "9658218866", "965 821 8865", "Garth", "WRIGHT", "14/11/1933", "1933-11-14",
               "", "1 Example Row", "LS1 4AP",
               "555000000101", "Ada", "Okafor", "Y90001", "Riverside Out of Hours", "0113 496 0100", "A20047",
               "2026-11-20T19:40+00:00", "", "A sore throat."]  # fmt: skip
    folder = tmp_path / "report"
    terminal.well("new-request", str(folder), answer="\n".join(answers) + "\n")
    written = folder / "request.json"
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    request = json.loads(written.read_text())
    assert request["patient"]["nhs_number"] == "9658218865"
    assert request["mailbox"] == MAILBOX
    terminal.well("validate", str(written))
    assert terminal.run("new-request", str(folder)).exit_code == ExitStatus.WRONG_INPUT


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_printed_for_a_shell(terminal: Terminal, shell: str) -> None:
    assert "_GPCM_COMPLETE" in terminal.well("completion", shell)


@pytest.mark.parametrize(("senders", "folder"), [("", "gpcm/"), ("hub=ooh/hub/,north=north/", "ooh/hub/gpcm/")])
def test_what_an_operator_drops_lies_under_the_prefix_of_the_mailboxs_sender(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, senders: str, folder: str
) -> None:
    monkeypatch.setattr("gpcm.commands.requests._follow", lambda *_: None)
    variables = terminal.environment.switches.variables
    variables["builder"] = {**variables["builder"], "SENDERS": senders, "SENDER_PARAMETERS": "/senders"}
    terminal.environment.parameters.values |= {
        "/senders/hub": json.dumps({"mailboxes": [MAILBOX]}),
        "/senders/north": json.dumps({"mailboxes": ["Y90009OT001"]}),
    }
    terminal.well("drop", "consultation-report-2.0")
    terminal.well("withdraw", a_message(terminal), "--yes")
    put = [key for key in terminal.environment.bucket.objects if key.endswith("/request.json")]
    assert len(put) == 2
    assert all(key.startswith(folder) for key in put)


def test_a_request_is_dropped_and_told_of(terminal: Terminal) -> None:
    ended = terminal.run("drop", "consultation-report-2.0", "--wait", "0")
    assert ended.exit_code == ExitStatus.SUCCESS
    assert "Dropped as request" in ended.stdout
    assert any(key.endswith("/request.json") for key in terminal.environment.bucket.objects)
    assert not [personal for personal in PERSONAL if personal in ended.output]


@pytest.mark.parametrize("kept", [True, False])
def test_a_request_that_waits_for_its_documents_is_known_and_until_when(terminal: Terminal, *, kept: bool) -> None:
    request_id, came = str(uuid.uuid4()), terminal.environment.now()
    terminal.environment.evidence.receipt(request_id)
    if kept:  # a request whose own scan is waited for is not
        terminal.environment.evidence.keep_request(request_id, b"{}", came)
    said = plain(terminal.well("show", request_id.upper()))
    assert f"Received at {came:%d %b %H:%M:%S} UTC" in said
    assert f"until {came + timedelta(minutes=10):%d %b %H:%M:%S} UTC at most" in said
    terminal.environment.clock.advance(timedelta(minutes=21))
    ended = terminal.run("show", request_id)
    assert ended.exit_code == ExitStatus.PROBLEM_FOUND
    assert "gpcm redrive --dry-run" in plain(ended.stdout)
    assert terminal.value("show", request_id)["overdue"]


def test_a_list_of_nothing_says_where_a_request_is_that_waits(terminal: Terminal) -> None:
    assert "gpcm status counts it as put back" in plain(terminal.well("list", "--encounter", "L1"))


@pytest.mark.parametrize(
    ("received", "said"),
    [(True, "or waits for documents until"), (False, "not received yet. Look again: gpcm show")],
)
def test_a_drop_of_which_nothing_is_known_yet_says_so_and_does_not_end_well(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, *, received: bool, said: str
) -> None:
    def dropped(*arguments: Any, **named: Any) -> Any:
        made = drop_folder(*arguments, **named)
        if received:
            terminal.environment.evidence.receipt(made.request_id)
        return made

    monkeypatch.setattr(requests, "drop_folder", dropped)
    monkeypatch.setattr(requests, "_POLL_SECONDS", 0.01)
    ended = terminal.run("drop", "consultation-report-2.0", "--wait", "0.01")
    assert ended.exit_code == ExitStatus.PROBLEM_FOUND
    assert said in plain(ended.stdout)


@pytest.mark.parametrize("as_folder", [True, False])
def test_a_document_that_is_not_dropped_with_its_request_is_warned_of_by_its_field(
    terminal: Terminal, tmp_path: Path, *, as_folder: bool
) -> None:
    file = tmp_path / "request.json"
    shutil.copy(REQUESTS / "consultation-report-2.0" / "request.json", file)
    said = plain(terminal.well("drop", str(tmp_path if as_folder else file), "--wait", "0"))
    assert "documents[0].key: the file is not dropped with the request. The request waits 10 min" in said
    assert "report.pdf" not in said


def test_the_doctor_ends_with_1_and_says_for_a_program_what_is_not_in_order(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gpcm.doctor.examined", lambda environment: [drop_examined(environment)])
    assert "All is in order" in terminal.well("doctor")
    terminal.environment.bucket.put_object(Key="SMITH/request.json", Body=b"{}")
    terminal.environment.clock.advance(timedelta(hours=2))
    ended = terminal.run("doctor", "--json")
    assert ended.exit_code == ExitStatus.PROBLEM_FOUND
    (finding,) = json.loads(ended.stdout)
    assert (finding["what"], finding["well"]) == ("dropped files", False)
    assert "SMITH" not in ended.stdout


def test_a_day_is_reckoned_in_as_many_runs_as_it_takes(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    day = date(2026, 11, 20)
    balances, evidence = terminal.environment.balances, terminal.environment.evidence
    answers: list[dict[str, Any]] = [{"wrong": 300}, {"unfinished": 1}, {"unfinished": 1}]

    def invoke(_place: object, _function: str, _payload: str) -> dict[str, Any]:
        if len(answers) == 1:
            lost = MailboxBalance(received=300, counts=Counter(lost=300), lost=["request-1", "request-2"])
            made = Balance(day=day, made_at=terminal.environment.now(), mailboxes={"-": lost})
            key = evidence.keep_balance(day, json.dumps(made.as_json()).encode())
            balances.store(made, key, Reckoning(day=day, began_at=terminal.environment.now()))
        return answers.pop()

    monkeypatch.setattr(notifications, "invoke", invoke)
    ended = terminal.run("reconcile", str(day))
    assert ended.exit_code == ExitStatus.PROBLEM_FOUND
    assert answers == []
    assert "request-2" in ended.stdout
    assert "And 298 more" in ended.stdout
