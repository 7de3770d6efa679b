"""Lays out the diagram of today's flow: the number of messages per stage, from the request to the practice.

`templates/picture.html` draws it. The page has the same numbers as a table.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from gpcm.messages import Mood
from gpconnect_messaging.ledger.stored_names import Status


@dataclass(frozen=True, slots=True)
class Slot:
    """A box of the diagram, and the statuses that it counts."""

    name: str
    statuses: frozenset[Status]
    mood: Mood


@dataclass(frozen=True, slots=True)
class Stage:
    """A slot on the main path, and the slots where messages leave the path."""

    slot: Slot
    leaving: tuple[Slot, ...] = ()


def _slot(name: str, mood: Mood, *statuses: Status) -> Slot:
    return Slot(name, frozenset(statuses), mood)


STAGES = (
    Stage(
        _slot("Held back", Mood.UNDER_WAY, Status.HELD, Status.RELEASING),
        (
            _slot("Request refused", Mood.BAD, Status.INVALID),
            _slot("Practice to be told", Mood.WAITS, Status.TELL_PRACTICE),
            _slot("Nothing to send", Mood.OVER, Status.NOT_REQUIRED, Status.SUPERSEDED, Status.WITHDRAWN),
        ),
    ),
    Stage(
        _slot("Being sent", Mood.UNDER_WAY, Status.BUILT, Status.SENDING, Status.UNCERTAIN),
        (_slot("Refused by MESH", Mood.BAD, Status.REFUSED),),
    ),
    Stage(
        _slot("With the practice", Mood.UNDER_WAY, Status.SENT, Status.ACKNOWLEDGED),
        (
            _slot("Not delivered", Mood.BAD, Status.UNDELIVERED),
            _slot("Answer overdue", Mood.BAD, Status.OVERDUE),
            _slot("Rejected", Mood.BAD, Status.REJECTED),
        ),
    ),
    Stage(_slot("Delivered", Mood.GOOD, Status.DELIVERED)),
)
"""The main path. It leaves out released requests, since their messages are counted."""

COUNTED = frozenset(Status) - {Status.RELEASED}


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle: the top left corner, the size, and the text."""

    x: int
    y: int
    width: int
    height: int
    name: str
    count: int
    mood: Mood
    big: bool


@dataclass(frozen=True, slots=True)
class Arrow:
    """A line from one box to another, as an SVG path. The width shows the number of messages."""

    path: str
    width: int
    mood: Mood


@dataclass(frozen=True, slots=True)
class FlowDiagram:
    """The diagram, in SVG units."""

    width: int
    height: int
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]


def count_of(slot: Slot, counts: Mapping[Status, int]) -> int:
    """Count the messages in a slot."""
    return sum(counts.get(status, 0) for status in slot.statuses)


def wide(counts: Mapping[Status, int]) -> FlowDiagram:
    """Lay out the main path from left to right, and the leaving slots below."""
    box, gap, tall, small, between = 228, 40, 96, 52, 14
    boxes: list[Box] = []
    arrows: list[Arrow] = []
    most = max(1, sum(counts.values()))
    for number, stage in enumerate(STAGES):
        x = number * (box + gap)
        boxes.append(_box(stage.slot, counts, x, 0, box, tall, big=True))
        if number:
            went = sum(_passed(later, counts) for later in STAGES[number:])
            arrows.append(
                Arrow(f"M{x - gap + 2} {tall // 2}H{x - 12}", _arrow_width(went, most), Mood.OVER)
            )  # fmt: skip
        for row, slot in enumerate(stage.leaving):
            y = tall + 32 + row * (small + between)
            boxes.append(_box(slot, counts, x + 24, y, box - 24, small))
            count = count_of(slot, counts)
            if count:
                middle = y + small // 2
                arrows.append(Arrow(f"M{x + 8} {tall + 2}V{middle}H{x + 14}", 3, slot.mood))
    rows = max(len(stage.leaving) for stage in STAGES)
    return FlowDiagram(
        len(STAGES) * (box + gap) - gap, tall + 32 + rows * (small + between), tuple(boxes), tuple(arrows)
    )


def narrow(counts: Mapping[Status, int]) -> FlowDiagram:
    """Lay out the main path from top to bottom, for a narrow screen."""
    width, tall, small, gap = 288, 72, 48, 12
    boxes: list[Box] = []
    arrows: list[Arrow] = []
    most = max(1, sum(counts.values()))
    y = 0
    for number, stage in enumerate(STAGES):
        if number:
            went = sum(_passed(later, counts) for later in STAGES[number:])
            arrows.append(Arrow(f"M12 {y - gap * 2 + 2}V{y - 12}", _arrow_width(went, most), Mood.OVER))
        boxes.append(_box(stage.slot, counts, 0, y, width, tall, big=True))
        y += tall
        for slot in stage.leaving:
            y += gap
            boxes.append(_box(slot, counts, 32, y, width - 32, small))
            y += small
        y += gap * 2
    return FlowDiagram(width, y - gap * 2, tuple(boxes), tuple(arrows))


def _box(
    slot: Slot, counts: Mapping[Status, int], x: int, y: int, width: int, height: int, *, big: bool = False
) -> Box:
    return Box(x, y, width, height, slot.name, count_of(slot, counts), slot.mood, big)


def _passed(stage: Stage, counts: Mapping[Status, int]) -> int:
    return sum(count_of(slot, counts) for slot in (stage.slot, *stage.leaving))


def _arrow_width(went: int, most: int) -> int:
    """Return the width of an arrow: thin where no message went, and never wide enough to cover a box."""
    return 1 if not went else 2 + round(10 * went / most)
