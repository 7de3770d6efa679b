"""Every module of the layer is reached from a function, from operators' code, or is a door of the library."""

import ast
import re
from collections.abc import Iterable, Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.examples import ROOT

LIBRARY = ROOT / "layers" / "messaging" / "python"
GUIDE = ROOT / "docs" / "guides" / "use-the-library.md"


@cache
def modules() -> dict[str, Path]:
    return {
        ".".join(path.relative_to(LIBRARY).with_suffix("").parts).removesuffix(".__init__"): path
        for path in LIBRARY.rglob("*.py")
    }


def named(words: Iterable[str]) -> set[str]:
    """The modules that dotted names lead to. To import a module is to import the packages around it."""
    parts = [word.split(".") for word in words]
    return {".".join(part[:end]) for part in parts for end in range(1, len(part) + 1)} & modules().keys()


@cache
def imported(path: Path) -> set[str]:
    """What a file imports, wherever the import stands, and the modules that it starts by name."""
    words: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=names):
                words += [name.name for name in names]
            case ast.ImportFrom(module=str(module), names=names):
                words += [f"{module}.{name.name}" for name in names]
            case ast.Constant(value=str(value)) if value in modules():
                words.append(value)
    return named(words)


def reached(found: set[str]) -> set[str]:
    waiting = set(found)
    while waiting:
        more = imported(modules()[waiting.pop()]) - found
        found, waiting = found | more, waiting | more
    return found


def roots(*folders: str) -> set[str]:
    return {name for folder in folders for path in (ROOT / folder).rglob("*.py") for name in imported(path)}


def doors() -> set[str]:
    """The modules of the public names, and those that the guide names; of a package that it runs, `__main__` too."""
    text = GUIDE.read_text(encoding="utf-8")
    run = [f"{name}.__main__" for name in re.findall(r"python -m (gpconnect_messaging[\w.]*)", text)]
    public = imported(modules()["gpconnect_messaging"])
    return public | named([*re.findall(r"gpconnect_messaging[\w.]*\w", text), *run])


def test_every_module_of_the_layer_is_reached_from_something_that_runs() -> None:
    assert len(modules()) == len(list(LIBRARY.rglob("*.py"))) > 150
    idle = modules().keys() - reached(roots("functions", "infra/operations") | doors())
    assert idle == set(), "move what only makes documents to infra/documentation, and delete what nothing uses"


@pytest.mark.parametrize("folder", ["functions/builder", "functions/sender", "functions/poller", "infra/operations"])
def test_each_part_that_runs_reaches_much_of_the_layer(folder: str) -> None:
    assert len(reached(roots(folder))) > 50


def test_the_library_has_the_doors_that_its_guide_names() -> None:
    assert {
        "gpconnect_messaging.conformance.__main__",
        "gpconnect_messaging.documents.render",
        "gpconnect_messaging.drafts",
        "gpconnect_messaging.itk3.responses",
        "gpconnect_messaging.mesh.client",
    } <= doors()


def test_a_module_that_is_started_by_name_is_reached() -> None:
    assert "gpconnect_messaging.documents.gate.worker" in reached({"gpconnect_messaging.documents.gate.opener"})


def test_the_packages_of_the_library_import_each_other_in_one_direction() -> None:
    packages: dict[str, set[str]] = {}
    for name, path in modules().items():
        package = name.split(".")[1] if "." in name else ""
        words = {module.split(".")[1] for module in imported(path) if "." in module}
        packages.setdefault(package, set()).update(words - {package})
    assert len(packages) > 20
    TopologicalSorter(packages).prepare()  # raises CycleError


def _patterns(source: str) -> Iterator[str | bytes]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("re.") and node.args:
            pattern = node.args[0]
            if isinstance(pattern, ast.Constant) and isinstance(pattern.value, str | bytes):
                yield pattern.value


def test_no_pattern_has_what_python_3_11_2_matches_wrongly() -> None:
    """Debian's Python 3.11.2 finds no match for some possessive quantifiers and atomic groups."""
    patterns = [pattern for file in LIBRARY.rglob("*.py") for pattern in _patterns(file.read_text(encoding="utf-8"))]
    assert len(patterns) > 50
    for pattern in patterns:
        text = pattern.decode("latin-1") if isinstance(pattern, bytes) else pattern
        without_sets = re.sub(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", "x", text, flags=re.DOTALL)
        assert not re.search(r"[*+?}]\+|\(\?>", without_sets), pattern
