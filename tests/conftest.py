"""Reports which tests prove which requirement: `.build/reports/requirements.json` after every run."""

import json
import os
import signal
from collections import defaultdict
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings

REPORT = Path(__file__).parents[1] / ".build" / "reports" / "requirements.json"
_OUTCOMES: dict[str, dict[str, str]] = defaultdict(dict)


# CI decides about a change, not about luck: there the same examples are tried each time, and new ones by developers.
# `make check` is to be done within a minute, and tries fewer of them.
_FEWER = 25 if os.environ.get("EXAMPLES") == "few" else 100
settings.register_profile("ci", derandomize=True, max_examples=_FEWER)
settings.register_profile("here", max_examples=_FEWER)
settings.load_profile("ci" if os.environ.get("CI") else "here")


def pytest_configure() -> None:
    # A job in a shell's background starts with SIGINT ignored, and so would the programs whose Ctrl-C is tested.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "call" or report.outcome != "passed":
        for marker in item.iter_markers("requirement"):
            for requirement in marker.args:
                _OUTCOMES[requirement][item.nodeid] = report.outcome
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    if _OUTCOMES and not session.config.option.collectonly:
        REPORT.parent.mkdir(parents=True, exist_ok=True)
        proven = {requirement: dict(sorted(tests.items())) for requirement, tests in sorted(_OUTCOMES.items())}
        REPORT.write_text(json.dumps(proven, indent=2) + "\n", encoding="utf-8")
