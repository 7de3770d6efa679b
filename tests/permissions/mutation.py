"""Remove the running product's permissions one by one: every time a call must be denied.

What a role may do is changed where it stands, and the next call that needs it is refused; so one run serves for all.
What fails is put right by giving the permission back: queues bring the work again.

    make mutate-permissions [ONLY='s3:*'] [JSON=1] [RESUME=1]

Prints each permission as it is tried, and what happened; ends with status 1 if one was missed by nothing. About three
minutes. An interrupted trial goes on where it stopped with RESUME=1, from `.build/reports/permissions.json`.
"""

import argparse
import json
import re
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from gpcm.functions import FunctionFailedError
from infra.local import emulator
from infra.local.denials import noted
from infra.local.environments import BUILD
from infra.local.permissions import Permission, Used
from infra.local.roles import Roles
from infra.local.run import LocalRun
from tests.e2e.conftest import DeployedProduct, NotReachedError
from tests.permissions.exceptions import excepted
from tests.permissions.scenarios import SCENARIOS, Holds, Scenario, function_of

REPORT = BUILD / "reports" / "permissions.json"
PATIENCE_SECONDS = 60
STARTED_SECONDS = 31
"""A second more than a function may take, so that no work comes again while one starts anew."""
_SWEEP_SECONDS = 2


class Outcome(StrEnum):
    """What came of a missing permission."""

    REFUSED = "refused"
    """The emulator refused a call for the lack of it."""
    NOT_REACHED = "not reached"
    """Nothing was refused, and the scenario did not hold in time."""
    MISSED_BY_NOTHING = "missed by nothing"
    """The scenario held without it: either it is not needed, or no scenario shows what for."""
    NO_SCENARIO = "no scenario"
    """No scenario says that it needs it."""


CAUGHT = (Outcome.REFUSED, Outcome.NOT_REACHED)


@dataclass(frozen=True)
class Trial:
    """A permission that was taken away, and what came of it."""

    function: str
    permission: str
    scenario: str
    outcome: Outcome
    seconds: float


class Bench:
    """The running product whose roles are tampered with."""

    def __init__(self, run: LocalRun) -> None:
        self.product = DeployedProduct(run)
        self.roles = Roles(run.session)
        self.used = Used(run.logs_folder / emulator.PERMISSIONS)
        self._denials = run.logs_folder / emulator.DENIALS

    def granted(self) -> list[Permission]:
        """Give the permissions of every role that the emulator can refuse."""
        return [permission for permission in self.roles.permissions() if excepted(permission) is None]

    def use_all(self) -> frozenset[Permission]:
        """Run every scenario, most at once, by functions that start anew; return the permissions that were used.

        Raises NotReachedError where one does not hold in time.
        """
        self.used.forget()
        self.product.run.kill_handlers()
        by_begin: dict[object, Scenario] = {}
        for scenario in SCENARIOS:
            by_begin.setdefault(scenario.begin, scenario)
        first, *others = by_begin.values()
        self._await({first.name: first.begin(self.product)})  # the functions start; nothing else waits for that
        self._await({scenario.name: scenario.begin(self.product) for scenario in others})
        return self.used.noted()

    def without(self, permission: Permission) -> Trial:
        """Take a permission away, run the scenario that needs it, and give it back."""
        begun = time.monotonic()
        scenario = next((candidate for candidate in SCENARIOS if candidate.proves(permission)), None)
        outcome = Outcome.NO_SCENARIO if scenario is None else self._without(permission, scenario)
        return Trial(
            function=function_of(permission.role),
            permission=in_words(permission),
            scenario=scenario.name if scenario else "",
            outcome=outcome,
            seconds=round(time.monotonic() - begun, 2),
        )

    def _without(self, permission: Permission, scenario: Scenario) -> Outcome:
        begun, before = time.monotonic(), self._refusals()
        with self.roles.lacking(permission):
            if scenario.afresh:
                self.product.run.kill_handlers(function_of(permission.role))
            holds = scenario.begin(self.product)
            while time.monotonic() < begun + PATIENCE_SECONDS:
                if self._refused(permission, before):
                    return Outcome.REFUSED
                if holds():
                    return Outcome.MISSED_BY_NOTHING
                scenario.work(self.product)
        return Outcome.NOT_REACHED

    def _await(self, waiting: dict[str, Holds]) -> None:
        end, swept = time.monotonic() + 4 * PATIENCE_SECONDS, time.monotonic()
        while waiting := {name: holds for name, holds in waiting.items() if not holds()}:
            if time.monotonic() > end:
                raise NotReachedError(f"{', '.join(waiting)}; denials: {self.product.run.denials()}")
            sweep = time.monotonic() > swept + _SWEEP_SECONDS
            with suppress(FunctionFailedError):
                self.product.run.poll(mailboxes_only=not sweep)
            if sweep:
                swept = time.monotonic()

    @contextmanager
    def unnoticed(self) -> Iterator[None]:
        """Discard denials within the block: the test provoked them."""
        before = self._denials.read_text() if self._denials.exists() else ""
        yield
        time.sleep(1)  # for calls that are under way
        self._denials.write_text(before)

    def _refusals(self) -> int:
        return len(self._denials.read_text().splitlines()) if self._denials.exists() else 0

    def _refused(self, permission: Permission, after: int) -> bool:
        return any(
            (denial.role, denial.action) == (permission.role, permission.action)
            for denial in noted(self._denials, after)
        )


