"""The local MESH and the synthetic practice, as the programs that the local run starts, over real connections."""

import gzip
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from lxml import etree

from infra.local.environments import environment
from infra.local.mesh.exchanges import Kind
from infra.local.mesh.faults import Fault, FaultSwitch, QueuedFault
from infra.local.practice.mailbox import (
    Collected,
    Mailbox,
    MailboxRefusedError,
    MailboxUnavailableError,
    MessageGoneError,
)
from infra.local.processes import SupervisorClient
from tests.fakes.product import TO_PRACTICE, WORKFLOW
from tests.local_mesh import COMMUNITY, PRACTICE, SENDER, Program, started
from tests.unit.local_practice.sample_message import sample_message

PERSONAL = ("9658218865", "WRIGHT", "Garth", "19331114", "1933-11-14")


@dataclass
class LocalMesh:
    """The running local MESH, with a control to set it and a mailbox to use it."""

    url: str
    client: httpx.Client
    opened: dict[tuple[str, float], Mailbox] = field(default_factory=dict)

    def control(self, method: str, path: str, content: Any = None, **query: str) -> Any:
        answer = self.client.request(method, f"{self.url}/control{path}", json=content, params=query)
        answer.raise_for_status()
        return answer.json()

    def mailbox(self, mailbox: str = SENDER, *, timeout_seconds: float = 10) -> Mailbox:
        key = (mailbox, timeout_seconds)
        if key not in self.opened:
            self.opened[key] = Mailbox(
                url=self.url,
                mailbox=mailbox,
                password=COMMUNITY.mailboxes[mailbox].password,
                shared_key=COMMUNITY.shared_key,
                timeout_seconds=timeout_seconds,
            )
        return self.opened[key]

    def send(self, content: bytes = b"<a/>", *, to: str = TO_PRACTICE, sender: str = SENDER, **settings: str) -> str:
        return self.mailbox(sender).send(
            content,
            to=to,
            workflow_id=settings.get("workflow_id", WORKFLOW),
            local_id="Y90001",
            content_type="application/xml",
            content_encoding=settings.get("content_encoding", ""),
        )

    def raw(self, method: str, path: str, *, sender: str = SENDER, **request: Any) -> httpx.Response:
        headers = {
            "Accept": "application/vnd.mesh.v2+json",
            "Authorization": self.token(sender),
            **request.pop("headers", {}),
        }
        url = f"{self.url}/messageexchange/{sender}{path}"
        return self.client.request(method, url, headers=headers, **request)

    def token(self, sender: str = SENDER, now: datetime | None = None) -> str:
        import hmac

        stamp = (now or datetime.now(UTC)).strftime("%Y%m%d%H%M")
        nonce = uuid4()
        signed = f"{sender}:{nonce}:0:{COMMUNITY.mailboxes[sender].password}:{stamp}"
        digest = hmac.new(COMMUNITY.shared_key.encode(), signed.encode(), "sha256").hexdigest()
        return f"NHSMESH {sender}:{nonce}:0:{stamp}:{digest}"

    def stored(self, **query: str) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = self.control("GET", "/messages", **query)
        return messages


@pytest.fixture(scope="session")
def mesh_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    scratch = tmp_path_factory.mktemp("environments")
    with SupervisorClient(scratch, scratch) as supervisor:
        return environment("mesh", supervisor).python


