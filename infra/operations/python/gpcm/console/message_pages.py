"""The pages that only read: today's flow, the list, one message."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from gpcm import messages
from gpcm.console import flow_diagram
from gpcm.console.actions import DONE, actions_for
from gpcm.console.answering import Form, back_to
from gpcm.console.context import ConsoleContext
from gpcm.console.message_cache import CursorError, Wanted
from gpcm.console.notification_pages import Shown
from gpcm.console.reading import find_record
from gpcm.console.screens import Screens, from_uk, midnight, to_uk
from gpcm.messages import ORDER, Mood, message, mood, row
from gpconnect_messaging.identifiers import is_mailbox_id, is_nhs_number
from gpconnect_messaging.ledger.records import AuditEvent
from gpconnect_messaging.ledger.stored_names import EventType, Status

ROWS = 50
_SHOWN = 200
"""The most messages of one encounter that a page shows."""
_REFERENCE = re.compile(r"[A-Za-z0-9_-]{8,64}")
TROUBLED = frozenset(status for status in Status if mood(status) in {Mood.BAD, Mood.WAITS})
"""Statuses of messages that failed or are late. The notifications say whether an operator must still act."""
OPEN = frozenset(status for status in Status if not status.settled)
_GROUPS = {"troubled": TROUBLED, "open": OPEN}
_EVENT_TYPES = frozenset(kind.value for kind in EventType)


@dataclass(frozen=True)
class Step:
    """An entry of a message's timeline: an event, or an action of a person."""

    at: datetime
    words: str
    source: str
    by_a_person: bool


@dataclass(frozen=True)
class Filters:
    """The filters of a list, as in the page's address, and the problems with them."""

    values: Mapping[str, str]
    wanted: Wanted
    problems: Mapping[str, str]


class MessagePages:
    """The pages that only read."""

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
        table = [
            (slot, leaves, flow_diagram.count_of(slot, counts),
             flow_diagram.count_of(slot, before) if slot.statuses <= OPEN else None)
            for stage in flow_diagram.STAGES
            for slot, leaves in ((stage.slot, False), *((leaving, True) for leaving in stage.leaving))
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
            table=table,
        )

    def messages(self, request: Request) -> Response:
        """Show a page of the list."""
        return self._list(request)

    def find(self, request: Request, form: Form) -> Response:
        """Go to the message with an id, or list the messages if there are several."""
        reference = form.get("reference", "").strip()
        problem = "Enter a whole id, as the list or a notification has it"
        if _is_reference(reference):
            summaries = self._context.environment.search.named(reference)
            if len(summaries) == 1:
                return back_to(request, f"/messages/{summaries[0].message_id}")
            if summaries:
                rows = self._context.environment.rows(summaries)
                return self._screens.page(
                    request, "found.html", section="messages", rows=rows, heading="Several messages have that id"
                )
            problem = "No message has that id. Check the id, or find the message in the list"
        # The page does not repeat the input: it can hold a patient's name.
        return self._list(request, {"reference": problem})

    def encounter(self, request: Request, form: Form) -> Response:
        """List the messages of an encounter. The encounter is neither on the page nor in the address."""
        encounter, mailbox = form.get("encounter", "").strip(), form.get("encounter-mailbox", "")
        if not encounter:
            return self._list(request, {"encounter": "Enter the encounter as the sending system calls it"})
        if not is_mailbox_id(mailbox):
            return self._list(request, {"encounter-mailbox": "Choose the mailbox of the encounter"})
        environment = self._context.environment
        summaries = environment.search.of_encounter(environment.identifiers.of_encounter(mailbox, encounter).key)
        if not summaries:
            return self._list(
                request, {"encounter": f"Mailbox {mailbox} has no such encounter. Enter it in full, as it was sent"}
            )
        return self._screens.page(
            request,
            "found.html",
            section="messages",
            rows=self._context.environment.rows(summaries[:_SHOWN]),
            heading="Messages of that encounter",
        )

    def message(self, request: Request) -> Response:
        """Show a message without personal data."""
        environment = self._context.environment
        record = find_record(self._context, request)
        summaries = environment.search.of_encounter(record.encounter_key)
        summary = next((candidate for candidate in summaries if candidate.message_id == record.message_id), None)
        if summary is None:  # the index is a moment behind
            [summary] = environment.search.summaries([record.message_id])
        now = environment.now()
        shown = message(record, summary, now)
        notifications = [
            Shown.of(open_notification, now)
            for open_notification in self._context.cache.view().notifications
            if open_notification.notification.details.get("message_id") == record.message_id
        ]
        return self._screens.page(
            request,
            "message.html",
            section="messages",
            message=shown,
            steps=_steps(shown.timeline, environment.trail.of_message(record.message_id)),
            actions=actions_for(record),
            notifications=notifications,
            siblings=[row(sibling, now) for sibling in summaries if sibling.message_id != record.message_id][:_SHOWN],
            done=DONE.get(request.query_params.get("done", ""), ""),
        )

    def _list(self, request: Request, problems: Mapping[str, str] | None = None) -> Response:
        view = self._context.cache.view()
        filters = _filters(request)
        errors = {**filters.problems, **(problems or {})}
        after = request.query_params.get("after") or None
        try:
            listed = view.page(filters.wanted, ROWS, after)
        except CursorError:
            raise HTTPException(404, "That page of the list does not exist. Begin at the first page.") from None
        address = f"{request.scope['root_path']}/messages"
        chosen = {name: value for name, value in filters.values.items() if value}
        return self._screens.page(
            request,
            "messages.html",
            code=422 if errors else 200,
            section="messages",
            listed=self._context.environment.rows(listed.rows),
            total=listed.total,
            first=after is None,
            first_page=_address(address, chosen),
            next_page=_address(address, {**chosen, "after": listed.after}) if listed.after else None,
            filtered=bool(chosen),
            statuses=ORDER,
            mailboxes=view.mailboxes,
            errors=errors,
            **filters.values,
        )


