"""The console's pages: what they show, what they do, and what they never give away."""

import re
from datetime import timedelta
from html.parser import HTMLParser

import httpx
import pytest

from gpcm.messages import ORDER
from gpcm.personal_data import REVEALED
from gpconnect_messaging.ledger.stored_names import EventType, Status
from tests.unit.ledger import events
from tests.unit.operations.an_environment import ENCOUNTER, MAILBOX
from tests.unit.operations.console.a_console import (
    ACTOR,
    DELIVERED,
    ELSEWHERE,
    HELD,
    INVALID,
    OTHER_MAILBOX,
    OVERDUE,
    PERSONAL,
    REJECTED,
    SENT,
    SET_ASIDE_MESSAGE,
    TELL,
    UNDELIVERED,
    WAITS,
    Console,
    a_busy_console,
    an_id,
)

MESSAGES = (DELIVERED, REJECTED, UNDELIVERED, OVERDUE, SENT, HELD, WAITS, INVALID, ELSEWHERE, TELL)
PAGES = (
    "/",
    "/messages",
    "/messages?status=troubled&mailbox=Y90001OT001&since=2026-11-20T00:00&until=2026-11-21T00:00",
    "/notifications",
    *(f"/messages/{message_id}" for message_id in MESSAGES),
    *(f"/messages/{message_id}/document" for message_id in (DELIVERED, REJECTED, INVALID)),
    f"/messages/{WAITS}/release",
    f"/messages/{TELL}/practice-told",
    f"/messages/{ELSEWHERE}/accept-answer",
    f"/messages/{UNDELIVERED}/resend",
)


@pytest.fixture(scope="module")
def seen() -> Console:
    """A console that is only looked at."""
    return a_busy_console()


@pytest.fixture(scope="module", params=PAGES)
def page(request: pytest.FixtureRequest, seen: Console) -> httpx.Response:
    """Each of the pages."""
    return seen.get(request.param)


@pytest.fixture
def it() -> Console:
    """A console of the test's own."""
    return a_busy_console()


class _Tags(HTMLParser):
    """The tags of a page, with their attributes."""

    def __init__(self, page: httpx.Response) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def title(page: httpx.Response) -> str:
    found = re.search(r"<title>(.*?)</title>", page.text)
    assert found
    return found[1]


def text(page: httpx.Response) -> str:
    """What a page says, its tags and line breaks left out."""
    return " ".join(re.sub(r"<[^>]+>", " ", page.text).replace("&#39;", "'").split())


def ids(page: httpx.Response) -> list[str]:
    """The messages that a page lists, in order."""
    return list(dict.fromkeys(re.findall(r'/messages/([0-9a-f-]{36})"', page.text)))


def test_no_page_shows_personal_data_anywhere(page: httpx.Response) -> None:
    assert page.status_code == 200
    everything = f"{page.text}\n{page.headers}\n{page.url}"
    assert not [word for word in (*PERSONAL, ENCOUNTER, "Visit of") if word in everything]


def test_every_page_is_whole_html_without_script_or_style_of_its_own(page: httpx.Response) -> None:
    tags = _Tags(page).found
    names = [tag for tag, _ in tags]
    assert names.count("h1") == names.count("main") == 1
    assert not {"script", "style", "iframe", "object", "embed"} & set(names)
    assert not [name for _, attributes in tags for name in attributes if name.startswith("on") or name == "style"]
    assert [attributes["lang"] for tag, attributes in tags if tag == "html"] == ["en-GB"]
    fetched = [attributes.get("href") or attributes.get("src") for tag, attributes in tags if tag in {"link", "img"}]
    assert all(str(page).startswith("/static/") for page in fetched)


def test_every_field_has_a_label_and_every_id_is_there_once(page: httpx.Response) -> None:
    tags = _Tags(page).found
    given = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(given) == len(set(given))
    labelled = {attributes.get("for") for tag, attributes in tags if tag == "label"}
    fields = [
        attributes
        for tag, attributes in tags
        if tag in {"input", "select", "textarea"} and attributes.get("type") != "hidden"
    ]
    assert all(attributes["id"] in labelled for attributes in fields)
    referred = [
        identifier
        for _, attributes in tags
        for name in ("aria-labelledby", "aria-describedby")
        for identifier in (attributes.get(name) or "").split()
    ]
    assert set(referred) <= set(given)


