"""Draws how many messages stood where over time: the statuses stacked, as one SVG without anything to install."""

from collections.abc import Sequence
from datetime import datetime
from xml.sax.saxutils import escape

from gpconnect_messaging.ledger.stored_names import Status

Change = tuple[datetime, Status | None, Status]
WIDTH, HEIGHT, LEFT, TOP, LEGEND = 900, 360, 60, 50, 150
COLUMNS = 300
# What is under way on top, what ended well at the bottom.
COLOURS = {
    Status.DELIVERED: "#3b7d4f",
    Status.ACKNOWLEDGED: "#8fc99b",
    Status.REJECTED: "#a23b3b",
    Status.UNDELIVERED: "#c9784a",
    Status.REFUSED: "#7a4a2b",
    Status.INVALID: "#6b6b6b",
    Status.OVERDUE: "#b58900",
    Status.SENT: "#6f9bd1",
    Status.UNCERTAIN: "#9a5fb5",
    Status.SENDING: "#3f6fb0",
    Status.BUILT: "#c5d5ea",
    Status.RELEASING: "#d9c9a3",
    Status.HELD: "#e6dcc3",
}


def picture(changes: Sequence[Change], title: str) -> str:
    """Draw the changes (time, status before, status after; in order of time) as an SVG document."""
    if not changes:
        raise ValueError("nothing happened")
    times, counts = _columns(changes)
    most = max(sum(column.values()) for column in counts)
    seconds = times[-1] or 1.0
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH + LEFT + LEGEND} {HEIGHT + TOP + 50}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="100%" height="100%" fill="white"/><text x="{LEFT}" y="24" font-size="15">{escape(title)}</text>',
    ]
    base = [0.0] * len(counts)
    for place, (status, colour) in enumerate(_used(counts)):
        upper = [below + column.get(status, 0) for below, column in zip(base, counts, strict=True)]
        edge = [_point(time, value, seconds, most) for time, value in zip(times, upper, strict=True)]
        edge += [_point(time, value, seconds, most) for time, value in reversed(list(zip(times, base, strict=True)))]
        parts.append(f'<polygon fill="{colour}" points="{" ".join(edge)}"/>')
        x, y = LEFT + WIDTH + 12, TOP + HEIGHT - 18 * place
        parts.append(f'<rect x="{x}" y="{y - 10}" width="12" height="12" fill="{colour}"/>')
        parts.append(f'<text x="{x + 18}" y="{y}">{status.value} {counts[-1].get(status, 0)}</text>')
        base = upper
    for share in (0, 0.25, 0.5, 0.75, 1):
        across, up = LEFT + WIDTH * share, TOP + HEIGHT * (1 - share)
        parts.append(
            f'<text x="{across:.0f}" y="{TOP + HEIGHT + 18}" text-anchor="middle">{seconds * share:.0f} s</text>'
        )
        parts.append(f'<text x="{LEFT - 8}" y="{up + 4:.0f}" text-anchor="end">{most * share:.0f}</text>')
        parts.append(f'<path d="M{LEFT} {up:.1f}h{WIDTH}" stroke="black" stroke-opacity="0.15"/>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _columns(changes: Sequence[Change]) -> tuple[list[float], list[dict[Status, int]]]:
    """How many stood where, at equal steps from the first change to the last; times in seconds."""
    begin, end = changes[0][0], changes[-1][0]
    seconds = (end - begin).total_seconds()
    times = [seconds * column / COLUMNS for column in range(COLUMNS + 1)]
    counts: list[dict[Status, int]] = []
    now: dict[Status, int] = {}
    at = 0
    for time in times:
        while at < len(changes) and (changes[at][0] - begin).total_seconds() <= time:
            _, before, after = changes[at]
            if before is not None:
                now[before] -= 1
            now[after] = now.get(after, 0) + 1
            at += 1
        counts.append(dict(now))
    return times, counts


def _used(counts: Sequence[dict[Status, int]]) -> list[tuple[Status, str]]:
    """The statuses that occurred, from the bottom up, with their colours; a status without one of its own is black."""
    seen = {status for column in counts for status, count in column.items() if count}
    order = [*COLOURS, *(status for status in Status if status not in COLOURS)]
    return [(status, COLOURS.get(status, "#000000")) for status in order if status in seen]


def _point(time: float, value: float, seconds: float, most: int) -> str:
    return f"{LEFT + WIDTH * time / seconds:.1f},{TOP + HEIGHT * (1 - value / most):.1f}"
