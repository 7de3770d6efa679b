"""The metrics that docs/watching.md lists, and those that a function's log lines give."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

WATCHING = Path(__file__).resolve().parents[1] / "docs" / "watching.md"
NAMESPACE = "GPConnectMessaging"
_ROW = re.compile(r"^\| (?P<names>`.+`) \| (?P<unit>Count|Seconds) \| (?P<service>\w+) \| (?P<mailbox>too|only|) ?\|")


@dataclass(frozen=True, order=True)
class Metric:
    """A metric: name, function, whether it is of one mailbox, and unit."""

    name: str
    service: str
    of_one_mailbox: bool
    unit: str


def documented() -> set[Metric]:
    """Every metric of the documentation's table."""
    found: set[Metric] = set()
    for line in WATCHING.read_text(encoding="utf-8").splitlines():
        if row := _ROW.match(line):
            places = {"": (False,), "too": (False, True), "only": (True,)}[row["mailbox"]]
            found |= {
                Metric(name, row["service"], of_one_mailbox, row["unit"])
                for name in re.findall(r"`(\w+)`", row["names"])
                for of_one_mailbox in places
            }
    return found


def logged(lines: Iterable[str]) -> set[Metric]:
    """Every metric that log lines give in Embedded Metric Format."""
    found: set[Metric] = set()
    for line in lines:
        if '"_aws"' not in line:
            continue
        written = json.loads(line[line.index("{") :])
        for directive in written["_aws"]["CloudWatchMetrics"]:
            assert directive["Namespace"] == NAMESPACE
            for dimensions in directive["Dimensions"]:
                assert set(dimensions) in ({"service"}, {"service", "mailbox"}), "nothing else is a dimension"
                assert all(isinstance(written[name], str) for name in dimensions)
                found |= {
                    Metric(metric["Name"], written["service"], "mailbox" in dimensions, metric["Unit"])
                    for metric in directive["Metrics"]
                }
    return found
