"""A console over a place in memory, with a message in each kind of trouble, and a browser that is signed in."""

import asyncio
import hashlib
import re
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any

import httpx
from starlette.types import ASGIApp

from gpconnect_messaging.ledger import lifecycle
from gpconnect_messaging.ledger.following import Following
from gpconnect_messaging.ledger.lifecycle import Fact
from gpconnect_messaging.ledger.records import SET_ASIDE, AuditEvent, Received
from infra.operations.console.application import console
from infra.operations.console.board import Board
from infra.operations.console.desk import Desk, LedgerSource
from infra.operations.console.flow import FlowWatch
from infra.operations.console.operators import OperatorsAtThisMachine
from tests.examples import a_message, written
from tests.identifiers import ids_of
from tests.unit.ledger import facts
from tests.unit.operations.a_place import ENCOUNTER, MAILBOX, PlaceInMemory

HOST = "127.0.0.1:8765"
ORIGIN = {"Origin": f"http://{HOST}"}
ACTOR = "a.nurse"
OTHER_MAILBOX = "Y90002OT001"
SAMPLE = "consultation-report-2.0"
PERSONAL = ("WRIGHT", "Wright", "Garth", "9658218865", "965 821 8865", "1933-11-14")
"""What the sample message and the careless sender say of the patient."""


def an_id(number: int) -> str:
    return f"{number:08x}-0000-5000-8000-000000000000"


DELIVERED, REJECTED, UNDELIVERED, OVERDUE, SENT, HELD, WAITS, INVALID, ELSEWHERE, TELL = map(an_id, range(1, 11))
SET_ASIDE_MESSAGE = "20261120213000000001_SETASIDE"


@dataclass
class Browser:
    """A browser, as far as it sends requests. It keeps one cookie and follows no redirection."""

    application: ASGIApp
    cookie: str = ""

    def send(self, method: str, path: str, **how: Any) -> httpx.Response:
        """Send a request."""
        headers = {**({"Cookie": f"gpcm-console={self.cookie}"} if self.cookie else {}), **how.pop("headers", {})}

        async def sent() -> httpx.Response:
            transport = httpx.ASGITransport(self.application, raise_app_exceptions=True)
            async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}") as client:
                return await client.request(method, path, headers=headers, **how)

        return asyncio.run(sent())

    def get(self, path: str, **how: Any) -> httpx.Response:
        """Open a page."""
        return self.send("GET", path, **how)

    def post(self, path: str, **how: Any) -> httpx.Response:
        """Send a form, from a page of ours."""
        return self.send("POST", path, **{"headers": ORIGIN, **how})