def test_today_counts_what_came_in_today_by_where_it_is(seen: Console) -> None:
    said = text(seen.get("/"))
    assert "10 messages came in since midnight" in said
    assert "5 of them failed or are late" in said
    assert "8 open notifications" in said
    assert "Held back: 2. Request refused: 1." in said, "the picture in words"
    assert re.search(r"With the practice Sent , Acknowledged 2 0", said), "the picture as a table"


def test_what_is_still_open_from_before_is_counted_apart(it: Console) -> None:
    it.environment.clock.time = events.at(60 * 4)
    it.cache.refresh()
    said = text(it.get("/"))
    assert "0 messages came in since midnight" in said
    assert re.search(r"With the practice Sent , Acknowledged 0 2", said)
    assert re.search(r"Rejected Rejected 0 – not counted: it is over", said)


def test_a_released_request_is_not_counted_beside_the_messages_that_it_became(it: Console) -> None:
    before = text(it.get("/"))
    it.environment.have(an_id(77), events.HELD, events.RELEASING, events.RELEASED, version=0)
    it.cache.refresh()
    assert text(it.get("/")).split("Lists and numbers")[0] == before.split("Lists and numbers")[0]


def test_the_list_has_the_newest_first(seen: Console) -> None:
    assert ids(seen.get("/messages")) == list(reversed(MESSAGES))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("status=REJECTED", {REJECTED}),
        ("status=troubled", {REJECTED, UNDELIVERED, OVERDUE, INVALID, TELL}),
        ("status=open", {SENT, HELD, WAITS, ELSEWHERE, TELL}),
        (f"mailbox={OTHER_MAILBOX}", {UNDELIVERED, SENT}),
        (f"mailbox={OTHER_MAILBOX}&status=SENT", {SENT}),
        ("until=2026-11-20T22:29", set()),
        ("since=2026-11-20T22:30&until=2026-11-20T22:30", set(MESSAGES)),
        ("since=2026-11-21", set()),
    ],
)
def test_the_list_is_filtered_by_status_mailbox_and_uk_time(seen: Console, query: str, expected: set[str]) -> None:
    assert set(ids(seen.get(f"/messages?{query}"))) == expected


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("status=LOST", "Choose a status from the list"),
        ("mailbox=%3Cb%3E", "Choose a mailbox from the list"),
        ("since=yesterday", "Enter a day and a time, such as 2026-11-22T14:05"),
        ("since=2026-11-21&until=2026-11-20", "The end must be after the beginning"),
    ],
)
def test_a_wrong_filter_is_named_and_what_to_enter_said(seen: Console, query: str, sentence: str) -> None:
    page = seen.get(f"/messages?{query}")
    assert page.status_code == 422
    assert sentence in text(page)
    assert title(page).startswith("Error: ")
    assert "<b>" not in page.text


def test_pages_of_the_list_follow_each_other_whatever_comes_in_between(it: Console) -> None:
    for number in range(100, 160):
        it.have_now(an_id(number))
    it.cache.refresh()
    first = it.get("/messages?status=BUILT")
    assert "60 messages" in text(first)
    it.have_now(an_id(999))
    it.cache.refresh()
    (address,) = re.findall(r'href="([^"]+)" rel="next"', first.text)
    second = it.browser.get(address.replace("&amp;", "&"))
    assert ids(first) + ids(second) == [an_id(number) for number in reversed(range(100, 160))]
    assert "First page" in text(second)
    assert 'rel="next"' not in second.text


def test_a_page_that_never_was_is_not_guessed_at(seen: Console) -> None:
    page = seen.get("/messages?after=nonsense")
    assert page.status_code == 404
    assert "Begin at the first page" in text(page)


@pytest.mark.parametrize("reference", [REJECTED, REJECTED.upper(), f" {REJECTED} "])
def test_a_message_is_found_by_its_id(seen: Console, reference: str) -> None:
    page = seen.post("/find", reference=reference)
    assert page.status_code == 303
    assert page.headers["Location"] == f"{seen.base}/messages/{REJECTED}"
    assert "No message has that id" in text(seen.post("/find", reference=REJECTED[:8])), "an id is given whole"


