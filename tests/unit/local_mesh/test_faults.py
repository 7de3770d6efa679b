"""Faults strike the requests that they are meant for, and the same ones for the same seed."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from infra.local.mesh.exchanges import ExchangeLog, Kind, kind_of
from infra.local.mesh.faults import (
    Fault,
    FaultMiddleware,
    FaultPlan,
    FaultSettingsError,
    FaultSwitch,
    Message,
    QueuedFault,
    Receive,
    Scope,
    Send,
)
from infra.local.mesh.tokens import TokenRegister


class Sandbox:
    """A stand-in for the application: counts what it processed and answers 202 with a body."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.bodies.append((await receive())["body"])
        await send({"type": "http.response.start", "status": 202, "headers": []})
        await send({"type": "http.response.body", "body": b'{"message_id": "1"}'})


class Connection:
    """One request to the middleware, and what the client saw of the answer."""

    def __init__(self, strike: QueuedFault | None) -> None:
        self.sandbox, self.exchanges, self.tokens = Sandbox(), ExchangeLog(), TokenRegister()
        switch = FaultSwitch()
        if strike is not None:
            switch.queued.append(strike)
        self.middleware = FaultMiddleware(
            self.sandbox,
            switch=switch,
            exchanges=self.exchanges,
            tokens=self.tokens,
            cut=self._cut("cut"),
            close=self._cut("close"),
        )
        self.ended: str | None = None
        self.seen: list[Message] = []

    def _cut(self, how: str) -> Callable[[Scope], None]:
        def end(_scope: Scope) -> None:
            self.ended = how

        return end

    def send(self, body: bytes = b"a message") -> "Connection":
        given = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Message:
            return given.pop() if given else {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            self.seen.append(message)

        scope: dict[str, Any] = {
            "type": "http",
            "method": "POST",
            "path": "/messageexchange/Y90001OT001/outbox",
            "query_string": b"",
            "headers": [(b"authorization", b"NHSMESH token")],
            "client": ("127.0.0.1", 1),
        }
        asyncio.run(self.middleware(scope, receive, send))
        return self

    @property
    def status(self) -> int | None:
        return next((message["status"] for message in self.seen if message["type"] == "http.response.start"), None)

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.seen)


def meeting(fault: Fault, **settings: Any) -> Connection:
    return Connection(QueuedFault(fault, Kind.SEND, **settings)).send()


def test_without_a_fault_the_request_passes_untouched() -> None:
    connection = Connection(None).send()

    assert (connection.status, connection.sandbox.bodies) == (202, [b"a message"])


@pytest.mark.parametrize(
    ("fault", "status"), [(Fault.REFUSE, 417), (Fault.BUSY, 429), (Fault.ERROR, 503), (Fault.HTML, 503)]
)
def test_an_answered_fault_keeps_the_message_out(fault: Fault, status: int) -> None:
    connection = meeting(fault)

    assert (connection.status, connection.sandbox.bodies) == (status, [])


def test_busy_says_when_to_come_back() -> None:
    connection = meeting(Fault.BUSY, retry_after_seconds=7)

    assert (b"retry-after", b"7") in connection.seen[0]["headers"]


def test_cut_before_takes_nothing_and_answers_nothing() -> None:
    connection = meeting(Fault.CUT_BEFORE)

    assert (connection.sandbox.bodies, connection.seen, connection.ended) == ([], [], "cut")


def test_cut_after_takes_the_message_and_answers_nothing() -> None:
    connection = meeting(Fault.CUT_AFTER)

    assert (connection.sandbox.bodies, connection.seen, connection.ended) == ([b"a message"], [], "cut")


def test_truncate_answers_half() -> None:
    connection = meeting(Fault.TRUNCATE)

    assert (connection.status, connection.body, connection.ended) == (202, b'{"message', "close")


def test_garble_takes_the_message_and_hides_its_id() -> None:
    connection = meeting(Fault.GARBLE)

    assert (connection.status, connection.sandbox.bodies) == (202, [b"a message"])
    assert b"html" in connection.body


def test_stall_takes_the_message_late() -> None:
    connection = meeting(Fault.STALL, stall_seconds=0)

    assert (connection.status, connection.sandbox.bodies) == (202, [b"a message"])


