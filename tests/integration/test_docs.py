"""Every command and program of the documentation does what the page says, typed in a clean checkout."""

import re
import shutil
from collections import Counter

import pytest

from infra.documentation.site import pages
from tests.documented import KINDS, REASONS, Place, agrees, blocks, checkout, follow

TUTORIAL = "docs/tutorial.md"
"""Executed from the first line to the last, with the product running: tests/e2e/test_tutorial.py."""
ALL = [block for page in pages() for block in blocks(page)]
MOST_NOT_RUN = 20


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Place:
    shell = checkout(tmp_path_factory.mktemp("documentation"))
    status, printed = shell.type("make setup")
    assert status == 0, printed
    return shell


def test_what_is_not_run_says_why_and_is_little() -> None:
    untried = [block for block in ALL if block.not_run is not None]
    for block in untried:
        print(f"{block.where}: {block.not_run}")
    assert [block.where for block in untried if block.not_run not in REASONS] == []
    assert len(untried) <= MOST_NOT_RUN


def test_every_block_is_of_a_kind_that_is_understood() -> None:
    assert [f"{block.where}: {block.kind}" for block in ALL if block.kind not in KINDS] == []
    assert Counter(block.kind for block in ALL)["console"] > 10


@pytest.mark.parametrize("page", [page for page in pages() if page != TUTORIAL])
def test_what_a_page_tells_its_readers_to_type_does_what_it_says(shell: Place, page: str) -> None:
    shell.forget()
    shell.type(f"export PATH={shell.folder}/.venv/bin:$PATH PYTHONPATH=.:layers/messaging/python")
    changes = any(block.kind == "diff" for block in blocks(page))
    if changes:
        shell.as_repository()
    try:
        for block in blocks(page):
            follow(shell, block)
    finally:
        if changes:
            shell.restore()


@pytest.mark.parametrize(
    ("expected", "printed", "is_so"),
    [
        ("", "anything\n", True),
        ("a b\n", "a    b\n", True),
        ("a … c\n", "a b c\n", True),
        ("a … c\n", "a b\n", False),
        ("…\nlast\n", "one\ntwo\nlast\n", True),
        ("…\nlast\n", "one\nlast\nmore\n", False),
        ("first\n…\n", "first\n", True),
        ("first\n", "first\nmore\n", False),
    ],
)
def test_an_ellipsis_stands_for_anything_and_nothing_else_does(expected: str, printed: str, *, is_so: bool) -> None:
    assert agrees(expected, printed) is is_so


def test_the_tools_that_pages_call_for_are_named_there() -> None:
    called = {re.split(r"\s", command)[0] for block in ALL if block.kind == "console" and block.not_run is None
              for command, _ in block.commands()}  # fmt: skip
    ours = {"gpcm", "python"}  # in the development environment, which every place has on its PATH
    here = {program for program in called if shutil.which(program) or program in {"export", "cd", *ours}}
    assert called - here == set()
