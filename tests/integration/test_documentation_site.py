"""The documentation builds as a site that is whole, and asks nothing of another machine."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from infra.documentation import site

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def built() -> Path:
    """The site, as `make docs` builds it: strictly, so that a broken link or heading stops it."""
    return site.build()


@pytest.fixture(scope="module")
def browser_page() -> Iterator[Page]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine to look at the pages with")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser.new_page()
        browser.close()


def test_every_page_is_there_and_loads_nothing_from_elsewhere(built: Path) -> None:
    for path in site.pages().values():
        name = path.replace("README.md", "index.md").removesuffix(".md") + ".html"
        html = (built / name).read_text(encoding="utf-8")
        assert "Content-Security-Policy" in html, name
        loaded = re.findall(r"<(?:script|link|img|iframe)[^>]*?(?:src|href)=\"?((?:https?:)?//[^\"\s>]+)", html)
        assert loaded == [], name


def test_the_search_finds_a_page_without_a_server(built: Path, browser_page: Page) -> None:
    browser_page.goto((built / "index.html").as_uri())
    browser_page.get_by_role("button", name="Search").first.click()
    browser_page.get_by_role("combobox", name="Search").fill("certificate")
    browser_page.wait_for_selector("text=/[0-9]+ results/", timeout=20_000)


def test_a_diagram_is_drawn_and_nobody_else_is_asked(built: Path, browser_page: Page) -> None:
    asked: list[str] = []
    failed: list[str] = []
    browser_page.on("request", lambda request: asked.append(request.url))
    browser_page.on("requestfailed", lambda request: failed.append(request.url))
    for name in ("lifecycle.html", "explanation/architecture.html"):
        browser_page.goto((built / name).as_uri())
        browser_page.wait_for_selector("div.mermaid", timeout=20_000, state="attached")
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    assert failed == []
