"""The tools' environments: locked, the same versions as deployed, and a clear word where none can be made."""

import re
from pathlib import Path
from typing import Any

import pytest

from infra.local import environments
from infra.local.environments import ROOT, TOOLS, PythonUnavailableError, environment
from infra.local.processes import ProgramFailedError, SupervisorClient

PIN = re.compile(r"^([a-z0-9-]+)==(\S+)", re.MULTILINE)


def lock(tool: str) -> str:
    return (ROOT / "infra" / "local" / f"requirements-{tool}.txt").read_text()


@pytest.mark.parametrize("tool", TOOLS)
def test_every_package_is_pinned_with_its_hashes_and_no_place_is_named(tool: str) -> None:
    entries = re.split(r"\n(?=\S)", lock(tool).split("\n", 2)[2])
    assert all(PIN.match(entry) and "--hash=sha256:" in entry for entry in entries)
    assert not re.search(r"://|--index-url|--find-links|@ ", lock(tool))


def test_functions_run_locally_with_the_versions_that_are_deployed() -> None:
    deployed = dict(PIN.findall((ROOT / "layers" / "dependencies" / "requirements.txt").read_text()))
    local = dict(PIN.findall(lock("runtime")))
    assert deployed == {name: local.get(name) for name in deployed}


class NoSuchPython(SupervisorClient):
    """Stands for a machine on which uv finds no Python that will do."""

    def complete(self, name: str, *_arguments: Any, **_settings: Any) -> None:
        raise ProgramFailedError(name, "ended with exit code 2", self.log(name))


def test_a_machine_with_too_new_a_python_only_is_told_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environments, "BUILD", tmp_path)
    monkeypatch.setattr(environments, "_version", lambda: (3, 14))
    with pytest.raises(PythonUnavailableError, match=r"needs a Python >=3\.11,<3\.14 .*3\.14.*python install 3\.13"):
        environment("mesh", NoSuchPython(tmp_path / "scratch", tmp_path / "logs"))
