"""What a message costs: the sum, the price table, the measured file, and the tables that the documents hold."""

import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from infra.configuration import Configuration, Retention
from infra.cost import __main__ as command
from infra.cost import prices as price_table
from infra.cost import scale, usage
from infra.cost.bill import (
    DAYS_A_MONTH,
    LISTING_RUNS_A_DAY,
    Assumptions,
    Bill,
    add_quantities,
    bill,
    list_calls,
    multiply_quantities,
    quantities_of_keeping,
    quantities_of_listing,
    quantities_of_message,
    quantities_of_metrics,
    quantities_of_month,
    quantities_of_use,
    requests_listed_a_day,
    seconds,
    waits_of_message,
    with_changes,
)
from infra.cost.peers import STATE_MACHINES
from infra.cost.prices import Item, Prices
from infra.cost.usage import Measurement, Message, Rows, Runs, Use

MEMORY = {"builder": 1024, "sender": 512, "poller": 512}
ITEMS: tuple[Item, ...] = get_args(Item)

amounts = st.floats(min_value=0, max_value=1e6, allow_nan=False)
quantities = st.dictionaries(st.sampled_from(ITEMS), amounts)


@pytest.fixture(scope="module")
def prices() -> Prices:
    return price_table.load()


@pytest.fixture(scope="module")
def measurement() -> Measurement:
    return usage.load()


def use(**changes: Any) -> Use:
    nothing: dict[str, Any] = {"calls": {}, "sent": {}, "runs": {}, "write_units": 0, "read_units": 0, "log_bytes": 0}
    return Use(**(nothing | changes))


def a_message(**changes: Any) -> Message:
    nothing: dict[str, Any] = {"use": use(), "message_bytes": 0, "dropped_bytes": 0, "pds_questions": 0, "rows": ()}
    return Message(**(nothing | changes))


# The sum

PRICES, MEASURED = price_table.load(), usage.load()


@given(quantities, quantities)
def test_a_bill_of_two_together_is_the_sum_of_their_bills(one: Any, other: Any) -> None:
    both = bill(add_quantities(one, other), PRICES).usd
    assert both == pytest.approx(bill(one, PRICES).usd + bill(other, PRICES).usd)


@given(quantities, st.floats(min_value=0, max_value=1000))
def test_so_many_times_as_much_costs_so_many_times_as_much(some: Any, factor: float) -> None:
    assert bill(multiply_quantities(some, factor), PRICES).usd == pytest.approx(factor * bill(some, PRICES).usd)


@given(quantities, st.sampled_from(ITEMS), st.floats(min_value=1, max_value=1e6))
def test_more_of_anything_never_costs_less(some: Any, item: Item, more: float) -> None:
    assert bill(add_quantities(some, {item: more}), PRICES).usd > bill(some, PRICES).usd


@given(quantities)
def test_a_bills_lines_and_its_services_add_up_to_it(some: Any) -> None:
    total = bill(some, PRICES)
    assert sum(total.by_service(PRICES).values()) == pytest.approx(total.usd)
    assert {line.item for line in total.lines} == {item for item, count in some.items() if count}
    assert [line.usd for line in total.lines] == sorted((line.usd for line in total.lines), reverse=True)


def test_nothing_costs_nothing() -> None:
    assert bill(quantities_of_use(use(), MEMORY, Assumptions()), PRICES).usd == 0


@pytest.mark.parametrize(
    ("calls", "expected"),
    [
        ({"s3:PUT": 3, "s3:LIST GET": 1, "s3:GET": 2, "s3:HEAD": 1}, {"s3_put": 4, "s3_get": 3}),
        ({"sqs:SendMessage": 1.5, "sqs:SendMessageBatch": 0.5}, {"sqs_request": 2, "sqs_fair_request": 2}),
        ({"query:Publish": 1}, {"sns_publish": 1, "sns_email": 1}),
        ({"secretsmanager:GetSecretValue": 1}, {"secrets_request": 1, "kms_request": 1}),
    ],
)
def test_each_call_is_billed_as_what_it_is(calls: dict[str, float], expected: dict[str, float]) -> None:
    found = quantities_of_use(use(calls={"builder": calls}), MEMORY, Assumptions())
    assert {item: found[item] for item in expected} == expected  # type: ignore[index]


def test_a_run_that_a_queue_feeds_takes_a_receive_and_a_delete() -> None:
    runs = {name: Runs(runs=1, seconds=0) for name in MEMORY}
    assert quantities_of_use(use(runs=runs), MEMORY, Assumptions())["sqs_request"] == 4, (
        "builder and sender, not the poller"
    )


