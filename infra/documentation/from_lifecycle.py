"""The page of the lifecycle, drawn from the rules themselves.

The transitions are found by trying: every possible history, up to a length that includes a second upload, gets every
event that can come next, and the rules give the status. This module only states which events can come after which
(`_Step`), never the status that results.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from gpconnect_messaging.itk3.response_codes import Level, Verdict
from gpconnect_messaging.ledger import events as ledger_events
from gpconnect_messaging.ledger.deadlines import Timeouts, due_at
from gpconnect_messaging.ledger.events import LedgerEvent
from gpconnect_messaging.ledger.history import MessageHistory
from gpconnect_messaging.ledger.notification_rules import notifications_due
from gpconnect_messaging.ledger.status_rules import RULES, status_of
from gpconnect_messaging.ledger.stored_names import NotificationType, Status

_AT = datetime(2026, 11, 20, 21, 30, tzinfo=UTC)
_HOUR = timedelta(hours=1)
_TIMEOUTS = Timeouts(requeue_after=_HOUR, resolve_after=_HOUR)
_LONGEST = 7


@dataclass(frozen=True, slots=True)
class _Step:
    """An event in words, and when it can come: after one of `after` (empty: first), and before all of `before`."""

    words: str
    event: LedgerEvent
    after: frozenset[str] = frozenset()
    before: frozenset[str] = frozenset()


def _step(
    words: str, event: LedgerEvent, after: Iterable[LedgerEvent] = (), before: Iterable[LedgerEvent] = ()
) -> _Step:
    return _Step(words, event, _identities(after), _identities(before))


def _identities(events: Iterable[LedgerEvent]) -> frozenset[str]:
    return frozenset(event.identity for event in events)


def _response(code: str, level: Level, verdict: Verdict, mailbox: str = "A20047OT001") -> LedgerEvent:
    return ledger_events.response(
        at=_AT, mesh_message_id=f"{mailbox}-{code}", from_mailbox=mailbox, from_organisation=None,
        code=code, level=level, verdict=verdict,
    )  # fmt: skip


_HELD, _WAITS = (
    ledger_events.held(at=_AT, release_at=_AT, by_a_person=by_a_person, requirement="", why="")
    for by_a_person in (False, True)
)
_RELEASING = ledger_events.release_started(at=_AT, version=1)
_WITHDRAWN = ledger_events.withdrawn(at=_AT, by_request_id="")
_SUPERSEDED = ledger_events.superseded(at=_AT, by_request_id="")
_REFUSED_LATE = ledger_events.request_refused(at=_AT, reasons=[])
_REQUEST = (
    _step("a person releases it", ledger_events.released_by_a_person(at=_AT, actor="operator"), [_WAITS], [_RELEASING]),
    _step("hold window over, version given", _RELEASING, [_HELD], [_WITHDRAWN, _SUPERSEDED, _REFUSED_LATE]),
    _step("messages stored", ledger_events.released(at=_AT, message_ids=[]), [_RELEASING]),
    _step("a newer request", _SUPERSEDED, [_HELD], [_RELEASING, _WITHDRAWN, _REFUSED_LATE]),
    _step("consultation deleted", _WITHDRAWN, [_HELD], [_RELEASING, _SUPERSEDED, _REFUSED_LATE]),
    _step("no longer in order", _REFUSED_LATE, [_HELD], [_RELEASING, _SUPERSEDED, _WITHDRAWN]),
)
_WARNED = ledger_events.withdrawal(at=_AT, stopped=[], sent=["message"], warning_key="warnings/")
_WITHDRAWAL = (_step("practice told", ledger_events.practice_told(at=_AT, actor="operator"), [_WARNED]),)

_BUILT = ledger_events.built(
    at=_AT, sha256="", size=1, infrastructure_due=_HOUR, business_due=_HOUR, to_mailbox="A20047OT001"
)
_STARTED, _AGAIN = (ledger_events.upload_started(at=_AT, attempt=attempt, lease=_HOUR) for attempt in (1, 2))
_ACCEPTED, _ACCEPTED_AGAIN = (
    ledger_events.upload_accepted(at=_AT, attempt=attempt, mesh_message_id=f"M{attempt}") for attempt in (1, 2)
)
_POSTPONED = ledger_events.upload_postponed(at=_AT, attempt=1, why="")
_UNCERTAIN = ledger_events.upload_uncertain(at=_AT, attempt=1, why="", source="")
_NO = ledger_events.upload_refused(at=_AT, attempt=1, http_status=417, error="")
_NOBODY = ledger_events.recipient_unresolved(at=_AT, attempt=1, organisation="", mailboxes=0)
_GIVEN_UP = ledger_events.superseded(at=_AT, by_request_id="", actor="operator", reason="damaged")
_OUTCOMES = (_ACCEPTED, _POSTPONED, _UNCERTAIN, _NO, _NOBODY)
_THERE = (_ACCEPTED, _ACCEPTED_AGAIN, _UNCERTAIN)
_SUCCESS = _response("20013", Level.INFRASTRUCTURE, Verdict.POSITIVE)
_GOOD = _response("30001", Level.BUSINESS, Verdict.POSITIVE)
_BAD = _response("30002", Level.BUSINESS, Verdict.NEGATIVE)
_LATE = ledger_events.acknowledgement_overdue(at=_AT, missing=[])
_REPORT = ledger_events.report(at=_AT, mesh_message_id="", linked_mesh_message_id="M1", code="EPL-153", description="")
_ORDERED = ledger_events.resend_ordered(at=_AT, actor="operator", attempts=1)
_NO_AGAIN = ledger_events.upload_refused(at=_AT, attempt=2, http_status=417, error="")
_MESSAGE = (
    _step("a sender takes the lease", _STARTED, [_BUILT], [_WITHDRAWN, _GIVEN_UP]),
    _step("MESH took it", _ACCEPTED, [_STARTED], [_POSTPONED, _NO, _NOBODY]),
    _step("never left, or MESH busy", _POSTPONED, [_STARTED], _OUTCOMES),
    _step("answer lost, or lease expired", _UNCERTAIN, [_STARTED], _OUTCOMES),
    _step("MESH answered no", _NO, [_STARTED], _OUTCOMES),
    _step("no single mailbox", _NOBODY, [_STARTED], _OUTCOMES),
    _step(
        "a sender takes the lease",
        _AGAIN,
        [_POSTPONED, _UNCERTAIN],
        [_WITHDRAWN, _GIVEN_UP, _ACCEPTED, _SUCCESS, _GOOD, _BAD],
    ),
    _step(
        "a person orders a re-send",
        _ORDERED,
        [_NO, _NOBODY, _REPORT, _LATE],
        [_AGAIN, _WITHDRAWN, _GIVEN_UP, _SUCCESS, _GOOD, _BAD],
    ),
    _step("a sender takes the lease", _AGAIN, [_ORDERED], [_WITHDRAWN, _GIVEN_UP, _SUCCESS, _GOOD, _BAD]),
    _step("MESH answered no", _NO_AGAIN, [_AGAIN], [_ACCEPTED_AGAIN, _POSTPONED, _UNCERTAIN]),
    _step("MESH took it", _ACCEPTED_AGAIN, [_AGAIN], [_NO_AGAIN]),
    _step("20013", _SUCCESS, _THERE),
    _step("a positive business code", _GOOD, _THERE),
    _step("a negative code", _BAD, _THERE),
    _step("acknowledgement late", _LATE, [_ACCEPTED, _ACCEPTED_AGAIN, _SUCCESS], [_BAD, _REPORT]),
    _step("MESH reports", _REPORT, [_ACCEPTED], [_LATE]),
    _step(
        "20014 to a replacement",
        ledger_events.voided(at=_AT, by_message_id=""),
        [_ACCEPTED, _ACCEPTED_AGAIN],
        [_REPORT],
    ),
    _step("consultation deleted", _WITHDRAWN, [_BUILT], [*_THERE[:2], _SUCCESS, _GOOD, _BAD, _NO, _NOBODY, _GIVEN_UP]),
    _step(
        "an operator skips it",
        _GIVEN_UP,
        [_BUILT],
        [*_THERE[:2], _SUCCESS, _GOOD, _BAD, _NO, _NOBODY, _WITHDRAWN],
    ),
)
_BEGINNINGS: tuple[tuple[str, LedgerEvent, tuple[_Step, ...]], ...] = (
    ("request breaks a rule", ledger_events.request_refused(at=_AT, reasons=[]), ()),
    ("no message required", ledger_events.not_required(at=_AT, requirement="", why=""), ()),
    ("checked, not to be sent yet", _HELD, _REQUEST),
    ("checked, a person must release it", _WAITS, _REQUEST),
    ("message stored", _BUILT, _MESSAGE),
    ("given a version, and withdrawn before it was stored", _WITHDRAWN, ()),
    ("withdrawal, nothing was sent", ledger_events.withdrawal(at=_AT, stopped=["held"], sent=[], warning_key=None), ()),
    ("withdrawal, too late", _WARNED, _WITHDRAWAL),
)


@dataclass(frozen=True, slots=True)
class Transition:
    """An event, in words, that changes a status; the first event has the status None before."""

    before: Status | None
    after: Status
    words: str


def transitions() -> dict[Transition, list[tuple[MessageHistory | None, MessageHistory]]]:
    """Find all transitions, with the histories before and after them."""
    found: dict[Transition, list[tuple[MessageHistory | None, MessageHistory]]] = defaultdict(list)
    for words, first, steps in _BEGINNINGS:
        history = MessageHistory((first,))
        found[Transition(None, status_of(history), words)].append((None, history))
        for before, step, after in _reachable(history, steps):
            left, entered = status_of(before), status_of(after)
            if left is not entered:
                found[Transition(left, entered, step.words)].append((before, after))
    return found


def _reachable(
    beginning: MessageHistory, steps: tuple[_Step, ...]
) -> Iterator[tuple[MessageHistory, _Step, MessageHistory]]:
    seen, waiting = {beginning.identities}, [beginning]
    for history in waiting:
        for step in steps:
            known = history.identities
            if step.event.identity in known or not step.after & known or step.before & known - {step.event.identity}:
                continue
            # The order of events does not matter, so a set of events is tried once.
            after = history.with_event(step.event)
            yield history, step, after
            if after.identities not in seen and len(after.events) < _LONGEST:
                seen.add(after.identities)
                waiting.append(after)


def lifecycle_page() -> str:
    """Return the page: the machine as a Mermaid diagram, and what each status means."""
    found = transitions()
    arrows: dict[tuple[Status | None, Status], list[str]] = defaultdict(list)
    for transition in found:
        arrows[transition.before, transition.after].append(transition.words)
    lines = [
        f"    {before or '[*]'} --> {after}: {', or '.join(dict.fromkeys(words))}"
        for (before, after), words in sorted(arrows.items(), key=_sort_key)
    ]
    histories = [after for examples in found.values() for _, after in examples]
    rows = [
        f"| `{rule.status}` | {rule.reason} | {rule.source} | {_automatic(rule.status, histories)} | {rule.action} |"
        for rule in sorted(RULES, key=lambda rule: list(Status).index(rule.status))
    ]
    return _DOCUMENT.format(
        arrows="\n".join(lines), rows="\n".join(rows), notifications=", ".join(f"`{kind}`" for kind in NotificationType)
    )


def _sort_key(arrow: tuple[tuple[Status | None, Status], list[str]]) -> tuple[int, int]:
    (before, after), _ = arrow
    order = list(Status)
    return (-1 if before is None else order.index(before)), order.index(after)


def _automatic(status: Status, histories: Iterable[MessageHistory]) -> str:
    """Say of the histories in a status whether the sweep returns to them, and which notifications they raise."""
    matching = [history for history in histories if status_of(history) is status]
    due = [due_at(history, _TIMEOUTS) is not None for history in matching]
    kinds = sorted({kind.value for history in matching for kind in notifications_due(history)})
    sweep = "" if not any(due) else "the sweep returns" if all(due) else "the sweep returns, unless notified"
    notified = f"notifies: {', '.join(kinds)}" if kinds else ""
    return "; ".join(filter(None, (sweep, notified))) or "closed"


_DOCUMENT = """# Lifecycle

