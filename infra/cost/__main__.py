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
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from infra.cost import prices as price_table
from infra.cost import scale, usage
from infra.cost.bill import (
    MILLION,
    Assumptions,
    Bill,
    Quantities,
    bill,
    list_calls,
    multiply_quantities,
    quantities_of_endpoints,
    quantities_of_keeping,
    quantities_of_listing,
    quantities_of_message,
    quantities_of_metrics,
    quantities_of_month,
    requests_listed_a_day,
    with_changes,
)
from infra.cost.peers import PEERS, our_orchestration
from infra.cost.prices import Prices
from infra.cost.usage import Measurement

USUAL = "held"
"""The kind of message in production, unless a mailbox's settings differ: held, and looked up in PDS."""

LISTED_DAYS = (7, 3, 1)
"""The values of `retention.drop_listed_days` that docs/scale.md compares."""

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

        def of_all(quantities: Quantities) -> Bill:
            return bill(multiply_quantities(quantities, messages), table)

        fixed, kinds = measurement.fixed, measurement.kinds.items()
        self.moving = {name: of_all(quantities_of_message(kind, fixed, assumptions)) for name, kind in kinds}
        """What moving and recording costs, by kind of message."""
        self.keeping = {name: of_all(quantities_of_keeping(kind, assumptions)) for name, kind in kinds}
        """What keeping the history for as long as the audit demands costs, by kind of message."""
        self.month = bill(quantities_of_month(measurement, assumptions, mailboxes=mailboxes), table)
        self.metrics = bill(quantities_of_metrics(fixed, mailboxes), table)
        self.endpoints = bill(quantities_of_endpoints(interfaces=9, zones=2), table)
        self.orchestration = of_all(our_orchestration(measurement.kinds[USUAL]))
        self.peers = {peer.name: (of_all(peer.message), bill(peer.month, table)) for peer in PEERS}

    def as_json(self) -> dict[str, Any]:
        """Return the costs in dollars, for a program."""
        return {
            "messages": self.messages,
            "measured_on": self.measurement.measured_on.isoformat(),
            "assumptions": asdict(self.assumptions),
            "moving": {kind: _as_json(cost) for kind, cost in self.moving.items()},
            "keeping": {kind: _as_json(cost) for kind, cost in self.keeping.items()},
            "idle_month": _as_json(self.month),
            "metrics_of_messages_month": _as_json(self.metrics),
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
        for what, costs in (("moving and recording", self.moving), ("keeping", self.keeping)):
            lines += [f" {what}", *(self._summary(f"  {kind}", cost) for kind, cost in costs.items())]
        lines += [
            self._summary("an idle month", self.month),
            f"with messages  ${self.metrics.usd:10,.2f}   more a month at most: metrics, by the hour",
            f"with a network ${self.endpoints.usd:10,.2f}   more a month: nine interface endpoints in two zones",
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

    def _summary(self, name: str, cost: Bill) -> str:
        parts = ", ".join(f"{name} {usd:,.2f}" for name, usd in list(cost.by_service(self.table).items())[:4])
        return f"{name:14} ${cost.usd:10,.2f}   {parts}"


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
        ("moving", "cost.md", _lines(count.moving[USUAL], table)),
        ("keeping", "cost.md", _lines(count.keeping[USUAL], table)),
        ("month", "cost.md", _lines(count.month, table)),
        ("more", "cost.md", _more(count)),
        ("peers", "cost.md", _peers(count)),
        ("prices", "cost.md", _prices(table)),
        ("rates", "scale.md", _rates(measurement, assumptions)),
        ("listing", "scale.md", _listing(measurement, table, assumptions)),
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


def _listing(measurement: Measurement, table: Prices, assumptions: Assumptions) -> str:
    rows = [
        "| `drop_listed_days` | calls a request, hourly | daily | dollars a million | requests a day |",
        "|---:|---:|---:|---:|---:|",
    ]
    for days in LISTED_DAYS:
        assumed = replace(assumptions, listed_days=days)
        hourly, daily = list_calls(assumed)
        cost = bill(multiply_quantities(quantities_of_listing(measurement.fixed, assumed), MILLION), table)
        most = requests_listed_a_day(assumed)
        rows.append(f"| {days} | {hourly:.3f} | {daily:.3f} | {cost.usd:.2f} | {most:,.0f} |")
    return "\n".join(rows)


def _million(count: CostReport) -> str:
    names = list(count.moving)
    rows = [f"| | {' | '.join(names)} |", "|---|" + "---:|" * len(names)]
    for what, costs in (("moving and recording", count.moving), ("keeping for eight years", count.keeping)):
        by_kind = [cost.by_service(count.table) for cost in costs.values()]
        rows += [
            f"| {service} | {' | '.join(f'{services.get(service, 0):,.2f}' for services in by_kind)} |"
            for service in dict.fromkeys(name for services in by_kind for name in services)
        ]
        rows.append(f"| **{what}** | {' | '.join(f'**{cost.usd:,.2f}**' for cost in costs.values())} |")
    return "\n".join(rows)


def _more(count: CostReport) -> str:
    metrics = sum(line.quantity for line in count.metrics.lines)
    return (
        f"A month with messages in every hour has {metrics:,.0f} metrics more: "
        f"{count.metrics.usd:,.2f} dollars. An hour without messages is not charged.\n\n"
        "In a network of the organisation's own (`deployment.network`), nine interface endpoints in two zones come to "
        f"{count.endpoints.usd:,.2f} more;\nthe NAT gateway or the Health and Social Care Network behind it is the "
        "organisation's."
    )


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
