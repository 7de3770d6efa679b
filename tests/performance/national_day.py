"""Takes days of messages through the ledger and the poller's steps, under the limits of the deployed function.

    make national-day                       10,000, 100,000 and 2 million messages: twenty minutes or more
    make national-day MESSAGES=100000       10,000 and 100,000
    python -m tests.performance.national_day --messages 100000 --json
    make national-day RECORD=1              measure, and write national_day.json and docs/scale.md
    python -m tests.performance.national_day --markdown     write docs/scale.md from national_day.json

Every part (`day_parts`) works on a day on disk (`large_day`), in a process of its own that is killed where more is
resident than the template gives the function. Exit status 1 where a part exceeds the memory or the time, does not do
all of the work, does not end within the schedule's runs, or where a message of the largest day costs more than 1.25
times what one of the smallest costs; 2 where an option is wrong.
"""

import argparse
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from infra.cost import scale, usage
from infra.cost.__main__ import USUAL, replaced
from infra.cost.bill import Assumptions
from infra.local.deployment import LIBRARY
from infra.local.environments import ROOT
from infra.local.memory import MEGABYTE, watch
from tests.performance.day_parts import DAYS_A_MONTH, PARTS, POLLER, PRODUCTION, RUNS_A_DAY, Measured, as_json
from tests.performance.large_day import PROFILE, RECORDED, LargeDay

NATIONAL = 2_000_000
SMALLER = (10_000, 100_000)
FLAT = 1.25
"""By how much a message of the largest day may cost more than one of the smallest."""
MEASURED = Path(__file__).with_name("national_day.json")
BLOCK = "national day"
_SECONDS_A_DAY = 86_400
_LEAST_OF_MESSAGE = 0.1
"""Fewer calls or units of a message are not compared: they are less than a hundredth of what a message takes in all."""
_LEAST_SECONDS = 0.5
"""A part that computes for less is too short for its processor time to be compared."""


@dataclass(frozen=True)
class Limits:
    """What a part may take: MB, worked out seconds of a run, and runs a day by part."""

    megabytes: int = POLLER.memory_megabytes
    seconds: float = POLLER.timeout_seconds
    runs: dict[str, int] = field(default_factory=lambda: dict(RUNS_A_DAY))
    flat: float = FLAT


@dataclass
class Day:
    """What was measured of a day, and how it was made."""

    messages: int
    recorded: int
    copied: int
    seconds: int
    parts: dict[str, Measured]


@dataclass
class Report:
    """The measured days, the smallest first."""

    measured_on: str
    machine: str
    days: list[Day]

    @classmethod
    def read(cls, written: str) -> "Report":
        """Read what `as_json` wrote."""
        values = json.loads(written)
        days = [
            Day(**day | {"parts": {name: Measured(**part) for name, part in day["parts"].items()}})
            for day in values.pop("days")
        ]
        return cls(**values, days=days)

    def as_json(self) -> str:
        """Write the report for programs."""
        return json.dumps(asdict(self), indent=1) + "\n"


def runs_of_day(measured: Measured) -> int:
    """Return how many runs the whole day takes, of which the part may have handled a share."""
    return math.ceil(measured.runs_of_share * measured.messages / max(measured.handled, 1))


def exceeded(report: Report, limits: Limits) -> Iterator[str]:
    """Yield what exceeds a limit, or is not as it should be."""
    for day in report.days:
        for name, part in day.parts.items():
            of = f"{name}, {day.messages:,} messages"
            yield from (f"{of}: {wrong}" for wrong in part.wrong)
            if part.killed or part.peak_megabytes > limits.megabytes:
                yield f"{of}: {part.peak_megabytes} MB are resident, of {limits.megabytes}"
            if part.longest_run > limits.seconds:
                yield f"{of}: a run takes {part.longest_run:.0f} s, of {limits.seconds:.0f}"
            if name in limits.runs and not part.killed and runs_of_day(part) > limits.runs[name]:
                yield f"{of}: the day takes {runs_of_day(part)} runs, of {limits.runs[name]} a day"
    for name, part in report.days[-1].parts.items():
        first = report.days[0].parts[name]
        for cost, now, before in (
            ("calls", sum(part.calls.values()), sum(first.calls.values())),
            ("write units", part.units, first.units),
            ("processor time", part.seconds, first.seconds if first.seconds >= _LEAST_SECONDS else math.inf),
        ):
            ratio = part.of_message(now) / (first.of_message(before) or math.inf)
            if ratio > limits.flat and (cost == "processor time" or part.of_message(now) >= _LEAST_OF_MESSAGE):
                yield f"{name}: {cost} of a message are {ratio:.2f} times those of the smallest day"