def test_a_message_is_found_by_the_id_that_mesh_gave_it(it: Console) -> None:
    message_id = it.environment.have(
        an_id(50), events.BUILT, events.started(), events.accepted(mesh_message_id="20261120_AB12CD")
    )
    assert it.post("/find", reference="20261120_AB12CD").headers["Location"].endswith(message_id)


@pytest.mark.parametrize("reference", ["", "9658218865", "Garth Wright", "1234567", "ffffffff", "<script>alert(1)"])
def test_what_is_no_id_finds_nothing_and_is_not_repeated(seen: Console, reference: str) -> None:
    page = seen.post("/find", reference=reference)
    assert page.status_code == 422
    assert re.search("Enter a whole id|No message has that id", text(page))
    assert not reference or reference not in page.text


def test_an_encounter_is_found_and_neither_in_the_page_nor_in_its_address(seen: Console) -> None:
    page = seen.post("/encounter", **{"encounter": ENCOUNTER, "encounter-mailbox": OTHER_MAILBOX})
    assert page.status_code == 200
    assert set(ids(page)) == {UNDELIVERED, SENT}
    assert ENCOUNTER not in page.text


@pytest.mark.parametrize(
    ("encounter", "mailbox", "sentence"),
    [
        ("", MAILBOX, "Enter the encounter"),
        ("Mr Nobody", MAILBOX, "has no such encounter"),
        (ENCOUNTER, "", "Choose the mailbox"),
    ],
)
def test_an_encounter_that_is_not_there_is_not_repeated(
    seen: Console, encounter: str, mailbox: str, sentence: str
) -> None:
    page = seen.post("/encounter", **{"encounter": encounter, "encounter-mailbox": mailbox})
    assert page.status_code == 422
    assert sentence in text(page)
    assert not encounter or encounter not in page.text


def test_a_message_says_what_its_status_means_what_brought_it_about_and_what_to_do(seen: Console) -> None:
    said = text(seen.get(f"/messages/{REJECTED}"))
    assert f"Message {REJECTED} Rejected" in said
    assert "The receiving practice answered with a negative code" in said
    assert "30002, the patient is not known here" in said
    assert "What to do Look the code up" in said


def test_a_message_has_both_acknowledgements_and_everything_that_happened_in_order(seen: Console) -> None:
    said = text(seen.get(f"/messages/{REJECTED}"))
    assert re.search(r"Infrastructure Positive 20013, .* Business Negative 30002", said)
    happened = ["The message was built", "Upload 1 began", "MESH took the message", "Positive infra",
                "Negative business", "Notification raised: rejected", "Notification told: rejected"]  # fmt: skip
    places = [said.index(words, said.index("What happened")) for words in happened]
    assert places == sorted(places)


def test_a_message_leads_to_the_others_of_its_encounter_and_to_its_open_notifications(seen: Console) -> None:
    page = seen.get(f"/messages/{UNDELIVERED}")
    assert SENT in ids(page)
    assert "A message was not delivered" in text(page)


@pytest.mark.parametrize("message_id", [an_id(4711), "x", "..%2f..%2fetc", "9658218865"])
def test_a_message_that_is_not_there_is_no_dead_end(seen: Console, message_id: str) -> None:
    page = seen.get(f"/messages/{message_id}")
    assert page.status_code == 404
    assert "Find a message" in text(page)
    assert message_id not in text(page)


def test_the_document_unrevealed_shows_what_it_is_and_names_what_it_hides(seen: Console) -> None:
    said = text(seen.get(f"/messages/{REJECTED}/document"))
    assert "Patient Hidden Name, NHS number, Born, Gender" in said
    assert "Riverside Out of Hours" in said
    assert "Hidden Sender's reference" in said
    assert "Clinical content Hidden" in said
    assert "application/pdf" in said


def test_a_request_that_became_no_message_has_no_document_but_an_encounter_to_reveal(it: Console) -> None:
    assert "No message was built from this request" in text(it.get(f"/messages/{INVALID}/document"))
    page = it.post(f"/messages/{INVALID}/reveal", extent="administrative", reason="INC1")
    assert ENCOUNTER in page.text


def test_who_it_is_about_is_revealed_without_what_is_clinical(it: Console) -> None:
    page = it.post(f"/messages/{REJECTED}/reveal", extent="administrative", reason="INC0012345")
    said = text(page)
    assert "Mr Garth WRIGHT" in said
    assert ENCOUNTER in said
    assert "Consultation report for" not in said, "the summary is clinical"
    assert "Open attachment" not in said


