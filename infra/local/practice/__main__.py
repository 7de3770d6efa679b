"""Start the synthetic practice.

    python -m infra.local.practice --mesh-url http://127.0.0.1:8700 --mailbox A20047OT001 --password … --shared-key …

Password and shared key may come from the environment (MESH_PASSWORD, SHARED_KEY) or from the community file instead.
Several `--mailbox` options are several organisations; the community file has their passwords. Prints
`ready URL-OF-MESH` on standard output after the first handshakes, then a JSON line for every event on standard error.
Ends with status 0 on SIGTERM; 2 if MESH refuses the mailbox.
"""

import argparse
import os
import signal
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

from infra.local.mesh.configuration import DEFAULT_COMMUNITY, Community
from infra.local.practice.mailbox import Mailbox, MailboxRefusedError, MailboxUnavailableError
from infra.local.practice.responding import Practice, Shape
from infra.local.practice.system import PracticeSystem, log_line, shapes_named


def main() -> int:
    """Work on the mailboxes until SIGTERM; return the exit status."""
    arguments = _arguments()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    community = Community.read(arguments.community)
    with ExitStack() as stack:
        mailboxes = [stack.enter_context(_mailbox(arguments, community, name)) for name in arguments.mailbox]
        systems = [_system(arguments, community, mailbox) for mailbox in mailboxes]
        try:
            for mailbox in mailboxes:
                _wait_for_mesh(mailbox, stop, arguments.interval)
            if not stop.is_set():
                print(f"ready {arguments.mesh_url}", flush=True)
            while not stop.wait(arguments.interval):
                for system in systems:
                    system.work_once()
        except MailboxRefusedError as error:
            log_line("refused", reason=str(error))
            return 2
    return 0


def _mailbox(arguments: argparse.Namespace, community: Community, name: str) -> Mailbox:
    entry = community.mailboxes.get(name)
    return Mailbox(
        url=arguments.mesh_url,
        mailbox=name,
        password=arguments.password or os.environ.get("MESH_PASSWORD") or (entry.password if entry else ""),
        shared_key=arguments.shared_key or os.environ.get("SHARED_KEY") or community.shared_key,
    )


def _system(arguments: argparse.Namespace, community: Community, mailbox: Mailbox) -> PracticeSystem:
    entry = community.mailboxes.get(mailbox.id)
    ods_code = arguments.ods_code or (entry.ods_code if entry else mailbox.id[:6])
    return PracticeSystem(
        mailbox,
        Practice(ods_code, mailbox.id),
        shapes=shapes_named(arguments.shape),
        business_delay_seconds=arguments.business_delay,
        schema=arguments.schema,
        keep=arguments.keep,
        log=log_line,
    )


def _wait_for_mesh(mailbox: Mailbox, stop: threading.Event, interval_seconds: float) -> None:
    while not stop.is_set():
        try:
            mailbox.handshake()
        except MailboxUnavailableError as error:
            log_line("unavailable", reason=str(error))
            stop.wait(interval_seconds)
        else:
            return


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra.local.practice", description="A synthetic GP practice")
    parser.add_argument("--mesh-url", required=True, help="URL of MESH, for example http://127.0.0.1:8700")
    parser.add_argument("--mailbox", action="append", help="the practice's mailbox (default: A20047OT001)")
    parser.add_argument("--password", help="the mailbox's password")
    parser.add_argument("--shared-key", help="the MESH environment's shared key")
    parser.add_argument("--ods-code", help="the practice's ODS code (default: from the community file)")
    parser.add_argument("--community", type=Path, default=DEFAULT_COMMUNITY, help="mailboxes, patients, shared key")
    parser.add_argument("--schema", type=Path, help="fhir-single.xsd of STU3, to validate messages")
    parser.add_argument("--keep", type=Path, help="folder for received messages and their findings")
    parser.add_argument("--interval", type=float, default=0.5, help="seconds between two polls of the mailbox")
    parser.add_argument("--business-delay", type=float, default=0.3, help="seconds between the two responses")
    parser.add_argument(
        "--shape",
        default=Shape.STANDARD.value,
        choices=[*(shape.value for shape in Shape), "mixed"],
        help="form of the responses (mixed: all forms in turn)",
    )
    arguments = parser.parse_args()
    arguments.mailbox = arguments.mailbox or ["A20047OT001"]
    return arguments


if __name__ == "__main__":
    sys.exit(main())