def measure(day: LargeDay, part: str, limits: Limits) -> Measured:
    """Run a part in a process of its own, under the memory limit."""
    command = [sys.executable, "-m", "tests.performance.national_day", "--messages", str(day.messages),
               "--part", part, "--days", str(day.folder)]  # fmt: skip
    environment = {"PYTHONPATH": f"{ROOT}:{LIBRARY}", "PATH": "/usr/bin:/bin"}
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=ROOT, env=environment
        ) as process,
    ):
        watched = watch(process.pid, limits.megabytes * MEGABYTE, lives=lambda: process.poll() is None)
        assert process.stdout is not None
        lines = process.stdout.read().splitlines()
        errors.seek(0)
        failure = errors.read()
    result = Measured(**json.loads(lines[-1])) if lines else Measured(part=part, messages=day.messages)
    if not lines and not watched.killed:
        result.wrong.append(f"it failed: {failure.strip().splitlines()[-1] if failure.strip() else 'silently'}")
    result.killed = watched.killed
    result.peak_megabytes = watched.peak // MEGABYTE
    return result


def bench(
    sizes: Sequence[int],
    folder: Path,
    limits: Limits,
    *,
    parts: Sequence[str] = tuple(PARTS),
    most_recorded: int = RECORDED,
) -> Report:
    """Make days of these sizes in a folder, where they are not there yet, and take them through the parts."""
    days = []
    for messages in sizes:
        _say(f"a day of {messages:,} messages is made")
        day = LargeDay(messages, folder / str(messages), most_recorded)
        day.make()
        measured: dict[str, Measured] = {}
        for name in parts:
            _say(f"{messages:,} messages: {name}")
            measured[name] = measure(day, name, limits)
        days.append(Day(messages=messages, **day.made(), parts=measured))
    machine = f"{os.cpu_count()} {platform.machine()} cores, Python {platform.python_version()}"
    return Report(measured_on=datetime.now(UTC).date().isoformat(), machine=machine, days=days)


_HEAD = ("part", "of a day of", "handled", "calls", "units", "CPU ms", "longest run", "memory", "runs")


def rows(report: Report, limits: Limits) -> Iterator[tuple[str, ...]]:
    """Yield the table of the report; calls, units and processor time are of a handled message."""
    for name in report.days[0].parts:
        for day in report.days:
            part = day.parts[name]
            of_day = f" of {limits.runs[name]}" if name in limits.runs else ""
            yield (
                name, f"{day.messages:,}", f"{part.handled:,}", f"{part.of_message(sum(part.calls.values())):.2f}",
                f"{part.of_message(part.units):.2f}", f"{1_000 * part.of_message(part.seconds):.2f}",
                f"{part.longest_run:.1f} of {limits.seconds:.0f} s",
                f"{part.peak_megabytes} of {limits.megabytes} MB", f"{runs_of_day(part):,}{of_day}",
            )  # fmt: skip


