"""Send a report about a test patient through a deployed environment, and wait until it reaches a status.

`python -m infra.operations.synthetic_report --help` lists the options. The script drops a request like a sending
system, and reads the ledger like an operator. Exit status: 0 once the message has the status, 1 if it fails or is
late. Do not use it in production, which refuses test patients.
"""

import argparse
import importlib
import json
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3

_PROJECT = Path(__file__).resolve().parents[2]
_LIBRARY = _PROJECT / "layers" / "messaging" / "python"
_SAMPLE = _PROJECT / "events" / "requests" / "consultation-report-2.0"
FOLDER = "synthetic"
"""The folder in the drop bucket for these reports."""

CLOCKS_DIFFER = timedelta(minutes=1)
_LISTED = 1_000
"""The number of rows to read, since the drop."""

WAY = ("HELD", "RELEASING", "RELEASED", "BUILT", "SENDING", "SENT", "ACKNOWLEDGED", "DELIVERED")
"""The statuses on the way to delivery, in order."""
UNSETTLED = frozenset({None, "UNCERTAIN"})
"""Statuses from which the report can still be delivered."""


class NotReachedError(Exception):
    """The report did not reach the status. The error's text has the last status."""


@dataclass(frozen=True)
class Report:
    """A dropped report, as the sender knows it. The sender cannot compute the product's ids."""

    mailbox: str
    encounter: str
    at: datetime


def drop(session: boto3.Session, bucket: str, *, mailbox: str, ods_code: str) -> Report:
    """Drop a sample report for a new encounter, the document first."""
    encounter = f"synthetic-{uuid.uuid4()}"
    request = json.loads((_SAMPLE / "request.json").read_text(encoding="utf-8"))
    request |= {"mailbox": mailbox, "encounter": encounter}
    request["organisation"] |= {"ods_code": ods_code}
    store = session.client("s3")
    folder, at = f"{FOLDER}/{encounter}", datetime.now(UTC)
    document = (_SAMPLE / "report.pdf").read_bytes()
    store.put_object(Bucket=bucket, Key=f"{folder}/report.pdf", Body=document, ContentType="application/pdf")
    key = f"{folder}/request.json"
    store.put_object(Bucket=bucket, Key=key, Body=json.dumps(request), ContentType="application/json")
    return Report(mailbox, encounter, at)


def status(session: boto3.Session, table: str, report: Report) -> str | None:
    """Return the report's status; None if it is not in the ledger yet.

    A held request and the later message have a row both: the message's row counts.
    """
    search = _library("ledger.search").Search(session.client("dynamodb"), table)
    # AWS's clock may be behind this machine's.
    # Rows of all mailboxes: a request that was refused for the mailbox has none.
    page = search.by_time(since=report.at - CLOCKS_DIFFER, limit=_LISTED)
    own = sorted((row.version, row.status.value) for row in page.rows if row.encounter == report.encounter)
    return own[-1][1] if own else None


def follow(
    read: Callable[[], str | None],
    *,
    reach: str,
    patience_seconds: float,
    say: Callable[[str], None] = lambda _status: None,
    rest: Callable[[], None] = lambda: time.sleep(2),
) -> str:
    """Wait until a status is reached or passed, and return the current status.

    Raises:
        NotReachedError: the status cannot be reached, or was not reached in time.
    """
    good = WAY[WAY.index(reach) :]
    deadline = time.monotonic() + patience_seconds
    last: str | None = None
    while True:
        now = read()
        if now is not None and now != last:
            say(now)
            last = now
        if now in good:
            return str(now)
        if now not in WAY and now not in UNSETTLED:
            raise NotReachedError(f"the synthetic report became {now}, and not {reach}")
        if time.monotonic() > deadline:
            raise NotReachedError(f"the synthetic report is still {now or 'not in the ledger'}, and not {reach}")
        rest()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m infra.operations.synthetic_report", description=__doc__)
    parser.add_argument("--drop-bucket", required=True, help="output DropBucketName of the stack")
    parser.add_argument("--ledger-table", required=True, help="output LedgerTableName of the stack")
    parser.add_argument("--mailbox", required=True, help="the mailbox that sends")
    parser.add_argument("--ods-code", required=True, help="the organisation that the mailbox sends for")
    parser.add_argument("--reach", choices=WAY, default="DELIVERED", help="status to wait for (default: DELIVERED)")
    parser.add_argument(
        "--patience", type=float, default=900, metavar="SECONDS", help="how long to wait (default: 900)"
    )
    parser.add_argument("--role", help="role to assume; output SyntheticReportsRoleArn of the stack")
    options = parser.parse_args(arguments)
    session = _as_role(options.role) if options.role else boto3.Session()
    report = drop(session, options.drop_bucket, mailbox=options.mailbox, ods_code=options.ods_code)
    print(f"{report.encounter}: dropped", flush=True)
    try:
        follow(
            lambda: status(session, options.ledger_table, report),
            reach=options.reach,
            patience_seconds=options.patience,
            say=lambda now: print(f"{report.encounter}: {now}", flush=True),
        )
    except NotReachedError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _as_role(role: str) -> boto3.Session:
    credentials = boto3.client("sts").assume_role(RoleArn=role, RoleSessionName="synthetic-report")["Credentials"]
    return boto3.Session(
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )


def _library(module: str) -> Any:
    """Import a module of the library, which is deployed as a layer and not installed."""
    if str(_LIBRARY) not in sys.path:
        sys.path.append(str(_LIBRARY))
    return importlib.import_module(f"gpconnect_messaging.{module}")


if __name__ == "__main__":
    sys.exit(main())
