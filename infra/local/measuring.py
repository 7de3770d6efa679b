"""Measure the AWS usage of a message: send some through the local run, and count the functions' calls.

    python -m infra.local.measuring [--messages 40]

writes `infra/cost/measured.json`. The usage of idle schedules is measured first and subtracted. Needs
Linux, for the CPU time of processes.
"""

import argparse
import json
import math
import os
import platform
import sys
import tempfile
import time
import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from aws_cdk import App

from gpcm.functions import FunctionFailedError, invoke
from infra import app as command
from infra import environments
from infra.cost import usage
from infra.cost.usage import Fixed, Measurement, Message, Rows, Runs, Use
from infra.local import emulator
from infra.local.capacity import size
from infra.local.memory import MEGABYTE, peak_memory
from infra.local.run import LocalRun
from infra.local.scenarios import REQUESTS

FUNCTIONS = ("builder", "sender", "poller")
KINDS: Mapping[str, Mapping[str, Any]] = {
    "at once": {"mailbox": "Y90001OT001"},
    "asked of PDS": {"mailbox": "Y90003OT001", "organisation": "Y90003"},
    "held": {"mailbox": "Y90001OT002"},
}
"""Ways of a report, by mailbox: sent at once; looked up in PDS first; and held as well, as in production."""

_IDLE_RUNS = 5
_WAITS = ("STALE_SECONDS", "LEASE_SECONDS", "UNCERTAIN_SECONDS", "ESCALATE_AFTER_SECONDS")
_PATIENCE_SECONDS = 600.0
_SWEEP_SECONDS = 60.0
"""Time between two sweeps, as in production: each sweep looks in vain at what is being worked on."""
_ITEM_OVERHEAD = 100
"""Bytes that DynamoDB adds to an item, and to an index entry (developer guide, "Table storage")."""


@dataclass
class Counts:
    """Counts of an interval of the run, from the file of calls and the functions' logs."""

    calls: dict[tuple[str, str], float] = field(default_factory=lambda: defaultdict(float))
    """By function and action."""
    sent: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    write_units: float = 0
    read_units: float = 0
    runs: dict[str, list[float]] = field(default_factory=lambda: defaultdict(lambda: [0.0, 0.0]))
    tasks: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    log_lines: list[str] = field(default_factory=list)
    log_bytes: float = 0

    def without(self, idle: Mapping[str, Use]) -> "Counts":
        """Subtract the usage of the schedules' runs in this interval."""
        for task, times in self.tasks.items():
            use = idle[task]
            for function, actions in use.calls.items():
                for action, count in actions.items():
                    self.calls[function, action] -= times * count
            for name, count in use.sent.items():
                self.sent[name] -= times * count
            self.write_units -= times * use.write_units
            self.read_units -= times * use.read_units
            self.log_bytes -= times * use.log_bytes
            for name, runs in use.runs.items():
                self.runs[name][0] -= times * runs.runs
                self.runs[name][1] -= times * runs.seconds
        return self

    def average(self, number: int) -> Use:
        """Divide the counts by a number; values below zero are noise and become zero."""

        def share(total: float) -> float:
            return round(max(total / number, 0), 4)

        return Use(
            calls={
                name: {
                    action: share(count)
                    for (function, action), count in self.calls.items()
                    if function == name and share(count)
                }
                for name in FUNCTIONS
            },
            sent={name: share(count) for name, count in self.sent.items() if share(count)},
            write_units=share(self.write_units),
            read_units=share(self.read_units),
            runs={name: Runs(runs=share(runs), seconds=share(seconds)) for name, (runs, seconds) in self.runs.items()},
            log_bytes=share(self.log_bytes),
        )


