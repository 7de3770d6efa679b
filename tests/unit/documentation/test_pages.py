"""The documentation says what the code says, links to what is there, and names tests that exist."""

import ast
import re
import tomllib
from functools import cache
from pathlib import Path

import pytest

from infra.documentation.pages import FROM_CODE, FROM_TEMPLATE, published
from infra.documentation.site import BrokenLinkError, for_the_site, navigation, pages
from infra.documentation.tables import table
from tests.examples import ROOT

HAZARDS = ROOT / "docs" / "safety" / "hazards.md"
PARTS = ("Effect", "Causes", "Controls", "Evidence", "What remains", "Risk, initial and residual")
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", FROM_CODE)
def test_a_page_that_is_written_from_code_is_what_the_code_gives(name: str) -> None:
    assert published(name).read_text(encoding="utf-8") == FROM_CODE[name](), "run `make reference`"


def test_every_page_that_says_that_it_is_written_is() -> None:
    says = {
        path.relative_to(ROOT / "docs").as_posix()
        for path in (ROOT / "docs").rglob("*.md")
        if "<!-- Written by `make reference`" in path.read_text(encoding="utf-8")
    }
    assert says == {*FROM_CODE, *FROM_TEMPLATE}


@pytest.mark.parametrize("page", pages())
def test_every_link_leads_to_a_file_of_the_checkout(page: str) -> None:
    files: set[str] = set()
    for_the_site(page, text(page), files)
    assert all((ROOT / file).is_file() for file in files)


def test_a_link_to_nothing_is_named_with_its_page() -> None:
    with pytest.raises(BrokenLinkError, match=r"docs/deploy.md links to nowhere.md"):
        for_the_site("docs/deploy.md", "[gone](nowhere.md)", set())


def test_links_follow_files_to_their_places_in_the_site() -> None:
    files: set[str] = set()
    words = "[a](docs/pds.md#onboard) [b](events/request.schema.json) [c](events/requests) [d](https://example.org)"
    assert for_the_site("README.md", words, files) == (
        "[a](pds.md#onboard) [b](files/events/request.schema.json) c [d](https://example.org)"
    )
    assert files == {"events/request.schema.json"}
    assert for_the_site("docs/guides/use-the-library.md", "[r](../../README.md)", files) == "[r](../index.md)"
    assert for_the_site("README.md", "```\n[as](it-is)\n```", files) == "```\n[as](it-is)\n```"


def test_every_page_has_one_place_in_the_navigation() -> None:
    listed = re.findall(r'"([^"]+\.md)"', navigation())
    assert sorted(listed) == sorted(pages().values())
    tomllib.loads(navigation())


def test_a_cell_of_a_table_stays_one() -> None:
    assert table(("a",), [("x | y\nz",)]) == "| a |\n|---|\n| x \\| y z |"


# --- evidence ---------------------------------------------------------------------------------------------------------


@cache
def names_of(file: Path) -> frozenset[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize("page", pages())
def test_every_test_that_a_page_names_exists(page: str) -> None:
    named = _TEST.findall(text(page))
    assert [f"{file}::{test}" for file, test in named if test not in names_of(ROOT / file)] == []


def hazards() -> list[tuple[str, str]]:
    return re.findall(r"^## (H\d+\. .+?)\n(.*?)(?=^## |\Z)", text("docs/safety/hazards.md"), re.MULTILINE | re.DOTALL)


def test_the_hazards_are_numbered_in_order_and_at_least_25() -> None:
    numbers = [int(title.partition(".")[0][1:]) for title, _ in hazards()]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= 25


@pytest.mark.parametrize(
    ("title", "body"), [pytest.param(*hazard, id=hazard[0].partition(".")[0]) for hazard in hazards()]
)
def test_a_hazard_says_everything_about_itself_and_rates_nothing(title: str, body: str) -> None:
    parts = dict(re.findall(r"\*\*([^*]+)\.\*\*(.*?)(?=^\*\*|\Z)", body, re.MULTILINE | re.DOTALL))
    assert tuple(parts) == PARTS, title
    assert all(words.strip() for words in parts.values())
    assert _TEST.search(parts["Evidence"])
    assert parts["Risk, initial and residual"].strip() == (
        "For the deploying organisation's clinical safety officer to rate."
    )
