"""The page of the resend policy, from the table itself."""

from gpconnect_messaging.ledger.stored_names import Status
from gpconnect_messaging.replay.policy import MENDABLE, TABLE, ResendAction


def resend_page() -> str:
    """Return the page: the table, and how to use it."""
    rows = [
        f"| `{line.status}` | {line.way or 'either'} | {_bold(line.action)} | {line.why} "
        f"| {'<br>'.join(precondition.instead for precondition in line.unless) or '–'} |"
        for line in sorted(TABLE, key=lambda line: list(Status).index(line.status))
    ]
    return _DOCUMENT.format(rows="\n".join(rows), codes=", ".join(sorted(MENDABLE)))


def _bold(action: ResendAction) -> str:
    return action.value if action is ResendAction.NONE else f"**{action.value}**"


_DOCUMENT = """# Send again

<!-- Written by `make reference` from the table in gpconnect_messaging/replay/policy.py: change that. -->

An operator chooses messages, or requests that never became messages: by id, encounter, status, time window, or a
combination of these. A dry run shows what would happen to the chosen messages and why, or why not and what to do
instead. When the plan is carried out, every message is judged again at that moment, and the action is recorded with the
operator and the reason. The rate per second is limited.

There are two modes:

- **unchanged**: the identical bytes are sent again under the same message id. A practice that has them recognises the
  id (20007), which is not a failure then; the ledger counts the copies. For a cause outside the message.
- **rebuilt**: the kept request is resubmitted as a new request under a new id, with today's settings and code, and with
  the documents as they were checked (as they are now, where the request was refused). It keeps the time of first
  arrival, so that it is never taken for newer than requests that came after it. The result is the next version, which
  replaces the one before it ([ADR 12](adr/0012-replacement-of-what-never-arrived.md)). For a cause in our settings or
  code. A request is resubmitted once; after that, the new request can be resubmitted.

| status | mode | action | why | unless |
|---|---|---|---|---|
{rows}

Negative codes for which a rebuilt message may be sent: {codes}.

Correct the cause before a `REFUSED` or `UNDELIVERED` message is sent again; if it is refused or reported again, a
person is notified (`sent again in vain`). A response that comes before the new upload ends the order.
[ADR 22](adr/0022-sending-again.md) gives the reasons, and [Redrive](redrive.md) covers dead letters.
"""
