"""The library is an ordinary package: it installs by itself, and ten lines build and validate a message."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import uv

from tests.examples import ROOT

EXAMPLE = ROOT / "docs" / "examples" / "build_a_message.py"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python of a new environment, with the library and the functions' locked dependencies."""
    folder = tmp_path_factory.mktemp("library")
    # What is built in a folder leaves files there: a copy is built, of what the package is made of.
    source = folder / "source"
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        source.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, source / name)
    shutil.copytree(ROOT / "layers" / "messaging", source / "layers" / "messaging")
    python = folder / "environment" / "bin" / "python"
    run("venv", "--python", sys.executable, folder / "environment")
    run("pip", "install", "--python", python, "-c", ROOT / "layers" / "dependencies" / "requirements.txt", source)
    return python


def run(*arguments: str | Path) -> None:
    clean = {name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "PYTHONPATH"}}
    subprocess.run([uv.find_uv_bin(), "--quiet", *arguments], env=clean, check=True)


def ask(python: Path, *arguments: str | Path, folder: Path = ROOT) -> str:
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH" and not name.startswith("AWS_")}
    return subprocess.run(
        [python, "-W", "error", *arguments], cwd=folder, env=clean, capture_output=True, text=True, check=True
    ).stdout


def test_it_installs_with_its_types_and_its_data(installed: Path) -> None:
    program = """
import gpconnect_messaging, importlib.metadata, pathlib
folder = pathlib.Path(gpconnect_messaging.__file__).parent
assert "site-packages" in folder.parts
for name in ("py.typed", "itk3/stu3.txt",
             "conformance/checks/structured.txt", "documents/fonts/Arimo-Bold.ttf", "documents/fonts/OFL.txt"):
    assert (folder / name).exists(), name
assert importlib.metadata.version("gpconnect-messaging") == gpconnect_messaging.__version__
"""
    ask(installed, "-c", program)


def test_the_example_of_ten_lines_builds_a_message_that_holds(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "events").symlink_to(ROOT / "events")
    printed = ask(installed, EXAMPLE, folder=tmp_path)
    assert printed.startswith("8fc960ae-d52a-812d-9975-bb0e71bcb920 GPCONNECT_SEND_DOCUMENT ")
    found = ask(installed, "-m", "gpconnect_messaging.conformance", tmp_path / "message.xml")
    assert "0 broken MUST, 0 broken SHOULD" in found


def test_the_example_has_ten_lines_at_most() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    code = [line for line in text.splitlines() if line.strip()]
    (documentation,) = (node for node in ast.parse(text).body[:1] if isinstance(node, ast.Expr))
    lines = len(code) - (documentation.end_lineno or 0) + documentation.lineno - 1
    assert lines <= 10
