"""How `make test` spreads the tests over processes."""

from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

TEMPLATES = "tests/infra/"


class ByFile(LoadFileScheduling):  # type: ignore[misc]
    """Gives a process whole files in the order in which they are collected, so that the unit tests come last.

    A file's tests share what they have started, and may build on each other. All of the template's tests go to one
    process, since every environment is synthesized for them, which takes longer than they do.
    """

    def __init__(self, config: pytest.Config, log: Any = None) -> None:
        config.option.loadscopereorder = False  # the files with the most tests are not the longest
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return TEMPLATES if nodeid.startswith(TEMPLATES) else str(super()._split_scope(nodeid))
