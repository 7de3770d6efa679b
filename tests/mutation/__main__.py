"""Asks of the lifecycle and the steps: would their tests notice a small fault?

    make mutants [MUTANTS=120] [SEED=1] [ONLY=send] [JSON=1]

Takes a seeded sample of small faults (see `mutating`) and runs the tests of the module's package against each. A fault
that no test notices is a survivor, printed with its line. Ends with status 1 where more than one in twenty survives, or
where fewer than a hundred were tried without ONLY.

`survivors.json` beside this file gives the reason of survivors that change nothing that can be seen.
"""

import argparse
import importlib
import importlib.abc
import importlib.machinery
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from infra.local.environments import BUILD
from tests.mutation.mutating import Mutant, count, mutant

ROOT = Path(__file__).parents[2]
LIBRARY = ROOT / "layers" / "messaging" / "python"
PACKAGE = LIBRARY / "gpconnect_messaging"
REPORT = BUILD / "reports" / "mutants.json"
REASONS = Path(__file__).with_name("survivors.json")

TESTS = {
    "ledger/lifecycle.py": ("tests/unit/ledger",),
    "steps/*.py": ("tests/unit/steps", "tests/unit/test_handlers.py", "tests/unit/test_model.py"),
}
"""Which tests must notice a fault of which modules: those of the module's package."""
MOST_SURVIVORS = 0.05
FEWEST = 100
TIMEOUT_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Trial:
    """A fault that was made, and whether a test noticed it."""

    module: str
    number: int
    line: int
    fault: str
    code: str
    noticed: bool
    seconds: float
    reason: str = ""
    """Why it may survive, where somebody found out."""

    @property
    def counts(self) -> bool:
        """Whether it survived, and should not have."""
        return not self.noticed and not self.reason


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

    def exec_module(self, module: ModuleType) -> None:
        module.__file__ = str(self._path)
        exec(compile(self._source, str(self._path), "exec"), module.__dict__)


def modules(pattern: str) -> list[Path]:
    """The modules that a pattern of `TESTS` names."""
    return sorted(path for path in PACKAGE.glob(pattern) if path.name != "__init__.py")


Choice = tuple[Path, int, tuple[str, ...]]
"""A module, the number of its mutant, and the tests that should notice it."""


