"""Draws the lifecycle as `docs/lifecycle.md`, from the rules themselves: `make lifecycle`.

Which fact leads from which status to which is found by trying: every history that can come about, up to a length that
takes in a second upload, is given every fact that can come next, and the machine is asked what it amounts to. All that
is told here is which facts can come after which (`_Step`), never what follows from them.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from gpconnect_messaging.itk3.response_codes import Level, Verdict
from gpconnect_messaging.ledger import lifecycle
from gpconnect_messaging.ledger.lifecycle import (
    RULES,
    LedgerEvent,
    MessageHistory,
    NotificationType,
    Status,
    Timeouts,
    due_at,
    notifications_due,
)

_AT = datetime(2026, 11, 20, 21, 30, tzinfo=UTC)
_HOUR = timedelta(hours=1)
_PATIENCE = Timeouts(stale=_HOUR, uncertain=_HOUR)
_LONGEST = 7


@dataclass(frozen=True, slots=True)
class _Step:
    """A fact in words, and when it can come: after one of `after` (none: first of all), and before all of `before`."""

    words: str
    event: LedgerEvent
    after: frozenset[str] = frozenset()
    before: frozenset[str] = frozenset()


def _step(
    words: str, event: LedgerEvent, after: Iterable[LedgerEvent] = (), before: Iterable[LedgerEvent] = ()
) -> _Step:
    return _Step(words, event, frozenset(each.identity for each in after), frozenset(each.identity for each in before))


def _response(code: str, level: Level, verdict: Verdict, mailbox: str = "A20047OT001") -> LedgerEvent:
    return lifecycle.response(
        at=_AT, mesh_message_id=f"{mailbox}-{code}", from_mailbox=mailbox, from_organisation=None,
        code=code, level=level, verdict=verdict,
    )  # fmt: skip


_HELD, _WAITS = (
    lifecycle.held(at=_AT, release_at=_AT, by_a_person=by_a_person, requirement="", why="")
    for by_a_person in (False, True)
)
_RELEASING = lifecycle.release_started(at=_AT, version=1)
_WITHDRAWN = lifecycle.withdrawn(at=_AT, by_request_id="")
_SUPERSEDED = lifecycle.superseded(at=_AT, by_request_id="")
_REFUSED_LATE = lifecycle.request_refused(at=_AT, reasons=[])
_REQUEST = (
    _step("a person releases it", lifecycle.released_by_a_person(at=_AT, actor="operator"), [_WAITS], [_RELEASING]),
    _step("window over, version given", _RELEASING, [_HELD], [_WITHDRAWN, _SUPERSEDED, _REFUSED_LATE]),
    _step("messages stored", lifecycle.released(at=_AT, message_ids=[]), [_RELEASING]),
    _step("a newer request", _SUPERSEDED, [_HELD], [_RELEASING, _WITHDRAWN, _REFUSED_LATE]),
    _step("consultation deleted", _WITHDRAWN, [_HELD], [_RELEASING, _SUPERSEDED, _REFUSED_LATE]),
    _step("no longer in order", _REFUSED_LATE, [_HELD], [_RELEASING, _SUPERSEDED, _WITHDRAWN]),
)
_WARNED = lifecycle.withdrawal(at=_AT, stopped=[], sent=["message"], warning_key="warnings/")
_WITHDRAWAL = (_step("practice told", lifecycle.practice_told(at=_AT, actor="operator"), [_WARNED]),)

_BUILT = lifecycle.built(
    at=_AT, sha256="", size=1, infrastructure_due=_HOUR, business_due=_HOUR, to_mailbox="A20047OT001"
)
_STARTED, _AGAIN = (lifecycle.upload_started(at=_AT, attempt=attempt, lease=_HOUR) for attempt in (1, 2))
_ACCEPTED, _ACCEPTED_AGAIN = (
    lifecycle.upload_accepted(at=_AT, attempt=attempt, mesh_message_id=f"M{attempt}") for attempt in (1, 2)
)
_POSTPONED = lifecycle.upload_postponed(at=_AT, attempt=1, why="")
_UNCERTAIN = lifecycle.upload_uncertain(at=_AT, attempt=1, why="", source="")
_NO = lifecycle.upload_refused(at=_AT, attempt=1, http_status=417, error="")
_NOBODY = lifecycle.recipient_unresolved(at=_AT, attempt=1, organisation="", mailboxes=0)
_GIVEN_UP = lifecycle.superseded(at=_AT, by_request_id="", actor="operator", reason="damaged")
_OUTCOMES = (_ACCEPTED, _POSTPONED, _UNCERTAIN, _NO, _NOBODY)
_THERE = (_ACCEPTED, _ACCEPTED_AGAIN, _UNCERTAIN)
_SUCCESS = _response("20013", Level.INFRASTRUCTURE, Verdict.POSITIVE)
_GOOD = _response("30001", Level.BUSINESS, Verdict.POSITIVE)
_BAD = _response("30002", Level.BUSINESS, Verdict.NEGATIVE)
_LATE = lifecycle.acknowledgement_overdue(at=_AT, missing=[])
_REPORT = lifecycle.report(at=_AT, mesh_message_id="", linked_mesh_message_id="M1", code="EPL-153", description="")
_ORDERED = lifecycle.resend_ordered(at=_AT, actor="operator", attempts=1)
_NO_AGAIN = lifecycle.upload_refused(at=_AT, attempt=2, http_status=417, error="")
_MESSAGE = (
    _step("a sender takes the lease", _STARTED, [_BUILT], [_WITHDRAWN, _GIVEN_UP]),
    _step("MESH took it", _ACCEPTED, [_STARTED], [_POSTPONED, _NO, _NOBODY]),
    _step("never left, or MESH busy", _POSTPONED, [_STARTED], _OUTCOMES),
    _step("answer lost, or lease ended", _UNCERTAIN, [_STARTED], _OUTCOMES),
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
        "20014 to its replacement", lifecycle.voided(at=_AT, by_message_id=""), [_ACCEPTED, _ACCEPTED_AGAIN], [_REPORT]
    ),
    _step("consultation deleted", _WITHDRAWN, [_BUILT], [*_THERE[:2], _SUCCESS, _GOOD, _BAD, _NO, _NOBODY, _GIVEN_UP]),
    _step(
        "an operator lets a newer version pass",
        _GIVEN_UP,
        [_BUILT],
        [*_THERE[:2], _SUCCESS, _GOOD, _BAD, _NO, _NOBODY, _WITHDRAWN],
    ),
)
_BEGINNINGS: tuple[tuple[str, LedgerEvent, tuple[_Step, ...]], ...] = (
    ("request breaks a rule", lifecycle.request_refused(at=_AT, reasons=[]), ()),
    ("no message required", lifecycle.not_required(at=_AT, requirement="", why=""), ()),
    ("checked, not to go yet", _HELD, _REQUEST),
    ("checked, a person must release it", _WAITS, _REQUEST),
    ("message stored", _BUILT, _MESSAGE),
    ("given a version, and withdrawn before it was stored", _WITHDRAWN, ()),
    ("withdrawal, nothing was sent", lifecycle.withdrawal(at=_AT, stopped=["held"], sent=[], warning_key=None), ()),
    ("withdrawal, too late", _WARNED, _WITHDRAWAL),
)


@dataclass(frozen=True, slots=True)
class Transition:
    """A fact, in words, takes a history from one status to another; from None it begins."""

    before: Status | None
    after: Status
    words: str


def transitions() -> dict[Transition, list[tuple[MessageHistory | None, MessageHistory]]]:
    """Find all transitions, each with the histories before and after it."""
    found: dict[Transition, list[tuple[MessageHistory | None, MessageHistory]]] = defaultdict(list)
    for words, first, steps in _BEGINNINGS:
        history = MessageHistory((first,))
        found[Transition(None, history.status, words)].append((None, history))
        for before, step, after in _tried(history, steps):
            if before.status is not after.status:
                found[Transition(before.status, after.status, step.words)].append((before, after))
    return found


def _tried(
    beginning: MessageHistory, steps: tuple[_Step, ...]
) -> Iterator[tuple[MessageHistory, _Step, MessageHistory]]:
    seen, waiting = {beginning.identities}, [beginning]
    for history in waiting:
        for step in steps:
            known = history.identities
            if step.event.identity in known or not step.after & known or step.before & known - {step.event.identity}:
                continue
            # The order of facts is nothing to the machine, so that a set of them is tried once.
            after = history.with_event(step.event)
            yield history, step, after
            if after.identities not in seen and len(after.events) < _LONGEST:
                seen.add(after.identities)
                waiting.append(after)


def drawn() -> str:
    """Write the document: the machine as a Mermaid diagram, and what each status means."""
    found = transitions()
    arrows: dict[tuple[Status | None, Status], list[str]] = defaultdict(list)
    for each in found:
        arrows[each.before, each.after].append(each.words)
    lines = [
        f"    {before or '[*]'} --> {after}: {', or '.join(dict.fromkeys(words))}"
        for (before, after), words in sorted(arrows.items(), key=_place)
    ]
    histories = [after for each in found.values() for _, after in each]
    rows = [
        f"| `{rule.status}` | {rule.reason} | {rule.source} | {_healed(rule.status, histories)} | {rule.action} |"
        for rule in sorted(RULES, key=lambda rule: list(Status).index(rule.status))
    ]
    return _DOCUMENT.format(
        arrows="\n".join(lines), rows="\n".join(rows), notifications=", ".join(f"`{kind}`" for kind in NotificationType)
    )


def _place(arrow: tuple[tuple[Status | None, Status], list[str]]) -> tuple[int, int]:
    (before, after), _ = arrow
    order = list(Status)
    return (-1 if before is None else order.index(before)), order.index(after)


def _healed(status: Status, histories: Iterable[MessageHistory]) -> str:
    """Say, of all histories that were found in a status, whether the sweep comes back to them and a person is told."""
    those = [history for history in histories if history.status is status]
    due = [due_at(history, _PATIENCE) is not None for history in those]
    told = sorted({kind.value for history in those for kind in notifications_due(history)})
    sweep = "" if not any(due) else "the sweep comes back" if all(due) else "the sweep comes back, unless told"
    return "; ".join(each for each in (sweep, f"told: {', '.join(told)}" if told else "") if each) or "closed"


_DOCUMENT = """# Lifecycle

