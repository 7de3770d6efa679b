"""Who gets in, from where, and what a browser is told to keep."""

import re
from datetime import timedelta
from http.cookies import SimpleCookie
from typing import Any

import pytest

from gpcm.console import login
from gpcm.console.operators import LASTS
from gpcm.console.security import HEADERS
from tests.unit.operations.console.a_console import (
    ACTOR,
    HOST,
    ORIGIN,
    REJECTED,
    WAITS,
    Browser,
    Console,
    a_busy_console,
)


@pytest.fixture
def it(monkeypatch: pytest.MonkeyPatch) -> Console:
    monkeypatch.setattr(login, "AFTER_WRONG_CODE_SECONDS", 0)
    return a_busy_console()


def test_whoever_knows_the_code_signs_in_and_works_under_a_path_of_their_own(it: Console) -> None:
    browser = Browser(it.application)
    answer = browser.post("/", data={"code": f" {it.operators.code.lower().replace('-', ' ')} ", "actor": "b.nurse"})
    assert answer.status_code == 303
    environment = answer.headers["Location"]
    cookie = SimpleCookie(answer.headers["Set-Cookie"])["gpcm-console"]
    assert cookie["path"] == environment.rstrip("/")
    assert cookie["httponly"]
    assert cookie["samesite"] == "strict"
    assert "max-age" not in answer.headers["Set-Cookie"].lower(), "it goes with the browser"
    browser.cookie = cookie.value
    page = browser.get(environment)
    assert page.status_code == 200
    assert "b.nurse" in page.text


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"code": "AAAA-AAAA-AAAA", "actor": ACTOR}, "Enter the code as the console’s terminal shows it"),
        ({"actor": ACTOR}, "Enter the code"),
        ({"code": "right", "actor": "two words"}, "Enter your id as one word"),
        ({"code": "right", "actor": "9658218865"}, "no patient’s number"),
        ({}, "Enter the code"),
    ],
)
def test_nobody_signs_in_without_the_code_and_an_id(it: Console, fields: dict[str, str], sentence: str) -> None:
    given = {name: it.operators.code if value == "right" else value for name, value in fields.items()}
    page = Browser(it.application).post("/", data=given)
    assert page.status_code == 422
    assert sentence in page.text
    assert "<title>Error: Sign in" in page.text
    assert "Set-Cookie" not in page.headers
    assert it.operators.code not in page.text
    assert "9658218865" not in page.text


def test_codes_are_long_and_of_one_console_alone() -> None:
    codes = {a_busy_console().operators.code for _ in range(3)}
    assert len(codes) == 3
    assert all(re.fullmatch(r"([2-9A-Z]{4}-){2}[2-9A-Z]{4}", code) for code in codes)


@pytest.mark.parametrize("path", ["/messages", f"/messages/{REJECTED}", "/notifications"])
def test_a_page_needs_the_cookie_and_the_path_together(it: Console, path: str) -> None:
    for browser, base in (
        (Browser(it.application), it.base),
        (Browser(it.application, "guessed"), it.base),
        (it.browser, "/guessed"),
        (it.browser, ""),
    ):
        answer = browser.get(f"{base}{path}")
        assert answer.status_code == 303
        assert answer.headers["Location"] == "/?again=yes"
        assert not answer.text


def test_one_operators_cookie_does_not_open_anothers_path(it: Console) -> None:
    other = it.operators.sign_in(it.operators.code, "b.nurse")
    assert it.browser.get(f"/{other.path}/messages").status_code == 303


def test_whoever_signs_out_or_stays_too_long_is_out(it: Console) -> None:
    other = it.operators.sign_in(it.operators.code, "b.nurse")
    assert it.post("/sign-out").status_code == 303
    assert it.get("/").headers["Location"] == "/?again=yes"
    browser = Browser(it.application, other.cookie)
    assert browser.get(f"/{other.path}/").status_code == 200
    it.environment.clock.advance(LASTS)
    assert browser.get(f"/{other.path}/messages").status_code == 303


@pytest.mark.parametrize(
    "host", ["evil.example", f"evil.example:{HOST.partition(':')[2]}", "127.0.0.1:1", "", "localhost"]
)
def test_only_our_own_address_is_answered_whatever_a_name_resolves_to(it: Console, host: str) -> None:
    for path in ("/", f"{it.base}/messages", "/static/console.css"):
        answer = it.browser.send("GET", path, headers={"Host": host})
        assert answer.status_code == 421
        assert "<" not in answer.text


