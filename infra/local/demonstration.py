"""The demonstration: send the sample requests through the product, and report their outcomes."""

import argparse
import json
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.text import Text

from gpcm.dropping import Dropped
from infra.local.denials import Denial
from infra.local.deployment import Schedule
from infra.local.detached_run import DETACHED_RUN_FILE, running
from infra.local.environments import ROOT
from infra.local.journey import ENDED, STEPS, Journey, journey_of
from infra.local.processes import LocalRunError
from infra.local.progress import Screen, main_console, screen, table
from infra.local.run import LocalRun, Product, State
from infra.local.scenarios import GPCM, REQUESTS, SCENARIOS, Scenario
from infra.local.schedules import ScheduleClock
from infra.local.template import REWRITES

PATIENCE_AFTER_DENIAL_SECONDS = 10.0


@dataclass(frozen=True)
class Outcome:
    """Result of a demonstration."""

    journeys: tuple[Journey, ...]
    expected: dict[str, str]
    denials: tuple[Denial, ...]
    schedule_failures: dict[str, str]

    @property
    def well(self) -> bool:
        """Whether every message has the expected status."""
        return all(journey.status == self.expected[journey.name] for journey in self.journeys)


def demonstrate(options: argparse.Namespace) -> int:
    """Start the run, send the chosen requests and report the outcome; return 0 only if every status is as expected."""
    console = main_console(to_error=options.json)
    if options.keep and running() is not None:
        raise LocalRunError(f"A detached run exists already. Stop it first: {GPCM} stop")
    chosen = [scenario for scenario in SCENARIOS if options.only is None or scenario.name in options.only]
    missing = [scenario.name for scenario in chosen if not (REQUESTS / scenario.name / "request.json").is_file()]
    if missing:
        raise LocalRunError(f"{REQUESTS} lacks: {', '.join(missing)}")
    began = time.monotonic()
    progress = screen(console)
    with ExitStack() as stack:
        with progress:
            run = stack.enter_context(LocalRun(rest_seconds=options.pace, report=progress.stage))
            outcome = _send(run, chosen, progress, patience=options.patience, pace=options.pace)
        stages = {stage.name: round(stage.seconds, 2) for stage in run.stages}
        if options.keep:
            run.stay(DETACHED_RUN_FILE)
        seconds = time.monotonic() - began
        if options.json:
            print(json.dumps(_as_json(outcome, run.logs_folder, stages, seconds), indent=2))
        else:
            console.print()
            console.print(table(outcome.journeys, outcome.expected))
            console.print()
            for line in (*verdict(outcome, seconds), *_where_to_look(run.state, detached=options.keep)):
                console.print(Text(line), soft_wrap=True)
    return 0 if outcome.well else 1


def _send(run: LocalRun, chosen: Sequence[Scenario], progress: Screen, *, patience: float, pace: float) -> Outcome:
    """Drop the requests and wait until all have ended, or `patience` seconds have passed."""
    schedules = run.state.deployment.schedules
    progress.say(f"schedules run every {pace:g} s here ({_intervals(schedules)} on AWS), with the same inputs")
    with ScheduleClock(run.session, schedules, run.outputs["InboxQueueUrl"], rest_seconds=pace) as rounds:
        dropped = [run.drop(REQUESTS / scenario.name) for scenario in chosen]
        expected = {scenario.name: scenario.status for scenario in chosen}
        deadline = time.monotonic() + patience
        reported = 0
        while True:
            journeys = _journeys(run, dropped)
            progress.journeys(journeys)
            if all(journey.status in ENDED and _is_final(journey, expected) for journey in journeys):
                break
            for denial in run.denials()[reported:]:
                progress.say(f"denied: {denial}")
                deadline = min(deadline, time.monotonic() + PATIENCE_AFTER_DENIAL_SECONDS)
                reported += 1
            if time.monotonic() > deadline:
                break
            time.sleep(0.25)
    return Outcome(tuple(journeys), expected, tuple(run.denials()), dict(rounds.failures))


def _is_final(journey: Journey, expected: dict[str, str]) -> bool:
    # A late acknowledgement can still change OVERDUE.
    return journey.status != "OVERDUE" or expected[journey.name] == "OVERDUE"


def _journeys(product: Product, dropped: Sequence[Dropped]) -> list[Journey]:
    messages = {message.request_id: message for message in product.messages()}
    return [journey_of(request, messages.get(request.request_id)) for request in dropped]


def _intervals(schedules: Sequence[Schedule]) -> str:
    expressions = sorted({schedule.expression for schedule in schedules}, reverse=True)
    return ", ".join(
        dict.fromkeys(
            expression.removeprefix("rate(").removesuffix(")") if expression.startswith("rate(") else "at set hours"
            for expression in expressions
        )
    )


def verdict(outcome: Outcome, seconds: float) -> list[str]:
    """Return the lines of the verdict: success, or every difference, denial and schedule failure."""
    if outcome.well:
        return [f"All {len(outcome.journeys)} messages reached the expected status, in {seconds:.0f} s."]
    lines = [f"Not as expected, after {seconds:.0f} s:"]
    for journey in outcome.journeys:
        wanted = outcome.expected[journey.name]
        if journey.status != wanted:
            lines.append(f"  {journey.name}: {journey.status} instead of {wanted}. {journey.reason}")
    lines += [f"  denied: {denial}" for denial in outcome.denials]
    lines += [f"  schedule {name}: {failure}" for name, failure in outcome.schedule_failures.items()]
    return lines


def _where_to_look(state: State, *, detached: bool) -> list[str]:
    lines = [
        "",
        "Where to look next",
        f"  logs of all functions and programs     {_short(state.folder / 'logs')}/",
        f"  messages that the practice received    {_short(state.folder / 'practice')}/",
        f"  differences from AWS                   {len(REWRITES)} template rewrites in infra/local/template.py",
    ]
    if detached:
        lines += [
            "",
            "The run is still running. From any terminal:",
            f"  {GPCM} drop FOLDER   drop a folder with request.json and its documents, or a sample by name",
            f"  {GPCM} list          list all messages",
            f"  {GPCM} show MESSAGE  show a message, and what to do",
            f"  {GPCM} stop          stop the run",
            f"  {GPCM} --help        list all commands",
        ]
    else:
        lines.append("  to leave it running and send requests  make demo KEEP=1")
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
        "messages": [
            _journey_as_json(journey) | {"expected": outcome.expected[journey.name]} for journey in outcome.journeys
        ],
        "denials": [vars(denial) for denial in outcome.denials],
        "schedule_failures": outcome.schedule_failures,
        "logs": str(logs),
    }


def _journey_as_json(journey: Journey) -> dict[str, Any]:
    return {
        "request": journey.name,
        "request_id": journey.request_id,
        "message_id": journey.message_id,
        "status": journey.status,
        "reason": journey.reason,
        "seconds": {
            step: seconds if seconds is None else round(seconds, 3)
            for step, seconds in zip(STEPS, journey.steps, strict=True)
        },
    }