def test_everything_is_revealed_where_everything_is_asked_for(it: Console) -> None:
    said = text(it.post(f"/messages/{REJECTED}/reveal", extent="clinical", reason="INC0012345"))
    assert "Consultation report for Mr Garth WRIGHT" in said
    assert "Open attachment 1 in a new tab" in said


def test_a_reveal_is_recorded_with_who_why_and_what_before_anything_is_shown(it: Console) -> None:
    it.post(f"/messages/{REJECTED}/reveal", extent="administrative", reason="  INC0012345 \n opened ")
    (event,) = [event for event in it.events(REJECTED) if event.what == REVEALED]
    assert event.actor == ACTOR
    assert event.details["reason"] == "INC0012345 opened"
    assert event.details["what"] == "who the message is about and who wrote it"
    it.environment.bucket.objects.clear()
    it.post(f"/messages/{REJECTED}/reveal", extent="clinical", reason="INC0012345")
    assert len([event for event in it.events(REJECTED) if event.what == REVEALED]) == 2, "whether or not it succeeded"


def test_what_is_revealed_is_in_that_answer_alone_and_neither_in_its_title_nor_its_address(it: Console) -> None:
    page = it.post(f"/messages/{REJECTED}/reveal", extent="clinical", reason="INC0012345")
    assert page.headers["Cache-Control"] == "no-store"
    outside = f"{title(page)}\n{page.headers}\n{page.url}"
    assert not [word for word in (*PERSONAL, ENCOUNTER) if word in outside]
    again = it.get(f"/messages/{REJECTED}/document")
    assert not [word for word in (*PERSONAL, ENCOUNTER) if word in again.text]
    assert it.get(f"/messages/{REJECTED}/reveal").status_code == 404, "there is no address to see it again"


@pytest.mark.parametrize(
    ("extent", "reason", "sentence"),
    [
        ("", "INC1", "Choose what you need to see"),
        ("all", "INC1", "Choose what you need to see"),
        ("clinical", " ", "Say why"),
        ("clinical", "x" * 201, "at most 200 characters"),
        ("clinical", "asked by 965 821 8865", "Leave the NHS number out"),
    ],
)
def test_nothing_is_revealed_without_a_choice_and_a_reason_that_may_be_kept(
    it: Console, extent: str, reason: str, sentence: str
) -> None:
    page = it.post(f"/messages/{REJECTED}/reveal", extent=extent, reason=reason)
    assert page.status_code == 422
    assert sentence in text(page)
    assert not [word for word in (*PERSONAL, ENCOUNTER) if word in page.text]
    assert REVEALED not in [event.what for event in it.events(REJECTED)]


def test_an_attachment_is_given_under_a_name_of_ours_and_recorded(it: Console) -> None:
    page = it.post(f"/messages/{REJECTED}/attachment", number="1", reason="INC0012345")
    assert page.content.startswith(b"%PDF")
    assert page.headers["Content-Type"] == "application/pdf"
    assert page.headers["Content-Disposition"] == 'inline; filename="attachment-1.pdf"'
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert [event.what for event in it.events(REJECTED)].count(REVEALED) == 1


@pytest.mark.parametrize("number", ["0", "2", "-1", "x", ""])
def test_an_attachment_that_is_not_there_is_no_dead_end(it: Console, number: str) -> None:
    page = it.post(f"/messages/{REJECTED}/attachment", number=number, reason="INC0012345")
    assert page.status_code == 409
    assert "no such attachment" in text(page)


def test_a_document_that_is_gone_or_damaged_is_said_to_be(it: Console) -> None:
    key = f"messages/{REJECTED}"
    it.environment.bucket.objects[key] = b"<Bundle/>"
    assert "not the one that was built" in text(it.get(f"/messages/{REJECTED}/document"))
    del it.environment.bucket.objects[key]
    assert "deleted from the outbox" in text(it.get(f"/messages/{REJECTED}/document"))