def test_a_function_computes_on_its_share_of_a_processor_and_waits_for_others() -> None:
    measured = use(calls={"sender": {"s3:GET": 3}}, runs={"sender": Runs(runs=1, seconds=0.1)})
    took = seconds(measured, "sender", 1769, Assumptions(aws_call_seconds=0.01), 0.2)
    assert took == pytest.approx(0.1 + 0.03 + 0.2)
    slow = seconds(measured, "sender", 1769 // 2, Assumptions(aws_call_seconds=0, slower=3), 0)
    assert slow == pytest.approx(0.6, rel=0.01), "half a processor, three times as slow"


def test_the_poller_waits_for_aws_and_mesh_with_all_its_threads_at_once_and_the_builder_for_pds() -> None:
    message = a_message(use=use(calls={"poller": {"dynamodb:GetItem": 20}}), pds_questions=2)
    assumed = Assumptions(
        aws_call_seconds=0.01, mesh_call_seconds=0.2, pds_call_seconds=0.3, collections=5, collected_at_once=4
    )
    waits = waits_of_message(message, assumed)
    assert waits["builder"] == pytest.approx(0.6)
    assert seconds(message.use, "poller", 1769, assumed, waits["poller"]) == pytest.approx((20 * 0.01 + 5 * 0.2) / 4)


@pytest.mark.parametrize(
    ("rows", "assumed", "byte_months"),
    [
        (Rows(days=40, table_bytes=1000, index_bytes=0), Assumptions(archive_bytes=0), 1000 * 40 * 24 / 730),
        (Rows(days=2922, table_bytes=1000, index_bytes=500), Assumptions(archive_bytes=0), 1500 * 96),
        (Rows(days=2922, table_bytes=1000, index_bytes=0), Assumptions(archive_bytes=0, audit_months=12), 1000 * 12),
        (Rows(days=None, table_bytes=1000, index_bytes=0), Assumptions(archive_bytes=0), 1000 * 240),
        (Rows(days=None, table_bytes=1000, index_bytes=0), Assumptions(archive_bytes=1), 1000 * 142 * 24 / 730),
        (Rows(days=40, table_bytes=1000, index_bytes=0), Assumptions(archive_bytes=1), 1000 * 40 * 24 / 730),
    ],
)
def test_rows_are_charged_for_as_long_as_they_are_in_the_table(
    rows: Rows, assumed: Assumptions, byte_months: float
) -> None:
    found = quantities_of_keeping(a_message(rows=(rows,)), assumed)
    assert found["dynamodb_gb_month"] * 2**30 == pytest.approx(byte_months, rel=0.001)
    of_the_table = rows.table_bytes / (rows.table_bytes + rows.index_bytes)
    assert found["dynamodb_recovery_gb_month"] == pytest.approx(found["dynamodb_gb_month"] * of_the_table)


def test_the_archive_keeps_a_message_from_when_the_table_does_not_until_the_audit_does_not_ask_for_it() -> None:
    without = quantities_of_keeping(a_message(), Assumptions(archive_bytes=0))
    assert (without["s3_gb_month"], without["dynamodb_write_unit"]) == (0, 0)
    found = quantities_of_keeping(
        a_message(), Assumptions(archive_bytes=700, archive_after_days=730 / 24 * 4, archive_writes=5)
    )
    assert found["dynamodb_write_unit"] == 5
    assert found["s3_gb_month"] * 2**30 == pytest.approx(700 * (96 - 4))


def test_what_goes_out_is_compressed_and_what_is_stored_is_not_yet() -> None:
    def of(**assumed: float) -> Any:
        some = Assumptions(document_bytes=0, **assumed)
        return quantities_of_message(a_message(message_bytes=1000), MEASURED.fixed, some)

    assert of(compression=0.5)["data_out_gb"] * 2**30 == pytest.approx(500)
    document = Assumptions(document_bytes=3_000, compression_at_rest=0.5)
    stored = quantities_of_message(a_message(), MEASURED.fixed, document)["s3_gb_month"] * 2**30
    assert stored == pytest.approx(3_000 + 4_000 / 2)


def test_an_assumption_is_changed_by_its_name_and_nothing_else() -> None:
    assert with_changes(Assumptions(), ["slower=2"]) == Assumptions(slower=2)
    for wrong in ("sloer=2", "slower=fast", "slower=-1", "slower"):
        with pytest.raises(ValueError, match=r"slower|assumption"):
            with_changes(Assumptions(), [wrong])


@given(st.floats(min_value=1, max_value=10))
def test_a_slower_processor_never_makes_a_message_cheaper(slower: float) -> None:
    for kind in MEASURED.kinds.values():
        usual = bill(quantities_of_message(kind, MEASURED.fixed, Assumptions()), PRICES).usd
        assert bill(quantities_of_message(kind, MEASURED.fixed, Assumptions(slower=slower)), PRICES).usd >= usual


# The files


def test_every_price_says_where_it_comes_from_and_how_sure_it_is(prices: Prices) -> None:
    assert {price.item for price in prices.prices} == set(ITEMS)
    assert "check every price" in prices.note
    for price in prices.prices:
        assert date(2020, 1, 1) < price.dated
        assert price.source


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"usd": 0}, "usd"),
        ({"usd": "0.1"}, "usd"),
        ({"item": "lambda"}, "item"),
        ({"certainty": "sure"}, "certainty"),
        ({"dated": "last year"}, "dated"),
        ({"more": 1}, "more"),
    ],
)
def test_a_wrong_price_is_refused_with_its_fields_name(change: dict[str, Any], field: str, tmp_path: Path) -> None:
    content = json.loads(price_table.PRICES.read_text())
    content["prices"][0] |= change
    file = tmp_path / "prices.json"
    file.write_text(json.dumps(content))
    with pytest.raises(ValidationError, match=field):
        price_table.load(file)


