"""A request's journey through the product: the status, the time of every step, and the reason."""

from dataclasses import dataclass
from datetime import datetime

from gpcm.dropping import Dropped
from gpconnect_messaging.itk3.response_codes import RESPONSE_CODES, Level, level_of
from gpconnect_messaging.ledger.events import LedgerEvent
from infra.local.ledger import Message

STEPS = ("built", "sent", "infrastructure acknowledgement", "business acknowledgement")
"""Steps with times: the first counts from the drop, the others from the step before."""

ENDED = frozenset({"INVALID", "NOT_REQUIRED", "REFUSED", "UNDELIVERED", "DELIVERED", "REJECTED", "OVERDUE"})
"""Statuses in which no more is expected. A late acknowledgement may still change OVERDUE."""


@dataclass(frozen=True)
class Journey:
    """The journey of a request."""

    name: str
    request_id: str
    message_id: str | None
    status: str
    steps: tuple[float | None, ...]
    """Seconds of the STEPS; None for a step that did not happen."""
    reason: str
    """Codes and texts behind the status; no personal data."""

    @property
    def reference(self) -> str:
        """The message id, or before there is one the request id."""
        return self.message_id or self.request_id


def journey_of(dropped: Dropped, message: Message | None) -> Journey:
    """Return a dropped request's journey so far."""
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
    """Return the reasons for the status."""
    reasons = []
    for event in message.events:
        details = event.details
        match event.kind:
            case "request refused":
                reasons += details["reasons"]
            case "response":
                code = str(details["code"])
                known = RESPONSE_CODES.get(code)
                reasons.append(f"{code} {known.meaning if known else 'is an unknown code'}")
            case "report":
                reasons.append(f"EPL-{details['code'].removeprefix('EPL-')} {details['description']}".strip())
            case "upload refused":
                reasons.append(f"MESH responded {details['http_status']} {details['error']}")
            case "upload uncertain" | "upload postponed":
                reasons.append(str(details["why"]))
            case "acknowledgement overdue":
                reasons.append(f"no {' and no '.join(details['missing'])} acknowledgement in time")
    return "; ".join(dict.fromkeys(reasons))


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
        # Both acknowledgements may come in one poll, or in reverse order: a step is never negative.
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