<!-- Written by `make lifecycle` from the rules in gpconnect_messaging/ledger/lifecycle.py: change those. -->

The ledger keeps facts; the status is derived from them by the first rule of `RULES` in
`gpconnect_messaging/ledger/lifecycle.py` that holds. So the order in which facts arrive does not matter, and repeating
one changes nothing. A message has a row under its message id; a request that becomes no message at once (refused, not
required, held, a withdrawal) has one under its own id.

```mermaid
stateDiagram-v2
{arrows}
```

| status | meaning | says who | what happens by itself | what an operator does |
|---|---|---|---|---|
{rows}

## What the sweep heals

Every minute: a `HELD` request whose window is over is offered to the builder, and a `RELEASING` one that no builder
finished once more; a `BUILT` message that no sender took is queued again; a `SENDING` one whose lease ended is
`UNCERTAIN`; an `UNCERTAIN` one is sent again with identical bytes after its wait, and the ledger counts the copies that
MESH may hold (`possible_copies`), so that a receiver's 20007 (duplicate) is no failure then; a `SENT` or `ACKNOWLEDGED`
one whose acknowledgement is late is `OVERDUE`. Of what has not left ten minutes before the three hours of
GPCM-SD-CS-075 are over (`warn_before_seconds` of the mailbox), a person is told, once, while there is time.

