"""Send a report about a test person through a deployed environment, and wait for what becomes of it.

`python -m infra.operations.synthetic_report --help` lists what it must be told. It does what a sending system does, and
reads the ledger as an operator would. It ends with status 0 once the message got as far as asked, and with 1 when it
cannot any more, or not in time. Production refuses test people, so it is of no use there.
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
"""The folder of the drop bucket that these reports go to."""

CLOCKS_DIFFER = timedelta(minutes=1)
_LISTED = 1_000
"""How many rows of the mailbox, since the drop, are looked through."""

WAY = ("HELD", "RELEASING", "RELEASED", "BUILT", "SENDING", "SENT", "ACKNOWLEDGED", "DELIVERED")
"""The statuses of a request, and of its message, that fare well, in order."""
UNSETTLED = frozenset({None, "UNCERTAIN"})
"""Nothing known yet, or not known for the moment."""


class NotReachedError(Exception):
    """The message did not get as far as asked; the message says how far it got."""


@dataclass(frozen=True)
class Report:
    """A dropped report, as its sender knows it: the ids that the product gives are nothing that could be computed."""

    mailbox: str
    encounter: str
    at: datetime


def drop(session: boto3.Session, bucket: str, *, mailbox: str, ods_code: str) -> Report:
    """Drop a sample report for an encounter of its own, the document first."""
    encounter = f"synthetic-{uuid.uuid4()}"
    request = json.loads((_SAMPLE / "request.json").read_text(encoding="utf-8"))
    request |= {"mailbox": mailbox, "encounter": encounter}
    request["organisation"] |= {"ods_code": ods_code}
    store = session.client("s3")
    environment, at = f"{FOLDER}/{encounter}", datetime.now(UTC)
    document = (_SAMPLE / "report.pdf").read_bytes()
    store.put_object(Bucket=bucket, Key=f"{environment}/report.pdf", Body=document, ContentType="application/pdf")
    key = f"{environment}/request.json"
    store.put_object(Bucket=bucket, Key=key, Body=json.dumps(request), ContentType="application/json")
    return Report(mailbox, encounter, at)


def status(session: boto3.Session, table: str, report: Report) -> str | None:
    """Give the report's status; None if the ledger has nothing of it yet.

    A held request has a row before its message has: the message's is the one that counts.
    """
    search = _library("ledger.search").Search(session.client("dynamodb"), table)
    # AWS's clock may be behind this machine's.
    # Of any mailbox: a refused request that names none of ours has none.
    came = search.by_time(since=report.at - CLOCKS_DIFFER, limit=_LISTED)
    own = sorted((row.version, row.status.value) for row in came.rows if row.encounter == report.encounter)
    return own[-1][1] if own else None


def follow(
    read: Callable[[], str | None],
    *,
    reach: str,
    patience_seconds: float,
    say: Callable[[str], None] = lambda _status: None,
    rest: Callable[[], None] = lambda: time.sleep(2),
) -> str:
    """Wait until a status is reached or passed, and give it.

    Raises:
        NotReachedError: it cannot be reached any more, or was not in time.
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
    parser.add_argument("--reach", choices=WAY, default="DELIVERED", help="how far it must get (default: DELIVERED)")
    parser.add_argument(
        "--patience", type=float, default=900, metavar="SECONDS", help="how long to wait (default: 900)"
    )
    parser.add_argument("--role", help="role to take on first; output SyntheticReportsRoleArn of the stack")
    given = parser.parse_args(arguments)
    session = _as_role(given.role) if given.role else boto3.Session()
    report = drop(session, given.drop_bucket, mailbox=given.mailbox, ods_code=given.ods_code)
    print(f"{report.encounter}: dropped", flush=True)
    try:
        follow(
            lambda: status(session, given.ledger_table, report),
            reach=given.reach,
            patience_seconds=given.patience,
            say=lambda now: print(f"{report.encounter}: {now}", flush=True),
        )
    except NotReachedError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _as_role(role: str) -> boto3.Session:
    taken = boto3.client("sts").assume_role(RoleArn=role, RoleSessionName="synthetic-report")["Credentials"]
    return boto3.Session(
        aws_access_key_id=taken["AccessKeyId"],
        aws_secret_access_key=taken["SecretAccessKey"],
        aws_session_token=taken["SessionToken"],
    )


def _library(module: str) -> Any:
    """Give a module of the library, which is deployed as a layer, and not installed."""
    if str(_LIBRARY) not in sys.path:
        sys.path.append(str(_LIBRARY))
    return importlib.import_module(f"gpconnect_messaging.{module}")


if __name__ == "__main__":
    sys.exit(main())