class Meter:
    """Reads a run's file of calls and functions' logs, from the last position on."""

    def __init__(self, run: LocalRun) -> None:
        self._run = run
        self._file = run.logs_folder / emulator.CALLS
        self._functions = {physical: name for name, physical in run.state.deployment.functions.items()}
        self._read = 0
        self._logged = dict.fromkeys(FUNCTIONS, 0)
        self._cpu: dict[int, float] = {}
        self._start = dict.fromkeys(FUNCTIONS, float("inf"))
        self.take()

    def take(self) -> Counts:
        """Return the counts since the last call."""
        counts = Counts()
        content = self._file.read_bytes()
        lines, self._read = content[self._read :], len(content)
        for line in lines.splitlines():
            entry = json.loads(line)
            if "call" in entry:
                counts.calls[self._functions[entry["by"]], entry["call"]] += 1
                counts.sent[entry["call"]] += entry["sent"]
                counts.write_units += entry["write"]
                counts.read_units += entry["read"]
            else:
                counts.runs[self._functions[entry["run"]]][0] += 1
                if entry["task"]:
                    counts.tasks[entry["task"]] += 1
        for name in FUNCTIONS:
            logged = (self._run.logs_folder / f"{name}.log").read_bytes()[self._logged[name] :]
            self._logged[name] += len(logged)
            counts.log_bytes += len(logged)
            counts.log_lines += logged.decode(errors="replace").splitlines()
            seconds = self._cpu_seconds_since(name)
            if name in counts.runs:
                counts.runs[name][1] = seconds
        return counts

    def _cpu_seconds_since(self, function: str) -> float:
        """Return the CPU seconds of a function's processes since the last call, without their starts.

        A start is shared by thousands of messages, not by these few; the smallest value of a process stands for it.
        """
        now = {process: _cpu_seconds(process) for process in self._run.handler_processes(function)}
        self._start[function] = min([self._start[function], *now.values()])
        since = sum(max(seconds - self._cpu.get(process, self._start[function]), 0) for process, seconds in now.items())
        self._cpu |= now
        return since


def measure(messages: int) -> Measurement:
    """Run the product and count the AWS usage."""
    with LocalRun(count_calls=True, adjust=with_time) as run:
        for kind in KINDS:
            _send(run, kind, 2)
        _quiet(run)
        meter = Meter(run)
        schedules, idle_lines = {}, list[str]()
        for task in ("due", "mailbox", "drop", "reconcile"):  # `reconcile` finds the balance made already
            meter.take()
            for _ in range(_IDLE_RUNS):
                _task(run, task)
            counts = meter.take()
            idle_lines += counts.log_lines
            schedules[task] = counts.average(_IDLE_RUNS)
        kinds = {}
        for kind in KINDS:
            before, asked = _stored_bytes(run), _pds_questions(run)
            meter.take()
            sizes = _send(run, kind, messages)
            counts = meter.take().without(schedules)
            _quiet(run)
            kinds[kind] = Message(
                use=counts.average(messages),
                message_bytes=round(sum(sizes) / messages, 1),
                dropped_bytes=sum(file.stat().st_size for file in _sample().iterdir()),
                pds_questions=round((_pds_questions(run) - asked) / messages, 2),
                rows=tuple(
                    Rows(days=days, table_bytes=round(table / messages, 1), index_bytes=round(indexes / messages, 1))
                    for days, (table, indexes) in _more_bytes(before, _stored_bytes(run))
                ),
            )
        meter.take()
        run.invoke("poller", {"task": "reconcile", "day": datetime.now(UTC).date().isoformat()})
        schedules["balance"] = meter.take().average(1)
        return Measurement(
            measured_on=datetime.now(UTC).date(),
            machine=f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
            messages=messages,
            kinds=kinds,
            schedules=schedules,
            peak_megabytes={name: _peak(run, name) for name in FUNCTIONS},
            fixed=fixed(idle_lines, run.logs()),
        )


def with_time(template: dict[str, Any]) -> None:
    """Set functions and waits to the times of production, so that a busy machine is not late for short waits.

    A late message is chased, notified and re-queued, which a usual message is not.
    """
    for resource in template["Resources"].values():
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::Lambda::Function":
            properties["Timeout"] = 300
            variables = properties["Environment"]["Variables"]
            variables |= {name: "3600" for name in _WAITS if name in variables}
        if resource["Type"] == "AWS::SQS::Queue" and "VisibilityTimeout" in properties:
            properties["VisibilityTimeout"] = 1800
        if resource["Type"] == "AWS::SSM::Parameter":
            settings = json.loads(properties["Value"])
            settings |= {name: 3600 for name in settings if name.endswith("_acknowledgement_seconds")}
            settings |= {"escalate_after_seconds": 3600}
            if settings.get("mailbox") == KINDS["held"]["mailbox"]:
                # Looked up in PDS, too, as in production; and held for longer than a busy machine takes to begin.
                settings |= {"pds_lookup": True, "hold_window_seconds": 60}
            properties["Value"] = json.dumps(settings)