## What an operator sends again

A `REFUSED`, `UNDELIVERED` or `OVERDUE` message goes again with identical bytes where a person orders it: it is `BUILT`
until a sender takes it, and then what any upload can become. An answer that comes meanwhile ends the order. Whatever
else can be done, by status and why, is in [Send again](resend.md).

## Holding, and the order of versions

Of an encounter's requests the newest is the one whose consultation was updated last (`consultation.updated`, or when
the request came where it does not say, and never later than it came); of two at the same time, the one that is taken in
later. One that is older than the newest becomes `SUPERSEDED`, before as after sending; where that is a withdrawal, a
person is told, since the report goes out all the same. A version is given when a request leaves the hold, so that the
versions sent are consecutive, and no version is uploaded before the one before it has left or is known never to.

A version that waits for one that never leaves (damaged in store, say, or never stored) waits until an operator lets it
pass: `OperatorActions.skip_earlier_versions`, with the operator's id and a reason. What it waited for becomes `SUPERSEDED` and is never sent,
since it would take the newer one's place; if MESH had it after all, that is told.

A withdrawal stops a version that was given and is not stored yet, too: whoever still builds it finds it `WITHDRAWN`.

## Answers from elsewhere

A response counts only if it comes from where the message went: the mailbox, where it was named or looked up, or where
MESH says that it routed the message to (message tracking, asked when the first answer comes); the organisation, where
it is known from the request. Any other is kept, counts for nothing, and is told; a person can accept it, since a
patient may have moved. A response that contradicts a closed status never flips it in silence.

An upload whose own answer was lost has no MESH id to ask about: then it is where MESH's directory lists the practice
that the request names.

What cannot be decided: where neither MESH's tracking nor its directory names one mailbox, only the organisation is
compared, which a response says of itself; where the request names no practice either, nothing is.

## What a person is told

Each of these at most once of a message, a request or a day's balance; again where it happens again after a re-send:
{notifications}.
[Watching](watching.md) says to whom, and what becomes of a notification that nobody takes on.

A notification is raised in the same transaction as the fact that calls for it, so that a crash can delay it but not lose it.

## What was set aside

A message that cannot even be taken in, five polls running, is set aside: it stays in MESH, no poll tries it again, and
the notification names it. When what stood in its way is mended, an operator lets it in again:
`gpcm mailbox let-in MAILBOX MESSAGE` ([Operations](operations.md)).
"""

if __name__ == "__main__":
    print(drawn(), end="")  # noqa: T201 - printing it is what this command is for
