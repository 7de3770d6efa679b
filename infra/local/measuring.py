"""Measure what a message asks of AWS: send some through the local run, and count what the functions do.

    python -m infra.local.measuring [--messages 40]

writes `infra/operations/cost/measured.json`. What the schedules do while nothing waits is measured first, and taken
off. Needs Linux, which says how long a process has computed.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aws_cdk import App

from infra import app as command
from infra import environments
from infra.local import emulator
from infra.local.capacity import size
from infra.local.memory import MEGABYTE, peak_memory
from infra.local.requests import REQUESTS
from infra.local.run import LocalRun
from infra.local.schedules import FunctionFailedError, invoke
from infra.operations.cost import usage
from infra.operations.cost.usage import Fixed, Measurement, Message, Runs, Use

FUNCTIONS = ("builder", "sender", "poller")
KINDS: Mapping[str, Mapping[str, Any]] = {
    "at once": {"mailbox": "Y90001OT001"},
    "held": {"mailbox": "Y90001OT002"},
    "asked of PDS": {"mailbox": "Y90003OT001", "organisation": "Y90003"},
}
"""The ways that a report can go, by mailbox: at once, or held and released as in production, or with its patient looked
up in PDS as well."""

_IDLE_RUNS = 5
_WAITS = ("STALE_SECONDS", "LEASE_SECONDS", "UNCERTAIN_SECONDS", "ESCALATE_AFTER_SECONDS")
_PATIENCE_SECONDS = 600.0
_ITEM_OVERHEAD = 100
"""Bytes that DynamoDB adds to an item, and to each index entry (developer guide, "Table storage")."""
_INDEX_KEYS = ("encounter_key", "status_shard", "due_shard", "time_shard")


@dataclass
class Counted:
    """A stretch of the run's file of calls, and of the functions' logs."""

    calls: dict[tuple[str, str], float] = field(default_factory=lambda: defaultdict(float))
    """By function and action."""
    sent: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    write_units: float = 0
    read_units: float = 0
    runs: dict[str, list[float]] = field(default_factory=lambda: defaultdict(lambda: [0.0, 0.0]))
    tasks: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    log_bytes: float = 0

    def less(self, idle: Mapping[str, Use]) -> "Counted":
        """Take off what the schedules' runs of this stretch take by themselves."""
        for task, times in self.tasks.items():
            its = idle[task]
            for function, made in its.calls.items():
                for action, count in made.items():
                    self.calls[function, action] -= times * count
            for name, count in its.sent.items():
                self.sent[name] -= times * count
            self.write_units -= times * its.write_units
            self.read_units -= times * its.read_units
            self.log_bytes -= times * its.log_bytes
            for name, runs in its.runs.items():
                self.runs[name][0] -= times * runs.runs
                self.runs[name][1] -= times * runs.seconds
        return self

    def each(self, number: int) -> Use:
        """Share it out; what is left over below nothing is noise."""

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
    """Reads on from where it was in a run's file of calls and in its functions' logs."""

    def __init__(self, run: LocalRun) -> None:
        self._run = run
        self._file = run.logs_folder / emulator.CALLS
        self._functions = {physical: name for name, physical in run.state.deployment.functions.items()}
        self._read = 0
        self._logged = 0
        self._computed: dict[int, float] = {}
        self._start = dict.fromkeys(FUNCTIONS, float("inf"))
        self.take()

    def take(self) -> Counted:
        """Count what came since the last time."""
        counted = Counted()
        content = self._file.read_bytes()
        lines, self._read = content[self._read :], len(content)
        for line in lines.splitlines():
            made = json.loads(line)
            if "call" in made:
                counted.calls[self._functions[made["by"]], made["call"]] += 1
                counted.sent[made["call"]] += made["sent"]
                counted.write_units += made["write"]
                counted.read_units += made["read"]
            else:
                counted.runs[self._functions[made["run"]]][0] += 1
                if made["task"]:
                    counted.tasks[made["task"]] += 1
        logged = sum((self._run.logs_folder / f"{name}.log").stat().st_size for name in FUNCTIONS)
        counted.log_bytes, self._logged = logged - self._logged, logged
        for name in FUNCTIONS:
            computed = self._computed_since(name)
            if name in counted.runs:
                counted.runs[name][1] = computed
        return counted

    def _computed_since(self, function: str) -> float:
        """Give how long a function's processes computed since the last time, without what starting one takes.

        A start is shared by thousands of messages, not by these few; the least that any process took stands for it.
        """
        now = {process: _computed(process) for process in self._run.handler_processes(function)}
        self._start[function] = min([self._start[function], *now.values()])
        since = sum(
            max(seconds - self._computed.get(process, self._start[function]), 0) for process, seconds in now.items()
        )
        self._computed |= now
        return since


