"""The pages that only look: today's flow, the list, one message."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from gpconnect_messaging.ledger.lifecycle import EventType, Status
from gpconnect_messaging.ledger.records import AuditEvent
from gpconnect_messaging.requests.nhs_number import is_nhs_number
from infra.operations import messages
from infra.operations.console import flow_diagram
from infra.operations.console.actions import DONE, actions_for
from infra.operations.console.answering import Form, back_to
from infra.operations.console.context import ConsoleContext
from infra.operations.console.message_cache import CursorError, Wanted
from infra.operations.console.notification_pages import Shown
from infra.operations.console.reading import found_record
from infra.operations.console.screens import Screens, from_uk, midnight, to_uk
from infra.operations.messages import ORDER, Mood, message, mood, row

ROWS = 50
_SHOWN = 200
"""How many of an encounter's other messages are shown at most."""
_REFERENCE = re.compile(r"[A-Za-z0-9_-]{8,64}")
_MAILBOX = re.compile(r"[A-Z0-9]{5,32}")
TROUBLED = frozenset(status for status in Status if mood(status) in {Mood.BAD, Mood.WAITS})
"""What did not go well; whether somebody still has to do something about it is for the notifications to say."""
OPEN = frozenset(status for status in Status if not status.settled)
_GROUPS = {"troubled": TROUBLED, "open": OPEN}
_FACTS = frozenset(kind.value for kind in EventType)


@dataclass(frozen=True)
class Step:
    """Something in a message's timeline: a fact, or what a person did."""

    at: datetime
    words: str
    source: str
    by_a_person: bool


@dataclass(frozen=True)
class Filters:
    """What a list was asked for, as it stands in the page's address, and the problems with it."""

    given: Mapping[str, str]
    wanted: Wanted
    problems: Mapping[str, str]


class MessagePages:
    """Answers for the pages that only look."""

    def __init__(self, context: ConsoleContext, screens: Screens) -> None:
        self._context = context
        self._screens = screens

    def today(self, request: Request) -> Response:
        """Show today's flow."""
        view, now = self._context.cache.view(), self._context.environment.now()
        since = midnight(now)
        counts = {
            status: count
            for status, count in view.counts(Wanted(since=since)).items()
            if status in flow_diagram.COUNTED
        }  # fmt: skip
        before = view.counts(Wanted(statuses=OPEN, until=since))
        places = [
            (slot, leaves, flow_diagram.count_of(slot, counts),
             flow_diagram.count_of(slot, before) if slot.statuses <= OPEN else None)
            for stage in flow_diagram.STAGES
            for slot, leaves in ((stage.slot, False), *((each, True) for each in stage.leaving))
        ]  # fmt: skip
        oldest = view.notifications[0].notification.raised_at if view.notifications else now
        return self._screens.page(
            request,
            "today.html",
            section="today",
            total=sum(counts.values()),
            troubled=sum(counts.get(status, 0) for status in TROUBLED),
            troubled_filter=urlencode({"status": "troubled", "since": to_uk(since)}),
            oldest_notification=now - oldest,
            unwell=self._context.flow.unwell(),
            wide=flow_diagram.wide(counts),
            narrow=flow_diagram.narrow(counts),
            table=places,
        )

    def messages(self, request: Request) -> Response:
        """Show a page of the list."""
        return self._list(request)

    def find(self, request: Request, form: Form) -> Response:
        """Go to the message that somebody names, or list those that it can be."""
        reference = form.get("reference", "").strip()
        problem = "Enter an id: eight characters or more, letters and digits, as the list or a notification has it"
        if _is_reference(reference):
            found = self._context.environment.search.named(reference)
            if len(found) == 1:
                return back_to(request, f"/messages/{found[0].message_id}")
            if found:
                rows = self._context.environment.rows(found)
                return self._screens.page(
                    request, "found.html", section="messages", rows_found=rows, heading="Several messages have that id"
                )
            problem = "No message has that id. Check it, or look for the message in the list"
        # What was typed is not shown again: it can be anything, a patient's name too.
        return self._list(request, {"reference": problem})

    def encounter(self, request: Request, form: Form) -> Response:
        """List the messages of an encounter, whose name stays out of the page and of its address."""
        encounter, mailbox = form.get("encounter", "").strip(), form.get("encounter-mailbox", "")
        if not encounter:
            return self._list(request, {"encounter": "Enter the encounter as the sending system calls it"})
        if not _MAILBOX.fullmatch(mailbox):
            return self._list(request, {"encounter-mailbox": "Choose the mailbox that the encounter belongs to"})
        environment = self._context.environment
        found = environment.search.of_encounter(environment.identifiers().of_encounter(mailbox, encounter).key)
        if not found:
            return self._list(
                request, {"encounter": f"Mailbox {mailbox} has no such encounter. Enter the whole word, as it was sent"}
            )
        return self._screens.page(
            request,
            "found.html",
            section="messages",
            rows_found=self._context.environment.rows(found[:_SHOWN]),
            heading="Messages of that encounter",
        )

    def message(self, request: Request) -> Response:
        """Show all of a message but what is personal."""
        environment = self._context.environment
        record = found_record(self._context, request)
        summaries = environment.search.of_encounter(record.encounter_key)
        summary = next((each for each in summaries if each.message_id == record.message_id), None)
        if summary is None:  # the index is a moment behind
            [summary] = environment.search.summaries([record.message_id])
        now = environment.now()
        shown = message(record, summary, now)
        notifications = [
            Shown.of(each, now)
            for each in self._context.cache.view().notifications
            if each.notification.details.get("message_id") == record.message_id
        ]
        return self._screens.page(
            request,
            "message.html",
            section="messages",
            message=shown,
            steps=_steps(shown.timeline, environment.trail.of_message(record.message_id)),
            actions=actions_for(record),
            notifications=notifications,
            siblings=[row(each, now) for each in summaries if each.message_id != record.message_id][:_SHOWN],
            done=DONE.get(request.query_params.get("done", ""), ""),
        )

    def _list(self, request: Request, problems: Mapping[str, str] | None = None) -> Response:
        view = self._context.cache.view()
        filters = _filters(request)
        found = {**filters.problems, **(problems or {})}
        after = request.query_params.get("after") or None
        try:
            listed = view.page(filters.wanted, ROWS, after)
        except CursorError:
            raise HTTPException(404, "That page of the list does not exist. Begin at its first page.") from None
        address = f"{request.scope['root_path']}/messages"
        chosen = {name: value for name, value in filters.given.items() if value}
        return self._screens.page(
            request,
            "messages.html",
            code=422 if found else 200,
            section="messages",
            listed=self._context.environment.rows(listed.rows),
            total=listed.total,
            first=after is None,
            first_page=_address(address, chosen),
            next_page=_address(address, {**chosen, "after": listed.after}) if listed.after else None,
            filtered=bool(chosen),
            statuses=ORDER,
            mailboxes=view.mailboxes,
            found=found,
            **filters.given,
        )


