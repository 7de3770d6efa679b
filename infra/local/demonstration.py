"""The demonstration: the sample requests through the whole product, and how each fared."""

import argparse
import json
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.text import Text

from infra.local.denials import Denial
from infra.local.deployment import Schedule
from infra.local.detached_run import KEPT, kept
from infra.local.environments import ROOT
from infra.local.journey import ENDED, STEPS, Journey, journey
from infra.local.processes import LocalRunError
from infra.local.progress import Screen, main_console, screen, table
from infra.local.requests import REQUESTS, Dropped, RequestMissingError
from infra.local.run import LocalRun, Product, State
from infra.local.scenarios import GPCM, SCENARIOS, Scenario
from infra.local.schedules import ScheduleClock
from infra.local.template import REWRITES

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
    if given.keep and kept() is not None:
        raise LocalRunError(f"A run is being kept already. End it first: {GPCM} stop")
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
    with ScheduleClock(run.session, schedules, rest_seconds=pace) as rounds:
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
            f"  {GPCM} drop FOLDER   a folder with request.json and its documents; or a sample's name",
            f"  {GPCM} list          all messages",
            f"  {GPCM} show MESSAGE  all about one message, and what to do",
            f"  {GPCM} stop          end it",
            f"  {GPCM} --help        the rest",
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