def measure(messages: int) -> Measurement:
    """Run everything and count."""
    with LocalRun(count_calls=True, adjust=with_time) as run:
        for kind in KINDS:
            _send(run, kind, 2)
        _quiet(run)
        meter = Meter(run)
        schedules = {}
        for task in ("due", "mailbox", "reconcile"):  # the last finds that the day was reckoned
            meter.take()
            for _ in range(_IDLE_RUNS):
                _task(run, task)
            schedules[task] = meter.take().each(_IDLE_RUNS)
        kinds = {}
        for kind in KINDS:
            table, indexes = _kept_bytes(run)
            meter.take()
            sizes = _send(run, kind, messages)
            counted = meter.take().less(schedules)
            _quiet(run)
            table_now, indexes_now = _kept_bytes(run)
            kinds[kind] = Message(
                use=counted.each(messages),
                message_bytes=round(sum(sizes) / messages, 1),
                dropped_bytes=sum(file.stat().st_size for file in _sample().iterdir()),
                ledger_bytes=round((table_now - table) / messages, 1),
                index_bytes=round((indexes_now - indexes) / messages, 1),
            )
        meter.take()
        run.invoke("poller", {"task": "reconcile", "day": datetime.now(UTC).date().isoformat()})
        schedules["balance"] = meter.take().each(1)
        return Measurement(
            measured_on=datetime.now(UTC).date(),
            machine=f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
            messages=messages,
            kinds=kinds,
            schedules=schedules,
            peak_megabytes={name: _peak(run, name) for name in FUNCTIONS},
            fixed=fixed(run.logs()),
        )


def with_time(template: dict[str, Any]) -> None:
    """Give everything the time that it has in production: a busy machine must not be late for a demonstration's waits.

    What is late is chased, told and queued again, which a usual message is not.
    """
    for each in template["Resources"].values():
        properties = each.get("Properties", {})
        if each["Type"] == "AWS::Lambda::Function":
            properties["Timeout"] = 300
            variables = properties["Environment"]["Variables"]
            variables |= {name: "3600" for name in _WAITS if name in variables}
        if each["Type"] == "AWS::SQS::Queue" and "VisibilityTimeout" in properties:
            properties["VisibilityTimeout"] = 1800
        if each["Type"] == "AWS::SSM::Parameter":
            settings = json.loads(properties["Value"])
            settings |= {name: 3600 for name in settings if name.endswith("_acknowledgement_seconds")}
            settings |= {"escalate_after_seconds": 3600}
            properties["Value"] = json.dumps(settings)


def fixed(log_lines: Sequence[str]) -> Fixed:
    """Count what production has by its template, and the metrics that the functions gave."""
    production = environments.load("prod")
    with tempfile.TemporaryDirectory() as folder:
        app = App(context=command.cdk_context(), outdir=folder)
        stack = command.build(production, app)
        app.synth()
        template = json.loads((Path(folder) / f"{stack.stack_name}.template.json").read_text())
    mailboxes = [each.mailbox for each in production.mailboxes]
    return Fixed.model_validate(resources(template, mailboxes) | _metrics(log_lines))


def resources(template: Mapping[str, Any], mailboxes: Sequence[str]) -> dict[str, Any]:
    """Count what is paid for by the month, and tell what is there for each mailbox; `template` has one mailbox."""
    found = [(name, each) for name, each in template["Resources"].items()]

    def count(kind: str, *, of_a_mailbox: bool | None = None) -> int:
        return sum(
            each["Type"] == f"AWS::{kind}"
            and (of_a_mailbox is None or any(mailbox in name for mailbox in mailboxes) is of_a_mailbox)
            for name, each in found
        )

    functions = [each["Properties"] for _, each in found if each["Type"] == "AWS::Lambda::Function"]
    return {
        "keys": count("KMS::Key"),
        "secrets": count("SecretsManager::Secret", of_a_mailbox=False),
        "secrets_of_a_mailbox": count("SecretsManager::Secret", of_a_mailbox=True) // len(mailboxes),
        "alarms": count("CloudWatch::Alarm", of_a_mailbox=False),
        "alarms_of_a_mailbox": count("CloudWatch::Alarm", of_a_mailbox=True) // len(mailboxes),
        "dashboards": count("CloudWatch::Dashboard"),
        "queues_with_a_consumer": count("Lambda::EventSourceMapping"),
        "memory_megabytes": {
            each["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"]: each["MemorySize"] for each in functions
        },
    }


