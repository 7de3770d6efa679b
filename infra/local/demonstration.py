"""What the commands of `infra.local.demo` do. Each takes the parsed arguments and returns the exit status."""

import argparse
import json
import os
import signal
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from rich.text import Text

from infra.local.denials import Denial
from infra.local.deployment import Schedule
from infra.local.emulator import LocalSession
from infra.local.environments import BUILD, ROOT
from infra.local.journey import ENDED, STEPS, Journey, journey, reason
from infra.local.ledger import Message, plain
from infra.local.processes import LocalRunError, keeper_lives
from infra.local.progress import Screen, main_console, screen, table
from infra.local.requests import REQUESTS, Dropped, RequestMissingError
from infra.local.run import LocalRun, Product, State
from infra.local.scenarios import COMMAND, SCENARIOS, Scenario
from infra.local.schedules import Pace
from infra.local.template import REWRITES

KEPT = BUILD / "local" / "kept.json"
"""State of the run that was left running."""

PATIENCE_AFTER_DENIAL_SECONDS = 10.0


@dataclass(frozen=True)
class Outcome:
    """How a demonstration ended."""

    journeys: tuple[Journey, ...]
    expected: dict[str, str]
    denials: tuple[Denial, ...]
    schedule_failures: dict[str, str]

    @property
    def well(self) -> bool:
        """Whether every message is where it should be."""
        return all(way.status == self.expected[way.name] for way in self.journeys)


def demonstrate(given: argparse.Namespace) -> int:
    """Start everything, send the chosen requests, and tell how it went; 0 only if every message ended as it should."""
    console = main_console(to_error=given.json)
    if given.keep and _kept() is not None:
        raise LocalRunError(f"A run is being kept already. End it first: {COMMAND} stop")
    chosen = [scenario for scenario in SCENARIOS if given.only is None or scenario.name in given.only]
    missing = [scenario.name for scenario in chosen if not (REQUESTS / scenario.name / "request.json").is_file()]
    if missing:
        raise RequestMissingError(f"{REQUESTS} lacks: {', '.join(missing)}")
    began = time.monotonic()
    shown = screen(console)
    with ExitStack() as ending:
        with shown:
            run = ending.enter_context(LocalRun(rest_seconds=given.pace, report=shown.stage))
            outcome = _send(run, chosen, shown, patience=given.patience, pace=given.pace)
        stages = {stage.name: round(stage.seconds, 2) for stage in run.stages}
        if given.keep:
            run.stay(KEPT)
        seconds = time.monotonic() - began
        if given.json:
            print(json.dumps(_as_json(outcome, run.logs_folder, stages, seconds), indent=2))
        else:
            console.print()
            console.print(table(outcome.journeys, outcome.expected))
            console.print()
            for line in (*verdict(outcome, seconds), *_where_to_look(run.state, kept=given.keep)):
                console.print(Text(line), soft_wrap=True)
    return 0 if outcome.well else 1


def _send(run: LocalRun, chosen: Sequence[Scenario], shown: Screen, *, patience: float, pace: float) -> Outcome:
    """Drop the requests and watch them until each has ended, or patience has."""
    schedules = run.state.deployment.schedules
    shown.say(f"the schedules' work ({_often(schedules)} on AWS) is done every {pace:g} s here, with the same inputs")
    with Pace(run.session, schedules, rest_seconds=pace) as rounds:
        dropped = [run.drop(REQUESTS / scenario.name) for scenario in chosen]
        expected = {scenario.name: scenario.status for scenario in chosen}
        deadline = time.monotonic() + patience
        told = 0
        while True:
            journeys = _journeys(run, dropped)
            shown.journeys(journeys)
            if all(way.status in ENDED and _may_rest(way, expected) for way in journeys):
                break
            for denial in run.denials()[told:]:
                shown.say(f"refused: {denial}")
                deadline = min(deadline, time.monotonic() + PATIENCE_AFTER_DENIAL_SECONDS)
                told += 1
            if time.monotonic() > deadline:
                break
            time.sleep(0.25)
    return Outcome(tuple(journeys), expected, tuple(run.denials()), dict(rounds.failures))


def _may_rest(way: Journey, expected: dict[str, str]) -> bool:
    # OVERDUE is the one end that a late acknowledgement still changes.
    return way.status != "OVERDUE" or expected[way.name] == "OVERDUE"


def _journeys(product: Product, dropped: Sequence[Dropped]) -> list[Journey]:
    messages = {message.request_id: message for message in product.messages()}
    return [journey(request, messages.get(request.request_id)) for request in dropped]


def _often(schedules: Sequence[Schedule]) -> str:
    expressions = sorted({schedule.expression for schedule in schedules})
    return ", ".join(
        expression.removeprefix("rate(").removesuffix(")") if expression.startswith("rate(") else expression
        for expression in expressions
    )


def verdict(outcome: Outcome, seconds: float) -> list[str]:
    """Say whether it ended well, and if not, what went wrong, permissions that were lacking included."""
    if outcome.well:
        return [f"All {len(outcome.journeys)} messages reached the status that they should, in {seconds:.0f} s."]
    lines = [f"Not as it should be, after {seconds:.0f} s:"]
    for way in outcome.journeys:
        wanted = outcome.expected[way.name]
        if way.status != wanted:
            lines.append(f"  {way.name}: {way.status} instead of {wanted}. {way.reason}")
    lines += [f"  refused: {denial}" for denial in outcome.denials]
    lines += [f"  schedule {name}: {failure}" for name, failure in outcome.schedule_failures.items()]
    return lines


