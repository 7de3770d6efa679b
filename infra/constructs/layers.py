"""The functions' layers: the product's library, and third-party packages for arm64, built without Docker.

The packages are exactly the files of the lock: hashes are checked, and nothing is built from source. The result is
cached under `.build/` by the lock's hash, so a second synthesis needs no network.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import uv
from aws_cdk import AssetHashType, RemovalPolicy
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

PROJECT = Path(__file__).resolve().parents[2]
LIBRARY = PROJECT / "layers" / "messaging"
LOCK = PROJECT / "layers" / "dependencies" / "requirements.txt"
CACHE = PROJECT / ".build" / "dependencies"

RUNTIME = lambda_.Runtime.PYTHON_3_13
ARCHITECTURE = lambda_.Architecture.ARM_64
EXCLUDED_FILES = ("**/__pycache__", "**/*.pyc", "**/.DS_Store", "**/*.egg-info")

# Part of the asset's hash: a change of these arguments or of the removed files builds and publishes a new layer.
_INSTALL = (
    # The runtime is Amazon Linux 2023 (glibc 2.34); some packages no longer build for older ones.
    *("--python-platform", "aarch64-manylinux_2_28"),
    *("--python-version", "3.13"),
    *("--only-binary", ":all:"),
    "--require-hashes",
    # Copies: with links, removing unused files would reach into the package cache.
    *("--link-mode", "copy"),
)
# Files of the building machine (scripts that name an interpreter, the installer's lock, byte code), and an unused FHIR
# version.
_NOT_SHIPPED = ("bin", ".lock", "**/__pycache__", "fhir/resources/R4B")
USED_SERVICES = (
    "dynamodb", "events", "kms", "lambda", "s3", "secretsmanager", "sns", "sqs", "ssm", "sts",
)  # fmt: skip
"""AWS services whose API descriptions are shipped; the others would add a third to the layer."""


class DependenciesNotBuiltError(RuntimeError):
    """The packages could not be installed: read the installer's output, correct the lock or the network, and repeat."""


class Layers(Construct):
    """The two layers, in the order in which a function loads them."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        packages = dependencies_folder(LOCK)
        self.dependencies = self._layer(
            "Dependencies",
            "Third-party packages, as locked",
            lambda_.Code.from_asset(str(packages), asset_hash=packages.name, asset_hash_type=AssetHashType.CUSTOM),
        )
        self.library = self._layer(
            "Library", "gpconnect_messaging", lambda_.Code.from_asset(str(LIBRARY), exclude=list(EXCLUDED_FILES))
        )

    @property
    def all(self) -> list[lambda_.ILayerVersion]:
        """The layers of a function."""
        return [self.dependencies, self.library]

    def _layer(self, construct_id: str, description: str, code: lambda_.Code) -> lambda_.LayerVersion:
        return lambda_.LayerVersion(
            self,
            construct_id,
            description=description,
            code=code,
            compatible_runtimes=[RUNTIME],
            compatible_architectures=[ARCHITECTURE],
            removal_policy=RemovalPolicy.DESTROY,
        )


def lock_hash(lock: Path) -> str:
    """Return the hash that names a built layer: of the lock and of the installation (64 hexadecimal digits)."""
    recipe = "\0".join((*_INSTALL, *_NOT_SHIPPED, *USED_SERVICES)).encode()
    return hashlib.sha256(lock.read_bytes() + recipe).hexdigest()


def dependencies_folder(lock: Path, *, cache: Path = CACHE) -> Path:
    """Return the folder of a lock's layer, and build it if it is missing.

    Raises:
        FileNotFoundError: the lock does not exist.
        DependenciesNotBuiltError: the installer failed; carries the output.
    """
    target = cache / lock_hash(lock)
    if target.is_dir():
        return target
    cache.mkdir(parents=True, exist_ok=True)
    # Build in a temporary folder and rename it, so that an interrupted or parallel build leaves no incomplete layer.
    with tempfile.TemporaryDirectory(dir=cache, prefix="building-") as building:
        layer = Path(building) / "layer"
        packages = layer / "python"
        _install(lock, packages)
        unused = (folder for folder in packages.glob("botocore/data/*/") if folder.name not in USED_SERVICES)
        for path in (*(match for pattern in _NOT_SHIPPED for match in packages.glob(pattern)), *unused):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        try:
            layer.rename(target)
        except OSError:
            if not target.is_dir():
                raise
    return target


def _install(lock: Path, packages: Path) -> None:
    command = (uv.find_uv_bin(), "pip", "install", "--requirement", str(lock), "--target", str(packages), *_INSTALL)
    # The packages do not go into the active virtual environment.
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    process = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if process.returncode:
        raise DependenciesNotBuiltError(f"uv could not install {lock}:\n{process.stderr.strip()}")