def test_a_price_that_is_missing_or_there_twice_is_refused(tmp_path: Path) -> None:
    content = json.loads(price_table.PRICES.read_text())
    file = tmp_path / "prices.json"
    for rows in (content["prices"][1:], [*content["prices"], content["prices"][0]]):
        file.write_text(json.dumps(content | {"prices": rows}))
        with pytest.raises(ValidationError, match="lambda_request"):
            price_table.load(file)


def test_the_measurement_has_every_way_that_a_report_goes_and_what_each_schedule_takes(
    measurement: Measurement,
) -> None:
    assert set(measurement.kinds) == {"at once", "held", "asked of PDS"}
    assert set(measurement.schedules) == {"due", "mailbox", "drop", "reconcile", "balance"}
    for kind in measurement.kinds.values():
        assert set(kind.use.calls) == set(kind.use.runs) == set(MEMORY)
        assert kind.use.write_units > 15, "a dozen changes, and what the indexes show of them"
        assert kind.use.calls["builder"]["s3:PUT"] >= 3, "receipt, request, message"
        assert {rows.days for rows in kind.rows} == {61, 120, None}, "receiver, content, and what the archiver ends"
        assert min(sum(rows.table_bytes for rows in kind.rows), kind.message_bytes) > 1000
    assert [kind.pds_questions for kind in (measurement.kinds["at once"], measurement.kinds["asked of PDS"])] == [0, 1]
    assert measurement.kinds["held"].pds_questions >= 1, "production's setting"
    assert measurement.measured_on <= datetime.now(UTC).date() + timedelta(days=1)
    held, at_once = measurement.kinds["held"].use, measurement.kinds["at once"].use
    assert held.write_units > at_once.write_units, "holding and releasing are facts, too"


def test_a_measurement_of_the_wrong_shape_is_refused_with_its_fields_name(tmp_path: Path) -> None:
    content = json.loads(usage.MEASURED.read_text())
    content["kinds"]["held"]["use"]["write_units"] = -1
    file = tmp_path / "measured.json"
    file.write_text(json.dumps(content))
    with pytest.raises(ValidationError, match="write_units"):
        usage.load(file)


def test_what_is_written_is_read_again(measurement: Measurement, tmp_path: Path) -> None:
    usage.write(measurement, tmp_path / "measured.json")
    assert usage.load(tmp_path / "measured.json") == measurement
    assert (tmp_path / "measured.json").read_text() == usage.MEASURED.read_text(), "and in the same words"


# The answers


def test_the_published_state_machines_cost_more_for_a_message_than_all_that_moves_one_here(
    measurement: Measurement, prices: Prices
) -> None:
    count = command.CostReport(measurement, prices, Assumptions(), messages=1_000_000, mailboxes=1)
    [(theirs, _)] = [cost for name, cost in count.peers.items() if name == STATE_MACHINES.name]
    assert STATE_MACHINES.message["state_transition"] == 12, "six to go, three for each of two acknowledgements"
    assert theirs.usd > 10 * count.orchestration.usd