def fixed(idle_lines: Sequence[str], log_lines: Sequence[str]) -> Fixed:
    """Count the monthly resources of production's template, and the metrics that the functions wrote."""
    production = environments.load("prod")
    with tempfile.TemporaryDirectory() as folder:
        app = App(context=command.cdk_context(), outdir=folder)
        stack = command.build(production, app)
        app.synth()
        template = json.loads((Path(folder) / f"{stack.stack_name}.template.json").read_text())
    mailboxes = [settings.mailbox for settings in production.mailboxes]
    (idle, idle_of_a_mailbox), (all_of_them, all_of_a_mailbox) = _metrics(idle_lines), _metrics(log_lines)
    metrics = {
        "metrics": len(idle),
        "metrics_of_a_mailbox": len(idle_of_a_mailbox),
        "metrics_of_messages": len(all_of_them - idle),
        "metrics_of_messages_of_a_mailbox": len(all_of_a_mailbox - idle_of_a_mailbox),
    }
    return Fixed.model_validate(resources(template, mailboxes) | metrics)


def resources(template: Mapping[str, Any], mailboxes: Sequence[str]) -> dict[str, Any]:
    """Count the resources that cost by the month, and those for every mailbox; `template` has one mailbox."""
    by_name = template["Resources"].items()

    def count(kind: str, *, of_a_mailbox: bool | None = None) -> int:
        return sum(
            resource["Type"] == f"AWS::{kind}"
            and (of_a_mailbox is None or any(mailbox in name for mailbox in mailboxes) is of_a_mailbox)
            for name, resource in by_name
        )

    functions = [resource["Properties"] for _, resource in by_name if resource["Type"] == "AWS::Lambda::Function"]
    return {
        "keys": count("KMS::Key"),
        "secrets": count("SecretsManager::Secret", of_a_mailbox=False),
        "secrets_of_a_mailbox": count("SecretsManager::Secret", of_a_mailbox=True) // len(mailboxes),
        "alarms": count("CloudWatch::Alarm", of_a_mailbox=False),
        "alarms_of_a_mailbox": count("CloudWatch::Alarm", of_a_mailbox=True) // len(mailboxes),
        "queues_with_a_consumer": count("Lambda::EventSourceMapping"),
        "memory_megabytes": {
            function["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"]: function["MemorySize"]
            for function in functions
        },
    }


def _metrics(log_lines: Sequence[str]) -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
    """Return the different metrics in the functions' log lines: those of a service, and those of a mailbox."""
    of_services: set[tuple[str, str]] = set()
    of_a_mailbox: set[tuple[str, str]] = set()
    for line in log_lines:
        if '"_aws"' in line:
            entry = json.loads(line[line.index("{") :])
            for directive in entry["_aws"]["CloudWatchMetrics"]:
                for dimensions in directive["Dimensions"]:
                    metrics = of_a_mailbox if "mailbox" in dimensions else of_services
                    metrics |= {(entry["service"], metric["Name"]) for metric in directive["Metrics"]}
    return of_services, of_a_mailbox


def _sample() -> Path:
    return REQUESTS / "consultation-report-2.0"


