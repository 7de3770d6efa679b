"""Run the whole product on this machine and send a handful of requests through it: `make demo`.

Nothing leaves the machine, and no account is needed. The command ends with status 0 only if every message reached the
status that it should.
"""

import argparse
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from infra.local.processes import LocalRunError
from infra.local.scenarios import COMMAND, SCENARIOS


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit status."""
    given = _parser().parse_args(arguments)
    try:
        # Only now: this takes a second, in which Ctrl-C must be heard already, and `--help` need not wait.
        demonstration = importlib.import_module("infra.local.demonstration")
        return int(getattr(demonstration, given.command)(given))
    except KeyboardInterrupt:
        print("\nStopped. Nothing is left running.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever read our output has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except LocalRunError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=COMMAND, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--keep", action="store_true", help="leave everything running afterwards")
    parser.add_argument("--json", action="store_true", help="print the result as JSON; progress goes to standard error")
    parser.add_argument(
        "--only", action="append", metavar="NAME", choices=[scenario.name for scenario in SCENARIOS],
        help="send only this request (may be repeated)",
    )  # fmt: skip
    parser.add_argument(
        "--patience", type=float, default=75.0, metavar="SECONDS",
        help="how long to wait for the messages (default: 75)",
    )  # fmt: skip
    parser.add_argument(
        "--pace",
        type=float,
        default=1.0,
        metavar="SECONDS",
        help="rest between two rounds of the schedules (default: 1)",
    )
    parser.set_defaults(command="demonstrate")
    commands = parser.add_subparsers(title="commands for a run that was kept (--keep)", metavar="COMMAND")

    dropping = commands.add_parser("drop", help="drop a request of your own", description="Drop a request of your own.")
    dropping.add_argument("folder", type=Path, help="folder with request.json and its documents; or a sample's name")
    dropping.add_argument("--wait", type=float, default=60.0, metavar="SECONDS", help="follow it so long (0: do not)")
    dropping.add_argument("--json", action="store_true", help="print the result as JSON")
    dropping.set_defaults(command="drop")

    status = commands.add_parser("status", help="list the messages", description="List the messages.")
    status.add_argument("--json", action="store_true", help="print them as JSON")
    status.set_defaults(command="status")

    show = commands.add_parser("show", help="tell all about one message", description="Tell all about one message.")
    show.add_argument("reference", help="message id or request id, or how it begins")
    show.add_argument("--json", action="store_true", help="print the ledger's items as JSON")
    show.set_defaults(command="show")

    stop = commands.add_parser("stop", help="end it", description="End the kept run.")
    stop.set_defaults(command="stop")
    return parser


if __name__ == "__main__":
    # Also where this process was started to ignore Ctrl-C, as a shell's background jobs are.
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.default_int_handler)
    sys.exit(main())