def _metrics(log_lines: Sequence[str]) -> dict[str, int]:
    """Count the different metrics of the functions' log lines: those of a service, and those of one mailbox."""
    of_services: set[tuple[str, str]] = set()
    of_a_mailbox: set[tuple[str, str]] = set()
    for line in log_lines:
        if '"_aws"' in line:
            written = json.loads(line[line.index("{") :])
            for directive in written["_aws"]["CloudWatchMetrics"]:
                for dimensions in directive["Dimensions"]:
                    found = of_a_mailbox if "mailbox" in dimensions else of_services
                    found |= {(written["service"], metric["Name"]) for metric in directive["Metrics"]}
    return {"metrics": len(of_services), "metrics_of_a_mailbox": len(of_a_mailbox)}


def _sample() -> Path:
    return REQUESTS / "consultation-report-2.0"


def _send(run: LocalRun, kind: str, messages: int) -> list[int]:
    """Send so many reports and see them delivered; return the messages' sizes."""
    changes = dict(KINDS[kind])
    request = json.loads((_sample() / "request.json").read_text())
    if ods_code := changes.pop("organisation", None):
        changes["organisation"] = request["organisation"] | {"ods_code": ods_code}
    dropped = [run.drop(_sample(), {**changes, "encounter": str(uuid.uuid4())}) for _ in range(messages)]
    wanted = {each.request_id for each in dropped}
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        for task in ("mailbox", "due"):
            with suppress(FunctionFailedError):  # as on AWS: the schedule comes round again
                _task(run, task, str(changes["mailbox"]))
        found = [each for each in run.messages() if each.request_id in wanted and each.item["version"]]
        if sum(each.status == "DELIVERED" for each in found) == messages:
            built = [event for each in found for event in each.events if event.kind == "built"]
            return [int(event.details["size"]) for event in built]
        if time.monotonic() > deadline:
            raise TimeoutError(f"{kind}: {[each.status for each in found]}")
        time.sleep(1)


def _quiet(run: LocalRun) -> None:
    """Let what is under way end."""
    for _ in range(3):
        run.poll()
        time.sleep(1)


def _task(run: LocalRun, task: str, mailbox: str = "") -> None:
    """Run a schedule of a task, for a mailbox if one is named."""
    for schedule in run.state.deployment.schedules:
        given = json.loads(schedule.input)
        if given["task"] == task and given.get("mailbox", "").startswith(mailbox if task == "mailbox" else ""):
            invoke(run.session, schedule.function, schedule.input)
            return
    raise LookupError(f"there is no schedule of {task} for {mailbox}")


def _kept_bytes(run: LocalRun) -> tuple[int, int]:
    """Give the size of all that the ledger's table has, and its indexes besides."""
    pages = run.session.client("dynamodb").get_paginator("scan").paginate(TableName=run.outputs["LedgerTableName"])
    table = indexes = 0
    for page in pages:
        for item in page["Items"]:
            its = size(item) + _ITEM_OVERHEAD
            table += its
            indexes += its * sum(name in item for name in _INDEX_KEYS)
    return table, indexes


def _computed(process: int) -> float:
    """Give how many seconds a process has computed; nothing where it has just ended."""
    with suppress(OSError):
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def _peak(run: LocalRun, function: str) -> float:
    """Give the most memory that the function's processes ever had, in MB; 0 where the machine does not say."""
    return round(max(map(peak_memory, run.handler_processes(function)), default=0) / MEGABYTE, 1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write the file."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.measuring", description=__doc__)
    parser.add_argument("--messages", type=int, default=40, help="how many of each kind (default: %(default)s)")
    given = parser.parse_args(arguments)
    measurement = measure(given.messages)
    usage.write(measurement)
    print(f"written: {usage.MEASURED}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
