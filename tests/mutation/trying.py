"""Runs tests against mutants, each in a forked process that imports the mutant in place of the module.

The parent imports the library once. A child forgets the mutated module and all that imports it, directly or not, and
the tests import those afresh; what does not depend on the module stays.
"""

import ast
import importlib
import importlib.abc
import importlib.machinery
import os
import resource
import signal
import sys
import time
import types
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.mutation.covering import Recorder, TestRun
from tests.mutation.mutating import Mutant

ROOT = Path(__file__).parents[2]
LIBRARY = ROOT / "layers" / "messaging" / "python"
PACKAGE = LIBRARY / "gpconnect_messaging"

TIMES_SLOWER, SECONDS_MORE = 5, 10
"""How much more of the processor a test may take against a mutant than without a fault before it is stopped."""
MOST_SECONDS = 300
"""How long the tests of a mutant may take by the clock, at least: what waits for ever takes no processor."""
QUICK = 0.2
"""Seconds of the processor up to which a test is among the first."""
MOST_MEMORY = 2_000_000_000
"""A mutant that fills the memory (bytes) must not take the machine with it."""

_UNNOTICED = (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
"""Where a mutant leaves no test to run, none has noticed it."""

_OPTIONS = ["-x", "-q", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning"]


class Outcome(StrEnum):
    """What became of a mutant."""

    KILLED = "killed"
    TIMED_OUT = "timed out"
    """Killed, too: the tests did not end."""
    SURVIVED = "survived"


class _Mutated(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives one module of the library another source."""

    def __init__(self, name: str, path: Path, source: str) -> None:
        self._name = name
        self._path = path
        self._source = source

    def find_spec(self, fullname: str, *_: Any) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._name:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, origin=str(self._path))

    def exec_module(self, module: types.ModuleType) -> None:
        module.__file__ = str(self._path)
        exec(compile(self._source, str(self._path), "exec"), module.__dict__)


class _Chosen:
    """A plugin of pytest: runs the chosen tests, the quickest first, and those that only a mutant's tables give."""

    def __init__(self, tests: Sequence[TestRun], known: Collection[str]) -> None:
        self._place = {test.id: place for place, test in enumerate(tests)}
        self._seconds = {test.id: test.seconds for test in tests}
        self._known = known

    def pytest_sessionstart(self) -> None:
        """See that a failure is not made shorter: that it fails is enough."""
        from hypothesis import Phase, settings

        settings.register_profile("mutants", settings.get_profile("ci"), phases=[Phase.explicit, Phase.generate])
        settings.load_profile("mutants")

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Choose and order the tests."""
        chosen = [item for item in items if item.nodeid in self._place or item.nodeid not in self._known]
        items[:] = sorted(chosen, key=lambda item: self._place.get(item.nodeid, len(self._place)))

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Stop what goes on for ever."""
        more = SECONDS_MORE + TIMES_SLOWER * self._seconds.get(nodeid, 0)
        resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time() + more) + 1, resource.RLIM_INFINITY))


