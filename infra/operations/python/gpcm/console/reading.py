"""Reads the message of a page."""

from starlette.exceptions import HTTPException
from starlette.requests import Request

from gpcm.console.context import ConsoleContext
from gpconnect_messaging.identifiers import is_uuid
from gpconnect_messaging.ledger.records import MessageRecord


def find_record(context: ConsoleContext, request: Request) -> MessageRecord:
    """Read the message whose id is in the address. Raises HTTPException if the ledger does not have it."""
    message_id = request.path_params["message_id"]
    record = context.environment.ledger.find(message_id) if is_uuid(message_id) else None
    if record is None:
        raise HTTPException(
            404, "The ledger has no message with that id. Check the id, or find the message in the list."
        )
    return record