@pytest.fixture(scope="module")
def running_mesh(mesh_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    log = tmp_path_factory.mktemp("mesh") / "mesh.log"
    with started(mesh_python, "infra.local.mesh", "--port", "0", "--report-delay", "0", log=log) as program:
        yield program


@pytest.fixture(scope="module")
def connected(running_mesh: Program) -> Iterator[LocalMesh]:
    with httpx.Client(trust_env=False) as client:
        local = LocalMesh(running_mesh.url, client)
        yield local
        for mailbox in local.opened.values():
            mailbox.__exit__(None, None, None)


@pytest.fixture
def mesh(connected: LocalMesh) -> Iterator[LocalMesh]:
    local = connected
    before = local.control("GET", "")["behaviour"]
    yield local
    local.control("POST", "/reset")
    local.control("PUT", "/behaviour", before)


def headers_of(mailbox: Mailbox) -> dict[str, str]:
    (waiting,) = mailbox.waiting()
    return dict(mailbox.collect(waiting).headers)


def test_a_message_addressed_by_patient_reaches_the_registered_practice(mesh: LocalMesh) -> None:
    message_id = mesh.send(b"<hello/>")

    collected = mesh.mailbox(PRACTICE).collect(message_id)

    assert collected.content == b"<hello/>"
    assert collected.headers["mex-from"] == SENDER
    assert collected.headers["mex-workflowid"] == WORKFLOW
    (stored,) = mesh.stored()
    assert (stored["to"], stored["asked_to"], stored["status"]) == (PRACTICE, TO_PRACTICE, "accepted")
    assert ["mex-localid", "Y90001"] in stored["headers"]


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("GPPROVIDER_9990000026_19881230_TESTBROOK", "EPL-150"),
        ("GPPROVIDER_9990000018_19710402_TESTLAND", "EPL-151"),
        ("GPPROVIDER_9658218866_19331114_WRIGHT", "EPL-152"),
        ("GPPROVIDER_9658220290_19331114_BISSET", "EPL-153"),
        ("GPPROVIDER_9658218865_14111933_WRIGHT", "EPL-154"),
    ],
)
def test_an_address_that_leads_nowhere_comes_back_as_a_report(mesh: LocalMesh, address: str, code: str) -> None:
    message_id = mesh.send(to=address)

    headers = headers_of(mesh.mailbox())

    assert headers["mex-messagetype"] == "REPORT"
    assert headers["mex-linkedmsgid"] == message_id
    assert headers["mex-statuscode"] == code
    assert headers["mex-statussuccess"] == "ERROR"
    assert headers["mex-statusdescription"]
    assert headers["mex-chunk-range"] == "1:0"
    assert headers["mex-workflowid"] == WORKFLOW
    assert headers["mex-localid"] == "Y90001"
    assert headers["content-length"] == "0"


def test_a_report_comes_some_moment_after_the_upload(mesh: LocalMesh) -> None:
    mesh.control("PUT", "/behaviour", {"report_delay_seconds": 60})

    mesh.send(to="GPPROVIDER_9658220290_19331114_BISSET")

    assert mesh.mailbox().waiting() == []


def test_a_message_to_no_mailbox_at_all_is_refused_at_once(mesh: LocalMesh) -> None:
    with pytest.raises(MailboxUnavailableError, match="417"):
        mesh.send(to="Y99999OT001")


def test_what_nobody_collects_comes_back_as_report_14_and_is_gone_for_the_practice(mesh: LocalMesh) -> None:
    message_id = mesh.send()

    mesh.control("POST", "/uncollected", {"mailbox": PRACTICE})

    headers = headers_of(mesh.mailbox())
    assert (headers["mex-statuscode"], headers["mex-linkedmsgid"]) == ("14", message_id)
    assert mesh.mailbox(PRACTICE).waiting() == []
    with pytest.raises(MessageGoneError, match="410"):
        mesh.mailbox(PRACTICE).collect(message_id)


def test_uncollected_messages_age_by_themselves_when_that_is_switched_on(mesh: LocalMesh) -> None:
    mesh.send()

    mesh.control("PUT", "/behaviour", {"uncollected_seconds": 0})

    assert headers_of(mesh.mailbox())["mex-statuscode"] == "14"


def test_a_token_works_once(mesh: LocalMesh) -> None:
    token = mesh.token()

    assert mesh.raw("GET", "/inbox", headers={"Authorization": token}).status_code == 200
    assert mesh.raw("GET", "/inbox", headers={"Authorization": token}).status_code == 403


def test_a_token_from_another_time_is_refused(mesh: LocalMesh) -> None:
    old = mesh.token(now=datetime(2020, 1, 1, tzinfo=UTC))

    assert mesh.raw("GET", "/inbox", headers={"Authorization": old}).status_code == 403


def test_a_wrong_password_is_refused(mesh: LocalMesh) -> None:
    with (
        Mailbox(url=mesh.url, mailbox=SENDER, password="wrong", shared_key=COMMUNITY.shared_key) as mailbox,
        pytest.raises(MailboxRefusedError),
    ):
        mailbox.handshake()


@pytest.mark.parametrize(
    ("sender", "to", "workflow_id", "mex_from", "code"),
    [
        (SENDER, PRACTICE, f"{WORKFLOW}_ACK", SENDER, "16"),
        (SENDER, "Y90002OT001", WORKFLOW, SENDER, "17"),
        (SENDER, PRACTICE, WORKFLOW, "Y90002OT001", "07"),
    ],
)
def test_workflows_and_senders_must_be_registered(
    mesh: LocalMesh, sender: str, to: str, workflow_id: str, mex_from: str, code: str
) -> None:
    headers = {"Mex-From": mex_from, "Mex-To": to, "Mex-WorkflowID": workflow_id}

    answer = mesh.raw("POST", "/outbox", sender=sender, headers=headers, content=b"<a/>")

    assert answer.status_code == 417
    assert answer.json()["detail"][0]["code"] == code
    assert mesh.stored() == []


