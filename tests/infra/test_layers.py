"""The layers hold what the lock names, for the functions' processor, and nothing of the machine that built them."""

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from infra.constructs import layers
from tests.infra.templates import Template, referred

LAYER_LIMIT_BYTES = 250 * 1024 * 1024
AARCH64 = 183
"""`e_machine` of an ELF file for arm64."""


@pytest.fixture(scope="module")
def packages() -> Path:
    """The dependencies layer's packages, built if need be."""
    return layers.dependencies_folder(layers.LOCK) / "python"


def test_every_package_of_the_lock_is_there_in_that_version(packages: Path) -> None:
    lock = layers.LOCK.read_text(encoding="utf-8")
    locked = {(_canonical(name), version) for name, version in re.findall(r"^([\w.-]+)==(\S+)", lock, re.MULTILINE)}
    assert locked
    installed = [folder.name.removesuffix(".dist-info") for folder in packages.glob("*.dist-info")]
    assert {(_canonical(name), version) for name, _, version in (wheel.partition("-") for wheel in installed)} == locked


def test_compiled_code_is_for_the_functions_processor(packages: Path) -> None:
    compiled = [*packages.rglob("*.so"), *packages.rglob("*.so.*")]
    assert compiled
    for file in compiled:
        with file.open("rb") as opened:
            header = opened.read(20)
        assert header.startswith(b"\x7fELF")
        assert int.from_bytes(header[18:20], "little") == AARCH64, file.name
    assert all("313" in file.name or "abi3" in file.name for file in packages.rglob("*.cpython-*.so"))


def test_nothing_of_the_building_machine_is_shipped(packages: Path) -> None:
    assert not [*packages.rglob("__pycache__"), *packages.rglob("*.pyc"), *packages.rglob("direct_url.json")]
    assert not (packages / "bin").exists()
    assert not (packages / ".lock").exists()


def test_what_no_function_uses_is_not_shipped(packages: Path) -> None:
    library = layers.LIBRARY / "python" / "gpconnect_messaging"
    called = {
        service
        for file in library.rglob("*.py")
        for service in re.findall(r"client\(\s*\"([a-z0-9-]+)\"", file.read_text(encoding="utf-8"))
    }
    assert called
    # What a role's own credentials are asked of, too.
    assert {*called, "sts"} == set(layers.USED_SERVICES)
    described = {folder.name for folder in (packages / "botocore" / "data").iterdir() if folder.is_dir()}
    assert described == set(layers.USED_SERVICES)
    assert not (packages / "fhir" / "resources" / "R4B").exists()


def test_the_functions_import_no_fhir_version_that_is_not_shipped() -> None:
    steps = "build", "send", "poll", "due_work"
    command = (
        f"import sys, {', '.join(f'gpconnect_messaging.steps.{step}' for step in steps)};"
        "import gpconnect_messaging.itk3.compose, tests.examples as e;"
        "e.written(e.messages_of('generic-document-1.5')[0], 'generic-document-1.5');"
        "print([name for name in sys.modules if name.startswith('fhir.resources.R4B')])"
    )
    path = f"{layers.PROJECT}:{layers.LIBRARY / 'python'}"
    done = subprocess.run(
        [sys.executable, "-c", command], env={"PYTHONPATH": path}, check=True, capture_output=True, text=True
    )
    assert done.stdout == "[]\n"


def test_the_layers_leave_room_under_the_limit(packages: Path) -> None:
    size = sum(file.stat().st_size for folder in (packages, layers.LIBRARY) for file in folder.rglob("*"))
    assert size < LAYER_LIMIT_BYTES * 0.4


def test_the_layer_is_named_by_its_lock(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.txt"
    lock.write_text("one==1\n", encoding="utf-8")
    first = layers.lock_hash(lock)
    assert layers.lock_hash(lock) == first
    lock.write_text("one==2\n", encoding="utf-8")
    assert layers.lock_hash(lock) != first


def test_a_change_of_recipe_makes_another_layer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = tmp_path / "requirements.txt"
    lock.write_text("one==1\n", encoding="utf-8")
    first = layers.lock_hash(lock)
    monkeypatch.setattr(layers, "_NOT_SHIPPED", ())
    assert layers.lock_hash(lock) != first


def test_a_layer_is_built_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = []
    monkeypatch.setattr(layers, "_install", lambda _lock, packages: built.append(packages.mkdir(parents=True)))
    lock = tmp_path / "requirements.txt"
    lock.write_text("", encoding="utf-8")
    first = layers.dependencies_folder(lock, cache=tmp_path / "cache")
    assert layers.dependencies_folder(lock, cache=tmp_path / "cache") == first
    assert len(built) == 1


def test_an_installation_that_fails_leaves_no_layer_and_says_why(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.txt"
    lock.write_text("a-package-without-a-hash==1.0\n", encoding="utf-8")
    with pytest.raises(layers.DependenciesNotBuiltError, match="hash"):
        layers.dependencies_folder(lock, cache=tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_functions_and_library_ship_without_byte_code(template: Template) -> None:
    assets = template.folder.glob("asset.*")
    assert not [file for asset in assets for file in asset.rglob("*") if file.suffix == ".pyc"]


def test_the_template_asks_for_the_layer_of_this_lock(template: Template) -> None:
    contents = {layer["Content"]["S3Key"] for layer in template.of_type("Lambda::LayerVersion").values()}
    published_as = hashlib.sha256(layers.lock_hash(layers.LOCK).encode()).hexdigest()  # CDK's name for a custom hash
    assert f"{published_as}.zip" in contents
    for layer in template.of_type("Lambda::LayerVersion").values():
        assert layer["CompatibleArchitectures"] == ["arm64"]
        assert layer["CompatibleRuntimes"] == ["python3.13"]


def test_a_function_finds_the_library_after_its_dependencies(template: Template) -> None:
    is_library = {}
    manifest = template.folder / f"gpconnect-messaging-{template.configuration.name}.assets.json"
    assets = json.loads(manifest.read_text(encoding="utf-8"))
    for logical_id, layer in template.of_type("Lambda::LayerVersion").items():
        [asset] = [
            asset
            for asset in assets["files"].values()
            for destination in asset["destinations"].values()
            if destination["objectKey"] == layer["Content"]["S3Key"]
        ]
        folder = template.folder / asset["source"]["path"]
        is_library[logical_id] = (folder / "python" / "gpconnect_messaging").is_dir()
    for function in template.of_type("Lambda::Function").values():
        assert [is_library[referred(layer)] for layer in function["Layers"]] == [False, True]


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