FORMS = {
    "/find": {"reference": REJECTED},
    f"/messages/{REJECTED}/reveal": {"extent": "clinical", "reason": "INC1"},
    f"/messages/{REJECTED}/attachment": {"number": "1", "reason": "INC1"},
    "/notifications/acknowledge": {"notification": f"MESSAGE#{REJECTED}/rejected"},
    "/notifications/retry": {"notification": "x", "mailbox": "x", "quarantined": "x"},
    f"/messages/{WAITS}/release": {"sure": "yes", "kind": "as shown"},
    "/sign-out": {},
    "/encounter": {"encounter": "x", "encounter-mailbox": "Y90001OT001"},
}


ELSEWHERE: tuple[dict[str, str], ...] = (
    {},
    {"Origin": "null"},
    {"Origin": "http://evil.example"},
    {"Origin": "http://127.0.0.1:1"},
    {"Origin": f"https://{HOST}"},
    {**ORIGIN, "Sec-Fetch-Site": "same-site"},
    {**ORIGIN, "Sec-Fetch-Site": "cross-site"},
)


@pytest.mark.parametrize("path", FORMS)
def test_a_form_from_another_page_or_without_our_token_does_nothing(it: Console, path: str) -> None:
    before = it.environment.dynamodb.items
    ours = {"form": it.signed_in.form_token, **FORMS[path]}
    sent = [
        *(it.browser.send("POST", f"{it.base}{path}", data=ours, headers=headers) for headers in ELSEWHERE),
        *(it.browser.post(f"{it.base}{path}", data=FORMS[path] | token) for token in ({}, {"form": ""}, {"form": "x"})),
    ]
    assert {answer.status_code for answer in sent} == {403}
    assert all("nothing was done" in answer.text for answer in sent)
    assert it.environment.dynamodb.items == before
    assert it.get("/").status_code == 200


def test_the_token_of_one_operator_is_no_good_to_another(it: Console) -> None:
    other = it.operators.sign_in(it.operators.code, "b.nurse")
    answer = it.browser.post(f"{it.base}/find", data={"form": other.form_token, "reference": REJECTED})
    assert answer.status_code == 403


def test_every_form_of_every_page_was_tried_above(it: Console) -> None:
    routes = {
        re.sub(
            r"/messages/[0-9a-f-]{36}/(release)?",
            lambda found: "/messages/{message_id}/" + ("{action}" if found[1] else ""),
            path,
        )
        for path in FORMS
    }
    assert routes == {route.path for route in _private(it).routes if "POST" in route.methods}


def _private(it: Console) -> Any:
    application: Any = it.application
    return application._private


@pytest.mark.parametrize("path", ["/", "/static/console.css", "/static/icon.svg", "/?again=yes", "/nothing"])
def test_every_answer_tells_the_browser_to_be_careful(it: Console, path: str) -> None:
    for answer in (it.browser.get(path), it.get(path), it.browser.send("POST", path, data={})):
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS


def test_no_script_no_style_of_a_page_and_nothing_from_elsewhere_can_run(it: Console) -> None:
    policy = it.get("/").headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "style-src 'self'" in policy
    assert "unsafe" not in policy
    assert "script-src" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self'" in policy


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_only_what_pages_need_is_answered(it: Console, method: str) -> None:
    assert it.browser.send(method, f"{it.base}/messages", headers=ORIGIN).status_code == 405


def test_what_is_no_form_is_not_read(it: Console) -> None:
    answer = it.browser.send("POST", f"{it.base}/find", content=b"x" * 70_000, headers=ORIGIN)
    assert answer.status_code == 413


def test_only_the_style_and_the_icon_are_served_and_nothing_beside_them(it: Console) -> None:
    assert it.browser.get("/static/console.css").headers["Content-Type"].startswith("text/css")
    for path in ("/static/", "/static/../console.py", "/static/%2e%2e/guard.py", "/static/../../place.py"):
        assert it.browser.get(path).status_code in {303, 404}


def test_the_style_fetches_nothing(it: Console) -> None:
    style = it.browser.get("/static/console.css").text
    assert "url(" not in style
    assert "@import" not in style
    assert "@font-face" not in style


def test_an_address_without_its_last_stroke_leads_to_the_page(it: Console) -> None:
    assert it.browser.get(it.base).headers["Location"] == f"{it.base}/"


def test_time_passes_for_the_sign_in_alone(it: Console) -> None:
    it.environment.clock.advance(LASTS - timedelta(minutes=1))
    assert it.get("/").status_code == 200
