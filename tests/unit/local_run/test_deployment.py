"""How a function's folder becomes the zip that the emulator runs."""

import io
import stat
import subprocess
import zipfile
from pathlib import Path

import pytest

from infra.local.deployment import Runtime, bootstrap, package
from infra.local.environments import ROOT, Environment


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "builder"
    (made / "__pycache__").mkdir(parents=True)
    (made / "__pycache__" / "handler.pyc").write_bytes(b"compiled")
    (made / "handler.py").write_text("def handler(event, context): ...\n")
    return made


@pytest.fixture
def runtime(tmp_path: Path) -> Runtime:
    return Runtime(Environment(tmp_path / "an environment"), logs=tmp_path / "its logs", marks=tmp_path / "marks")


def test_the_zip_holds_the_sources_and_an_executable_bootstrap(folder: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(package(folder, "#!/bin/sh\n"))) as archive:
        assert sorted(archive.namelist()) == ["bootstrap", "handler.py"]
        assert stat.S_IMODE(archive.getinfo("bootstrap").external_attr >> 16) == 0o755
        assert archive.read("bootstrap") == b"#!/bin/sh\n"


def test_the_same_folder_gives_the_same_bytes(folder: Path) -> None:
    assert package(folder, "start") == package(folder, "start")


def test_the_bootstrap_hands_its_own_process_to_the_runtime_client(runtime: Runtime, tmp_path: Path) -> None:
    python = runtime.environment.python
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "$$ $@ $PYTHONPATH"\n')
    python.chmod(0o755)
    runtime.logs.mkdir()
    script = tmp_path / "bootstrap"
    script.write_text(bootstrap("builder", runtime, ROOT))
    script.chmod(0o755)

    process = subprocess.Popen([script], env={"LAMBDA_TASK_ROOT": "/the/task", "_HANDLER": "handler.handler"})
    assert process.wait(timeout=10) == 0

    told = (runtime.logs / "builder.log").read_text()
    assert told.startswith(f"{process.pid} -m awslambdaric handler.handler /the/task:")
    assert told.rstrip().endswith("layers/messaging/python")
    assert (runtime.marks / "builder" / str(process.pid)).exists()
