"""Run the whole product on this machine and send some requests through it: `make demo`.

Nothing leaves the machine, and no account is needed. The command ends with status 0 only if every message reaches the
expected status. `gpcm` works with a detached run (see `infra.local.operators`).
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
    options = _parser().parse_args(arguments)
    try:
        # Imported late: it takes a second, in which Ctrl-C must already work, and `--help` need not wait.
        demonstration = importlib.import_module("infra.local.demonstration")
        return int(demonstration.demonstrate(options))
    except KeyboardInterrupt:
        print("\nStopped. Nothing is left running.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of the output has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except LocalRunError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=COMMAND, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--keep", action="store_true", help="leave the run running (detached)")
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
        "--pace", type=float, default=1.0, metavar="SECONDS",
        help="pause between two rounds of the schedules (default: 1)",
    )  # fmt: skip
    return parser


if __name__ == "__main__":
    # Also if this process was started with Ctrl-C ignored, like a shell's background job.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    sys.exit(main())
