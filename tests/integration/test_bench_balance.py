"""A few thousand of the requests of `make bench-balance`, under the poller's memory limit."""

from pathlib import Path

import pytest

from tests.performance.bench_balance import Result, bench, reckon

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the machine does not say what is used")


def last(requests: int, folder: Path) -> Result:
    return list(reckon(requests, 2, folder))[-1]


def test_a_large_day_is_reckoned_in_parts_and_exactly_what_was_lost_is_missed(tmp_path: Path) -> None:
    result = last(12_000, tmp_path)
    assert result.parts == 3
    assert (result.counts["received"], result.counts["lost"], len(result.lost)) == (12_000, 2, 2)
    assert result.counts["vanished"] == result.counts["without_receipt"] == result.counts["incomplete"] == 0
    assert result.counts["settled"] + result.counts["open"] == 11_998


def test_a_run_that_takes_too_much_memory_is_killed_and_that_is_said() -> None:
    result = bench(12_000, 2, megabytes=40)
    assert result.killed
    assert "and killed" in result.report()
