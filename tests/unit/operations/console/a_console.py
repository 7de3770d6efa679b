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

from gpcm.console.application import console
from gpcm.console.context import ConsoleContext
from gpcm.console.flow import FlowWatch
from gpcm.console.message_cache import MessageCache
from gpcm.console.operators import OperatorsAtThisMachine
from gpconnect_messaging.itk3.envelope import Envelope
from gpconnect_messaging.ledger import events as ledger_events
from gpconnect_messaging.ledger.events import LedgerEvent
from gpconnect_messaging.ledger.records import QUARANTINED, AuditEvent, Received
from tests.examples import a_message, written
from tests.identifiers import ids_of
from tests.unit.ledger import events
from tests.unit.operations.an_environment import ENCOUNTER, MAILBOX, PlaceInMemory

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
        self.environment = PlaceInMemory()
        self.environment.clock.time = events.at(60)
        self.cache = MessageCache(
            self.environment.search, self.environment.notifications.open, now=self.environment.now
        )
        self.operators = OperatorsAtThisMachine(self.environment.now)
        self.application = console(
            ConsoleContext(self.environment, self.cache, FlowWatch(self.environment, begin=lambda ask: ask())),
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
        return self.environment.trail.of_message(message_id)

    def have_sample(self, message_id: str, *more: LedgerEvent, **changes: Any) -> str:
        """Have a message with a stored document."""
        content = _sample()
        envelope = Envelope(
            mailbox=MAILBOX, to="GPPROVIDER", workflow_id="W", subject="Report", local_id="Y90001", file_name="x.xml"
        )
        self.environment.outbox.put(message_id, envelope, [content])
        built = ledger_events.built(
            at=events.at(0), sha256=hashlib.sha256(content).hexdigest(), size=len(content),
            infrastructure_due=timedelta(hours=1), business_due=timedelta(hours=5), to_organisation="A20047",
            to_mailbox="A20047OT001",
            registration={"ods_code": "A20047", "name": "Millbrook Surgery", "source": "PDS"},
        )  # fmt: skip
        return self.environment.have(message_id, built, *more, **changes)

    def have_now(self, message_id: str, **changes: Any) -> str:
        """Have a message that is built just now, as far as the board can tell by time."""
        built = ledger_events.built(
            at=self.environment.now(),
            sha256="00",
            size=1,
            infrastructure_due=timedelta(1),
            business_due=timedelta(1),
            to_mailbox="A20047OT001",
        )
        return self.environment.have(message_id, built, **changes)

    def tell_notifications(self) -> None:
        """Tell what is due to be told, as the sweep does."""
        self.environment.notifier.notify(
            raised.notification for raised in self.environment.notifications.open() if raised.told_at is None
        )


@cache
def _sample() -> bytes:
    return written(a_message(), SAMPLE)


def a_busy_console() -> Console:
    """A console of a place where much has gone wrong; the board knows of it. Every test has its own."""
    first, it = _busy(), Console()
    it.environment.clock.time = first.environment.clock.time
    # Items are replaced and never changed, so that a copy of what holds them is a table of its own.
    it.environment.dynamodb._items = dict(first.environment.dynamodb._items)
    it.environment.dynamodb._parts |= {key: dict(part) for key, part in first.environment.dynamodb._parts.items()}
    it.environment.bucket.objects = dict(first.environment.bucket.objects)
    it.cache._rows, it.cache._view, it.cache._asked = dict(first.cache._rows), first.cache._view, first.cache._asked
    it.cache._listed = first.cache._listed
    return it


@cache
def _busy() -> Console:
    it = Console()
    sent = (events.started(), events.accepted())
    it.have_sample(DELIVERED, *sent, events.response("20013"), events.response("30001"), encounter="Visit of G. Wright")
    it.have_sample(REJECTED, *sent, events.response("20013"), events.response("30002"))
    it.environment.ledger.claim(UNDELIVERED, ids_of(OTHER_MAILBOX, ENCOUNTER), (), events.at(0))
    it.have_sample(UNDELIVERED, *sent, events.reported(), mailbox=OTHER_MAILBOX)
    it.environment.have(OVERDUE, events.BUILT, *sent, events.response("20013"), events.OVERDUE)
    it.environment.have(SENT, events.BUILT, *sent, mailbox=OTHER_MAILBOX)
    it.environment.have(HELD, events.HELD, version=0)
    it.environment.have(WAITS, events.WAITS, version=0)
    it.environment.have(INVALID, events.INVALID, version=0)
    it.environment.have(
        ELSEWHERE, events.built_for(organisation="B82617"), *sent, events.response("20013", mesh_message_id="ELSE")
    )
    it.environment.have(TELL, events.WARNED, version=0)
    received = Received(
        mailbox=MAILBOX, mesh_message_id=SET_ASIDE_MESSAGE, at=events.at(55), evidence_key="", outcome=QUARANTINED
    )
    it.environment.ledger.received(received, unmatched_because="it could not be received in 5 tries; it stays in MESH")
    it.tell_notifications()
    it.cache.refresh()
    return it