@pytest.mark.parametrize("fault", [Fault.BUSY, Fault.ERROR, Fault.CUT_BEFORE])
def test_a_faulted_request_has_spent_its_token(fault: Fault) -> None:
    assert not meeting(fault).tokens.first_use("NHSMESH token", datetime.now(UTC))


def test_a_queued_fault_waits_for_its_kind_and_its_turn() -> None:
    switch = FaultSwitch()
    switch.queued.append(QueuedFault(Fault.BUSY, Kind.SEND, count=2, skip=1))

    struck = [switch.choose(kind) is not None for kind in (Kind.INBOX, Kind.SEND, Kind.SEND, Kind.SEND, Kind.SEND)]

    assert struck == [False, False, True, True, False]


def test_a_fault_can_be_kept_to_one_mailbox() -> None:
    switch = FaultSwitch(FaultPlan(rate=1, mailbox="Y90001OT001"))
    switch.queued.append(QueuedFault(Fault.BUSY, Kind.INBOX, mailbox="Y90001OT001"))

    assert switch.choose(Kind.INBOX, "A20047OT001") is None
    queued = switch.choose(Kind.INBOX, "Y90001OT001")
    assert queued is not None
    assert queued.fault is Fault.BUSY


def faults_of(seed: int, requests: int = 400) -> list[str | None]:
    switch = FaultSwitch(FaultPlan(rate=0.2, seed=seed))
    strikes = [switch.choose(Kind.SEND) for _ in range(requests)]
    return [strike.fault.value if strike else None for strike in strikes]


def test_the_same_seed_gives_the_same_faults_and_another_seed_others() -> None:
    assert faults_of(1) == faults_of(1)
    assert faults_of(1) != faults_of(2)


def test_the_rate_is_about_kept_and_every_fault_comes_up() -> None:
    faults = [fault for fault in faults_of(3, 2000) if fault]

    assert 300 < len(faults) < 500
    assert set(faults) == {fault.value for fault in Fault}


def test_only_uploads_are_refused_by_the_dice() -> None:
    switch = FaultSwitch(FaultPlan(rate=1, faults=(Fault.REFUSE,)))

    assert switch.choose(Kind.INBOX) is None
    assert switch.choose(Kind.SEND) is not None


@pytest.mark.parametrize(
    "settings", [{"rate": 2}, {"faults": ["nonsense"]}, {"faults": []}, {"kinds": ["nonsense"]}, {"speed": 1}, [], None]
)
def test_unusable_fault_settings_are_refused(settings: Any) -> None:
    with pytest.raises(FaultSettingsError):
        FaultPlan.from_json(settings)


def test_fault_settings_survive_a_round_trip() -> None:
    plan = FaultPlan(rate=0.5, seed=9, faults=(Fault.BUSY,), kinds=frozenset({Kind.SEND}))

    assert FaultPlan.from_json(plan.as_json()) == plan


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        ("POST", "/messageexchange/M1", Kind.HANDSHAKE),
        ("POST", "/messageexchange/M1/outbox", Kind.SEND),
        ("POST", "/messageexchange/M1/outbox/ID1/2", Kind.CHUNK),
        ("GET", "/messageexchange/M1/outbox/tracking", Kind.TRACKING),
        ("GET", "/messageexchange/M1/inbox", Kind.INBOX),
        ("GET", "/messageexchange/M1/count", Kind.COUNT),
        ("GET", "/messageexchange/M1/inbox/ID1", Kind.DOWNLOAD),
        ("HEAD", "/messageexchange/M1/inbox/ID1", Kind.HEAD),
        ("GET", "/messageexchange/M1/inbox/ID1/2", Kind.DOWNLOAD_CHUNK),
        ("PUT", "/messageexchange/M1/inbox/ID1/status/acknowledged", Kind.ACKNOWLEDGE),
        ("GET", "/messageexchange/endpointlookup/A1/W1", Kind.LOOKUP),
        ("DELETE", "/admin/reset", Kind.OTHER),
    ],
)
def test_requests_are_told_apart(method: str, path: str, kind: Kind) -> None:
    assert kind_of(method, path) is kind
