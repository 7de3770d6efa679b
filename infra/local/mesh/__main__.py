"""Start the local MESH: `python -m infra.local.mesh --port 8700`, in the sandbox's environment.

Prints `ready http://127.0.0.1:PORT` on standard output, and ends with status 0 on SIGTERM. The shared key comes from
the environment variable SHARED_KEY, or from the community file.
"""

import argparse
import logging
import os
import tempfile
import warnings
from pathlib import Path
from typing import Any

from infra.local.mesh.configuration import DEFAULT_COMMUNITY, Behaviour, Community
from infra.local.mesh.control import Control
from infra.local.mesh.exchanges import ExchangeLog
from infra.local.mesh.faults import FaultMiddleware, FaultPlan, FaultSwitch
from infra.local.mesh.tokens import TokenRegister

_CHECKS: dict[str, dict[str, Any]] = {
    "tokens": {"single_use_tokens": False},
    "timestamps": {"timestamp_window_seconds": None},
    "senders": {"sender_must_match": False},
    "workflows": {"workflow_permission": False},
    "sizes": {"largest_request_bytes": None, "smallest_middle_chunk_bytes": None},
    "gaps": {"chunks_complete": False},
}


def main() -> None:
    """Parse the arguments and serve until SIGTERM."""
    arguments = _arguments()
    community = Community.read(arguments.community)
    relaxed = {setting: value for check in arguments.without for setting, value in _CHECKS[check].items()}
    behaviour = Behaviour(
        report_delay_seconds=arguments.report_delay, uncollected_seconds=arguments.uncollected_after, **relaxed
    )
    plan: dict[str, Any] = {"rate": arguments.fault_rate, "seed": arguments.fault_seed}
    if arguments.faults:
        plan["faults"] = arguments.faults.split(",")
    if arguments.fault_kinds:
        plan["kinds"] = arguments.fault_kinds.split(",")
    switch, exchanges, tokens = FaultSwitch(FaultPlan.from_json(plan)), ExchangeLog(), TokenRegister()

    # The sandbox's deprecation warnings. They are filtered only here, since importing it configures logging.
    warnings.simplefilter("ignore")
    from infra.local.mesh.server import close, cut, serve
    from infra.local.mesh.service import build_service

    # The error lines quote message headers, addresses included; the control endpoint lists refusals instead.
    logging.getLogger("mesh-sandbox").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory(prefix="local-mesh-") as temporary:
        sandbox, store = build_service(
            community=community,
            behaviour=behaviour,
            shared_key=os.environ.get("SHARED_KEY") or community.shared_key,
            folder=arguments.store or Path(temporary),
            tokens=tokens,
        )
        faulty = FaultMiddleware(sandbox, switch=switch, exchanges=exchanges, tokens=tokens, cut=cut, close=close)
        serve(Control(faulty, store=store, switch=switch, exchanges=exchanges, tokens=tokens), arguments.port)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra.local.mesh", description="A local MESH on 127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: a free one)")
    parser.add_argument("--community", type=Path, default=DEFAULT_COMMUNITY, help="mailboxes, patients, shared key")
    parser.add_argument("--store", type=Path, help="folder for the sandbox's two lists (default: a temporary one)")
    parser.add_argument("--report-delay", type=float, default=0.5, help="seconds until a routing failure is reported")
    parser.add_argument("--uncollected-after", type=float, help="seconds until an uncollected message is reported")
    parser.add_argument("--without", action="append", default=[], choices=sorted(_CHECKS), help="a check to switch off")
    parser.add_argument("--fault-rate", type=float, default=0.0, help="share of requests with a fault, 0 to 1")
    parser.add_argument("--fault-seed", type=int, default=0, help="seed of random faults")
    parser.add_argument("--faults", help="faults to choose from, separated by commas (default: all)")
    parser.add_argument("--fault-kinds", help="kinds of request with faults, separated by commas (default: all)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
