"""What we read out of the tools' reports and the packages' metadata, and that a wrong answer does not pass."""

import json
from pathlib import Path

import pytest

from infra.assurance import secrets, templates
from infra.assurance.bill_of_materials import bill
from infra.assurance.components import Component, installed
from infra.assurance.licences import is_agreed, refused, spdx
from infra.assurance.templates import Finding
from infra.constructs.layers import LOCK, dependencies_folder


def component(*licences: str, name: str = "package", needs: tuple[str, ...] = ()) -> Component:
    return Component(name=name, version="1.0", licences=licences, needs=needs)


def test_each_answer_to_checkov_is_read_with_the_resources_that_it_is_for() -> None:
    row = "| `CKV_AWS_1` | `AWS::S3::Bucket`, `AWS::SQS::Queue` | A reason that is long enough to argue with. |"
    assert templates.answered(f"text\n{row}\nmore") == {
        Finding("CKV_AWS_1", "AWS::S3::Bucket"),
        Finding("CKV_AWS_1", "AWS::SQS::Queue"),
    }


def test_an_answer_without_a_reason_is_none() -> None:
    assert templates.answered("| `CKV_AWS_1` | `AWS::S3::Bucket` | fine |") == set()


def test_the_document_answers_something() -> None:
    assert templates.answered(templates.ANSWERS.read_text(encoding="utf-8"))


def test_checkovs_findings_are_read_from_its_report() -> None:
    failed = [{"check_id": "CKV_AWS_1", "resource": "AWS::S3::Bucket.LogicalId"}]
    report = {"results": {"failed_checks": failed}, "summary": {"passed": 1, "parsing_errors": 0}}
    assert templates.found(json.dumps(report)) == {Finding("CKV_AWS_1", "AWS::S3::Bucket")}


@pytest.mark.parametrize("summary", [{"passed": 0, "parsing_errors": 0}, {"passed": 9, "parsing_errors": 1}])
def test_a_report_on_nothing_is_not_taken_for_a_good_one(summary: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="checkov"):
        templates.found(json.dumps({"results": {"failed_checks": []}, "summary": summary}))


@pytest.mark.parametrize("expression", ["MIT", "GPL-3.0-only OR MIT", "(MIT AND Apache-2.0)", "MIT-CMU"])
def test_an_agreed_licence_passes(expression: str) -> None:
    assert is_agreed(expression)


@pytest.mark.parametrize("expression", ["GPL-3.0-only", "MIT AND AGPL-3.0-only", "not stated", ""])
def test_any_other_licence_is_refused(expression: str) -> None:
    assert refused([component(expression)]) == [f"package 1.0: {expression}"]


def test_older_words_for_a_licence_are_understood() -> None:
    assert spdx(component("BSD License", "Apache Software License")) == "BSD-3-Clause AND Apache-2.0"


def test_the_bill_lists_every_package_that_is_shipped_with_its_hashes_and_what_it_needs() -> None:
    lock = LOCK.read_text(encoding="utf-8")
    shipped = installed(dependencies_folder(LOCK) / "python", lock)
    made = bill(shipped, version="1.2.3")
    assert len(made["components"]) == lock.count("==")
    for entry in made["components"]:
        assert entry["externalReferences"][0]["hashes"], entry["name"]
        assert entry["licenses"]
    references = {entry["bom-ref"] for entry in made["components"]}
    for dependency in made["dependencies"]:
        assert set(dependency["dependsOn"]) <= references
    [httpx] = [dependency for dependency in made["dependencies"] if dependency["ref"].startswith("pkg:pypi/httpx@")]
    assert any(reference.startswith("pkg:pypi/httpcore@") for reference in httpx["dependsOn"])
    assert bill(shipped, version="1.2.3") == made


def test_a_package_in_another_case_is_found_in_the_lock(tmp_path: Path) -> None:
    folder = tmp_path / "Some_Package-1.0.dist-info"
    folder.mkdir()
    metadata = (
        "Metadata-Version: 2.1\nName: Some_Package\nVersion: 1.0\nLicense-Expression: MIT\nRequires-Dist: other>1\n"
    )
    (folder / "METADATA").write_text(f"{metadata}Requires-Dist: not-this; extra == 'more'\n", encoding="utf-8")
    digest = "0" * 64
    [found] = installed(
        tmp_path, f"some-package==1.0 \\\n    --hash=sha256:{digest}\nother==2 \\\n    --hash=sha256:{'1' * 64}\n"
    )
    assert found == Component(name="some-package", version="1.0", licences=("MIT",), needs=("other",), hashes=(digest,))


def test_every_source_is_looked_at_for_secrets() -> None:
    files = secrets.sources()
    assert "Makefile" in files
    assert "infra/local/community.json" in files
    assert not [name for name in files if name.endswith(".pdf")]
