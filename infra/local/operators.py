"""The local run for operators: `python -m infra.local.operators` is `gpcm`, with the local run as the default.

Importing this module adds the commands `demo` and `stop` to `gpcm`, and the detached run to the environments.
"""

from collections.abc import Callable
from typing import Annotated, Any

import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.text import Text

from gpcm.command_line import CommandContext, Panel, command, main, register_commands
from gpcm.environment import OperatorEnvironment, OperatorEnvironmentError, register_local_run
from infra.local import demo as local_demo
from infra.local import detached_run
from infra.local.emulator import LocalSession
from infra.local.processes import LocalRunError
from infra.local.run import Product
from infra.local.scenarios import SCENARIOS

_NAMES = [scenario.name for scenario in SCENARIOS]


def of_product(product: Product, close_clients: Callable[[], None] = lambda: None) -> OperatorEnvironment:
    """Return the environment of a local run, detached or within a test."""
    client: Any = product.session.client  # the stubs accept only literal service names
    return OperatorEnvironment(
        name="the local run", client=client, outputs=product.outputs, log_files=product.logs_folder,
        close_clients=close_clients,
    )  # fmt: skip


def open_detached_run() -> OperatorEnvironment:
    """Open the detached run. Raises OperatorEnvironmentError."""
    state = detached_run.running()
    if state is None:
        raise OperatorEnvironmentError(
            "There is no detached local run. Start one with `make demo KEEP=1`, or name a deployed environment: "
            "--environment dev."
        )
    session = LocalSession(state.access)
    try:
        session.client("sts").get_caller_identity()
    except (BotoCoreError, ClientError):
        session.close()
        raise OperatorEnvironmentError(
            "The detached run does not answer. Stop it with `gpcm stop`, and start another."
        ) from None
    return of_product(Product(session, state), session.close)


register_local_run(open_detached_run)
register_commands()  # before those of this module: help lists panels in that order


@command(example="gpcm demo --keep", panel=Panel.MACHINE, needs_environment=False)
def demo(
    context: CommandContext,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the local run going afterwards.")] = False,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="NAME", help=f"Only this request: {', '.join(_NAMES)}.")
    ] = None,
) -> int:
    """Run the product on this machine and send six requests through it (`make demo`)."""
    unknown = set(only or []) - set(_NAMES)
    if unknown:
        raise typer.BadParameter(f"choose from {', '.join(_NAMES)}", param_hint="--only")
    options = [*(["--keep"] if keep else []), *(["--json"] if context.screen.as_json else [])]
    return local_demo.main([*options, *(word for name in only or [] for word in ("--only", name))])


@command(example="gpcm stop", panel=Panel.MACHINE, needs_environment=False)
def stop(context: CommandContext) -> None:
    """Stop the detached local run."""
    try:
        stopped = detached_run.stop()
    except LocalRunError as error:
        raise OperatorEnvironmentError(str(error)) from None
    if stopped is None:
        context.screen.result({"ended": False}, Text("There is no detached run."))
    else:
        logs = str(stopped.folder / "logs")
        context.screen.result({"ended": True, "logs": logs}, Text(f"Stopped. The logs stay in {logs}"))


if __name__ == "__main__":
    main()
