"""Show the progress of a run: a live table on a terminal, lines elsewhere."""

import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from infra.local.journey import Journey
from infra.local.run import Stage

HEADINGS = ("built", "sent", "infra.", "business")
"""Short forms of `journey.STEPS`; times are in seconds."""
BAD = frozenset({"INVALID", "REFUSED", "UNDELIVERED", "REJECTED", "OVERDUE"})


class Screen(Protocol):
    """An output for progress."""

    def __enter__(self) -> Self:
        """Begin the output."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the output."""

    def say(self, line: str) -> None:
        """Show a line."""

    def stage(self, name: str, ended: Stage | None) -> None:
        """Show the start of a stage (`ended` is None), or the end."""

    def journeys(self, journeys: Sequence[Journey]) -> None:
        """Show the messages' progress."""


class Lines:
    """Output for logs and pipes: a line for every change, with the seconds since the start."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = time.monotonic()
        self._shown: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def say(self, line: str) -> None:
        """Print the line."""
        self._console.print(Text(f"{time.monotonic() - self._began:6.1f} s  {line}"), soft_wrap=True)

    def stage(self, name: str, ended: Stage | None) -> None:
        """Print a line at the end of the stage."""
        if ended is not None:
            self.say(f"{name} ready ({ended.seconds:.1f} s)")

    def journeys(self, journeys: Sequence[Journey]) -> None:
        """Print a line for every message with a new status."""
        for journey in journeys:
            before = self._shown.get(journey.request_id)
            if before != journey.status:
                self._shown[journey.request_id] = journey.status
                change = f"{before} → {journey.status}" if before else journey.status
                explanation = f": {journey.reason}" if journey.status in BAD and journey.reason else ""
                self.say(f"{journey.name} ({journey.reference})  {change}{explanation}")


class LiveTable:
    """Output for a terminal: stages, then a table that is redrawn in the same position and removed at the end."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = time.monotonic()
        self._stages: dict[str, Stage | None] = {}
        self._journeys: Sequence[Journey] = ()
        self._live = Live(console=console, get_renderable=self._picture, refresh_per_second=4, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def say(self, line: str) -> None:
        """Print the line above the table."""
        self._console.print(Text(line))

    def stage(self, name: str, ended: Stage | None) -> None:
        """Update the stage."""
        self._stages[name] = ended

    def journeys(self, journeys: Sequence[Journey]) -> None:
        """Redraw the table."""
        self._journeys = tuple(journeys)

    def _picture(self) -> Group:
        stages = Text("  ")
        for name, ended in list(self._stages.items()):
            stages.append(
                f"{name} …  " if ended is None else f"{name} {ended.seconds:.1f} s  ", "dim" if ended else "cyan"
            )
        clock = Text(f"  {time.monotonic() - self._began:.0f} s", "dim")
        return Group(stages, table(self._journeys), clock) if self._journeys else Group(stages, clock)


def screen(console: Console) -> Screen:
    """Return the output for a console."""
    return LiveTable(console) if console.is_terminal else Lines(console)


def table(journeys: Sequence[Journey], expected: dict[str, str] | None = None) -> Group:
    """Return a table of the messages, times in seconds, and below it the ids and the reasons for the statuses.

    With `expected` (status by request name), mark every status as right or wrong.
    """
    grid = Table(box=None, padding=(0, 1, 0, 0), header_style="bold", pad_edge=False)
    grid.add_column("request", no_wrap=True, min_width=max((len(journey.name) for journey in journeys), default=0))
    grid.add_column("status", no_wrap=True, min_width=11)
    if expected is not None:
        grid.add_column("wanted", no_wrap=True)
    for heading in HEADINGS:
        grid.add_column(heading, justify="right", no_wrap=True)
    for journey in journeys:
        cells: list[Text | str] = [journey.name, Text(journey.status, _style(journey))]
        if expected is not None:
            wanted = expected.get(journey.name, "")
            right = journey.status == wanted
            cells.append(Text("✓" if right else f"✗ {wanted}", "green" if right else "bold red"))
        grid.add_row(*cells, *(_seconds(step) for step in journey.steps))
    messages = [
        Text.assemble(f"{journey.reference} {journey.name}", (journey.reason and f": {journey.reason}", "dim"))
        for journey in journeys
    ]
    return Group(grid, Text(""), *messages)


def _style(journey: Journey) -> str:
    return "green" if journey.status == "DELIVERED" else "yellow" if journey.status in BAD else "cyan"


def _seconds(step: float | None) -> str:
    return "–" if step is None else f"{step:.1f}"


def main_console(*, to_error: bool = False) -> Console:
    """Return the console for progress. Output to a file or a pipe has long lines."""
    console = Console(stderr=to_error, highlight=False)
    if not console.is_terminal:
        return Console(stderr=to_error, highlight=False, width=200, file=sys.stderr if to_error else sys.stdout)
    return console
