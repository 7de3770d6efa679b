"""Asks of the lifecycle and the steps: would the tests of their package notice a small fault?

    make mutants [MUTANTS=120] [SEED="1 2 3"] [ONLY=steps/send.py:120] [JSON=1]

Takes a seeded sample of small faults (`mutating`), half of the lifecycle and half of the steps, every module with its
share, and runs against each the tests of the package that run the changed line, or the module where an import runs it.
A fault that no test notices is a survivor, printed with its line and, where it changes nothing that can be seen, with
the reason from `survivors.json`; the reason does not make it count less. Of each seed a line says how many survived.

Ends with status 1 where of any seed more than one in twenty survive, or fewer were tried than asked for.
"""

import argparse
import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from infra.local.environments import BUILD
from tests.mutation.covering import TestRun, digest, read
from tests.mutation.mutating import Mutant, Required, faults, mutant, required_arguments
from tests.mutation.trying import PACKAGE, ROOT, Outcome, Process, against, finished, import_library, recorded

REPORT = BUILD / "reports" / "mutants.json"
RUNS = BUILD / "mutants"
"""What each file of tests runs, kept from one time to the next."""
REASONS = Path(__file__).with_name("survivors.json")

TESTS = {
    "tests/unit/ledger": (
        "ledger/events.py",
        "ledger/history.py",
        "ledger/status_rules.py",
        "ledger/notification_rules.py",
        "ledger/deadlines.py",
        "ledger/precedence.py",
    ),
    "tests/unit/steps": ("steps/*.py",),
}
"""The tests of a package, and its modules whose faults they must notice."""
MOST_SURVIVORS = 0.05


@dataclass(frozen=True, slots=True)
class Candidate:
    """A fault that can be made: the module, the number of its mutant, and the tests that must notice it."""

    path: Path
    number: int
    tests: str

    @property
    def module(self) -> str:
        """The module's path in the package."""
        return self.path.relative_to(PACKAGE).as_posix()

    def make(self) -> Mutant:
        """Make the mutant."""
        return mutant(self.path.read_text(), self.number, required())


@dataclass(frozen=True, slots=True)
class Trial:
    """A fault that was made, and what became of it. `reason` is why it may survive, where that is known."""

    module: str
    number: int
    line: int
    fault: str
    code: str
    outcome: Outcome
    seconds: float
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.module}:{self.line} {self.fault} | {self.code} | {self.reason or 'no reason is written down'}"


@cache
def required() -> Required:
    """The arguments that must be given to what the library calls of its own."""
    return required_arguments(path.read_text() for path in PACKAGE.rglob("*.py"))


def modules(tests: str) -> list[Path]:
    """The modules whose faults these tests must notice."""
    return sorted(path for pattern in TESTS[tests] for path in PACKAGE.glob(pattern))


def candidates(tests: str, only: str = "") -> list[list[Candidate]]:
    """All faults that these tests must notice, by module; `only` is a part of the module's path, maybe with `:line`."""
    part, _, line = only.partition(":")
    found = []
    for path in modules(tests):
        if part in path.as_posix():
            lines = [at for at, _ in faults(path.read_text(), required())]
            found.append(
                [Candidate(path, number, tests) for number, at in enumerate(lines) if not line or at == int(line)]
            )
    return [each for each in found if each]


def sample(by_module: Sequence[Sequence[Candidate]], size: int, pick: random.Random) -> list[Candidate]:
    """Choose so many, of each module as large a share as it has of all, and at least one."""
    left, wanted, chosen = sum(map(len, by_module)), size, list[Candidate]()
    for every in sorted(by_module, key=len):
        share = min(len(every), max(1, round(wanted * len(every) / left)))
        chosen += pick.sample(every, share)
        left, wanted = left - len(every), max(0, wanted - share)
    return chosen