def test_what_comes_from_elsewhere_is_escaped(it: Console) -> None:
    hostile = '<script>alert("x")</script>'
    report = events.reported().__class__(
        kind=EventType.REPORT, identity="report-X", at=events.at(3), source="MESH <img src=x>",
        details={"code": "EPL-1", "description": hostile, "linked_mesh_message_id": "MESH1"},
    )  # fmt: skip
    message_id = it.environment.have(an_id(60), events.BUILT, events.started(), events.accepted(), report)
    it.cache.refresh()
    for path in (f"/messages/{message_id}", "/notifications"):
        page = it.get(path)
        assert "&lt;script&gt;" in page.text
        assert {"script", "img"}.isdisjoint(tag for tag, _ in _Tags(page).found)


def test_a_notification_is_taken_under_the_operators_id_and_is_gone_at_once(it: Console) -> None:
    notification_id = f"MESSAGE#{REJECTED}/rejected"
    answer = it.post("/notifications/acknowledge", notification=notification_id)
    assert (answer.status_code, answer.headers["Location"]) == (303, f"{it.base}/notifications?done=acknowledged")
    page = it.get("/notifications?done=acknowledged")
    assert "You acknowledged the notification" in text(page)
    assert REJECTED not in page.text
    assert "7, oldest first" in text(page)
    (event,) = [event for event in it.events(REJECTED) if event.what == "notification acknowledged"]
    assert event.actor == ACTOR


def test_a_notification_that_somebody_took_before_is_said_to_be_taken(it: Console) -> None:
    notification_id = f"MESSAGE#{REJECTED}/rejected"
    it.environment.notifications.acknowledge(notification_id, "somebody.else", it.environment.now())
    answer = it.post("/notifications/acknowledge", notification=notification_id)
    assert answer.headers["Location"].endswith("done=acknowledged-before")
    assert "acknowledged before" in text(it.get("/notifications?done=acknowledged-before"))


@pytest.mark.parametrize(
    "notification_id", ["", "x", f"MESSAGE#{REJECTED}/nonsense", f"MESSAGE#{an_id(4711)}/rejected"]
)
def test_a_notification_that_is_not_there_is_no_dead_end(it: Console, notification_id: str) -> None:
    page = it.post("/notifications/acknowledge", notification=notification_id)
    assert page.status_code == 409
    assert "Open the notifications again" in text(page)


def test_what_was_set_aside_is_let_in_again_and_that_is_recorded(it: Console) -> None:
    page = it.get("/notifications")
    assert page.text.count("Retry the message") == 1
    fields = {"notification": f"RECEIVED#{MAILBOX}#{SET_ASIDE_MESSAGE}/unmatched", "mailbox": MAILBOX}
    assert it.post("/notifications/retry", quarantined=SET_ASIDE_MESSAGE, **fields).status_code == 303
    assert it.environment.ledger.find_received(MAILBOX, SET_ASIDE_MESSAGE) is None
    recorded = list(it.environment.trail.between(events.at(0), events.at(90)))
    assert [(event.actor, event.details) for event in recorded if event.what == "quarantined message retried"] == [
        (ACTOR, {"mesh_message_id": SET_ASIDE_MESSAGE})
    ]
    assert SET_ASIDE_MESSAGE not in it.get("/notifications").text
    assert it.post("/notifications/retry", quarantined=SET_ASIDE_MESSAGE, **fields).status_code == 409


@pytest.mark.parametrize(
    ("message_id", "deed", "kind"),
    [
        (WAITS, "release", EventType.RELEASED_BY_A_PERSON),
        (TELL, "practice-told", EventType.PRACTICE_TOLD),
        (ELSEWHERE, "accept-answer", EventType.RESPONSE_ACCEPTED),
    ],
)
def test_what_a_person_decides_is_asked_for_confirmed_and_done_once(
    it: Console, message_id: str, deed: str, kind: EventType
) -> None:
    path = f"/messages/{message_id}/{deed}"
    assert f'href="{it.base}{path}"' in it.get(f"/messages/{message_id}").text
    assert "What will happen" in text(it.get(path))

    def done() -> list[str]:
        record = it.environment.ledger.find(message_id)
        assert record
        return [event.details["actor"] for event in record.history.of(kind)]

    unconfirmed = it.post(path, kind="as shown")
    assert unconfirmed.status_code == 422
    assert "Confirm it, or go back" in text(unconfirmed)
    assert done() == []
    assert it.confirm(path).headers["Location"] == f"{it.base}/messages/{message_id}?done={deed}"
    assert done() == [ACTOR]
    page = it.get(f"/messages/{message_id}?done={deed}")
    assert "Done" in text(page)
    assert f'href="{it.base}{path}"' not in page.text
    assert it.post(path, kind="as shown", sure="yes").status_code == 409
    assert done() == [ACTOR]


