"""The console in a real browser, on a deployed stack: by keyboard, held against axe-core, narrow, dark and printed.

What the ledger has is put there by the ledger's own hand. The pictures stay in `.build/reports/console`.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from gpcm.environment import OperatorEnvironment
from gpcm.personal_data import REVEALED
from gpconnect_messaging.itk3.envelope import Envelope
from gpconnect_messaging.ledger import events as ledger_events
from gpconnect_messaging.ledger.events import LedgerEvent
from gpconnect_messaging.ledger.history import MessageHistory
from gpconnect_messaging.ledger.records import MessageRecord
from infra.local.environments import BUILD, ROOT
from infra.local.operators import of_product
from infra.local.run import LocalRun
from tests.accessibility.axe import violations
from tests.examples import a_message, written
from tests.identifiers import ids_of, key_of
from tests.unit.ledger.events import INVALID, START, accepted, at, reported, response, started

PICTURES = BUILD / "reports" / "console"
ACTOR, MAILBOX = "a.nurse", "Y90001OT001"
PERSONAL = ("WRIGHT", "9658218865", "965 821 8865", "1933-11-14")
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
_LOOKS: dict[str, dict[str, Any]] = {
    "light": {"viewport": {"width": 1200, "height": 900}},
    "dark": {"viewport": {"width": 1200, "height": 900}, "color_scheme": "dark"},
    "narrow": {"viewport": {"width": 320, "height": 800}},
}


@dataclass(frozen=True)
class Served:
    """The console of a running product, and one message of each fate."""

    address: str
    code: str
    environment: OperatorEnvironment
    delivered: str
    rejected: str
    undelivered: str
    invalid: str

    def page(self, browser: Browser, **look: Any) -> Page:
        """Open the console and sign in, with the keyboard alone."""
        page = browser.new_context(**look).new_page()
        page.goto(self.address)
        reach(page, "Code")
        page.keyboard.type(self.code)
        page.keyboard.press("Tab")
        page.keyboard.press("Control+A")
        page.keyboard.type(ACTOR)
        go(page, "Enter")
        assert page.title().startswith("Today")
        end = time.monotonic() + 120
        while "The ledger is still being read" in page.content():
            assert time.monotonic() < end
            page.reload()
        return page

    def open(self, page: Page, path: str) -> None:
        """Open a page of the operator's."""
        base = "/".join(page.url.split("/")[:4])
        page.goto(f"{base}{path}")


