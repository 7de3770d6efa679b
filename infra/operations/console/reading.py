"""Reads the message that a page's address names."""

import re

from starlette.exceptions import HTTPException
from starlette.requests import Request

from gpconnect_messaging.ledger.records import MessageRecord
from infra.operations.console.context import ConsoleContext

_MESSAGE_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def found_record(context: ConsoleContext, request: Request) -> MessageRecord:
    """Read the message that the address names, from the ledger. Raises HTTPException where there is none."""
    message_id = request.path_params["message_id"]
    record = context.environment.ledger.find(message_id) if _MESSAGE_ID.fullmatch(message_id) else None
    if record is None:
        raise HTTPException(404, "The ledger has no message of that id. Check the id, or find it in the list.")
    return record