def as_text(report: Report, limits: Limits) -> str:
    """Write the report for a person: one page."""
    table = [_HEAD, *rows(report, limits)]
    widths = [max(len(row[column]) for row in table) for column in range(len(_HEAD))]
    lines = [
        "  ".join(cell.ljust(width) if not column else cell.rjust(width)
                  for column, (cell, width) in enumerate(zip(row, widths, strict=True)))
        for row in table
    ]  # fmt: skip
    made = [f"{day.messages:,}: {day.recorded:,} recorded call by call, {day.copied:,} copied, {day.seconds} s"
            for day in report.days]  # fmt: skip
    found = list(exceeded(report, limits))
    verdict = [f"EXCEEDED: {one}" for one in found] or ["Every part is within its limits, and the cost is flat."]
    return "\n".join([*lines, "", "days of messages  " + "\n                  ".join(made), "", *verdict])


def as_markdown(report: Report, measurement: usage.Measurement, limits: Limits) -> str:
    """Write the part of docs/scale.md that is computed from the measurement."""
    day = report.days[-1]
    mean, assumed = day.messages / _SECONDS_A_DAY, Assumptions()
    peak = mean * max(PROFILE)
    needs = {need.limit.name: need for need in scale.needs(measurement, USUAL, assumed)}

    def at_peak(name: str) -> float:
        return needs[name].amounts[0] / scale.RATES[0] * peak

    parts = day.parts
    collecting = parts["collectors"]
    collectors = 2 * peak * collecting.busy / collecting.handled
    outage = parts["sweep after an outage"]
    lines = [
        f"A day of {day.messages:,} held reports is {mean:.0f} a second, and {peak:.0f} at the peak: "
        f"{sum(PROFILE[18:]) / sum(PROFILE):.0%} come from 18:00 to midnight, when practices are closed.",
        "",
        "| part | needs | has | to do |",
        "|---|---:|---:|---|",
    ]
    function = PRODUCTION
    for name, need, has, unit, remedy in (
        ("builder", at_peak("builders at once"), function.builder.maximum_concurrency, "runs at once",
         "`builder.maximum_concurrency`"),
        ("sender", at_peak("senders at once"), function.sender.maximum_concurrency, "runs at once",
         "`sender.maximum_concurrency`"),
        ("sweep, a minute at the peak", parts["sweep"].busy, 60, "seconds", ""),
        (f"sweep, {outage.handled:,} due after an outage", outage.busy / 60, 60, "minutes", ""),
        ("lister, the responses of the peak hour", parts["lister"].busy, limits.seconds, "seconds", ""),
        ("collectors", collectors, POLLER.maximum_concurrency, "runs at once", "`poller.maximum_concurrency`"),
        ("balance", runs_of_day(parts["balance"]), limits.runs["balance"], "runs a day", ""),
        ("archive", runs_of_day(parts["archive"]), limits.runs["archive"], "runs a day",
         "more hours of its schedule"),
        ("DynamoDB, writes", at_peak("DynamoDB, writes"), needs["DynamoDB, writes"].limit.quota, "units/s", ""),
        ("DynamoDB, reads", at_peak("DynamoDB, reads"), needs["DynamoDB, reads"].limit.quota, "units/s", ""),
        ("S3, one prefix, writes", at_peak("S3, one prefix, writes"), needs["S3, one prefix, writes"].limit.quota,
         "requests/s", ""),
        ("S3, one prefix, reads", at_peak("S3, one prefix, reads"), needs["S3, one prefix, reads"].limit.quota,
         "requests/s", ""),
        ("MESH, all calls", at_peak("MESH, all calls"), None, "calls/s", "agree on the rate with NHS England"),
        ("PDS", at_peak("PDS, where a mailbox asks it"), 5, "questions/s", "NHS England grants more, by agreement"),
    ):  # fmt: skip
        over = has is not None and need > has
        amount = f"{need:,.1f}" if need < 100 else f"{need:,.0f}"
        quota = "not published" if has is None else f"{has:,.0f} {unit}"
        todo = remedy if over or has is None else ""
        lines.append(f"| {name} | {f'**{amount}**' if over else amount} | {quota} | {todo} |")
    lines += [
        "",
        "Bold needs are above what production's defaults or quotas give. Builder, sender, DynamoDB, S3, MESH and PDS "
        "come from the calls that",
        f"`make cost` counts; the others were measured on {report.measured_on} ({report.machine}):",
        "",
        f"| {' | '.join(_HEAD)} |",
        "|---|" + "---:|" * (len(_HEAD) - 1),
        *(f"| {' | '.join(row)} |" for row in rows(report, limits)),
        "",
        f"Calls, write units and processor time are of one handled message. "
        f"{_flat(report, limits)} Of the largest day {day.recorded:,} messages",
        f"were recorded call by call, and {day.copied:,} are copies with fresh ids and times. "
        f"{parts['balance'].found['lost']} requests were lost on purpose, and the balance missed exactly those.",
        "",
        _of_month(parts["archive"].found),
    ]
    return "\n".join(lines)