def test_each_check_of_the_real_service_can_be_switched_off(mesh: LocalMesh) -> None:
    off = {"single_use_tokens": False, "timestamp_window_seconds": None, "workflow_permission": False}
    off |= {"sender_must_match": False, "chunks_complete": False, "smallest_middle_chunk_bytes": None}
    mesh.control("PUT", "/behaviour", {**off, "largest_request_bytes": None})

    old = mesh.token(now=datetime(2020, 1, 1, tzinfo=UTC))
    assert [mesh.raw("GET", "/inbox", headers={"Authorization": old}).status_code for _ in range(2)] == [200, 200]
    headers = {"Mex-From": "Y90002OT001", "Mex-To": PRACTICE, "Mex-WorkflowID": f"{WORKFLOW}_ACK"}
    assert mesh.raw("POST", "/outbox", headers=headers, content=b"<a/>").status_code == 202
    assert in_chunks(mesh, {1: b"one", 3: b"three"}, 3).status_code == 202


def in_chunks(mesh: LocalMesh, chunks: dict[int, bytes], total: int) -> httpx.Response:
    headers = {"Mex-From": SENDER, "Mex-To": TO_PRACTICE, "Mex-WorkflowID": WORKFLOW, "Mex-Chunk-Range": f"1:{total}"}
    answer = first = mesh.raw("POST", "/outbox", headers=headers, content=chunks[1])
    for number, chunk in chunks.items():
        if number > 1:
            chunk_range = {"Mex-Chunk-Range": f"{number}:{total}"}
            path = f"/outbox/{first.json()['message_id']}/{number}"
            answer = mesh.raw("POST", path, headers=chunk_range, content=chunk)
    return answer


def test_a_chunked_message_is_delivered_whole(mesh: LocalMesh) -> None:
    mesh.control("PUT", "/behaviour", {"smallest_middle_chunk_bytes": 0})

    assert in_chunks(mesh, {1: b"one", 2: b"two", 3: b"three"}, 3).status_code == 202

    (waiting,) = mesh.mailbox(PRACTICE).waiting()
    assert mesh.mailbox(PRACTICE).collect(waiting).content == b"onetwothree"


def test_a_missing_chunk_keeps_the_message_back(mesh: LocalMesh) -> None:
    mesh.control("PUT", "/behaviour", {"smallest_middle_chunk_bytes": 0})

    assert in_chunks(mesh, {1: b"one", 3: b"three"}, 3).status_code == 417
    assert mesh.mailbox(PRACTICE).waiting() == []


def test_a_small_chunk_before_the_last_is_refused(mesh: LocalMesh) -> None:
    assert in_chunks(mesh, {1: b"one"}, 2).status_code == 417


def test_a_request_above_the_limit_is_refused(mesh: LocalMesh) -> None:
    mesh.control("PUT", "/behaviour", {"largest_request_bytes": 10})

    with pytest.raises(MailboxUnavailableError, match="413"):
        mesh.send(b"<more-than-ten-bytes/>")


def test_an_acknowledgement_can_be_repeated(mesh: LocalMesh) -> None:
    message_id = mesh.send()
    practice = mesh.mailbox(PRACTICE)

    practice.acknowledge(message_id)
    practice.acknowledge(message_id)

    assert practice.waiting() == []
    assert mesh.stored()[0]["status"] == "acknowledged"


@pytest.mark.parametrize(
    ("fault", "stored"),
    [
        ("refuse", 0),
        ("busy", 0),
        ("error", 0),
        ("html", 0),
        ("cut_before", 0),
        ("cut_after", 1),
        ("truncate", 1),
        ("garble", 1),
    ],
)
def test_a_fault_on_an_upload_hides_what_became_of_it(mesh: LocalMesh, fault: str, stored: int) -> None:
    mesh.control("POST", "/faults/next", {"fault": fault, "kind": "send"})

    with pytest.raises(MailboxUnavailableError):
        mesh.send()

    assert len(mesh.stored()) == stored
    assert mesh.control("GET", "/requests", kind="send")[0]["fault"] == fault
    mesh.send()
    assert len(mesh.stored()) == stored + 1


def test_a_queued_fault_can_wait_for_the_upload_of_one_file() -> None:
    switch = FaultSwitch()
    switch.queued.append(QueuedFault.from_json({"fault": "busy", "kind": "send", "file_name": "one.xml"}))
    assert switch.choose(Kind.SEND, SENDER, "another.xml") is None
    assert switch.choose(Kind.SEND, PRACTICE) is None
    strike = switch.choose(Kind.SEND, SENDER, "one.xml")
    assert strike is not None
    assert strike.fault is Fault.BUSY
    assert switch.choose(Kind.SEND, SENDER, "one.xml") is None