def chosen(number: int, seed: int, only: str) -> list[Choice]:
    """Choose mutants: half of the lifecycle, half of the steps, every possible fault as likely as any other."""
    pick = random.Random(seed)
    found = []
    for pattern, tests in TESTS.items():
        paths = [path for path in modules(pattern) if only in path.as_posix()]
        pool = [(path, index, tests) for path in paths for index in range(count(path.read_text()))]
        found += pick.sample(pool, min(len(pool), number // len(TESTS)))
    return found


@dataclass(frozen=True, slots=True)
class _Run:
    """Tests that are running against a mutant, in a process of their own."""

    path: Path
    number: int
    mutant: Mutant
    process: int
    began: float

    def ended(self) -> bool | None:
        """Whether a test noticed the fault; None while the tests run."""
        ended, status = os.waitpid(self.process, os.WNOHANG)
        if ended:
            return status != 0
        if time.monotonic() - self.began < TIMEOUT_SECONDS:
            return None
        os.killpg(self.process, signal.SIGKILL)
        os.waitpid(self.process, 0)
        return True

    def trial(self, *, noticed: bool) -> Trial:
        """What came of it."""
        name = self.path.relative_to(PACKAGE).as_posix()
        code = self.path.read_text().splitlines()[self.mutant.line - 1].strip()
        reason = "" if noticed else json.loads(REASONS.read_text()).get(f"{name}: {code}: {self.mutant.fault}", "")
        seconds = round(time.monotonic() - self.began, 1)
        return Trial(name, self.number, self.mutant.line, self.mutant.fault, code, noticed, seconds, reason)


def _begun(path: Path, number: int, tests: Sequence[str], fault: Mutant) -> _Run:
    process = os.fork()
    if process == 0:
        os._exit(_run_tests(path, fault.source, tests))
    return _Run(path, number, fault, process, time.monotonic())


def tried(choice: Iterable[Choice], jobs: int) -> Iterator[Trial]:
    """Run the tests against the mutants, so many at once, and give what came of each as it ends."""
    running: list[_Run] = []
    for path, number, tests in choice:
        running.append(_begun(path, number, tests, mutant(path.read_text(), number)))
        while len(running) >= jobs:
            yield from _collected(running)
    while running:
        yield from _collected(running)


def _collected(running: list[_Run]) -> Iterator[Trial]:
    time.sleep(0.02)
    for run in list(running):
        if (noticed := run.ended()) is not None:
            running.remove(run)
            yield run.trial(noticed=noticed)


def _run_tests(path: Path, source: str, tests: Sequence[str]) -> int:
    os.setpgid(0, 0)
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    os.environ |= {"CI": "1", "EXAMPLES": "few"}
    name = ".".join(path.relative_to(LIBRARY).with_suffix("").parts)
    sys.meta_path.insert(0, _Mutated(name, path, source))
    own = [test for folder in tests for test in sorted((ROOT / folder).glob(f"test_{path.stem}*.py"))]
    try:
        import pytest

        # The module's own tests first: they end most mutants at once.
        return int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", *map(str, own), *tests]))
    except BaseException:  # noqa: BLE001 - whatever it was, the fault was noticed
        return 3


def _import_what_tests_need() -> None:
    """Import once what all children would import for themselves; nothing of the library, which is what changes."""
    for name in ("pytest", "boto3", "lxml.etree", "pydantic", "httpx", "cryptography.x509"):
        importlib.import_module(name)
    assert not any(name.startswith("gpconnect_messaging") for name in sys.modules)


def main() -> int:
    """Try the mutants, and print what came of each."""
    arguments = argparse.ArgumentParser(prog="make mutants", description=__doc__.splitlines()[0] if __doc__ else "")
    arguments.add_argument("--mutants", type=int, default=120)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--only", default="", help="a part of the modules' path")
    arguments.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    arguments.add_argument("--json", action="store_true")
    options = arguments.parse_args()
    _import_what_tests_need()
    for pattern, tests in TESTS.items():
        path = modules(pattern)[0]
        whole = _begun(path, 0, tests, Mutant(1, "none", path.read_text()))
        while (failed := whole.ended()) is None:
            time.sleep(0.05)
        if failed:
            print(f"The tests {' '.join(tests)} fail without any fault: mend that first.", file=sys.stderr)
            return 2
    trials: list[Trial] = []
    for trial in tried(chosen(options.mutants, options.seed, options.only), options.jobs):
        trials.append(trial)
        if not options.json and (not trial.noticed or len(trials) % 10 == 0):
            print(_line(len(trials), trial), flush=True)
    return _closed(trials, options)


def _line(number: int, trial: Trial) -> str:
    if trial.noticed:
        return f"{number:4} tried"
    why = f" (known: {trial.reason})" if trial.reason else ""
    return f"{number:4} SURVIVED {trial.module}:{trial.line} {trial.fault}: {trial.code}{why}"


def _closed(trials: Sequence[Trial], options: argparse.Namespace) -> int:
    survivors = [trial for trial in trials if not trial.noticed]
    unexplained = [trial for trial in trials if trial.counts]
    share = len(survivors) / len(trials) if trials else 1.0
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(json.dumps([asdict(trial) for trial in trials], indent=1) + "\n")
    if options.json:
        print(REPORT.read_text(), end="")
    else:
        by_module = Counter(trial.module for trial in trials)
        print(
            f"{len(trials)} mutants of {len(by_module)} modules, seed {options.seed}: "
            f"{len(trials) - len(survivors)} noticed, {len(survivors)} survived ({share:.1%}), "
            f"{len(unexplained)} of them without a reason."
        )
    enough = bool(options.only) or len(trials) >= FEWEST
    return 0 if enough and share <= MOST_SURVIVORS and not unexplained else 1


if __name__ == "__main__":
    raise SystemExit(main())
