"""A small day passes every part of `make national-day`; every limit can be broken; the docs are what was measured."""

import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gpconnect_messaging.ledger import encounter_format
from gpconnect_messaging.ledger.encounter_table import EncounterTable
from gpconnect_messaging.ledger.table import plain
from infra.cost import usage
from infra.cost.__main__ import replaced
from infra.local.environments import ROOT
from tests.fakes.dynamodb import Table
from tests.performance.day_parts import PARTS
from tests.performance.large_day import DAY, PROFILE, Ending, LargeDay, Templates, arrivals
from tests.performance.ledger_load import Stage
from tests.performance.national_day import (
    BLOCK,
    MEASURED,
    Limits,
    Report,
    as_markdown,
    as_text,
    bench,
    exceeded,
    main,
    measure,
)

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the machine does not say what is used")

MESSAGES = 3_000
RECORDED = 300


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("days")


@pytest.fixture(scope="module")
def report(folder: Path) -> Report:
    return bench([MESSAGES], folder, Limits(), most_recorded=RECORDED)


def test_a_small_day_passes_every_part_within_its_limits(report: Report) -> None:
    [day] = report.days
    assert list(exceeded(report, Limits())) == []
    assert list(day.parts) == list(PARTS)
    assert all(part.handled and part.calls and part.seconds for part in day.parts.values())
    assert (day.recorded, day.copied) == (RECORDED, MESSAGES - RECORDED)
    assert day.parts["balance"].found["lost"] == 3
    assert day.parts["archive"].found["archived"] == day.parts["archive"].found["expiring"] == MESSAGES
    assert day.parts["archive"].found["requests to find"] <= 4


def test_the_page_names_every_part_and_how_the_day_was_made(report: Report) -> None:
    text = as_text(report, Limits())
    assert all(name in text for name in PARTS)
    assert "300 recorded call by call, 2,700 copied" in text
    assert "Every part is within its limits" in text
    assert len(text.splitlines()) < 30


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (Limits(seconds=0.01), "a run takes"),
        (Limits(runs={"archive": 0, "balance": 0}), "runs, of 0 a day"),
        (Limits(megabytes=20), "MB are resident, of 20"),
    ],
)
def test_what_exceeds_a_limit_is_said(report: Report, limits: Limits, said: str) -> None:
    assert any(said in one for one in exceeded(report, limits))
    assert f"EXCEEDED: {next(one for one in exceeded(report, limits) if said in one)}" in as_text(report, limits)


def test_a_part_that_takes_too_much_memory_is_killed(report: Report, folder: Path) -> None:
    day = LargeDay(MESSAGES, folder / str(MESSAGES))
    killed = measure(day, "balance", Limits(megabytes=40))
    assert killed.killed
    broken = replace(report, days=[replace(report.days[0], parts={**report.days[0].parts, "balance": killed})])
    assert any("MB are resident, of 40" in one for one in exceeded(broken, Limits(megabytes=40)))


@pytest.mark.parametrize("cost", ["calls", "units", "seconds"])
def test_a_cost_of_a_message_that_grows_with_the_day_is_said(report: Report, cost: str) -> None:
    part = report.days[0].parts["archive"]
    assert part.seconds > 0.5
    more: dict[str, Any] = {"calls": {name: 2 * count for name, count in part.calls.items()}, "units": 2 * part.units,
            "seconds": 2 * part.seconds}  # fmt: skip
    larger = replace(report.days[0], parts={**report.days[0].parts, "archive": replace(part, **{cost: more[cost]})})
    [said] = exceeded(replace(report, days=[report.days[0], larger]), Limits())
    assert said.startswith("archive: ")
    assert "2.00 times" in said


