"""Draws what a re-send does as `docs/resend.md`, from the table itself: `make lifecycle`."""

from gpconnect_messaging.ledger.lifecycle import Status
from gpconnect_messaging.replay.policy import MENDABLE, TABLE, ResendAction


def drawn() -> str:
    """Write the document: the table, and how to use it."""
    rows = [
        f"| `{line.status}` | {line.way or 'either'} | {_bold(line.action)} | {line.why} "
        f"| {'<br>'.join(each.instead for each in line.unless) or '–'} |"
        for line in sorted(TABLE, key=lambda line: list(Status).index(line.status))
    ]
    return _DOCUMENT.format(rows="\n".join(rows), codes=", ".join(sorted(MENDABLE)))


def _bold(action: ResendAction) -> str:
    return action.value if action is ResendAction.NONE else f"**{action.value}**"


_DOCUMENT = """# Send again

<!-- Written by `make lifecycle` from the table in gpconnect_messaging/replay/policy.py: change that. -->

An operator chooses messages, and requests that became none: by id, by encounter, by status, by time window, or by
several of these together. A dry run says of each what would happen and why, or why not and what to do instead. Carried
out, each is judged once more at that moment, recorded with who did it and why, and done at so many a second and no
faster.

There are two ways:

- **unchanged**: the identical bytes go once more, under the same message id. A practice that has them recognises the id
  (20007), which is no failure then; the ledger counts the copies. For a cause that lay outside the message.
- **rebuilt**: the kept request is taken in again, as a new request with an id of its own, under today's settings and
  code, with the documents as they were checked (as they are now, where the request was refused). It stands among the
  encounter's requests where it first came, so that it never passes for newer than what came after it. A message's
  becomes the next version, which replaces the one before it ([ADR 12](adr/0012-replacement-of-what-never-arrived.md)).
  For a cause that lay in our settings or code. Each request is taken in again once; after that, its successor can be.

| status | way | what happens | why | unless |
|---|---|---|---|---|
{rows}

Negative codes for which a rebuilt message may be sent: {codes}.

Before a `REFUSED` or `UNDELIVERED` message is sent again, what stood in its way must be mended; if it is refused or
reported once more, a person is told (`sent again in vain`). An answer that comes while a re-send is under way ends it.
[ADR 22](adr/0022-sending-again.md) says why it is so, and [Redrive](redrive.md) how dead letters go back.
"""

if __name__ == "__main__":
    print(drawn(), end="")  # noqa: T201 - printing it is what this command is for
