"""The README's words for deploying, with the real command line of CDK, against the emulator: nothing is rewritten.

`make try-deploy` runs it, and CI does: each word synthesizes afresh, as it does for a person.
"""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from infra.bootstrap.__main__ import STACK_NAME
from infra.local import emulator
from infra.local.emulator import Access, LocalSession
from infra.local.environments import ROOT, environment
from infra.local.processes import SupervisorClient

STACK = "gpconnect-messaging-dev"


@pytest.fixture(scope="module")
def access(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Access]:
    """An empty AWS account on the emulator."""
    folder = tmp_path_factory.mktemp("account")
    with SupervisorClient(folder / "scratch", folder / "logs") as supervisor:
        yield emulator.start(supervisor, environment("emulator", supervisor))


def make(word: str, access: Access, *settings: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Do what a person does whose credentials are for that account; the environment is there already."""
    return subprocess.run(
        ["make", "--old-file", ".venv/.ready", word, "ENVIRONMENT=dev", *settings],
        cwd=folder,
        env={**os.environ, **access.environment(), "NODE_EXTRA_CA_CERTS": access.certificate, "NO_PROXY": "localhost"},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


@pytest.mark.skipif(
    os.environ.get("CDK_ON_THE_EMULATOR") != "1",
    reason="takes more than a minute and the npm registry: `make try-deploy` asks for it, as CI does",
)
def test_an_account_is_prepared_deployed_to_compared_and_cleared_by_the_readmes_words(access: Access) -> None:
    prepared = make("bootstrap", access)
    if "npm error" in prepared.stderr and "network" in prepared.stderr:
        pytest.skip("CDK's command line comes from the npm registry, which cannot be reached")
    assert prepared.returncode == 0, prepared.stderr
    session = LocalSession(access)
    formation = session.client("cloudformation")
    [deployer] = formation.describe_stacks(StackName=STACK_NAME)["Stacks"]
    [policies] = [output["OutputValue"] for output in deployer["Outputs"] if output["OutputKey"] == "Policies"]
    account = session.client("sts").get_caller_identity()["Account"]
    attached = session.client("iam").list_attached_role_policies(
        RoleName=f"cdk-hnb659fds-cfn-exec-role-{account}-eu-west-2"
    )["AttachedPolicies"]
    assert {policy["PolicyArn"] for policy in attached} == set(policies.split(",")), "and not AdministratorAccess"

    deployed = make("deploy", access, "YES=1")
    assert deployed.returncode == 0, deployed.stderr
    [stack] = formation.describe_stacks(StackName=STACK)["Stacks"]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    for function in ("BuilderFunctionName", "SenderFunctionName", "PollerFunctionName"):
        alias = session.client("lambda").get_alias(FunctionName=outputs[function], Name="live")
        assert alias["FunctionVersion"] == "1"

    compared = make("diff", access)
    assert compared.returncode == 0, compared.stderr
    assert "no differences" in compared.stdout + compared.stderr

    cleared = make("destroy", access)
    assert cleared.returncode == 0, cleared.stderr
    with pytest.raises(ClientError, match="does not exist"):
        formation.describe_stacks(StackName=STACK)
    session.close()
