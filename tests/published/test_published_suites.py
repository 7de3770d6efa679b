"""The published tests of the official MESH client and of the MESH sandbox, run against our client.

They are not part of this project. The client's come with its source distribution, which is fetched once into
`.build/published`; the sandbox's come with the sandbox. A thin adapter gives our client the official one's names.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from infra.local.environments import BUILD, environment
from infra.local.processes import SupervisorClient
from tests.examples import ROOT
from tests.local_mesh import local_mesh

# What the suites ask that ours does not do, each with its reason.
LEFT_OUT_OF_THE_CLIENTS = {
    "test_handshake": "it wants the answer's body, which says nothing",
    "test_transparent_compression": "it wants Mex-Content-Compressed, which speaks of the sender's own compression",
    "test_optional_args_single_chunk": "Mex-PartnerID and Mex-Content-Encrypted have no use in GP Connect Messaging",
    "test_optional_args_multi_chunk": "as above",
}
LEFT_OUT_OF_THE_SANDBOXS = {"test_handshake": "as above; the one with a bad password is asked for by its name"}
MAILBOXES = {
    "ALICE": {"sends": ["RESTRICTED_WORKFLOW"], "receives": ["ANOTHER_WORKFLOW"]},
    "BOB": {"sends": ["ANOTHER_WORKFLOW"], "receives": ["RESTRICTED_WORKFLOW"]},
    "X26ABC1": {},
    "X26ABC2": {},
}
COMMUNITY = {
    "shared_key": "TestKey",
    "mailboxes": [
        {"id": name, "name": f"TESTMB{number}", "ods_code": "X26", "password": "password", "workflows": workflows}
        for number, (name, workflows) in enumerate(MAILBOXES.items(), 1)
    ],
    "patients": [],
}
HELPERS = """
import contextlib, os
from mesh_client import Endpoint

SANDBOX_ENDPOINT = Endpoint({url!r})

@contextlib.contextmanager
def temp_env_vars(**values):
    before = dict(os.environ)
    os.environ.update(values)
    yield
    os.environ.clear()
    os.environ.update(before)
"""
# The sandbox's own fixture starts it anew for each test; ours empties it.
CONFTEST = """
import httpx, pytest

@pytest.fixture
def base_uri():
    httpx.post({url!r} + "/control/reset").raise_for_status()
    return {url!r}
"""
STATUSES = """
import types

status = types.SimpleNamespace(HTTP_200_OK=200, HTTP_403_FORBIDDEN=403)
"""


@pytest.fixture(scope="module")
def official_client() -> Path:
    """The official client's source, or skip the test where it cannot be fetched."""
    wanted = Path(__file__).with_name("requirements.txt")
    (name,) = re.findall(r"^mesh-client==(\S+)", wanted.read_text(encoding="utf-8"), re.MULTILINE)
    folder = BUILD / "published"
    source = folder / f"mesh_client-{name}"
    if not source.exists():
        fetch = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
                 "--no-binary", ":all:", "--require-hashes", "--dest", str(folder), "-r", str(wanted)]  # fmt: skip
        try:
            subprocess.run(fetch, check=True, capture_output=True, timeout=240)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
            pytest.skip("the official client's source cannot be fetched from the package registry")
        with tarfile.open(f"{source}.tar.gz") as archive:
            archive.extraction_filter = getattr(tarfile, "data_filter", None)  # Python 3.11.2 has none yet
            archive.extractall(folder)
    return source


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The installed sandbox."""
    folder = tmp_path_factory.mktemp("supervisor")
    with SupervisorClient(folder / "scratch", folder) as supervisor:
        (found,) = environment("mesh", supervisor).folder.glob("lib/*/site-packages/mesh_sandbox")
    return found


def run(suite: Path, tests: Path, url: str, left_out: dict[str, str], also: str = "") -> int:
    """Run a suite's tests with the adapter in the official client's place; return how many passed."""
    (suite / "conftest.py").write_text(CONFTEST.format(url=url), encoding="utf-8")
    (suite / "fastapi.py").write_text(STATUSES, encoding="utf-8")
    paths = (ROOT / "tests" / "published" / "adapter", ROOT / "layers" / "messaging" / "python", suite)
    chosen = " and ".join(f"not {name}" for name in left_out)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tests), "-k",
         f"({chosen}) or {also}" if also else chosen],
        cwd=suite,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    return int(passed[1])


def test_the_official_clients_tests_and_the_sandboxs_pass_with_our_client(
    official_client: Path, sandbox: Path, tmp_path: Path
) -> None:
    community = tmp_path / "community.json"
    community.write_text(json.dumps(COMMUNITY), encoding="utf-8")
    of_client, of_sandbox = tmp_path / "client" / "tests", tmp_path / "sandbox" / "mesh_sandbox" / "tests"
    for folder in (of_client, of_sandbox):
        folder.mkdir(parents=True)
        (folder / "__init__.py").touch()
    (of_sandbox.parent / "__init__.py").touch()
    shutil.copy(official_client / "tests" / "mesh_sandbox_tests.py", of_client)
    for name in ("mesh_client_tests.py", "docker_tests.py"):
        shutil.copy(sandbox / "tests" / name, of_sandbox)
    with local_mesh(tmp_path, "--community", str(community), "--without", "workflows", "--without", "sizes") as mesh:
        (of_client / "helpers.py").write_text(HELPERS.format(url=mesh.url), encoding="utf-8")
        passed = run(of_client.parent, of_client / "mesh_sandbox_tests.py", mesh.url, LEFT_OUT_OF_THE_CLIENTS)
        assert passed >= 19
        passed = run(
            of_sandbox.parents[1], of_sandbox / "mesh_client_tests.py", mesh.url, LEFT_OUT_OF_THE_SANDBOXS,
            also="test_handshake_bad_password",
        )  # fmt: skip
        assert passed >= 4
