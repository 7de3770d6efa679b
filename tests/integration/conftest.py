"""One running product for all integration tests that want it: everything that `make demo` starts."""

from collections.abc import Iterator

import pytest

from infra.local.run import LocalRun


@pytest.fixture(scope="session")
def local_run() -> Iterator[LocalRun]:
    """The deployed stack on the emulator, MESH and a practice, started once.

    Nothing works the schedules: a test calls `poll()` when it is time. Tests share it, so each drops its own requests
    (`changes={"encounter": …}`) and looks at those alone.
    """
    with LocalRun() as run:
        yield run
