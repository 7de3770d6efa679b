"""Amazon's own DynamoDB engine on this machine, where Java is: a second opinion on the emulator's.

Fetched once into `.build`, by Maven, each file held against the hash in `artifacts.sha256`. It speaks to this machine
only (see `Loopback.java`), keeps everything in memory, and sends Amazon no usage figures.
"""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from infra.local.environments import BUILD
from infra.local.processes import SupervisorClient, free_port, port_answers

_HERE = Path(__file__).parent
_POM, _HASHES, _SERVER = _HERE / "pom.xml", _HERE / "artifacts.sha256", _HERE / "Loopback.java"
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"
_NAME = "dynamodb-local"


class EngineUnavailableError(Exception):
    """The engine cannot run on this machine; the text says what is missing."""


@contextmanager
def dynamodb_local(folder: Path) -> Iterator[Any]:
    """Start the engine and give a boto3 client of it; `folder` takes its log.

    Raises EngineUnavailableError where there is no JDK, or no Maven to fetch the engine with; RuntimeError where what
    was fetched is not what is pinned.
    """
    java = _java()
    with SupervisorClient(folder / "scratch", folder) as supervisor:
        engine = _fetched(supervisor)
        port = free_port()
        supervisor.start(
            _NAME,
            [
                *(java, f"-Djava.library.path={engine}", "-Xmx512m", "-cp", f"{engine}/*", _SERVER),
                *("-inMemory", "-disableTelemetry", "-port", str(port)),
            ],
            environment={"PATH": os.environ["PATH"], "DDB_LOCAL_TELEMETRY": "0"},
            directory=supervisor.scratch,
        )
        supervisor.wait_until(_NAME, lambda: port_answers(port), seconds=60)
        client = boto3.client(
            "dynamodb",
            endpoint_url=f"http://127.0.0.1:{port}",
            region_name="eu-west-2",
            aws_access_key_id="local",
            aws_secret_access_key="local",
            config=Config(max_pool_connections=32),
        )
        yield client
        client.close()


def _java() -> str:
    java = shutil.which("java")
    # macOS has a `java` that only says that there is none.
    if java is None or subprocess.run([java, "-version"], capture_output=True, check=False).returncode:
        raise EngineUnavailableError("Amazon's DynamoDB Local needs Java, and there is none on PATH")
    modules = subprocess.run([java, "--list-modules"], capture_output=True, check=False, text=True).stdout
    if "jdk.compiler@" not in modules:
        raise EngineUnavailableError("the engine is started from a line of Java source: a JDK is needed, not a JRE")
    return java


def _fetched(supervisor: SupervisorClient) -> Path:
    """Return the folder of the engine's files, and fetch them first where the pinned ones are not there."""
    digest = hashlib.sha256(_POM.read_bytes() + _HASHES.read_bytes()).hexdigest()[:16]
    folder = BUILD / "environments" / f"{_NAME}-{digest}"
    complete = folder / "complete"
    if not complete.exists():
        maven = shutil.which("mvn")
        if maven is None:
            raise EngineUnavailableError("Amazon's DynamoDB Local is fetched by Maven, and there is none on PATH")
        shutil.rmtree(folder, ignore_errors=True)
        supervisor.complete(
            f"{_NAME}-fetch",
            [maven, "-B", "-q", "-f", _POM, _COPY, "-DincludeScope=runtime", f"-DoutputDirectory={folder}"],
            environment=dict(os.environ),
            directory=supervisor.scratch,
        )
        _verify(folder)
        complete.touch()
    return folder


def _verify(folder: Path) -> None:
    pinned = {name: digest for digest, name in (line.split() for line in _HASHES.read_text().splitlines())}
    found = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}
    if found != pinned:
        different = sorted(name for name in pinned.keys() | found.keys() if pinned.get(name) != found.get(name))
        shutil.rmtree(folder)
        raise RuntimeError(f"not the pinned files, so they were removed: {', '.join(different)}")