<!-- Written by `make reference` from the rules in gpconnect_messaging/ledger/status_rules.py: change those. -->

The ledger keeps events. The status is derived from them by the first rule of `RULES` in
`gpconnect_messaging/ledger/status_rules.py` that holds. The order in which events arrive therefore does not matter, and
a repeated event changes nothing. A message has a record under the message id; a request that does not become a message
at once (refused, not required, held, a withdrawal) has a record under the request id.

```mermaid
stateDiagram-v2
{arrows}
```

| status | meaning | source | automatic steps | operator |
|---|---|---|---|---|
{rows}

## Sweep

Every minute, the sweep

- offers a `HELD` request to the builder when the hold window is over, and a `RELEASING` one that no builder finished;
- re-queues a `BUILT` message that no sender took;
- makes a `SENDING` message `UNCERTAIN` when the lease has expired;
- re-queues an `UNCERTAIN` message, with identical bytes, after a wait. The ledger counts the copies that MESH may hold
  (`possible_copies`), so that a receiver's 20007 (duplicate) is not a failure then;
- makes a `SENT` or `ACKNOWLEDGED` message `OVERDUE` when an acknowledgement is late;
- notifies a person, once, of a message that was not sent ten minutes before the three hours of GPCM-SD-CS-075 are over
  (`warn_before_seconds` of the mailbox).

