"""Run the whole product on this machine and send a handful of requests through it: `make demo`.

Nothing leaves the machine, and no account is needed. The command ends with status 0 only if every message reached the
status that it should. `gpcm` works with a run that was kept (see `infra.operations`).
"""

import argparse
import importlib
import os
import signal
import sys
from collections.abc import Sequence

from infra.local.processes import LocalRunError
from infra.local.scenarios import COMMAND, SCENARIOS


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demonstration; return the exit status."""
    given = _parser().parse_args(arguments)
    try:
        # Only now: this takes a second, in which Ctrl-C must be heard already, and `--help` need not wait.
        demonstration = importlib.import_module("infra.local.demonstration")
        return int(demonstration.demonstrate(given))
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
    return parser


if __name__ == "__main__":
    # Also where this process was started to ignore Ctrl-C, as a shell's background jobs are.
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.default_int_handler)
    sys.exit(main())