def test_a_month_with_more_mailboxes_costs_more_by_the_same_for_each(measurement: Measurement, prices: Prices) -> None:
    months = [bill(quantities_of_month(measurement, Assumptions(), mailboxes=n), prices).usd for n in (1, 2, 3)]
    assert months[1] - months[0] == pytest.approx(months[2] - months[1])
    assert months[1] > months[0]


def test_an_idle_month_has_two_metrics_and_messages_add_the_others(measurement: Measurement) -> None:
    assert quantities_of_month(measurement, Assumptions())["metric_month"] == 2, "a sweep was done, a mailbox polled"
    assert quantities_of_metrics(measurement.fixed, 1)["metric_month"] > 10


GOALS: dict[str, tuple[float, Callable[[], float]]] = {
    "write units of a held message": (25, lambda: MEASURED.kinds["held"].use.write_units),
    "moving and recording a million, held": (75, lambda: _usd("moving", "held")),
    "moving and recording a million, at once": (65, lambda: _usd("moving", "at once")),
    "keeping a million for eight years": (6, lambda: _usd("keeping", "held")),
    "an idle month": (10, lambda: bill(quantities_of_month(MEASURED, Assumptions()), PRICES).usd),
}
"""What a message and a month may cost at most, in dollars."""
NOT_YET = {
    "moving and recording a million, held": 105.2,
    "moving and recording a million, at once": 92,
    "keeping a million for eight years": 11.8,
}
"""Goals that the product does not reach yet, and what it may cost until then: lower and delete them in time."""


def _usd(what: str, kind: str) -> float:
    report = command.CostReport(MEASURED, PRICES, Assumptions(), messages=1_000_000, mailboxes=1)
    costs: dict[str, Bill] = getattr(report, what)
    return costs[kind].usd


@pytest.mark.parametrize("goal", GOALS)
def test_it_costs_no_more_than_it_may(goal: str) -> None:
    most, cost = GOALS[goal]
    assert cost() <= NOT_YET.get(goal, most)
    if goal in NOT_YET:
        assert cost() > most, "reached: delete it from NOT_YET"
        pytest.skip(f"not reached yet: {cost():.2f} of {most}")


def test_the_listings_of_the_drop_are_charged_as_long_as_the_objects_are_on_their_lists(prices: Prices) -> None:
    assumed = Assumptions(payload_months=30 / DAYS_A_MONTH)
    hourly, daily = list_calls(assumed)
    assert hourly == pytest.approx(168 * 2 / 1_000)
    assert daily == pytest.approx((30 + 30 - 7) * 2 / 1_000), "the versions, and the delete markers"
    found = quantities_of_listing(MEASURED.fixed, assumed)
    assert found["s3_put"] == pytest.approx(hourly + daily)
    assert found["lambda_gb_second"] == pytest.approx(((hourly + daily) * 0.1 + 0.005) / 2)
    message = quantities_of_message(a_message(), MEASURED.fixed, assumed)
    assert message["s3_put"] == pytest.approx(2 + hourly + daily), "beside the sending system's two puts"


def test_what_the_listing_is_assumed_to_do_is_what_is_configured() -> None:
    assumed, retention = Assumptions(), Retention()
    assert assumed.listed_days == retention.drop_listed_days
    assert round(assumed.payload_months * DAYS_A_MONTH) == retention.payload_days
    poller = Configuration.model_fields["poller"].default
    assert assumed.listing_run_seconds == poller.timeout_seconds - 10
    assert LISTING_RUNS_A_DAY == 288


def test_the_listing_keeps_up_with_two_million_requests_a_day_where_files_are_listed_for_three_days() -> None:
    assert requests_listed_a_day(Assumptions()) > 1_000_000
    assert requests_listed_a_day(Assumptions(listed_days=3)) > 2_000_000
    an_hour = 2_000_000 * 2 * 3 / 1_000 * Assumptions().list_call_seconds
    assert an_hour == 20 * 60, "an hourly pass of docs/scale.md"
    a_day = 2_000_000 * list_calls(Assumptions(listed_days=3))[1] * Assumptions().list_call_seconds
    assert a_day / 3600 == pytest.approx(6.5, abs=0.1), "a daily pass of docs/scale.md"