def import_library(modules: Iterable[Path]) -> None:
    """Import once what all children would import for themselves."""
    os.environ |= {"CI": "1", "EXAMPLES": "few", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    for path in modules:
        importlib.import_module(_name(path))
    for name in ("boto3", "hypothesis", "hypothesis.stateful", "infra.local.run"):
        importlib.import_module(name)
    _importers()  # once, too


def _name(path: Path) -> str:
    return ".".join(path.relative_to(LIBRARY).with_suffix("").parts).removesuffix(".__init__")


@cache
def _importers() -> dict[str, set[str]]:
    """Which modules of the library, the functions and the tests import a module of the library directly."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if not file or not Path(file).is_relative_to(ROOT) or ".venv" in file or not file.endswith(".py"):
            continue
        for node in ast.walk(ast.parse(Path(file).read_text())):
            match node:
                case ast.Import(names=names):
                    imported = [each.name for each in names]
                case ast.ImportFrom(module=str(parent), names=names):
                    imported = [parent, *(f"{parent}.{each.name}" for each in names)]
                case _:
                    continue
            for each in imported:
                found[each].add(name)
    return found


def _dependents(name: str) -> set[str]:
    """A module and all that import it, directly or not."""
    found, left = set[str](), [name]
    while left:
        module = left.pop()
        if module not in found:
            found.add(module)
            left += _importers().get(module, ())
    return found


@dataclass(frozen=True, slots=True)
class Process:
    """Tests that are running, in a process of their own."""

    id: int
    began: float
    most_seconds: float

    @classmethod
    def of(cls, run: Callable[[], int], most_seconds: float = 1800) -> "Process":
        """Begin to run something that returns an exit status; what it prints is dropped."""
        process = os.fork()
        if process == 0:
            os._exit(_silently(run))
        return cls(process, time.monotonic(), most_seconds)

    def ended(self) -> Outcome | None:
        """What came of it; None while the tests run."""
        ended, status = os.waitpid(self.id, os.WNOHANG)
        if ended:
            return _outcome(status)
        if time.monotonic() - self.began < self.most_seconds:
            return None
        os.killpg(self.id, signal.SIGKILL)
        os.waitpid(self.id, 0)
        return Outcome.TIMED_OUT


def _outcome(status: int) -> Outcome:
    if os.WIFSIGNALED(status):
        return Outcome.TIMED_OUT if os.WTERMSIG(status) in (signal.SIGXCPU, signal.SIGKILL) else Outcome.KILLED
    return Outcome.SURVIVED if os.WEXITSTATUS(status) in _UNNOTICED else Outcome.KILLED


def _silently(run: Callable[[], int]) -> int:
    os.setpgid(0, 0)
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    try:
        return run()
    except BaseException:  # noqa: BLE001 - whatever it was, the fault was noticed
        return 3


def recorded(paths: Sequence[Path], tests: Sequence[Path], written: Path) -> Process:
    """Run these files of tests without a fault, and record which run what."""

    def run() -> int:
        return int(pytest.main([*_OPTIONS, *map(str, tests)], plugins=[Recorder(paths, written)]))

    return Process.of(run)


def against(path: Path, fault: Mutant, tests: Sequence[TestRun], known: Collection[str]) -> Process:
    """Run these tests against a mutant; `known` are the ids of all tests of the package."""

    def run() -> int:
        resource.setrlimit(resource.RLIMIT_DATA, (MOST_MEMORY, MOST_MEMORY))
        name = _name(path)
        for module in _dependents(name):
            sys.modules.pop(module, None)
            # A package keeps its modules as attributes, too.
            parent, _, last = module.rpartition(".")
            vars(sys.modules.get(parent, types.ModuleType(parent))).pop(last, None)
        sys.meta_path.insert(0, _Mutated(name, path, fault.source))
        # The module's own quick tests first: they end most mutants, and no other file need be imported.
        own = [test for test in tests if test.is_of(path) and test.seconds < QUICK]
        for some in (own, [test for test in tests if test not in own]):
            files = dict.fromkeys(test.file for test in some)
            status = pytest.main([*_OPTIONS, *files], plugins=[_Chosen(some, known)]) if some else 0
            if status not in _UNNOTICED:
                return int(status)
        return 0

    return Process.of(run, MOST_SECONDS + 10 * TIMES_SLOWER * sum(test.seconds for test in tests))


def finished(begun: Iterator[tuple[Any, Process]], jobs: int) -> Iterator[tuple[Any, Outcome, float]]:
    """Let so many processes run at once, and give what came of each, and its seconds, as it ends."""
    running: list[tuple[Any, Process]] = []
    for one in begun:
        running.append(one)
        while len(running) >= jobs:
            yield from _collected(running)
    while running:
        yield from _collected(running)


def _collected(running: list[tuple[Any, Process]]) -> Iterator[tuple[Any, Outcome, float]]:
    time.sleep(0.02)
    for one in list(running):
        if (outcome := one[1].ended()) is not None:
            running.remove(one)
            yield one[0], outcome, time.monotonic() - one[1].began
