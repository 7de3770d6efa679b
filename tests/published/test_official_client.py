"""The published tests of the official client (NHSDigital/mesh-client), run against ours through a thin adapter.

They are not part of this project: unpack the source distribution (`pip download --no-deps --no-binary :all:
mesh-client`) and name its folder in MESH_CLIENT_SUITE.
"""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.examples import ROOT
from tests.local_mesh import local_mesh

# What the suite asks that ours does not do, each with its reason.
LEFT_OUT = {
    "test_handshake": "it wants the answer's body, which says nothing",
    "test_transparent_compression": "it wants Mex-Content-Compressed, which speaks of the sender's own compression",
    "test_optional_args_single_chunk": "Mex-PartnerID and Mex-Content-Encrypted have no use in GP Connect Messaging",
    "test_optional_args_multi_chunk": "as above",
}
COMMUNITY = {
    "shared_key": "TestKey",
    "mailboxes": [
        {"id": "ALICE", "name": "TESTMB1", "ods_code": "X26", "password": "password",
         "workflows": {"sends": ["RESTRICTED_WORKFLOW"], "receives": ["ANOTHER_WORKFLOW"]}},
        {"id": "BOB", "name": "TESTMB2", "ods_code": "X26", "password": "password",
         "workflows": {"sends": ["ANOTHER_WORKFLOW"], "receives": ["RESTRICTED_WORKFLOW"]}},
    ],
    "patients": [],
}  # fmt: skip
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


def test_the_official_clients_sandbox_tests_pass(tmp_path: Path) -> None:
    suite = os.environ.get("MESH_CLIENT_SUITE")
    if not suite or importlib.util.find_spec("requests") is None:
        pytest.skip("MESH_CLIENT_SUITE names no unpacked mesh-client, or requests is not here")
    folder = tmp_path / "suite" / "tests"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    shutil.copy(Path(suite) / "tests" / "mesh_sandbox_tests.py", folder)
    community = tmp_path / "community.json"
    community.write_text(json.dumps(COMMUNITY), encoding="utf-8")
    with local_mesh(tmp_path, "--community", str(community), "--without", "workflows", "--without", "sizes") as mesh:
        (folder / "helpers.py").write_text(HELPERS.format(url=mesh.url), encoding="utf-8")
        paths = (ROOT / "tests" / "published" / "adapter", ROOT / "layers" / "messaging" / "python", folder.parent)
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/mesh_sandbox_tests.py", "-k",
             " and ".join(f"not {name}" for name in LEFT_OUT)],
            cwd=folder.parent,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))},
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) >= 19