REASON = "INC0012345: MESH can route it by now"


def test_a_message_is_sent_again_only_after_it_is_said_what_will_happen_and_confirmed(it: Console) -> None:
    path = f"/messages/{UNDELIVERED}/resend"
    said = text(it.get(path))
    assert "sent again with identical bytes" in said
    assert "MESH reports that no practice has it" in said
    assert it.environment.sqs.sent_bodies == [], "to look changes nothing"
    assert it.confirm(path, reason=REASON).headers["Location"].endswith("?done=resend")
    [(queue, body)] = it.environment.sqs.sent_bodies
    assert (queue, body) == ("https://queues/send", {"message_id": UNDELIVERED})
    [event] = [event for event in it.events(UNDELIVERED) if event.what == "re-send"]
    assert (event.actor, event.details["reason"]) == (ACTOR, REASON)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"reason": REASON}, "Confirm it, or go back"),
        ({"sure": "yes"}, "Say why"),
        ({"sure": "yes", "reason": "for 9658218865"}, "Leave the NHS number out"),
    ],
)
def test_nothing_is_sent_again_unconfirmed_or_without_a_reason_that_may_be_kept(
    it: Console, fields: dict[str, str], sentence: str
) -> None:
    page = it.post(f"/messages/{UNDELIVERED}/resend", kind="sent again with identical bytes", **fields)
    assert page.status_code == 422
    assert sentence in text(page)
    assert it.environment.sqs.sent_bodies == []
    assert "9658218865" not in page.text


def test_what_has_changed_since_it_was_shown_is_shown_anew_instead_of_done(it: Console) -> None:
    page = it.post(f"/messages/{UNDELIVERED}/resend", kind="put on the send queue again", sure="yes", reason=REASON)
    assert page.status_code == 422
    assert "has changed since you opened this page" in text(page)
    assert it.environment.sqs.sent_bodies == []


def test_why_a_message_cannot_be_sent_again_is_said_with_what_to_do_instead(it: Console) -> None:
    path = f"/messages/{OVERDUE}/resend"
    page = it.get(path)
    assert page.status_code == 409
    assert "so it has the document: ask the practice" in text(page)
    assert it.post(path, kind="", sure="yes", reason=REASON).status_code == 409
    assert it.environment.sqs.sent_bodies == []


def test_a_refused_request_is_not_taken_in_again_where_it_is_not_kept(it: Console) -> None:
    assert f"/messages/{INVALID}/resubmit" in it.get(f"/messages/{INVALID}").text
    page = it.get(f"/messages/{INVALID}/resubmit")
    assert page.status_code == 409
    assert "have the sender drop the request again" in text(page)


@pytest.mark.parametrize("deed", ["release", "practice-told", "accept-answer", "resend", "resubmit"])
def test_what_cannot_be_done_about_a_message_is_not_offered_and_says_so(seen: Console, deed: str) -> None:
    assert f"/{deed}" not in seen.get(f"/messages/{DELIVERED}").text
    page = seen.get(f"/messages/{DELIVERED}/{deed}")
    assert page.status_code == 409
    assert "It cannot be done" in text(page)
    assert "<form" not in page.text.split("<main")[1]


def test_every_status_has_a_name_a_page_and_a_place_in_the_filter(seen: Console) -> None:
    page = seen.get("/messages")
    assert re.findall(r'<option value="([A-Z_]+)"', page.text) == [status.value for status in ORDER]
    assert set(ORDER) == set(Status)


def test_an_address_that_leads_nowhere_is_no_dead_end(seen: Console) -> None:
    for path in ("/nothing", f"/messages/{REJECTED}/explode", "/messages/"):
        page = seen.get(path)
        assert page.status_code == 404
        assert "Find a message" in text(page)


def test_the_time_is_that_of_uk_clocks_with_its_zone(it: Console) -> None:
    assert "20 Nov 2026, 21:33:00 GMT" in text(it.get(f"/messages/{REJECTED}"))
    summer = events.START - timedelta(days=150)
    it.have_now(an_id(70), created_at=summer)
    it.cache.refresh()
    assert "23 Jun 2026, 22:30:00 BST" in text(it.get("/messages"))