def _steps(timeline: Iterable[messages.Step], events: Iterable[AuditEvent]) -> list[Step]:
    """Put what people did, and what they were told, among the facts."""
    facts = [Step(each.at, each.words, each.source, each.source == "operator") for each in timeline]
    others = [
        Step(each.at, _action_in_words(each), each.actor, each.actor != "notifications")
        for each in events
        if each.what not in _FACTS
    ]
    return sorted(facts + others, key=lambda step: step.at)


def _action_in_words(event: AuditEvent) -> str:
    more = [str(event.details[name]) for name in ("kind", "what", "reason") if event.details.get(name)]
    return f"{event.what}: {', '.join(more)}" if more else event.what


def _is_reference(given: str) -> bool:
    return bool(_REFERENCE.fullmatch(given)) and not is_nhs_number(given)


def _filters(request: Request) -> Filters:
    given = {name: request.query_params.get(name, "").strip() for name in ("status", "mailbox", "since", "until")}
    problems: dict[str, str] = {}
    status, mailbox = given["status"], given["mailbox"]
    statuses = _GROUPS.get(status) or (frozenset({Status(status)}) if status in set(Status) else None)
    if status and statuses is None:
        problems["status"] = "Choose a status from the list"
        given["status"] = ""
    if mailbox and not _MAILBOX.fullmatch(mailbox):
        problems["mailbox"] = "Choose a mailbox from the list"
        mailbox = given["mailbox"] = ""
    times: dict[str, datetime] = {}
    for name in ("since", "until"):
        if given[name]:
            try:
                times[name] = from_uk(given[name])
            except ValueError:
                problems[name] = "Enter a day and a time, such as 2026-11-22T14:05, or a day alone"
                given[name] = ""
    if "since" in times and "until" in times and times["since"] >= times["until"]:
        problems["until"] = "The end must be after the beginning"
        del times["until"]
    if "until" in times:
        times["until"] += timedelta(minutes=1)  # what is named is meant to be in the list
    return Filters(given, Wanted(statuses=statuses, mailbox=mailbox or None, **times), problems)


def _address(path: str, chosen: Mapping[str, str | None]) -> str:
    query = urlencode({name: value for name, value in chosen.items() if value})
    return f"{path}?{query}" if query else path
