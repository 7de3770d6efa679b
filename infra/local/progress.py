"""Show a person how the run gets on: a live table on a terminal, one line per change anywhere else."""

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
"""Short forms of journey.STEPS; the times are in seconds."""
BAD = frozenset({"INVALID", "REFUSED", "UNDELIVERED", "REJECTED", "OVERDUE"})


class Screen(Protocol):
    """Where progress is shown."""

    def __enter__(self) -> Self:
        """Begin."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""

    def say(self, line: str) -> None:
        """Show a line of its own."""

    def stage(self, name: str, ended: Stage | None) -> None:
        """Show that a stage of starting begins, or has ended."""

    def journeys(self, journeys: Sequence[Journey]) -> None:
        """Show how far the messages are."""


class Lines:
    """For logs and pipes: each change is a line, with the seconds since the beginning."""

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
        """Print a line once the stage has ended."""
        if ended is not None:
            self.say(f"{name} ready ({ended.seconds:.1f} s)")

    def journeys(self, journeys: Sequence[Journey]) -> None:
        """Print a line for each message whose status is new."""
        for way in journeys:
            before = self._shown.get(way.request_id)
            if before != way.status:
                self._shown[way.request_id] = way.status
                change = f"{before} → {way.status}" if before else way.status
                explanation = f": {way.reason}" if way.status in BAD and way.reason else ""
                self.say(f"{way.name} ({way.reference})  {change}{explanation}")


class LiveTable:
    """For a terminal: stages, then a table that is redrawn in place, and gone at the end."""

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
        """Mark the stage."""
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
    """Choose how to show progress."""
    return LiveTable(console) if console.is_terminal else Lines(console)


def table(journeys: Sequence[Journey], expected: dict[str, str] | None = None) -> Group:
    """Draw the messages, times in seconds, and below them why each is where it is.

    With `expected` (status by request name), say too whether that is where it should be.
    """
    drawn = Table(box=None, padding=(0, 1, 0, 0), header_style="bold", pad_edge=False)
    drawn.add_column("request", no_wrap=True, min_width=max((len(way.name) for way in journeys), default=0))
    drawn.add_column("message", no_wrap=True)
    drawn.add_column("status", no_wrap=True, min_width=11)
    if expected is not None:
        drawn.add_column("wanted", no_wrap=True)
    for heading in HEADINGS:
        drawn.add_column(heading, justify="right", no_wrap=True)
    for way in journeys:
        cells: list[Text | str] = [way.name, way.reference, Text(way.status, _style(way))]
        if expected is not None:
            wanted = expected.get(way.name, "")
            right = way.status == wanted
            cells.append(Text("✓" if right else f"✗ {wanted}", "green" if right else "bold red"))
        drawn.add_row(*cells, *(_seconds(step) for step in way.steps))
    reasons = [Text.assemble(f"{way.name}: ", (way.reason, "dim")) for way in journeys if way.reason]
    return Group(drawn, *([Text("")] if reasons else []), *reasons)


def _style(way: Journey) -> str:
    return "green" if way.status == "DELIVERED" else "yellow" if way.status in BAD else "cyan"


def _seconds(step: float | None) -> str:
    return "–" if step is None else f"{step:.1f}"


def main_console(*, to_error: bool = False) -> Console:
    """Return the console for progress; off a terminal lines are as long as they need to be."""
    console = Console(stderr=to_error, highlight=False)
    if not console.is_terminal:
        return Console(stderr=to_error, highlight=False, width=200, file=sys.stderr if to_error else sys.stdout)
    return console