def chosen(size: int, seed: int, only: str) -> list[Candidate]:
    """Choose mutants, the same each time: half of the lifecycle, half of the steps."""
    pick = random.Random(seed)
    found = [by_module for tests in TESTS if (by_module := candidates(tests, only))]
    shares = [size // len(found) + (place < size % len(found)) for place in range(len(found))]
    return [each for by_module, share in zip(found, shares, strict=True) for each in sample(by_module, share, pick)]


def reasons() -> dict[str, str]:
    """Why some mutants change nothing that can be seen, by `module: code: fault`."""
    known: dict[str, str] = json.loads(REASONS.read_text())
    return known


def reason_key(module: str, code: str, fault: str) -> str:
    """Name a mutant in `survivors.json`, whatever its line's number."""
    return f"{module}: {code}: {fault}"


def record_runs(folders: Sequence[str], jobs: int) -> dict[str, list[TestRun]]:
    """Run the tests without a fault, and record what each runs; a file of tests that did not change, only once.

    Raises SystemExit where one fails.
    """
    mine = Path(__file__).parent
    helpers = [
        path
        for path in (ROOT / "tests").rglob("*.py")
        if not path.name.startswith("test_") and not path.is_relative_to(mine)
    ]
    surroundings = digest([*PACKAGE.rglob("*.py"), *(ROOT / "functions").rglob("*.py"), *helpers])
    RUNS.mkdir(parents=True, exist_ok=True)
    files = {
        folder: {
            path: RUNS / f"{digest([path])}-{surroundings}.json" for path in sorted((ROOT / folder).glob("test_*.py"))
        }
        for folder in folders
    }
    missing = [
        (path, made, folder) for folder, all_ in files.items() for path, made in all_.items() if not made.exists()
    ]
    begun = (((path, made), recorded(modules(folder), [path], made)) for path, made, folder in missing)
    for (path, made), outcome, _ in finished(begun, jobs):
        if outcome is not Outcome.SURVIVED:
            made.unlink(missing_ok=True)
            print(f"The tests in {path} fail without any fault: mend that first.", file=sys.stderr)
            raise SystemExit(2)
    return {folder: [run for made in all_.values() for run in read(made)] for folder, all_ in files.items()}


def begin(candidate: Candidate, runs: Sequence[TestRun]) -> Process:
    """Begin to run the tests that can notice a mutant, the quickest first."""
    fault = candidate.make()
    tests = [run for run in runs if run.runs(candidate.path, fault.lines)]
    tests.sort(key=lambda run: run.seconds)
    return against(candidate.path, fault, tests, {run.id for run in runs})


def tried(wanted: Sequence[Candidate], runs: dict[str, list[TestRun]], jobs: int) -> Iterator[tuple[Candidate, Trial]]:
    """Run the tests against the mutants, and give what came of each as it ends."""
    begun = ((each, begin(each, runs[each.tests])) for each in wanted)
    for candidate, outcome, seconds in finished(begun, jobs):
        fault = candidate.make()
        code = candidate.path.read_text().splitlines()[fault.line - 1].strip()
        reason = reasons().get(reason_key(candidate.module, code, fault.fault), "")
        yield candidate, Trial(
            candidate.module, candidate.number, fault.line, fault.fault, code, outcome, round(seconds, 1),
            reason if outcome is Outcome.SURVIVED else "",
        )  # fmt: skip


def main() -> int:
    """Try the mutants, and print what came of each seed."""
    arguments = argparse.ArgumentParser(prog="make mutants", description=__doc__.splitlines()[0] if __doc__ else "")
    arguments.add_argument("--mutants", type=int, default=120)
    arguments.add_argument("--seed", type=int, nargs="+", default=[1])
    arguments.add_argument("--only", default="", help="a part of the module's path, maybe with :line")
    arguments.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    arguments.add_argument("--json", action="store_true")
    options = arguments.parse_args()
    began = time.monotonic()
    samples = {seed: chosen(options.mutants, seed, options.only) for seed in options.seed}
    wanted = list(dict.fromkeys(each for one in samples.values() for each in one))
    import_library({path for folder in TESTS for path in modules(folder)})
    runs = record_runs(sorted({each.tests for each in wanted}), options.jobs)
    trials: dict[Candidate, Trial] = {}
    for candidate, trial in tried(wanted, runs, options.jobs):
        trials[candidate] = trial
        if not options.json and (trial.outcome is Outcome.SURVIVED or len(trials) % 20 == 0):
            survived = f"SURVIVED {trial}" if trial.outcome is Outcome.SURVIVED else ""
            print(f"{len(trials):4} of {len(wanted)} after {time.monotonic() - began:.0f} s {survived}", flush=True)
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(json.dumps([asdict(trial) for trial in trials.values()], indent=1) + "\n")
    if options.json:
        print(REPORT.read_text(), end="")
    enough = [
        summed_up(seed, [trials[each] for each in one], options.mutants, quiet=options.json)
        for seed, one in samples.items()
    ]
    return 0 if all(enough) else 1


def summed_up(seed: int, trials: Sequence[Trial], asked: int, *, quiet: bool) -> bool:
    """Print what came of a seed's mutants; whether enough were tried, and few enough survived."""
    survivors = [trial for trial in trials if trial.outcome is Outcome.SURVIVED]
    share = len(survivors) / len(trials) if trials else 1.0
    if not quiet:
        for trial in survivors:
            print(f"seed {seed} SURVIVED {trial}")
        counts = Counter(trial.outcome for trial in trials)
        print(
            f"seed {seed}: {len(trials)} mutants of {len({trial.module for trial in trials})} modules, "
            f"{counts[Outcome.KILLED]} killed, {counts[Outcome.TIMED_OUT]} timed out, {len(survivors)} survived "
            f"({share:.1%}; {sum(bool(each.reason) for each in survivors)} with a reason); "
            f"at most {MOST_SURVIVORS:.0%} may"
            + ("" if len(trials) >= asked else f"; {asked} were asked for: too few"),
            flush=True,
        )
    return len(trials) >= asked and share <= MOST_SURVIVORS


if __name__ == "__main__":
    raise SystemExit(main())
