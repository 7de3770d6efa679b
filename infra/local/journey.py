"""A message's way as a person asks for it: how far it is, how long each step took, and why it ended as it did."""

from dataclasses import dataclass
from datetime import datetime

from infra.local.ledger import LedgerEvent, Message
from infra.local.library import RESPONSE_CODES, Level, level_of
from infra.local.requests import Dropped

STEPS = ("built", "sent", "infrastructure acknowledgement", "business acknowledgement")
"""What each time is counted up to; the first is counted from the drop, each other one from the step before."""

ENDED = frozenset({"INVALID", "NOT_REQUIRED", "REFUSED", "UNDELIVERED", "DELIVERED", "REJECTED", "OVERDUE"})
"""Statuses in which nothing more is expected. A late acknowledgement may still move OVERDUE on."""


@dataclass(frozen=True)
class Journey:
    """One request's way."""

    name: str
    request_id: str
    message_id: str | None
    status: str
    steps: tuple[float | None, ...]
    """Seconds that each of STEPS took; None where it did not happen."""
    reason: str
    """The codes and words behind the status; holds no personal data."""

    @property
    def reference(self) -> str:
        """The first eight characters of the message id: enough for a person to name it."""
        return (self.message_id or self.request_id)[:8]


def journey(dropped: Dropped, message: Message | None) -> Journey:
    """Tell a dropped request's way so far."""
    if message is None:
        return Journey(dropped.name, dropped.request_id, None, "DROPPED", (None,) * len(STEPS), "")
    return Journey(
        name=dropped.name,
        request_id=dropped.request_id,
        message_id=message.message_id,
        status=message.status,
        steps=_steps(dropped.at, message.events),
        reason=reason(message),
    )


def reason(message: Message) -> str:
    """Say what the status rests on."""
    said = []
    for event in message.events:
        details = event.details
        match event.kind:
            case "request refused":
                said += details["reasons"]
            case "response":
                code = str(details["code"])
                known = RESPONSE_CODES.get(code)
                said.append(f"{code} {known.meaning if known else 'is a code that we do not know'}")
            case "report":
                said.append(f"EPL-{details['code'].removeprefix('EPL-')} {details['description']}".strip())
            case "upload refused":
                said.append(f"MESH answered {details['http_status']} {details['error']}")
            case "upload uncertain" | "upload postponed":
                said.append(str(details["why"]))
            case "acknowledgement overdue":
                said.append(f"no {' and no '.join(details['missing'])} acknowledgement in time")
    return "; ".join(dict.fromkeys(said))


def _steps(dropped_at: datetime, events: tuple[LedgerEvent, ...]) -> tuple[float | None, ...]:
    reached = (
        _first(events, "built", "request refused"),
        _first(events, "upload accepted"),
        _first_response(events, Level.INFRASTRUCTURE),
        _first_response(events, Level.BUSINESS),
    )
    times: list[float | None] = []
    since = dropped_at
    for at in reached:
        # Acknowledgements may come in one poll, or the other way round: a step never takes less than no time.
        times.append(None if at is None else max(0.0, (at - since).total_seconds()))
        since = max(since, at) if at is not None else since
    return tuple(times)


def _first(events: tuple[LedgerEvent, ...], *kinds: str) -> datetime | None:
    return min((event.at for event in events if event.kind in kinds), default=None)


def _first_response(events: tuple[LedgerEvent, ...], level: Level) -> datetime | None:
    return min(
        (event.at for event in events if event.kind == "response" and level_of(event.details["code"]) is level),
        default=None,
    )
