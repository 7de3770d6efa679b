"""Synthesize the local environment's template as for a deployment, and cache it until the sources change."""

import hashlib
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from infra.local.environments import BUILD, ROOT, alone
from infra.local.processes import LocalRunError, SupervisorClient

ENVIRONMENT = "local"
SOURCES = ("infra", "functions", "layers")
NOT_SOURCES = ("infra/cost", "infra/documentation", "infra/local", "infra/operations")
FILES = ("pyproject.toml", "requirements-dev.txt", "cdk.json")


@dataclass(frozen=True)
class Asset:
    """A folder that the template uses, with the bucket and key of the asset."""

    folder: Path
    bucket: str
    key: str


@dataclass(frozen=True)
class Synthesized:
    """CDK's output: a stack's template and assets."""

    name: str
    template: dict[str, Any]
    assets: tuple[Asset, ...]
    source: Path = ROOT
    """The checkout of the sources."""


def synthesize(supervisor: SupervisorClient, *, account: str, region: str, source: Path = ROOT) -> Synthesized:
    """Return the local environment's stack, from this checkout or another.

    Raises:
        ProgramFailedError: the synthesis failed; the log has the reason.

    """
    output = (BUILD / "local" if source == ROOT else source) / "cdk.out"
    inputs = output / "inputs.sha256"
    digest = fingerprint(source)
    with alone(output.with_suffix(".lock")):
        if not inputs.exists() or inputs.read_text() != digest:
            inputs.unlink(missing_ok=True)
            supervisor.complete(
                "synthesis",
                [sys.executable, "-m", "infra.app", "--environment", ENVIRONMENT, "--output", output],
                environment={**os.environ, "PYTHONPATH": str(source)},
                directory=source,
            )
            inputs.write_text(digest)
    return replace(read_assembly(output, account=account, region=region), source=source)


def fingerprint(root: Path) -> str:
    """Return a hash of all inputs of the template and the assets."""
    digest = hashlib.sha256(sys.version.encode())
    for file in sorted(_inputs(root)):
        digest.update(f"{file.relative_to(root)}\0".encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def _inputs(root: Path) -> Iterator[Path]:
    for name in FILES:
        if (root / name).is_file():
            yield root / name
    for source in SOURCES:
        for folder, folders, files in os.walk(root / source):
            here = Path(folder)
            folders[:] = [
                name
                for name in folders
                if name != "__pycache__" and not name.startswith(".")
                if (here / name).relative_to(root).as_posix() not in NOT_SOURCES
            ]
            yield from (here / name for name in files if not name.endswith(".pyc"))


def read_assembly(output: Path, *, account: str, region: str) -> Synthesized:
    """Read a cloud assembly with one stack.

    Raises:
        LocalRunError: there is no stack, or there are several.

    """
    artifacts = json.loads((output / "manifest.json").read_text())["artifacts"]
    stacks = {name: item for name, item in artifacts.items() if item["type"] == "aws:cloudformation:stack"}
    if len(stacks) != 1:
        raise LocalRunError(f"expected one stack in {output}, found {len(stacks)}: {', '.join(stacks) or 'none'}")
    [(name, stack)] = stacks.items()
    properties = stack["properties"]
    template = json.loads((output / properties["templateFile"]).read_text())
    assets = []
    for item in artifacts.values():
        if item["type"] != "cdk:asset-manifest":
            continue
        for file in json.loads((output / item["properties"]["file"]).read_text()).get("files", {}).values():
            if file["source"]["packaging"] != "zip":
                continue  # the template, which is uploaded separately
            assets += [
                Asset(
                    folder=output / file["source"]["path"],
                    bucket=_resolved(destination["bucketName"], account, region),
                    key=_resolved(destination["objectKey"], account, region),
                )
                for destination in file["destinations"].values()
            ]
    return Synthesized(name=properties.get("stackName", name), template=template, assets=tuple(assets))


def _resolved(text: str, account: str, region: str) -> str:
    return (
        text.replace("${AWS::AccountId}", account).replace("${AWS::Region}", region).replace("${AWS::Partition}", "aws")
    )
