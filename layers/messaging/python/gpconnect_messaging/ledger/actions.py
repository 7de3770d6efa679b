"""The stored form of a person's action."""

import hashlib
import json
from typing import Any

from gpconnect_messaging.ledger.records import AuditEvent
from gpconnect_messaging.ledger.table import Item, in_time, text, time


def action_item(event: AuditEvent) -> Item:
    """Write an action as an item. Equal actions make equal items."""
    action = json.dumps([event.actor, event.what, event.message_id, dict(event.details)], sort_keys=True)
    sk = f"{text(event.at)}#{hashlib.sha256(action.encode()).hexdigest()[:16]}"
    known = {"message_id": event.message_id, "mailbox": event.mailbox, "sha256": event.sha256}
    return {
        "pk": f"ACTIONS#{event.message_id or text(event.at)[:10]}",
        "sk": sk,
        "actor": event.actor,
        "what": event.what,
        "details": json.dumps(dict(event.details), sort_keys=True),
        **{name: value for name, value in known.items() if value is not None},
        **in_time(sk, event.at),
    }


def read_action(values: Item) -> AuditEvent:
    """Read the result of `action_item`."""
    about: dict[str, Any] = {name: values.get(name) for name in ("message_id", "mailbox", "sha256")}
    return AuditEvent(
        at=time(values["at"]),
        actor=values["actor"],
        what=values["what"],
        details=json.loads(values["details"]),
        **about,
    )
