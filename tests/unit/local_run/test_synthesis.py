"""When the template is made anew, and what is read from it."""

import json
from pathlib import Path

import pytest

from infra.local.processes import LocalRunError
from infra.local.synthesis import Asset, fingerprint, read_assembly


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for file in ("infra/app.py", "infra/local/demo.py", "functions/builder/handler.py", "layers/messaging/library.py"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("one\n")
    (tmp_path / "cdk.json").write_text("{}")
    return tmp_path


@pytest.mark.parametrize(
    "source", ["infra/app.py", "functions/builder/handler.py", "layers/messaging/library.py", "cdk.json"]
)
def test_a_changed_source_needs_a_new_template(checkout: Path, source: str) -> None:
    before = fingerprint(checkout)
    (checkout / source).write_text("two\n")
    assert fingerprint(checkout) != before


def test_a_renamed_source_needs_a_new_template(checkout: Path) -> None:
    before = fingerprint(checkout)
    (checkout / "infra" / "app.py").rename(checkout / "infra" / "application.py")
    assert fingerprint(checkout) != before


@pytest.mark.parametrize(
    "other",
    [
        "infra/local/demo.py",
        "infra/cost/bill.py",
        "infra/documentation/site.py",
        "infra/__pycache__/app.pyc",
        "README.md",
    ],
)
def test_what_the_template_is_not_made_from_does_not_count(checkout: Path, other: str) -> None:
    before = fingerprint(checkout)
    (checkout / other).parent.mkdir(exist_ok=True)
    (checkout / other).write_text("two\n")
    assert fingerprint(checkout) == before


def write_assembly(output: Path, *stacks: str) -> None:
    artifacts = {
        name: {"type": "aws:cloudformation:stack", "properties": {"templateFile": f"{name}.json", "stackName": name}}
        for name in stacks
    }
    assets = {"one.assets": {"type": "cdk:asset-manifest", "properties": {"file": "one.assets.json"}}}
    (output / "manifest.json").write_text(json.dumps({"artifacts": artifacts | assets}))
    for name in stacks:
        (output / f"{name}.json").write_text(json.dumps({"Resources": {}, "Description": name}))
    destination = {"bucketName": "assets-${AWS::AccountId}-${AWS::Region}", "objectKey": "abc.zip"}
    files = {
        "abc": {"source": {"path": "asset.abc", "packaging": "zip"}, "destinations": {"here": destination}},
        "def": {"source": {"path": "one.json", "packaging": "file"}, "destinations": {"here": destination}},
    }
    (output / "one.assets.json").write_text(json.dumps({"files": files}))


def test_the_stack_and_its_zipped_assets_are_read(tmp_path: Path) -> None:
    write_assembly(tmp_path, "one")
    read = read_assembly(tmp_path, account="123456789012", region="eu-west-2")
    assert read.name == "one"
    assert read.template["Description"] == "one"
    assert read.assets == (Asset(tmp_path / "asset.abc", "assets-123456789012-eu-west-2", "abc.zip"),)


@pytest.mark.parametrize("stacks", [(), ("one", "two")])
def test_a_template_that_is_not_one_stack_is_refused(tmp_path: Path, stacks: tuple[str, ...]) -> None:
    write_assembly(tmp_path, *stacks)
    with pytest.raises(LocalRunError, match="expected one stack"):
        read_assembly(tmp_path, account="123456789012", region="eu-west-2")