def test_a_stalled_upload_lands_after_the_client_gave_up(mesh: LocalMesh) -> None:
    mesh.control("POST", "/faults/next", {"fault": "stall", "kind": "send", "stall_seconds": 0.6})

    with pytest.raises(MailboxUnavailableError, match="Timeout"):
        mesh.mailbox(timeout_seconds=0.2).send(
            b"<a/>", to=TO_PRACTICE, workflow_id=WORKFLOW, local_id="Y90001", content_type="application/xml"
        )

    assert eventually(mesh.stored)


def test_a_truncated_download_breaks_off(mesh: LocalMesh) -> None:
    message_id = mesh.send(b"<a>" + b"x" * 10_000 + b"</a>")
    mesh.control("POST", "/faults/next", {"fault": "truncate", "kind": "download"})

    with pytest.raises(MailboxUnavailableError, match="RemoteProtocolError"):
        mesh.mailbox(PRACTICE).collect(message_id)


def test_faults_by_rate_strike_about_that_share(mesh: LocalMesh) -> None:
    mesh.control("PUT", "/faults", {"rate": 0.3, "seed": 4, "faults": ["busy"], "kinds": ["inbox"]})
    for _ in range(60):
        mesh.raw("GET", "/inbox")

    answers = [request["status"] for request in mesh.control("GET", "/requests", kind="inbox")]
    assert set(answers) == {200, 429}
    assert 8 <= answers.count(429) <= 28


def test_the_control_endpoint_serves_only_this_machine(mesh: LocalMesh) -> None:
    answer = mesh.client.get(f"{mesh.url}/control", headers={"Host": "attacker.example"})

    assert answer.status_code == 403


def test_a_stored_message_can_be_read_back_as_it_was_uploaded(mesh: LocalMesh) -> None:
    body = gzip.compress(b"<a/>")
    message_id = mesh.send(body, content_encoding="gzip")

    answer = mesh.client.get(f"{mesh.url}/control/messages/{message_id}/content")

    assert answer.content == body


def test_bodies_of_acknowledged_messages_can_be_let_go(mesh: LocalMesh) -> None:
    mesh.control("PUT", "/behaviour", {"keep_content": False})
    message_id = mesh.send()

    mesh.mailbox(PRACTICE).acknowledge(message_id)

    assert mesh.client.get(f"{mesh.url}/control/messages/{message_id}/content").content == b""


def test_tracking_tells_what_became_of_a_message(mesh: LocalMesh) -> None:
    delivered, undelivered = mesh.send(), mesh.send(to="GPPROVIDER_9658220290_19331114_BISSET")
    mesh.mailbox(PRACTICE).acknowledge(delivered)
    mesh.mailbox().waiting()

    found = {id_: mesh.raw("GET", f"/outbox/tracking?messageID={id_}").json() for id_ in (delivered, undelivered)}

    assert found[delivered]["status"] == "acknowledged"
    assert found[undelivered]["status"] == "error"


def test_tracking_can_leave_out_the_recipient_as_before_a_message_is_routed(mesh: LocalMesh) -> None:
    question = f"/outbox/tracking?messageID={mesh.send()}"
    mesh.control("PUT", "/behaviour", {"tracking_names_recipient": False})
    silent = mesh.raw("GET", question).json()
    mesh.control("PUT", "/behaviour", {"tracking_names_recipient": True})
    told = mesh.raw("GET", question).json()

    assert (silent["recipient"], told["recipient"]) == ("", PRACTICE)
    assert silent["status"] == told["status"] == "accepted"


def test_the_local_mesh_ends_quietly_when_told_to(mesh_python: Path, tmp_path: Path) -> None:
    with started(mesh_python, "infra.local.mesh", log=tmp_path / "log") as program:
        assert program.stop() == 0
        assert program.log.read_text() == ""


@pytest.fixture
def practice(mesh: LocalMesh, tmp_path: Path) -> Iterator[Program]:
    arguments = ("--mesh-url", mesh.url, "--interval", "0.05", "--business-delay", "0.1", "--keep", str(tmp_path))
    with started(sys.executable, "infra.local.practice", *arguments, log=tmp_path / "practice.log") as program:
        yield program