def _send(run: LocalRun, kind: str, messages: int) -> list[int]:
    """Send some reports and wait until they are delivered; return the messages' sizes."""
    changes = dict(KINDS[kind])
    request = json.loads((_sample() / "request.json").read_text())
    if ods_code := changes.pop("organisation", None):
        changes["organisation"] = request["organisation"] | {"ods_code": ods_code}
    dropped = [run.drop(_sample(), {**changes, "encounter": str(uuid.uuid4())}) for _ in range(messages)]
    wanted = {request.request_id for request in dropped}
    deadline, next_sweep = time.monotonic() + _PATIENCE_SECONDS, 0.0
    while True:
        tasks = ["mailbox"]
        if time.monotonic() >= next_sweep:
            tasks, next_sweep = ["mailbox", "due"], time.monotonic() + _SWEEP_SECONDS
        for task in tasks:
            with suppress(FunctionFailedError):  # as on AWS: the next run makes up for it
                _task(run, task, str(changes["mailbox"]))
        sent = [message for message in run.messages() if message.request_id in wanted and message.item["version"]]
        if sum(message.status == "DELIVERED" for message in sent) == messages:
            built = [event for message in sent for event in message.events if event.kind == "built"]
            return [int(event.details["size"]) for event in built]
        if time.monotonic() > deadline:
            raise TimeoutError(f"{kind}: {[message.status for message in sent]}")
        time.sleep(1)


def _quiet(run: LocalRun) -> None:
    """Let unfinished work end."""
    for _ in range(3):
        run.poll()
        time.sleep(1)


def _task(run: LocalRun, task: str, mailbox: str = "") -> None:
    """Run the schedule of a task, for a mailbox if one is named."""
    for schedule in run.state.deployment.schedules:
        schedule_input = json.loads(schedule.input)
        right_mailbox = schedule_input.get("mailbox", "").startswith(mailbox if task == "mailbox" else "")
        if schedule_input["task"] == task and right_mailbox:
            invoke(run.session, schedule.function, schedule.input)
            return
    raise LookupError(f"there is no schedule of {task} for {mailbox}")


_Stored = Mapping[float | None, tuple[int, int]]
"""Bytes of the ledger's table, and of the indexes, by the days for which the items are kept; None: they have no end."""


def _stored_bytes(run: LocalRun) -> _Stored:
    client, ledger = run.session.client("dynamodb"), run.outputs["LedgerTableName"]
    shown = [
        ["pk", "sk", *(key["AttributeName"] for key in index["KeySchema"]), *index["Projection"]["NonKeyAttributes"]]
        for index in client.describe_table(TableName=ledger)["Table"]["GlobalSecondaryIndexes"]
    ]
    pages = client.get_paginator("scan").paginate(TableName=ledger)
    found: dict[float | None, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for page in pages:
        for item in page["Items"]:
            days = round((int(item["expires_at"]["N"]) - time.time()) / 86_400) if "expires_at" in item else None
            table, indexes = found[days]
            entries = [{name: item[name] for name in names if name in item} for names in shown if names[2] in item]
            indexes += sum(size(entry) + _ITEM_OVERHEAD for entry in entries)
            found[days] = table + size(item) + _ITEM_OVERHEAD, indexes
    return found


def _more_bytes(before: _Stored, after: _Stored) -> Iterator[tuple[float | None, tuple[int, int]]]:
    for days, (table, indexes) in sorted(after.items(), key=lambda rows: rows[0] or math.inf):
        earlier_table, earlier_indexes = before.get(days, (0, 0))
        if table > earlier_table:
            yield days, (table - earlier_table, indexes - earlier_indexes)


def _pds_questions(run: LocalRun) -> int:
    """Return how many patients were looked up in PDS."""
    return len(httpx.get(f"{run.pds_url}/control/requests", timeout=10).json()["requests"])


def _cpu_seconds(process: int) -> float:
    """Return a process's CPU seconds; 0 if it has just ended."""
    with suppress(OSError):
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def _peak(run: LocalRun, function: str) -> float:
    """Return the peak memory of the function's processes, in MB; 0 if the machine does not say."""
    return round(max(map(peak_memory, run.handler_processes(function)), default=0) / MEGABYTE, 1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write the file."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.measuring", description=__doc__)
    parser.add_argument("--messages", type=int, default=40, help="number of messages of a kind (default: %(default)s)")
    measurement = measure(parser.parse_args(arguments).messages)
    usage.write(measurement)
    print(f"written: {usage.MEASURED}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