def _of_month(found: dict[str, int]) -> str:
    return (
        f"A month of {DAYS_A_MONTH} such days has {found['segments of a month']:,} segments in the archive. "
        f"The index is merged in {found['steps of a month']} steps,\neach of which reads "
        f"{found['megabytes read by a step'] / 1_000:,.1f} GB in {found['seconds of a step']} s, besides the time of "
        f"the transfer. Any id is found with at most {found['requests to find']} requests of S3."
    )


def _flat(report: Report, limits: Limits) -> str:
    growth = max(
        day.of_message(day.seconds) / report.days[0].parts[name].of_message(report.days[0].parts[name].seconds)
        for name, day in report.days[-1].parts.items()
        if report.days[0].parts[name].seconds >= _LEAST_SECONDS
    )
    calls = [day.parts["balance"].of_message(sum(day.parts["balance"].calls.values())) for day in report.days]
    return (
        f"The balance reads every file once for every part, so that its calls grow, from {calls[0]:.2f} to "
        f"{calls[-1]:.2f}; below {_LEAST_OF_MESSAGE} calls\nor units of a message growth is not judged. "
        f"A message of the largest day takes at most {growth:.2f} times the processor time of one of the smallest "
        f"(at most {limits.flat:.2f} are allowed)."
    )


def write_page(page: Path, report: Report, limits: Limits) -> None:
    """Write the computed part into docs/scale.md."""
    content = as_markdown(report, usage.load(usage.MEASURED), limits)
    page.write_text(replaced(page.read_text(encoding="utf-8"), BLOCK, content), encoding="utf-8")


def _say(text: str) -> None:
    sys.stderr.write(f"{datetime.now(UTC):%H:%M:%S} {text}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the bench and print the report."""
    parser = argparse.ArgumentParser(
        prog="make national-day", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--messages", type=int, default=NATIONAL, help="messages of the largest day (default: 2 million)"
    )
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--record", action="store_true", help=f"write {MEASURED.name} and docs/scale.md")
    parser.add_argument("--markdown", action="store_true", help=f"only write docs/scale.md, from {MEASURED.name}")
    parser.add_argument("--days", type=Path, help="keep the days in this folder, and use those that are there")
    parser.add_argument("--part", choices=list(PARTS), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.messages < 100:
        sys.stderr.write("--messages must be 100 or more\n")
        return 2
    if options.part:
        print(as_json(PARTS[options.part](LargeDay(options.messages, options.days))), flush=True)
        return 0
    limits, page = Limits(), ROOT / "docs" / "scale.md"
    if options.markdown:
        write_page(page, Report.read(MEASURED.read_text(encoding="utf-8")), limits)
        return 0
    sizes = [size for size in SMALLER if size < options.messages] + [options.messages]
    with tempfile.TemporaryDirectory() as folder:
        report = bench(sizes, options.days or Path(folder), limits)
    if options.record:
        MEASURED.write_text(report.as_json(), encoding="utf-8")
        write_page(page, report, limits)
    print(report.as_json() if options.json else as_text(report, limits))
    return int(any(exceeded(report, limits)))


if __name__ == "__main__":
    sys.exit(main())
