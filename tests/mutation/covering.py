"""Records which lines of the mutated modules each test runs, so that a mutant meets only tests that can notice it."""

import hashlib
import json
import mmap
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from types import FrameType
from typing import Any

import pytest


@dataclass(frozen=True, slots=True)
class TestRun:
    """One test of a run without a fault: its id, its seconds of the processor, and which lines of which modules it ran.

    The modules are named by their paths.
    """

    id: str
    seconds: float
    lines: Mapping[str, frozenset[int]]

    @property
    def file(self) -> str:
        """The file of the test, relative to the repository."""
        return self.id.partition("::")[0]

    def is_of(self, path: Path) -> bool:
        """Whether it is in a file of its own for this module."""
        return Path(self.file).name.startswith(f"test_{path.stem}")

    def runs(self, path: Path, lines: tuple[int, int] | None) -> bool:
        """Whether it runs one of these lines of a module, the first to the last; None: any, or is for the module."""
        ran = self.lines.get(str(path), frozenset())
        if lines is None:
            return bool(ran) or self.is_of(path)
        return any(lines[0] <= line <= lines[1] for line in ran)


class Recorder:
    """A plugin of pytest: writes down what each test of a file runs, also in threads and forked processes."""

    def __init__(self, paths: Sequence[Path], written: Path) -> None:
        self._lengths = {str(path): len(path.read_text().splitlines()) + 1 for path in paths}
        ends = accumulate(self._lengths.values())
        self._starts = {name: end - self._lengths[name] for name, end in zip(self._lengths, ends, strict=True)}
        # Anonymous memory is shared with forked processes.
        self._ran = mmap.mmap(-1, sum(self._lengths.values()))
        self._local = {name: self._tracer(start) for name, start in self._starts.items()}
        self._imported: defaultdict[str, set[int]] = defaultdict(set)
        self._written = written
        self._tests: list[dict[str, Any]] = []

    def _tracer(self, start: int) -> Any:
        ran = self._ran

        def line(frame: FrameType, event: str, _argument: object) -> Any:
            if event == "line":
                ran[start + frame.f_lineno] = 1
            return line

        return line

    def _call(self, frame: FrameType, _event: str, _argument: object) -> Any:
        return self._local.get(frame.f_code.co_filename)

    @contextmanager
    def _recording(self) -> Iterator[dict[str, set[int]]]:
        """Give the lines that are run meanwhile; they are there when it ends."""
        lines: dict[str, set[int]] = {}
        self._ran[:] = bytes(len(self._ran))
        threading.settrace(self._call)
        sys.settrace(self._call)
        try:
            yield lines
        finally:
            sys.settrace(None)
            threading.settrace(None)
            for name, start in self._starts.items():
                lines[name] = {number for number in range(self._lengths[name]) if self._ran[start + number]}

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(self, collector: pytest.Collector) -> Generator[None, object, object]:
        """Record what the import of a file of tests runs: whatever it makes there, its tests may look at."""
        with self._recording() as lines:
            report = yield
        for name, ran in lines.items():
            self._imported[name] |= ran
        return report

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Record one test with its fixtures."""
        began = time.process_time()
        with self._recording() as lines:
            result = yield
        ran = {name: sorted(lines[name] | self._imported[name]) for name in lines}
        self._tests.append({"id": item.nodeid, "seconds": time.process_time() - began, "lines": ran})
        return result

    def pytest_sessionfinish(self) -> None:
        """Write the record."""
        self._written.write_text(json.dumps(self._tests))


def read(written: Path) -> list[TestRun]:
    """Read what a `Recorder` wrote."""
    return [
        TestRun(test["id"], test["seconds"], {path: frozenset(lines) for path, lines in test["lines"].items() if lines})
        for test in json.loads(written.read_text())
    ]


def digest(paths: Iterable[Path]) -> str:
    """Tell apart what these files hold."""
    made = hashlib.sha256()
    for path in sorted(paths):
        made.update(f"{path}\n".encode() + path.read_bytes())
    return made.hexdigest()[:16]
