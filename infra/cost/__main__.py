"""Calculate the cost of a million messages and of an idle month, from the measurement and the price table.

    python -m infra.cost                     for people
    python -m infra.cost --json              for programs
    python -m infra.cost --assume slower=2   with another assumption
    python -m infra.cost --markdown          the tables of docs/cost.md and docs/scale.md

Exit status: 0, or 2 if an option or a file is wrong.
"""

import argparse
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from infra.cost import prices as price_table
from infra.cost import scale, usage
from infra.cost.bill import (
    MILLION,
    Assumptions,
    Bill,
    bill,
    multiply_quantities,
    quantities_of_endpoints,
    quantities_of_message,
    quantities_of_month,
    with_changes,
)
from infra.cost.peers import PEERS, our_orchestration
from infra.cost.prices import Prices
from infra.cost.usage import Measurement

USUAL = "held"
"""The kind of message in production, unless a mailbox's settings differ."""

DOCS = Path(__file__).resolve().parents[2] / "docs"
_BEGIN, _END = "<!-- begin: {} -->", "<!-- end: {} -->"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m infra.cost", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--markdown", action="store_true", help="write the tables of docs/cost.md and docs/scale.md")
    parser.add_argument("--messages", type=int, default=MILLION, help="how many messages (default: a million)")
    parser.add_argument("--mailboxes", type=int, default=1, help="how many mailboxes (default: 1)")
    parser.add_argument("--assume", action="append", default=[], metavar="NAME=VALUE", help="change an assumption")
    parser.add_argument("--measured", type=Path, default=usage.MEASURED, help="another measurement")
    parser.add_argument("--prices", type=Path, default=price_table.PRICES, help="another price table")
    options = parser.parse_args(arguments)
    try:
        if options.messages < 1 or options.mailboxes < 1:
            raise ValueError("--messages and --mailboxes must be 1 or more")
        assumed = with_changes(Assumptions(), options.assume)
        measurement, table = usage.load(options.measured), price_table.load(options.prices)
    except (OSError, ValidationError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if options.markdown:
        write_tables(measurement, table, assumed)
        return 0
    report = CostReport(measurement, table, assumed, messages=options.messages, mailboxes=options.mailboxes)
    print(json.dumps(report.as_json(), indent=2) if options.json else "\n".join(report.as_text()))
    return 0


class CostReport:
    """The costs of a number of messages, and of a month."""

    def __init__(
        self, measurement: Measurement, table: Prices, assumptions: Assumptions, *, messages: int, mailboxes: int
    ) -> None:
        self.measurement = measurement
        self.table = table
        self.assumptions = assumptions
        self.messages = messages
        self.kinds = {
            kind: bill(
                multiply_quantities(quantities_of_message(message, measurement.fixed, assumptions), messages), table
            )
            for kind, message in measurement.kinds.items()
        }
        self.month = bill(quantities_of_month(measurement, assumptions, mailboxes=mailboxes), table)
        self.endpoints = bill(quantities_of_endpoints(interfaces=10, zones=2), table)
        self.orchestration = bill(multiply_quantities(our_orchestration(measurement.kinds[USUAL]), messages), table)
        self.peers = {
            peer.name: (bill(multiply_quantities(peer.message, messages), table), bill(peer.month, table))
            for peer in PEERS
        }

    def as_json(self) -> dict[str, Any]:
        """Return the costs in dollars, for a program."""
        return {
            "messages": self.messages,
            "measured_on": self.measurement.measured_on.isoformat(),
            "assumptions": asdict(self.assumptions),
            "kinds": {kind: _as_json(cost) for kind, cost in self.kinds.items()},
            "idle_month": _as_json(self.month),
            "endpoints_month": _as_json(self.endpoints),
            "orchestration": _as_json(self.orchestration),
            "peers": {
                name: {"messages": _as_json(cost), "idle_month": _as_json(month)}
                for name, (cost, month) in self.peers.items()
            },
            "unsure": [price.item for price in self.table.prices if price.certainty == "derived"],
        }

    def as_text(self) -> list[str]:
        """Return the costs as lines of text."""
        lines = [
            f"{self.messages:,} messages, measured on {self.measurement.measured_on} ({self.measurement.machine}):"
        ]
        for kind, cost in self.kinds.items():
            parts = ", ".join(f"{name} {usd:,.2f}" for name, usd in list(cost.by_service(self.table).items())[:4])
            lines.append(f"  {kind:14} ${cost.usd:10,.2f}   {parts}")
        lines += [
            f"an idle month  ${self.month.usd:10,.2f}   "
            + ", ".join(f"{name} {usd:,.2f}" for name, usd in list(self.month.by_service(self.table).items())[:4]),
            f"with a network ${self.endpoints.usd:10,.2f}   more a month: ten interface endpoints in two zones",
            "",
            f"What moves a message from step to step, for {self.messages:,} messages and for an idle month:",
            f"  ${self.orchestration.usd:10,.2f}                this design: queues, events and runs",
        ]
        for name, (cost, month) in self.peers.items():
            lines.append(f"  ${cost.usd:10,.2f}  ${month.usd:10,.2f}   {name}")
        unsure = [price.item for price in self.table.prices if price.certainty == "derived"]
        lines += [
            "",
            f"Prices of {self.table.region}, none confirmed with AWS. Worked out, least sure: {', '.join(unsure)}.",
        ]
        return lines


def write_tables(measurement: Measurement, table: Prices, assumptions: Assumptions, docs: Path = DOCS) -> None:
    """Write the generated tables into the documents, between their marks."""
    for name, file, content in tables(measurement, table, assumptions):
        page = docs / file
        page.write_text(replaced(page.read_text(encoding="utf-8"), name, content), encoding="utf-8")


def tables(measurement: Measurement, table: Prices, assumptions: Assumptions) -> list[tuple[str, str, str]]:
    """Return the generated parts: name, document and content."""
    count = CostReport(measurement, table, assumptions, messages=MILLION, mailboxes=1)
    return [
        ("million", "cost.md", _million(count)),
        ("lines", "cost.md", _lines(count.kinds[USUAL], table)),
        ("month", "cost.md", _lines(count.month, table)),
        ("peers", "cost.md", _peers(count)),
        ("prices", "cost.md", _prices(table)),
        ("rates", "scale.md", _rates(measurement, assumptions)),
    ]


def replaced(page: str, name: str, content: str) -> str:
    """Replace the generated part between the marks of a page. Raises ValueError if the page lacks the marks."""
    begin, end = _BEGIN.format(name), _END.format(name)
    new_page, number = re.subn(
        f"{re.escape(begin)}.*?{re.escape(end)}", lambda _: f"{begin}\n\n{content}\n\n{end}", page, flags=re.DOTALL
    )
    if number != 1:
        raise ValueError(f"the page needs one {begin} … {end}")
    return new_page


def _rates(measurement: Measurement, assumptions: Assumptions) -> str:
    needs = scale.needs(measurement, USUAL, assumptions)
    return scale.as_markdown(needs, scale.mailbox_capacity(measurement, USUAL, assumptions))


def _million(count: CostReport) -> str:
    services = list(dict.fromkeys(name for cost in count.kinds.values() for name in cost.by_service(count.table)))
    names = list(count.kinds)
    rows = [f"| | {' | '.join(names)} |", "|---|" + "---:|" * len(names)]
    by_kind = {kind: cost.by_service(count.table) for kind, cost in count.kinds.items()}
    rows += [
        f"| {service} | {' | '.join(f'{by_kind[kind].get(service, 0):,.2f}' for kind in names)} |"
        for service in services
    ]
    rows.append(f"| **a million messages** | {' | '.join(f'**{cost.usd:,.2f}**' for cost in count.kinds.values())} |")
    return "\n".join(rows)


def _lines(cost: Bill, table: Prices) -> str:
    rows = ["| of | how many | dollars |", "|---|---:|---:|"]
    for line in cost.lines:
        price = table.price(line.item)
        rows.append(f"| {price.service}: {price.unit} | {_many(line.quantity)} | {line.usd:,.2f} |")
    rows.append(f"| **together** | | **{cost.usd:,.2f}** |")
    return "\n".join(rows)


def _peers(count: CostReport) -> str:
    rows = ["| what moves messages | a million messages | an idle month |", "|---|---:|---:|"]
    rows.append(f"| this design: queues, events, runs | {count.orchestration.usd:,.2f} | within the above |")
    rows += [f"| {name} | {cost.usd:,.2f} | {month.usd:,.2f} |" for name, (cost, month) in count.peers.items()]
    return "\n".join(rows)


def _prices(table: Prices) -> str:
    rows = ["| of | dollars | per | from | dated | |", "|---|---:|---|---|---|---|"]
    rows += [
        f"| {price.service} | {f'{price.usd:.11f}'.rstrip('0').rstrip('.')} | {price.unit} | {price.source} | "
        f"{price.dated} | {'; '.join(filter(None, [price.certainty, price.note]))} |"
        for price in table.prices
    ]
    return "\n".join(rows)


def _many(quantity: float) -> str:
    return f"{quantity:,.0f}" if quantity >= 100 else f"{quantity:,.2f}"


def _as_json(cost: Bill) -> dict[str, Any]:
    return {"usd": round(cost.usd, 4), "lines": [asdict(line) for line in cost.lines]}


if __name__ == "__main__":
    sys.exit(main())