def test_an_idle_month_includes_the_runs_that_find_no_listing_due(
    measurement: Measurement, prices: Prices, monkeypatch: pytest.MonkeyPatch
) -> None:
    month = quantities_of_month(measurement, Assumptions())
    monkeypatch.setattr("infra.cost.bill.LISTING_RUNS_A_DAY", 24)
    hourly = quantities_of_month(measurement, Assumptions())
    more = {item: month[item] - hourly[item] for item in month}
    assert more["scheduler_invocation"] == more["lambda_request"] == pytest.approx(11 * 730)
    assert bill(more, prices).usd == pytest.approx(0.02, abs=0.005)


def test_an_idle_month_includes_its_canaries(measurement: Measurement) -> None:
    month, without = (quantities_of_month(measurement, Assumptions(canaries_a_month=number)) for number in (2_920, 0))
    more = {item: month[item] - without[item] for item in ("lambda_request", "sqs_request", "dynamodb_write_unit")}
    assert more == pytest.approx({"lambda_request": 5_840, "sqs_request": 17_520, "dynamodb_write_unit": 17_520})


@pytest.mark.parametrize(("name", "file", "content"), command.tables(MEASURED, PRICES, Assumptions()))
def test_the_documents_hold_what_is_worked_out_now(name: str, file: str, content: str) -> None:
    page = (command.DOCS / file).read_text(encoding="utf-8")
    assert command.replaced(page, name, content) == page, "write them again: make cost MEASURE=1, or --markdown"


def test_a_page_without_the_marks_is_not_written() -> None:
    with pytest.raises(ValueError, match="begin: million"):
        command.replaced("a page", "million", "a table")


def test_the_command_answers_people_and_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--messages", "1000"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"1,000 messages, measured on \d{4}-\d\d-\d\d", said)
    assert "none confirmed with AWS" in said
    assert command.main(["--messages", "1000", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["messages"] == 1000
    for costs in (told["moving"], told["keeping"]):
        assert costs["held"]["usd"] == pytest.approx(sum(line["usd"] for line in costs["held"]["lines"]), abs=0.001)
    assert "dynamodb_write_unit" in told["unsure"]


@pytest.mark.parametrize(
    "wrong", [["--messages", "0"], ["--mailboxes", "0"], ["--assume", "pace=2"], ["--measured", "/nowhere.json"]]
)
def test_the_command_says_what_is_wrong(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(wrong) == 2
    assert capsys.readouterr().err.strip()


# Scale


def test_a_rate_of_so_many_times_more_needs_so_many_times_more(measurement: Measurement) -> None:
    for need in scale.needs(measurement, "held", Assumptions()):
        shares = [amount / rate for amount, rate in zip(need.amounts, scale.RATES, strict=True)]
        assert shares == pytest.approx([shares[0]] * len(shares))


def test_what_bites_is_more_than_its_quota_and_the_scarcest_comes_first(measurement: Measurement) -> None:
    found = scale.needs(measurement, "held", Assumptions())
    by_name = {need.limit.name: need for need in found}
    for rate_index in range(len(scale.RATES)):
        exceeded = scale.exceeded_quotas(found, rate_index)
        over = [by_name[name].amounts[rate_index] / (by_name[name].limit.quota or 1) for name in exceeded]
        assert over == sorted(over, reverse=True)
        assert all(share > 1 for share in over)
        assert {need.limit.name for need in found if need.exceeds_quota(rate_index)} == set(exceeded)
    assert scale.exceeded_quotas(found, 0) == ["PDS, where a mailbox asks it"]
    assert "S3, one prefix, writes" in scale.exceeded_quotas(found, 1)


def test_scanning_the_drop_costs_what_guardduty_and_its_tags_do_and_nothing_where_it_is_off(
    measurement: Measurement, prices: Prices
) -> None:
    message = measurement.kinds[command.USUAL]
    off = quantities_of_message(message, measurement.fixed, Assumptions())
    on = quantities_of_message(message, measurement.fixed, Assumptions(scanned=1))
    more = {item: count - off.get(item, 0) for item, count in on.items() if count != off.get(item, 0)}
    assert set(more) == {"guardduty_object", "guardduty_gb", "s3_get"}
    assert more["guardduty_object"] == 2
    assert bill(more, prices).usd == pytest.approx(
        2 * 0.000215 + more["guardduty_gb"] * 0.09 + 8 * prices.usd("s3_get")
    )
    assert not {line.item for line in bill(off, prices).lines} & {"guardduty_object", "guardduty_gb"}