@pytest.mark.parametrize(("part", "statement"), [
    ("balance", "DELETE FROM items WHERE rowid = (SELECT max(rowid) FROM items WHERE sk = 'STATE')"),
    ("sweep", "UPDATE items SET work_shard = NULL WHERE sk = 'STATE'"),
])  # fmt: skip
def test_work_that_is_not_all_done_is_said(folder: Path, part: str, statement: str, tmp_path: Path) -> None:
    source = folder / str(MESSAGES)
    for name in ("ledger.sqlite", "evidence.sqlite"):
        with sqlite3.connect(source / name) as original, sqlite3.connect(tmp_path / name) as copy:
            original.backup(copy)
    with sqlite3.connect(tmp_path / "ledger.sqlite") as ledger:
        ledger.execute(statement)
    measured = PARTS[part](LargeDay(MESSAGES, tmp_path))
    assert bool(measured.wrong) is (part == "balance"), "the sweep's own requests come later"


def test_a_part_that_fails_is_said(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").write_text("no database")
    assert measure(LargeDay(MESSAGES, tmp_path), "sweep", Limits()).wrong == [
        "it failed: sqlite3.DatabaseError: file is not a database"
    ]


def test_the_parts_leave_the_day_as_it_was(report: Report, folder: Path) -> None:
    assert report.days
    table = LargeDay(MESSAGES, folder / str(MESSAGES)).table()
    assert table.get_item(Key={"pk": {"S": "ARCHIVE"}, "sk": {"S": "PROGRESS"}}) == {}
    table.close()


# The day


@pytest.fixture(params=list(Ending))
def copied(request: pytest.FixtureRequest) -> tuple[Table, str, str]:
    table, at = Table(), datetime(2026, 11, 20, 21, 30, tzinfo=UTC)
    items, request_id, message_id = Templates().copy(at, request.param)
    for one in items:
        table.put_item(TableName="ledger", Item=one)
    return table, request_id, message_id


def test_a_copy_is_what_the_product_would_have_written(copied: tuple[Table, str, str]) -> None:
    table, request_id, message_id = copied
    reader = EncounterTable(table, "ledger")  # type: ignore[arg-type]
    encounter = reader.encounter_of(message_id)
    assert encounter == reader.encounter_of(request_id)
    assert encounter is not None
    assert set(encounter.records) == {request_id, message_id}
    [state] = (values for values in table.items.values() if values["sk"] == "STATE")
    body = encounter_format.encode(encounter, encounter_format.NO_PARTS)
    assert encounter_format.pack(body, int(state["v"])) == bytes(state["body"])
    assert set(table.items) == {(str(state["pk"]), "STATE"), *reader.item_keys(encounter)}


def test_a_copy_has_ids_of_its_own_and_all_times_are_of_its_evening() -> None:
    templates, at = Templates(Stage.SENT), datetime(2026, 11, 20, 21, 30, tzinfo=UTC)
    copies = [templates.copy(at) for _ in range(60)]
    for number in (1, 2):
        assert len({copy[number] for copy in copies}) == len(copies)
    keys = [(plain(one)["pk"], plain(one)["sk"]) for items, _, _ in copies for one in items]
    assert len(set(keys)) == len(keys)
    for items, _, message_id in copies:
        table = Table()
        for one in items:
            table.put_item(TableName="ledger", Item=one)
        found = EncounterTable(table, "ledger").encounter_of(message_id)  # type: ignore[arg-type]
        assert found is not None
        assert all(timedelta() <= time - at < timedelta(hours=1) for time in found.times)


def test_the_day_has_its_messages_and_four_times_the_mean_in_the_peak_hour() -> None:
    times = list(arrivals(24_000))
    assert times == sorted(times)
    assert {time.date() for time in times} == {DAY}
    by_hour = [sum(time.hour == hour for time in times) for hour in range(24)]
    assert (sum(by_hour), max(by_hour), round(sum(PROFILE), 6)) == (24_000, 4_000, 24)


# The documents


def test_the_committed_measurement_is_within_the_limits_and_is_what_the_docs_say() -> None:
    committed = Report.read(MEASURED.read_text(encoding="utf-8"))
    assert [day.messages for day in committed.days] == [10_000, 100_000, 2_000_000]
    assert list(exceeded(committed, Limits())) == []
    page = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
    written = as_markdown(committed, usage.load(usage.MEASURED), Limits())
    assert replaced(page, BLOCK, written) == page, "write it again: python -m tests.performance.national_day --markdown"


def test_wrong_options_end_with_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--messages", "5"]) == 2
    assert "--messages must be" in capsys.readouterr().err
