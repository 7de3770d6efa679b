"""What we read out of the tools' reports and the packages' metadata, and that a wrong answer does not pass."""

import json
from pathlib import Path
from typing import Any

import pytest

from gpconnect_messaging import __version__
from infra.assurance import packages, secrets, templates
from infra.assurance.packages import PackagesRefusedError
from infra.assurance.templates import Finding
from infra.assurance.tools import ToolFailedError
from infra.constructs.layers import LOCK, dependencies_folder


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


def package(licence: str, name: str = "package") -> dict[str, str]:
    return {"Name": name, "Version": "1.0", "License": licence}


@pytest.mark.parametrize(
    "licence",
    [
        *("MIT", "GPL-3.0-only OR MIT", "(MIT AND Apache-2.0)", "MIT AND (GPL-2.0-only OR BSD-3-Clause)", "MIT-CMU"),
        *("BSD License; Apache Software License", "MIT License; MIT No Attribution License (MIT-0)"),
    ],
)
def test_an_agreed_licence_passes(licence: str) -> None:
    packages.agree([package(licence)])


@pytest.mark.parametrize(
    "licence",
    [
        *("GPL-3.0-only", "MIT AND AGPL-3.0-only", "MIT License; GNU General Public License v3 (GPLv3)", "UNKNOWN", ""),
        *("GPL-3.0-only OR AGPL-3.0-only", "Apache-2.0 WITH LLVM-exception", "MIT and more"),
    ],
)
def test_any_other_licence_is_refused(licence: str) -> None:
    with pytest.raises(PackagesRefusedError, match=r"other 1\.0: "):
        packages.agree([package("MIT"), package(licence, "other")])


def test_an_exception_is_one_packages_alone() -> None:
    for name, licence in packages.EXCEPTIONS.items():
        packages.agree([package(licence, name)])
        with pytest.raises(PackagesRefusedError):
            packages.agree([package(licence)])


def test_no_packages_at_all_are_refused() -> None:
    with pytest.raises(PackagesRefusedError, match="no package"):
        packages.agree([])


def installed(folder: Path, name: str, metadata: str = "") -> None:
    information = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    information.mkdir(parents=True)
    text = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{metadata}"
    (information / "METADATA").write_text(text, encoding="utf-8")


def test_a_package_that_states_no_licence_is_refused(tmp_path: Path) -> None:
    installed(tmp_path, "silent")
    with (
        packages.environment(tmp_path) as interpreter,
        pytest.raises(PackagesRefusedError, match=r"silent 1\.0: UNKNOWN"),
    ):
        packages.agree(packages.licences(interpreter))


def bills(*, found: str, locked: str) -> tuple[dict[str, Any], dict[str, Any]]:
    made, listed = (
        [
            {"name": name, "version": version, "externalReferences": [place], "licenses": ["MIT"]}
            for name, version in (text.split("==") for text in names.split())
        ]
        for names, place in ((found, "home"), (locked, "hash"))
    )
    return {"metadata": {"component": {}}, "components": made}, {"components": listed}


def test_a_bill_takes_the_hashes_of_the_lock_whatever_the_spelling() -> None:
    made = packages.completed(*bills(found="Some.Package==1.010 other==2", locked="other==2 some-package==1.10"))
    assert [entry["externalReferences"] for entry in made["components"]] == [["home", "hash"]] * 2


@pytest.mark.parametrize("locked", ["", "one==1", "one==1 two==2 three==3", "one==1 two==3"])
def test_a_bill_of_other_packages_than_the_locks_is_refused(locked: str) -> None:
    with pytest.raises(PackagesRefusedError, match=r"two|three"):
        packages.completed(*bills(found="one==1 two==2", locked=locked))


def test_a_bill_of_nothing_is_refused() -> None:
    with pytest.raises(PackagesRefusedError):
        packages.completed({"metadata": {"component": {}}}, {})


def test_the_bill_lists_every_package_that_is_shipped_with_its_hashes_and_what_it_needs(tmp_path: Path) -> None:
    with packages.environment(dependencies_folder(LOCK) / "python") as interpreter:
        made = packages.bill(interpreter, LOCK)
        assert packages.bill(interpreter, LOCK) == made
        assert len(packages.licences(interpreter)) == len(made["components"])
    assert len(made["components"]) == LOCK.read_text(encoding="utf-8").count("==")
    for entry in made["components"]:
        [hashes] = [reference["hashes"] for reference in entry["externalReferences"] if "hashes" in reference]
        assert {digest["alg"] for digest in hashes} == {"SHA-256"}, entry["name"]
        assert entry["licenses"], entry["name"]
    needs = {dependency["ref"]: dependency.get("dependsOn", []) for dependency in made["dependencies"]}
    [httpx] = [reference for reference in needs if reference.startswith("httpx==")]
    assert any(reference.startswith("httpcore==") for reference in needs[httpx])
    assert httpx in needs[made["metadata"]["component"]["bom-ref"]]
    assert made["metadata"]["component"]["version"] == __version__
    packages.write(made, tmp_path / "reports" / "bill.json")
    assert json.loads((tmp_path / "reports" / "bill.json").read_text(encoding="utf-8")) == made


def test_a_bill_that_is_not_valid_cyclonedx_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ToolFailedError, match="bomFormat"):
        packages.write({"specVersion": "1.6", "version": 1}, tmp_path / "bill.json")


def test_every_source_is_looked_at_for_secrets() -> None:
    files = secrets.sources()
    assert "Makefile" in files
    assert "infra/local/community.json" in files
    assert not [name for name in files if name.endswith(".pdf")]
