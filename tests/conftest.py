"""What all tests share: the evidence that they give, how they are spread over processes, and the running product.

`.build/reports/requirements.json` says which tests prove which requirement. A run of all tests writes it, and one with
`--evidence`; a run of some tests leaves it alone, since it would make met requirements look open.
"""

import json
import os
import signal
from collections import defaultdict
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from infra.local.run import LocalRun
from tests.by_file import ByFile

REPORT = Path(__file__).parents[1] / ".build" / "reports" / "requirements.json"
_PROPERTY = "requirement"
_OUTCOMES: dict[str, dict[str, str]] = defaultdict(dict)


# CI decides about a change, not about luck: there the same examples are tried each time, and new ones by developers.
# `make check` is to be done within a minute, and tries fewer of them.
_FEWER = 10 if os.environ.get("EXAMPLES") == "few" else 100
settings.register_profile("ci", derandomize=True, max_examples=_FEWER)
settings.register_profile("here", max_examples=_FEWER)
settings.load_profile("ci" if os.environ.get("CI") else "here")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--evidence", action="store_true", help="report which requirements the chosen tests prove")
    parser.addoption("--none-skipped", action="store_true", help="fail a test that is skipped, for the reason")


def pytest_configure() -> None:
    # A job in a shell's background starts with SIGINT ignored, and so would the programs whose Ctrl-C is tested.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and item.config.getoption("none_skipped"):
        *_, reason = report.longrepr if isinstance(report.longrepr, tuple) else (report.longrepr,)
        report.outcome, report.longrepr = "failed", f"Nothing was checked. {reason}"
    report.user_properties += [
        (_PROPERTY, requirement) for marker in item.iter_markers("requirement") for requirement in marker.args
    ]
    return report


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    # With several processes this comes to the one that leads them, which alone hears of every test.
    if report.when == "call" or report.outcome != "passed":
        for name, requirement in report.user_properties:
            if name == _PROPERTY:
                _OUTCOMES[str(requirement)][report.nodeid] = report.outcome


def pytest_sessionfinish(session: pytest.Session) -> None:
    option = session.config.option
    is_whole = session.config.args_source is pytest.Config.ArgsSource.TESTPATHS and not (
        option.keyword or option.markexpr or option.lf or option.deselect or option.collectonly
    )
    leads = not hasattr(session.config, "workerinput")
    if leads and _OUTCOMES and (is_whole or option.evidence):
        REPORT.parent.mkdir(parents=True, exist_ok=True)
        proven = {requirement: dict(sorted(tests.items())) for requirement, tests in sorted(_OUTCOMES.items())}
        REPORT.write_text(json.dumps(proven, indent=2) + "\n", encoding="utf-8")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile | None:
    """Spread the tests when a run asks for it with `--dist loadfile`, as `make test` does."""
    return ByFile(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.fixture(scope="session")
def local_run() -> Iterator[LocalRun]:
    """The deployed stack on the emulator, MESH, PDS and a practice, started once in each process that needs it.

    Nothing works the schedules: a test calls `poll()` when it is time. Tests share it, so each drops its own requests
    (`changes={"encounter": …}`) and looks at those alone.
    """
    with LocalRun(rest_seconds=0.5) as run:
        yield run