## Resend

An operator can order a `REFUSED`, `UNDELIVERED` or `OVERDUE` message to be sent again with identical bytes. It is
`BUILT` until a sender takes it, and then has the outcome of the new upload. A response that comes meanwhile ends the
order. [Send again](resend.md) lists the actions for all statuses, with reasons.

## Hold window and order of versions

The newest request of an encounter is the one whose consultation was updated last: by `consultation.updated`, or by the
arrival of the request where that is missing or later than the arrival. Of two with the same time, the one that arrived
later is the newer. A request older than the newest becomes `SUPERSEDED`, whether the newest was sent or not. Where the
older one is a withdrawal, a person is notified, since the report is sent nevertheless. A request gets a version when
the hold ends, so that the versions sent are consecutive. No version is uploaded before the previous one was sent or can
never be sent.

A version that waits for one that can never be sent (because it is damaged in the outbox, or was never stored) waits
until an operator skips the earlier one: `OperatorActions.skip_earlier_versions`, with the operator's id and a reason.
The earlier version becomes `SUPERSEDED` and is never sent, since it would replace the newer one; if MESH had it after
all, a person is notified.

A withdrawal also stops a version that was given and is not stored yet: the builder finds it `WITHDRAWN`.

## Suspicious responses

A response counts only if it comes from the destination of the message: the mailbox that was configured or looked up, or
to which MESH says that it routed the message (message tracking, asked when the first response comes); and the
organisation, where the request names it. Any other response is kept, does not count, and raises a notification; a
person can accept it, since a patient may have moved. A response that contradicts a closed status also raises a
notification.

An uncertain upload has no MESH id to track. The destination is then the mailbox that MESH's directory lists for the
practice that the request names.

Where neither tracking nor the directory names one mailbox, only the organisation is compared, which the response states
itself; where the request names no practice either, nothing can be compared.

## Notifications

A person is notified at most once of a message, a request or a day's balance, and again where the cause repeats after a
resend: {notifications}.
[Watching](watching.md) says who is notified, and how open notifications are escalated.

A notification is raised in the same write as the event that calls for it, so that a crash can delay it but not lose it.

## Quarantined messages

A received message that the poller cannot process in five tries alone is quarantined: it stays in MESH, no poll tries it
again, and a notification names it. When the cause is fixed, an operator retries the message:
`gpcm mailbox retry MAILBOX MESSAGE` ([Operations](operations.md)).
"""
