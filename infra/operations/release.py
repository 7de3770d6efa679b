"""Let an incoming message that was set aside be taken in again, once what stood in its way is mended.

The notice names mailbox and message; the table is the stack's output `LedgerTableName`:

    PYTHONPATH=layers/messaging/python python -m infra.operations.release --table TABLE MAILBOX MESSAGE

The next poll of the mailbox takes the message in, and sets it aside anew, with another notice, if that fails again.
Exit status 1 where no such message is set aside.
"""

import argparse
import sys
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import boto3

from gpconnect_messaging.ledger.lifecycle import Patience
from gpconnect_messaging.ledger.store import Ledger

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


def main(arguments: Sequence[str] | None = None, client: "DynamoDBClient | None" = None) -> int:
    """Release one message; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m infra.operations.release", description="Let a message that was set aside be taken in again."
    )
    parser.add_argument("--table", required=True, help="the ledger's table (the stack's output LedgerTableName)")
    parser.add_argument("mailbox", help="the mailbox that it came to")
    parser.add_argument("message", help="MESH's id of it, from the notice")
    given = parser.parse_args(arguments)
    # Of no consequence here: nothing of a message of ours is written.
    patience = Patience(stale=timedelta(0), uncertain=timedelta(0))
    ledger = Ledger(client or boto3.client("dynamodb"), given.table, patience)
    if not ledger.release_set_aside(given.mailbox, given.message):
        sys.stderr.write("No such message is set aside.\n")
        return 1
    sys.stdout.write("Released: the next poll of the mailbox takes it in.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