def _steps(timeline: Iterable[messages.Step], events: Iterable[AuditEvent]) -> list[Step]:
    """Merge the events with the operators' actions and the notifications."""
    steps = [Step(step.at, step.words, step.source, step.source == "operator") for step in timeline]
    others = [
        Step(event.at, _action_in_words(event), event.actor, event.actor != "notifications")
        for event in events
        if event.what not in _EVENT_TYPES
    ]
    return sorted(steps + others, key=lambda step: step.at)


def _action_in_words(event: AuditEvent) -> str:
    more = [str(event.details[name]) for name in ("kind", "what", "reason") if event.details.get(name)]
    return f"{event.what}: {', '.join(more)}" if more else event.what


def _is_reference(text: str) -> bool:
    return bool(_REFERENCE.fullmatch(text)) and not is_nhs_number(text)


def _filters(request: Request) -> Filters:
    values = {name: request.query_params.get(name, "").strip() for name in ("status", "mailbox", "since", "until")}
    problems: dict[str, str] = {}
    status, mailbox = values["status"], values["mailbox"]
    statuses = _GROUPS.get(status) or (frozenset({Status(status)}) if status in set(Status) else None)
    if status and statuses is None:
        problems["status"] = "Choose a status from the list"
        values["status"] = ""
    if mailbox and not is_mailbox_id(mailbox):
        problems["mailbox"] = "Choose a mailbox from the list"
        mailbox = values["mailbox"] = ""
    times: dict[str, datetime] = {}
    for name in ("since", "until"):
        if values[name]:
            try:
                times[name] = from_uk(values[name])
            except ValueError:
                problems[name] = "Enter a day and a time, such as 2026-11-22T14:05, or a day alone"
                values[name] = ""
    if "since" in times and "until" in times and times["since"] >= times["until"]:
        problems["until"] = "The end must be after the beginning"
        del times["until"]
    if "until" in times:
        times["until"] += timedelta(minutes=1)  # the list includes the minute that the operator named
    return Filters(values, Wanted(statuses=statuses, mailbox=mailbox or None, **times), problems)


def _address(path: str, chosen: Mapping[str, str | None]) -> str:
    query = urlencode({name: value for name, value in chosen.items() if value})
    return f"{path}?{query}" if query else path