def spread(permissions: Iterable[Permission]) -> list[Permission]:
    """Order permissions so that neighbours differ in role or action: a late refusal is not taken for the next one's."""
    rest = sorted(permissions, key=lambda candidate: (candidate.resource, candidate.role, candidate.action))
    ordered: list[Permission] = []
    while rest:
        other = (
            candidate for candidate in rest if not ordered or (candidate.role, candidate.action) != _call(ordered[-1])
        )
        ordered.append(next(other, rest[0]))
        rest.remove(ordered[-1])
    return ordered


def _call(permission: Permission) -> tuple[str, str]:
    return permission.role, permission.action


def in_words(permission: Permission) -> str:
    """Write a permission as it is in every run: without the account and the ends that the emulator gives names."""
    named = re.sub(r"gpconnect-messaging-local-|-[0-9A-Fa-f]{6,13}\b", "", permission.resource.split(":", 5)[-1])
    return f"{permission.action} on {named}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return 0 if every removed permission caused a failure."""
    parser = argparse.ArgumentParser(prog="python -m tests.permissions.mutation", description=__doc__)
    parser.add_argument("--only", default="*", help="actions to try, with wildcards, such as 's3:*'")
    parser.add_argument("--json", action="store_true", help="print one line of JSON for each permission")
    parser.add_argument("--resume", action="store_true", help="leave out what the last, interrupted trial caught")
    options = parser.parse_args(arguments)
    done = _read() if options.resume else []
    with LocalRun() as run:
        run.redeliver_after(STARTED_SECONDS)
        bench = Bench(run)
        known = {(trial.function, trial.permission) for trial in done}
        chosen = [
            permission
            for permission in spread(bench.granted())
            if fnmatchcase(permission.action, options.only)
            and (function_of(permission.role), in_words(permission)) not in known
        ]
        for number, permission in enumerate(chosen, 1):
            trial = bench.without(permission)
            done.append(trial)
            _write(done)
            _print(trial, f"{number}/{len(chosen)}", as_json=options.json)
    missed = [trial for trial in done if trial.outcome not in CAUGHT]
    if not options.json:
        print(f"{len(done) - len(missed)} of {len(done)} permissions are missed when they are taken away")
    return 1 if missed else 0


def _print(trial: Trial, number: str, *, as_json: bool) -> None:
    if as_json:
        line = json.dumps(asdict(trial))
    else:
        line = f"{number:>7}  {trial.seconds:5.1f} s  {trial.outcome:<17}  {trial.function}: {trial.permission}"
    print(line, flush=True)


def _read() -> list[Trial]:
    if not REPORT.exists():
        return []
    trials = (Trial(**{**row, "outcome": Outcome(row["outcome"])}) for row in json.loads(REPORT.read_text()))
    return [trial for trial in trials if trial.outcome in CAUGHT]


def _write(trials: Sequence[Trial]) -> None:
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(json.dumps([asdict(trial) for trial in trials], indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