class Console:
    """A console and its surroundings."""

    def __init__(self) -> None:
        self.place = PlaceInMemory()
        self.place.clock.time = facts.at(60)
        source = LedgerSource(
            Following(self.place.client("dynamodb"), self.place.table, self.place.now), self.place.notices
        )
        self.board = Board(source, now=self.place.now)
        self.operators = OperatorsAtThisMachine(self.place.now)
        self.application = console(
            Desk(self.place, self.board, FlowWatch(self.place, begin=lambda ask: ask())),
            self.operators,
            hosts=frozenset({HOST}),
            suggested_actor="somebody",
        )
        self.signed_in = self.operators.sign_in(self.operators.code, ACTOR)
        self.base = f"/{self.signed_in.path}"
        self.browser = Browser(self.application, self.signed_in.cookie)

    def get(self, path: str, **how: Any) -> httpx.Response:
        """Open a page of the operator's."""
        return self.browser.get(f"{self.base}{path}", **how)

    def post(self, path: str, **fields: str) -> httpx.Response:
        """Send a form of the operator's, as its page would."""
        return self.browser.post(f"{self.base}{path}", data={"form": self.signed_in.form_token, **fields})

    def confirm(self, path: str, **fields: str) -> httpx.Response:
        """Confirm what a page says will happen."""
        [kind] = re.findall(r'name="kind" value="([^"]*)"', self.get(path).text) or [""]
        return self.post(path, kind=kind, sure="yes", **fields)

    def events(self, message_id: str) -> list[AuditEvent]:
        """What the audit trail has of a message."""
        return self.place.trail.of_message(message_id)

    def have_sample(self, message_id: str, *more: Fact, **changes: Any) -> str:
        """Have a message with a stored document."""
        content = _sample()
        self.place.bucket.objects[f"messages/{message_id}.xml"] = content
        self.place.bucket._versions[f"messages/{message_id}.xml"].append(content)
        built = lifecycle.built(
            at=facts.at(0), sha256=hashlib.sha256(content).hexdigest(), size=len(content),
            infrastructure_due=timedelta(hours=1), business_due=timedelta(hours=5), to_organisation="A20047",
            to_mailbox="A20047OT001",
            registration={"ods_code": "A20047", "name": "Millbrook Surgery", "source": "PDS"},
        )  # fmt: skip
        return self.place.have(message_id, built, *more, **changes)

    def have_now(self, message_id: str, **changes: Any) -> str:
        """Have a message that is built just now, as far as the board can tell by time."""
        built = lifecycle.built(
            at=self.place.now(),
            sha256="00",
            size=1,
            infrastructure_due=timedelta(1),
            business_due=timedelta(1),
            to_mailbox="A20047OT001",
        )
        return self.place.have(message_id, built, **changes)

    def tell_notices(self) -> None:
        """Tell what is due to be told, as the sweep does."""
        self.place.notifier.tell(self.place.ledger.due_notices(self.place.now() + timedelta(days=1)))


@cache
def _sample() -> bytes:
    return written(a_message(), SAMPLE)


def a_busy_console() -> Console:
    """A console of a place where much has gone wrong; the board knows of it. Every test has its own."""
    first, it = _busy(), Console()
    it.place.clock.time = first.place.clock.time
    # Items are replaced and never changed, so that a copy of what holds them is a table of its own.
    it.place.dynamodb._items = dict(first.place.dynamodb._items)
    it.place.dynamodb._parts |= {key: dict(part) for key, part in first.place.dynamodb._parts.items()}
    it.place.bucket.objects = dict(first.place.bucket.objects)
    it.board._rows, it.board._view, it.board._asked = dict(first.board._rows), first.board._view, first.board._asked
    return it


@cache
def _busy() -> Console:
    it = Console()
    sent = (facts.started(), facts.accepted())
    it.have_sample(DELIVERED, *sent, facts.response("20013"), facts.response("30001"), encounter="Visit of G. Wright")
    it.have_sample(REJECTED, *sent, facts.response("20013"), facts.response("30002"))
    it.place.ledger.claim(UNDELIVERED, ids_of(OTHER_MAILBOX, ENCOUNTER), (), facts.at(0))
    it.have_sample(UNDELIVERED, *sent, facts.reported(), mailbox=OTHER_MAILBOX)
    it.place.have(OVERDUE, facts.BUILT, *sent, facts.response("20013"), facts.OVERDUE)
    it.place.have(SENT, facts.BUILT, *sent, mailbox=OTHER_MAILBOX)
    it.place.have(HELD, facts.HELD, version=0)
    it.place.have(WAITS, facts.WAITS, version=0)
    it.place.have(INVALID, facts.INVALID, version=0)
    it.place.have(
        ELSEWHERE, facts.built_for(organisation="B82617"), *sent, facts.response("20013", mesh_message_id="ELSE")
    )
    it.place.have(TELL, facts.WARNED, version=0)
    received = Received(
        mailbox=MAILBOX, mesh_message_id=SET_ASIDE_MESSAGE, at=facts.at(55), evidence_key="", outcome=SET_ASIDE
    )
    it.place.ledger.received(received, unmatched_because="it could not be taken in, 5 times; it stays in MESH")
    it.tell_notices()
    it.board.refresh()
    return it
