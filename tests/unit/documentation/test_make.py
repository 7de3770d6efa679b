"""`make help` shows the targets of every day, and `make help-all` every one that there is."""

import re
import subprocess

from tests.examples import ROOT


def listed(target: str) -> dict[str, str]:
    shown = subprocess.run(["make", "-s", target], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    lines = [re.fullmatch(r"  make ([a-z-]+) +(\S.*)", line) for line in shown.splitlines()]
    return {line[1]: line[2] for line in lines if line} if all(lines) else {}


def test_help_is_short_and_has_what_a_deployer_and_a_developer_need_every_day() -> None:
    shown = listed("help")
    assert {
        *("setup", "demo", "test", "check", "format", "docs", "bench", "validate", "conformance", "supply-chain"),
        *("synth", "diff", "deploy", "destroy", "help-all"),
    } <= shown.keys()
    assert len(shown) <= 16


def test_help_all_has_every_target_in_the_order_and_the_words_of_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    [phony] = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    everything = listed("help-all")
    assert everything.keys() == set(phony.split())
    assert list(everything) == re.findall(r"^([a-z-]+):(?!=)", makefile, re.MULTILINE)
    assert listed("help").items() < everything.items()
    assert [about for about in everything.values() if "#" in about] == []


def test_the_pages_name_targets_that_there_are() -> None:
    everything = listed("help-all")
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    named = {
        (page.name, word)
        for page in pages
        for word in re.findall(r"(?:`|^)make ([a-z][a-z-]*)", page.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert len(named) > 40
    assert {(page, word) for page, word in named if word not in everything} == set()
