"""Every call that a step makes to the world outside, as a place where its process may die, fail or be held up.

The places are found by watching, never listed by hand: `Process.port` wraps whatever a step is given, and a place is
where in the product's code the call came from, what was called, and whether it was about to happen or had happened.
"""

import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from types import FrameType
from typing import Any

from botocore.exceptions import EndpointConnectionError, ReadTimeoutError

from gpconnect_messaging.mesh.errors import NotSent, RetryLater, Uncertain
from tests.crash_injection import Died

_PRODUCT = "gpconnect_messaging."


class Ending(Enum):
    """What happens to a process at its place."""

    DIES = auto()
    FAILS = auto()
    """The call raises, before or after it took effect, as when an answer is lost; the process lives on."""
    PAUSES = auto()
    """The process stands still there until it is told to go on."""


@dataclass(frozen=True, order=True)
class Place:
    """A point before or after one effect of a step."""

    step: str
    path: str
    """The product's functions and lines that led there, outermost first."""
    effect: str
    after: bool


@dataclass(frozen=True)
class Deaths:
    """Which processes die: the scenario's own at its place number `at` (0: it lives), then one at each of `later`."""

    scenario: str
    at: int = 0
    later: tuple[Place, ...] = ()


@dataclass
class Watched:
    """Which places were seen, and at which something was made to happen."""

    seen: set[Place] = field(default_factory=set)
    tried: dict[Ending, set[Place]] = field(default_factory=lambda: {ending: set() for ending in Ending})
    deaths: Deaths = Deaths("")
    """Those of the world that is watched now."""
    first_seen: dict[Place, Deaths] = field(default_factory=dict)
    """After which deaths a place was first seen."""
    later: list[Place] = field(default_factory=list)
    """Where the next processes die."""


@dataclass
class Process:
    """One life of a function's process.

    `ending` happens to it at the effect side numbered `at` (from 1), or right before the first effect named `on`.
    """

    step: str
    watched: Watched
    at: int = 0
    ending: Ending = Ending.DIES
    on: str = ""
    places: list[Place] = field(default_factory=list)
    """Those that it passed, in order."""
    dead: bool = False
    failed: bool = False
    """It ended with an error."""
    struck: bool = False
    struck_at: Place | None = None
    unnoted: int = 0
    """Notifications that were published and not yet noted as told."""
    reached: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)

    def port(self, name: str, target: Any) -> Any:
        """Wrap a client: all its calls are effects of this process."""
        return _Port(self, name, target)

    def effect(self, name: str, call: Callable[[], Any]) -> Any:
        """Do one effect, with a place before it and one after."""
        path = _path()
        self._reach(Place(self.step, path, name, after=False))
        try:
            result = call()
        except Died:  # what it was given took all its memory
            self.dead = True
            raise
        if name == "sns.publish":
            self.unnoted += 1
        elif " notification_told >" in path or " escalated >" in path:
            self.unnoted = 0
        self._reach(Place(self.step, path, name, after=True))
        return result

    def _reach(self, place: Place) -> None:
        if self.dead:
            raise Died
        self.places.append(place)
        self.watched.seen.add(place)
        self.watched.first_seen.setdefault(place, self.watched.deaths)
        if self.watched.later[:1] == [place]:
            del self.watched.later[0]
            self.watched.tried[Ending.DIES].add(place)
            self.dead = True
            raise Died
        if len(self.places) != self.at and (place.effect != self.on or place.after or self.struck):
            return
        self.struck, self.struck_at = True, place
        self.watched.tried[self.ending].add(place)
        match self.ending:
            case Ending.DIES:
                self.dead = True
                raise Died
            case Ending.FAILS:
                raise _failure(place)
            case Ending.PAUSES:
                self.reached.set()
                assert self.go_on.wait(timeout=30), "nobody told a paused process to go on"


@dataclass
class _Port:
    """A client whose calls are effects."""

    process: Process
    name: str
    target: Any

    def __getattr__(self, operation: str) -> Any:
        found = getattr(self.target, operation)
        if not callable(found):
            return found
        if operation == "get_paginator":
            return lambda *arguments: _Port(self.process, self.name, found(*arguments))
        return lambda *arguments, **settings: self.process.effect(
            f"{self.name}.{operation}", lambda: _whole(found(*arguments, **settings))
        )


def _whole(result: Any) -> Any:
    """Let what would be fetched page by page be fetched within its effect."""
    return iter(list(result)) if isinstance(result, Iterator) else result


def _failure(place: Place) -> Exception:
    port, _, operation = place.effect.partition(".")
    if port != "mesh":
        return ReadTimeoutError(endpoint_url="-") if place.after else EndpointConnectionError(endpoint_url="-")
    if not place.after:
        return NotSent(operation, "no connection")
    return (Uncertain if operation.startswith("send") else RetryLater)(operation, "the answer was lost")


def _path() -> str:
    """Name the product's frames that led here, outermost first."""
    frame: FrameType | None = sys._getframe(2)
    found: list[str] = []
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.startswith(_PRODUCT):
            found.append(f"{module.removeprefix(_PRODUCT)}:{frame.f_lineno} {frame.f_code.co_name}")
        frame = frame.f_back
    return " > ".join(reversed(found))