def _where_to_look(state: State, *, kept: bool) -> list[str]:
    lines = [
        "",
        "Where to look next",
        f"  logs of every function and program     {_short(state.folder / 'logs')}/",
        f"  what the practice received             {_short(state.folder / 'practice')}/",
        f"  how this differs from AWS              {len(REWRITES)} template rewrites in infra/local/template.py",
    ]
    if kept:
        lines += [
            "",
            "It is still running. From another terminal, or this one:",
            f"  {COMMAND} drop FOLDER     a folder with request.json and its documents; or a sample's name",
            f"  {COMMAND} status          all messages",
            f"  {COMMAND} show REFERENCE  all about one message",
            f"  {COMMAND} stop            end it",
        ]
    else:
        lines.append("  to keep it running and send your own   make demo KEEP=1")
    return lines


def _short(path: Path) -> str:
    with suppress(ValueError):
        return str(path.relative_to(ROOT))
    return str(path)


def _as_json(outcome: Outcome, logs: Path, stages: dict[str, float], seconds: float) -> dict[str, Any]:
    return {
        "well": outcome.well,
        "seconds": round(seconds, 1),
        "stages": stages,
        "messages": [_way_as_json(way) | {"expected": outcome.expected[way.name]} for way in outcome.journeys],
        "denials": [vars(denial) for denial in outcome.denials],
        "schedule_failures": outcome.schedule_failures,
        "logs": str(logs),
    }


def _way_as_json(way: Journey) -> dict[str, Any]:
    return {
        "request": way.name,
        "request_id": way.request_id,
        "message_id": way.message_id,
        "status": way.status,
        "reason": way.reason,
        "seconds": {
            step: taken if taken is None else round(taken, 3) for step, taken in zip(STEPS, way.steps, strict=True)
        },
    }


def drop(given: argparse.Namespace) -> int:
    """Drop a request into the kept run, and follow it."""
    product = _product()
    folder: Path = given.folder
    if not (folder / "request.json").is_file() and (REQUESTS / folder / "request.json").is_file():
        folder = REQUESTS / folder
    dropped = product.drop(folder)
    console = main_console(to_error=given.json)
    [way] = _journeys(product, [dropped])
    with screen(console) as shown:
        shown.journeys([way])
        deadline = time.monotonic() + given.wait
        while way.status not in ENDED and time.monotonic() < deadline:
            time.sleep(0.25)
            [way] = _journeys(product, [dropped])
            shown.journeys([way])
    if given.json:
        print(json.dumps(_way_as_json(way), indent=2))
    elif way.status in ENDED:
        console.print(Text(f"{way.status}. {way.reason}"), soft_wrap=True)
    return 0


def status(given: argparse.Namespace) -> int:
    """List the kept run's messages."""
    ways = [_without_drop(message) for message in _product().messages()]
    if given.json:
        print(json.dumps([_way_as_json(way) for way in ways], indent=2))
    else:
        main_console().print(table(ways) if ways else "No messages yet.")
    return 0


def _without_drop(message: Message) -> Journey:
    """Tell a message's way from the ledger alone, which knows neither the request's folder nor when it was dropped."""
    name = f"{message.item['mailbox']} version {message.item['version']}"
    way = journey(Dropped(name, message.request_id, "", message.facts[0].at), message)
    return replace(way, steps=(None, *way.steps[1:]))


def show(given: argparse.Namespace) -> int:
    """Tell all that the kept run's ledger has about one message."""
    product = _product()
    found = [
        message
        for message in product.messages()
        if message.message_id.startswith(given.reference) or message.request_id.startswith(given.reference)
    ]
    if len(found) != 1:
        raise LocalRunError(f"{len(found)} messages begin with {given.reference}; see {COMMAND} status")
    [message] = found
    if given.json:
        items = {"message": message.item, "facts": [fact.item for fact in message.facts]}
        print(json.dumps(plain(items), indent=2))
        return 0
    console = main_console()
    console.print(Text(f"{message.status}  {reason(message)}", "bold"), soft_wrap=True)
    for name in ("message_id", "request_id", "mailbox", "version", "mesh_message_ids", "created_at", "changed_at"):
        console.print(Text(f"  {name:18} {plain(message.item.get(name, ''))}"), soft_wrap=True)
    for fact in message.facts:
        details = " ".join(f"{key}={value}" for key, value in fact.details.items())
        console.print(Text(f"  {fact.at:%H:%M:%S.%f}  {fact.kind:24} {fact.source}  {details}"), soft_wrap=True)
    return 0


def stop(_given: argparse.Namespace) -> int:
    """End the kept run."""
    state = _kept()
    if state is None or state.keeper_process is None:
        print("No run is being kept.")
        return 0
    os.kill(state.keeper_process, signal.SIGTERM)
    deadline = time.monotonic() + 15
    while _kept() is not None and time.monotonic() < deadline:
        time.sleep(0.1)
    if _kept() is not None:
        raise LocalRunError(f"The run does not end; its keeper is process {state.keeper_process}.")
    KEPT.unlink(missing_ok=True)
    print("Ended. Its logs stay in " + _short(state.folder / "logs"))
    return 0


def _product() -> Product:
    state = _kept()
    if state is None:
        raise LocalRunError("No run is being kept. Start one: make demo KEEP=1")
    product = Product(LocalSession(state.access), state)
    try:
        product.session.client("sts").get_caller_identity()
    except (BotoCoreError, ClientError) as error:
        raise LocalRunError(f"The kept run does not answer. End it: {COMMAND} stop") from error
    return product


def _kept() -> State | None:
    """Return the kept run's state, if its keeper still lives."""
    if not KEPT.is_file():
        return None
    state = State.read(KEPT)
    return state if keeper_lives(state.folder / "logs" / "keeper.lock") else None