def have(environment: OperatorEnvironment, *events: LedgerEvent) -> str:
    """Have a message, with its document unless it was refused, to which these things happened; give its id."""
    message_id, encounter = str(uuid.uuid4()), str(uuid.uuid4())
    first, *later = events
    if first is not INVALID:
        content = written(a_message(), "consultation-report-2.0")
        envelope = Envelope(mailbox=MAILBOX, to="X", workflow_id="W", subject="S", local_id="L", file_name="F")
        sha256 = environment.outbox.put(message_id, envelope, [content])
        due = timedelta(hours=1)
        built = ledger_events.built(
            at=at(0), sha256=sha256, size=len(content), infrastructure_due=due, business_due=due,
            to_mailbox="A20047OT001",
        )  # fmt: skip
        first, later = built, list(events)
    environment.ledger.claim(message_id, ids_of(MAILBOX, encounter), (), START)
    environment.ledger.create(
        MessageRecord(
            message_id=message_id, request_id=message_id, mailbox=MAILBOX,
            encounter=encounter, encounter_key=key_of(MAILBOX, encounter),
            version=1,
            created_at=datetime.now(UTC), history=MessageHistory((first,)),
        )
    )  # fmt: skip
    for event in later:
        environment.ledger.record(message_id, event)
    return message_id


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser of this machine, or none of these tests."""
    path = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if path is None:
        pytest.skip(f"the console's pages are looked at with a browser, and none of {', '.join(_BROWSERS)} is here")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=list(_QUIET))
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def console(local_run: LocalRun, browser: Browser) -> Iterator[Served]:
    """`gpcm console`, as an operator starts it on a deployed stack."""
    environment = of_product(local_run)
    sent = (started(), accepted())
    delivered = have(environment, *sent, response("20013"), response("30001"))
    rejected = have(environment, *sent, response("20013"), response("30002"))
    undelivered = have(environment, *sent, reported())
    invalid = have(environment, INVALID)
    variables = {
        **local_run.state.access.environment(),
        "PATH": os.environ["PATH"],
        "HOME": str(local_run.state.scratch),
        "PYTHONPATH": f"{ROOT}:{ROOT / 'layers' / 'messaging' / 'python'}",
    }
    served = subprocess.Popen(
        [sys.executable, "-m", "infra.local.operators", *("console", "--json", "-e", "local", "--actor", "x")],
        cwd=ROOT, env=variables, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert served.stdout is not None
    try:
        told = json.loads("".join(iter(served.stdout.readline, "}\n")) + "}")
        yield Served(**told, environment=environment, delivered=delivered, rejected=rejected,
                     undelivered=undelivered, invalid=invalid)  # fmt: skip
        served.send_signal(signal.SIGINT)
        assert served.wait(timeout=30) in {0, 130}, "Ctrl-C stops it"
    finally:
        served.kill()
        served.wait()
        served.stdout.close()


@pytest.fixture(scope="module")
def keyboard(console: Served, browser: Browser) -> Page:
    """A signed-in page without JavaScript: nothing of the console needs any."""
    return console.page(browser, java_script_enabled=False, **_LOOKS["light"])


def focused(page: Page) -> str:
    """What the focus is on, as assistive technology is told; and that a person can see that it is there."""
    session = page.context.new_cdp_session(page)
    session.send("DOM.enable")
    session.send("Accessibility.enable")
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    session.detach()
    name = ""
    for node in nodes:
        if any(prop["name"] == "focused" and prop["value"]["value"] for prop in node.get("properties", ())):
            name = str(node.get("name", {}).get("value", ""))
    return name.replace(" :", ":")


def reach(page: Page, name: str, *, whole: bool = False) -> None:
    """Press Tab until the focus is on what has this name, or one that begins so."""
    passed = []
    for _ in range(400):  # the run that the tests share has notifications of other tests
        page.keyboard.press("Tab")
        passed.append(focused(page))
        if passed[-1] == name or (not whole and passed[-1].startswith(name)):
            return
    raise AssertionError(f"{name!r} is not reached by Tab; passed: {passed}")


def go(page: Page, key: str) -> None:
    """Press a key that leads to another page."""
    with page.expect_navigation():
        page.keyboard.press(key)


def test_the_first_thing_that_tab_reaches_leads_past_the_navigation(console: Served, keyboard: Page) -> None:
    console.open(keyboard, "/messages")
    keyboard.keyboard.press("Tab")
    assert focused(keyboard) == "Skip to main content"
    keyboard.keyboard.press("Enter")
    reached = []
    for _ in range(2):
        keyboard.keyboard.press("Tab")
        reached.append(focused(keyboard))
    assert reached[0].startswith("Message id, request id or MESH id")
    assert reached[1] == "Find"


def test_the_focus_can_be_seen_on_everything_that_tab_reaches(console: Served, browser: Browser) -> None:
    page = console.page(browser, **_LOOKS["light"])
    for path in ("/messages", f"/messages/{console.rejected}/document", "/notifications"):
        console.open(page, path)
        for _ in range(40):
            page.keyboard.press("Tab")
            seen = page.evaluate(
                "() => { const element = document.activeElement; if (element === document.body) return true;"
                # Within a field for dates the browser has a button of its own, and marks it itself.
                " if (element.type === 'datetime-local' && !element.matches(':focus-visible')) return true;"
                " const style = getComputedStyle(element);"
                " return element.matches(':focus-visible') &&"
                " (style.boxShadow !== 'none' || (style.outlineStyle !== 'none' && style.outlineWidth !== '0px')); }"
            )
            assert seen, f"{focused(page)} on {path}"
    page.context.close()


def test_the_list_is_filtered_by_keyboard(console: Served, keyboard: Page) -> None:
    console.open(keyboard, "/messages")
    reach(keyboard, "Status")
    keyboard.keyboard.type("Rejected")
    reach(keyboard, "Show", whole=True)
    go(keyboard, "Enter")
    assert "status=REJECTED" in keyboard.url
    assert keyboard.locator("tbody tr").count() >= 1
    assert set(keyboard.locator("tbody .tag").all_inner_texts()) == {"Rejected"}
    reach(keyboard, console.rejected)
    go(keyboard, "Enter")
    assert "30002" in keyboard.locator("main").inner_text()


def test_personal_data_is_revealed_by_keyboard_with_a_reason_on_one_page_only(console: Served, keyboard: Page) -> None:
    console.open(keyboard, f"/messages/{console.rejected}/document")
    assert not [word for word in PERSONAL if word in keyboard.content()]
    reach(keyboard, "Who it is about")
    keyboard.keyboard.press("ArrowDown")
    reach(keyboard, "Why do you need to see it?")
    keyboard.keyboard.type("INC0012345")
    go(keyboard, "Enter")
    revealed = keyboard.content()
    assert "Confidential: personal data" in revealed
    assert "NHS number" in revealed
    assert not [word for word in PERSONAL if word in keyboard.title() + keyboard.url]
    [event] = [event for event in console.environment.trail.of_message(console.rejected) if event.what == REVEALED]
    assert (event.actor, event.details["reason"]) == (ACTOR, "INC0012345")
    reach(keyboard, "Hide it again")
    go(keyboard, "Enter")
    assert "INC0012345" in keyboard.locator("ol").inner_text(), "the reveal is in the timeline"


def test_a_notification_is_taken_by_keyboard(console: Served, keyboard: Page) -> None:
    console.open(keyboard, "/notifications")
    reach(keyboard, f"Acknowledge: A practice rejected a message, message {console.rejected}")
    go(keyboard, "Enter")
    assert "You acknowledged the notification" in keyboard.locator("main").inner_text()
    open_ones = {notification.notification.id for notification in console.environment.notifications.open()}
    assert f"MESSAGE#{console.rejected}/rejected" not in open_ones


def test_a_message_is_sent_again_by_keyboard_after_what_will_happen_was_said(console: Served, keyboard: Page) -> None:
    console.open(keyboard, f"/messages/{console.undelivered}")
    reach(keyboard, "Send it again")
    go(keyboard, "Enter")
    assert "sent again with identical bytes" in keyboard.locator("main").inner_text()
    reach(keyboard, "Send it again")
    go(keyboard, "Enter")
    assert keyboard.title().startswith("Error: ")
    reach(keyboard, "Why?")
    keyboard.keyboard.type("INC0012345")
    reach(keyboard, "I know why")
    keyboard.keyboard.press("Space")
    reach(keyboard, "Send it again")
    go(keyboard, "Enter")
    assert "The message is queued" in keyboard.locator("main").inner_text()
    record = console.environment.ledger.find(console.undelivered)
    assert record
    assert ACTOR in [event.details.get("actor") for event in record.history.events]


@pytest.mark.parametrize("look", _LOOKS)
def test_every_page_meets_wcag_and_fits_a_narrow_screen(console: Served, browser: Browser, look: str) -> None:
    page = browser.new_context(**_LOOKS[look]).new_page()
    page.goto(console.address)
    found = {"sign in": violations(page)}
    picture(page, look, "sign-in")
    page.context.close()
    page = console.page(browser, **_LOOKS[look])
    pages = {
        "today": "/",
        "messages": "/messages",
        "wrong-filter": "/messages?status=x",
        "rejected": f"/messages/{console.rejected}",
        "invalid": f"/messages/{console.invalid}",
        "document": f"/messages/{console.delivered}/document",
        "notifications": "/notifications",
        "resend": f"/messages/{console.undelivered}/resend",
        "not-there": "/nothing",
    }
    for name, path in pages.items():
        console.open(page, path)
        found[name] = violations(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} is wider than the screen"
        picture(page, look, name)
    console.open(page, f"/messages/{console.delivered}/document")
    page.check("#extent-clinical")
    page.fill("#reason", "INC0012345")
    with page.expect_navigation():
        page.press("#reason", "Enter")
    found["revealed"] = violations(page)
    picture(page, look, "revealed")
    page.context.close()
    assert {name: broken for name, broken in found.items() if broken} == {}


def test_pages_stand_in_forced_colours_and_on_paper(console: Served, browser: Browser) -> None:
    page = console.page(browser, forced_colors="active", **_LOOKS["light"])
    for name, path in (("today", "/"), ("rejected", f"/messages/{console.rejected}")):
        console.open(page, path)
        picture(page, "forced-colours", name)
        page.emulate_media(media="print")
        assert not page.locator("nav").first.is_visible(), "what only leads elsewhere is not printed"
        assert page.locator("h1").is_visible()
        picture(page, "print", name)
        page.emulate_media(media="screen")
    page.context.close()


def picture(page: Page, look: str, name: str) -> None:
    """Keep a picture of a page for people to look at."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=Path(PICTURES) / f"{look}-{name}.png", full_page=True)
