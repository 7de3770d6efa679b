"""Releasing an incoming message that was set aside."""

from datetime import timedelta
from typing import Any

import pytest

from gpconnect_messaging.ledger.lifecycle import Patience
from gpconnect_messaging.ledger.records import SET_ASIDE, Notice, Received
from gpconnect_messaging.ledger.store import Ledger
from infra.operations import release
from tests.in_memory import Clock, Table

MAILBOX, MESSAGE = "Y90001OT001", "20260304120000000001_AB12CD"


class Environment:
    """A ledger, and the operator's command on its table."""

    def __init__(self) -> None:
        table: Any = Table()
        self.client = table
        patience = Patience(stale=timedelta(1), uncertain=timedelta(1))
        self.ledger = Ledger(self.client, "ledger", patience, Clock())

    def end(self, outcome: str) -> tuple[Notice, ...]:
        received = Received(mailbox=MAILBOX, mesh_message_id=MESSAGE, at=Clock()(), evidence_key="", outcome=outcome)
        return self.ledger.received(received, unmatched_because="it could not be taken in")

    def release(self) -> int:
        return release.main(["--table", "ledger", MAILBOX, MESSAGE], self.client)


def test_a_released_message_is_new_again_and_may_be_told_of_again() -> None:
    environment = Environment()
    for _ in range(6):
        environment.ledger.try_received(MAILBOX, MESSAGE)
    assert environment.end(SET_ASIDE)
    assert environment.release() == 0
    assert environment.ledger.find_received(MAILBOX, MESSAGE) is None
    assert environment.ledger.try_received(MAILBOX, MESSAGE) == 1
    assert environment.end(SET_ASIDE), "a person is told again"


def test_only_what_was_set_aside_can_be_released(capsys: pytest.CaptureFixture[str]) -> None:
    environment = Environment()
    assert environment.release() == 1
    environment.end("unmatched")
    assert environment.release() == 1
    assert environment.ledger.find_received(MAILBOX, MESSAGE) is not None
    assert "No such message is set aside" in capsys.readouterr().err
