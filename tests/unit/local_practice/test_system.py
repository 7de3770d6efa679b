"""The synthetic practice acknowledges last, never answers an answer, and is not held up by one bad message."""

from collections.abc import Iterable
from typing import Any

import pytest

from infra.local.practice.mailbox import Collected, Mailbox, MailboxUnavailableError, MessageGoneError
from infra.local.practice.responding import Practice
from infra.local.practice.system import PracticeSystem
from tests.unit.local_practice.sample_message import sample_message


class FakeMailbox(Mailbox):
    """A mailbox in memory, which notes what is done to it, in order."""

    def __init__(self, *messages: Collected, refuses: Iterable[str] = ()) -> None:
        self.messages = {message.message_id: message for message in messages}
        self.refuses = set(refuses)
        self.done: list[str] = []

    def waiting(self) -> list[str]:
        return list(self.messages)

    def collect(self, message_id: str) -> Collected:
        if "collect" in self.refuses:
            raise MessageGoneError("gone")
        self.done.append(f"collect {message_id}")
        return self.messages[message_id]

    def acknowledge(self, message_id: str) -> None:
        if "acknowledge" in self.refuses:
            raise MailboxUnavailableError("busy")
        self.done.append(f"acknowledge {message_id}")
        del self.messages[message_id]

    def send(self, content: bytes, *, to: str, **_settings: Any) -> str:
        if to in self.refuses:
            raise MailboxUnavailableError("refused")
        self.done.append(f"send to {to}")
        return "SENT"


def a_message(
    message_id: str = "M1",
    content: bytes | None = None,
    sender: str = "Y90001OT001",
    workflow_id: str = "GPCONNECT_SEND_DOCUMENT",
    kind: str = "DATA",
) -> Collected:
    mesh = {
        "mex-messageid": message_id,
        "mex-from": sender,
        "mex-workflowid": workflow_id,
        "mex-messagetype": kind,
    }
    return Collected(message_id, mesh, sample_message() if content is None else content)


class Lines(list[dict[str, Any]]):
    """Log lines, kept."""

    def __call__(self, event: str, **events: object) -> None:
        self.append({"event": event, **events})


def worked(mailbox: FakeMailbox, times: int = 1, delay: float = 0) -> Lines:
    lines = Lines()
    system = PracticeSystem(mailbox, Practice("A20047", "A20047OT001"), business_delay_seconds=delay, log=lines)
    for _ in range(times):
        system.work_once()
    return lines


def test_a_message_is_acknowledged_after_both_answers() -> None:
    mailbox = FakeMailbox(a_message())

    worked(mailbox)

    assert mailbox.done == ["collect M1", "send to Y90001OT001", "send to Y90001OT001", "acknowledge M1"]


def test_the_business_answer_waits_for_its_time() -> None:
    mailbox = FakeMailbox(a_message())

    worked(mailbox, times=3, delay=60)

    assert mailbox.done == ["collect M1", "send to Y90001OT001"]


def test_an_acknowledgement_that_failed_is_repeated_and_nothing_is_sent_twice() -> None:
    mailbox = FakeMailbox(a_message(), refuses=["acknowledge"])

    worked(mailbox, times=3)

    assert mailbox.done == ["collect M1", "send to Y90001OT001", "send to Y90001OT001"]


@pytest.mark.parametrize(
    "message",
    [
        a_message(kind="REPORT", content=b""),
        a_message(workflow_id="GPCONNECT_SEND_DOCUMENT_ACK"),
        a_message(content=sample_message().replace(b"ITK007C", b"ITK008M")),
    ],
)
def test_reports_and_responses_are_taken_in_and_never_answered(message: Collected) -> None:
    mailbox = FakeMailbox(message)

    worked(mailbox)

    assert mailbox.done == ["collect M1", "acknowledge M1"]


def test_an_answer_that_mesh_keeps_refusing_holds_nothing_up_and_is_given_up() -> None:
    other = sample_message(
        message_id="3f1c2f50-6f0a-4f57-9d0c-2b8d3a1f2222", document_id="3f1c2f50-6f0a-4f57-9d0c-2b8d3a1f2223"
    )
    mailbox = FakeMailbox(a_message(sender="Y90009OT001"), a_message("M2", other), refuses=["Y90009OT001"])

    lines = worked(mailbox, times=60)

    assert mailbox.done.count("send to Y90001OT001") == 2
    assert mailbox.messages == {}
    assert [line["event"] for line in lines].count("given_up") == 1


def test_a_message_that_is_gone_is_left() -> None:
    mailbox = FakeMailbox(a_message(), refuses=["collect"])

    assert [line["event"] for line in worked(mailbox)] == ["gone"]