def eventually(look: Callable[[], Any], *, seconds: float = 10) -> Any:
    deadline = time.monotonic() + seconds
    while not (seen := look()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return seen


def responses(mesh: LocalMesh, count: int) -> list[Collected]:
    """Wait for the responses to the sender, and for the practice to have acknowledged everything."""

    def all_there() -> bool:
        from_practice = mesh.stored(**{"from": PRACTICE})
        to_practice = mesh.stored(to=PRACTICE)
        return len(from_practice) >= count and all(message["status"] == "acknowledged" for message in to_practice)

    assert eventually(all_there)
    sender = mesh.mailbox()
    collected = [sender.collect(message_id) for message_id in sender.waiting()]
    assert len(collected) == count
    return collected


def code_of(response: Collected) -> str | None:
    namespaces = {"f": "http://hl7.org/fhir"}
    root = etree.fromstring(response.content)
    coding = root.find(".//f:issue/f:details/f:coding/f:code", namespaces)
    return None if coding is None else coding.get("value")


@pytest.mark.parametrize(
    ("given_name", "codes"),
    [
        ("Ana", ["20013", "30001"]),
        ("20009", ["20009"]),
        ("30002", ["20013", "30002"]),
        ("IB003", ["20013", "30003"]),
        ("infonly", ["20013"]),
        ("noresponse", []),
    ],
)
def test_the_practice_answers_as_a_given_name_asks(
    mesh: LocalMesh, practice: Program, given_name: str, codes: list[str]
) -> None:
    mesh.send(gzip.compress(sample_message(practitioner=given_name)), content_encoding="gzip")

    answers = responses(mesh, len(codes))

    assert [code_of(answer) for answer in answers] == codes
    assert all(answer.headers["mex-workflowid"] == f"{WORKFLOW}_ACK" for answer in answers)
    assert all(answer.headers["mex-from"] == PRACTICE for answer in answers)


def test_the_practice_can_answer_with_what_cannot_be_read(mesh: LocalMesh, practice: Program) -> None:
    mesh.send(sample_message(practitioner="invrep"))

    (answer,) = responses(mesh, 1)

    with pytest.raises(etree.XMLSyntaxError):
        etree.fromstring(answer.content)


def test_the_practice_refuses_what_is_not_valid_and_says_why(mesh: LocalMesh, practice: Program) -> None:
    mesh.send(sample_message().replace(b"ITK007C", b"ITK006D"))

    (answer,) = responses(mesh, 1)

    assert code_of(answer) == "20006"
    assert b"diagnostics" in answer.content


def test_the_practice_keeps_what_it_received(mesh: LocalMesh, practice: Program, tmp_path: Path) -> None:
    message_id = mesh.send(sample_message())
    responses(mesh, 2)

    assert (tmp_path / f"{message_id}.xml").read_bytes() == sample_message()
    assert json.loads((tmp_path / f"{message_id}.json").read_text())["documents"][0]["content_type"]


def test_the_practice_goes_on_when_mesh_fails_it(mesh: LocalMesh, practice: Program) -> None:
    mesh.control("PUT", "/faults", {"rate": 0.4, "seed": 5, "faults": ["busy", "error", "html", "cut_before"]})
    while True:
        try:
            mesh.send(sample_message())
            break
        except MailboxUnavailableError:
            continue

    assert eventually(lambda: len(mesh.stored(**{"from": PRACTICE})) == 2)
    mesh.control("DELETE", "/faults")
    assert [code_of(answer) for answer in responses(mesh, 2)] == ["20013", "30001"]


def test_the_practice_is_not_misled_by_a_gateways_page(mesh: LocalMesh, practice: Program) -> None:
    for kind in ("inbox", "download", "acknowledge"):
        mesh.control("POST", "/faults/next", {"fault": "garble", "kind": kind, "mailbox": PRACTICE})

    mesh.send(sample_message())

    assert [code_of(answer) for answer in responses(mesh, 2)] == ["20013", "30001"]


def test_the_practice_ends_quietly_when_told_to(practice: Program) -> None:
    assert practice.stop() == 0


def test_neither_program_writes_personal_data_into_its_log(
    mesh: LocalMesh, practice: Program, running_mesh: Program
) -> None:
    mesh.send(sample_message())
    mesh.send(sample_message().replace(b"9658218865", b"9658218866"))
    mesh.send(to="GPPROVIDER_9658218865_14111933_WRIGHT")
    mesh.raw("POST", "/outbox", headers={"Mex-From": SENDER, "Mex-To": TO_PRACTICE * 5, "Mex-WorkflowID": WORKFLOW})
    assert eventually(lambda: len(mesh.stored(**{"from": PRACTICE})) == 3)

    told = practice.log.read_text() + running_mesh.log.read_text()

    assert '"received"' in told
    assert not any(secret in told for secret in PERSONAL)
