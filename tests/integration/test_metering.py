"""The emulator counts a role's calls as AWS bills them, but not those of the account's owner."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from infra.local import emulator
from infra.local.emulator import CALLS, LocalSession
from infra.local.environments import environment
from infra.local.processes import SupervisorClient
from tests.fakes.ledger_table import create_ledger_table


@pytest.fixture(scope="module")
def metered(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[LocalSession, boto3.Session, dict[str, Any], Path]]:
    """The owner's session, a role's session, how to reach the emulator, and the file of calls."""
    folder = tmp_path_factory.mktemp("metering")
    with SupervisorClient(folder / "scratch", folder / "logs") as supervisor:
        access = emulator.start(supervisor, environment("emulator", supervisor), count_calls=True)
        owner = LocalSession(access)
        trust = {"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"}}]}
        iam = owner.client("iam")
        role = iam.create_role(RoleName="function", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
        allowed = {"Statement": [{"Effect": "Allow", "Action": ["dynamodb:*", "s3:*"], "Resource": "*"}]}
        iam.put_role_policy(RoleName="function", PolicyName="all", PolicyDocument=json.dumps(allowed))
        given = owner.client("sts").assume_role(RoleArn=role, RoleSessionName="builder")["Credentials"]
        session = boto3.Session(
            given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"], region_name=access.region
        )
        yield owner, session, {"endpoint_url": access.endpoint, "verify": access.certificate}, supervisor.logs / CALLS
        owner.close()


def item(work_at: str) -> dict[str, Any]:
    values = {"pk": "ENCOUNTER#1", "sk": "STATE", "work_shard": "WORK#0", "work_at": work_at}
    return {name: {"S": value} for name, value in values.items()}


def test_a_roles_calls_are_counted_with_their_units_and_bytes_and_the_owners_are_not(
    metered: tuple[LocalSession, boto3.Session, dict[str, Any], Path],
) -> None:
    owner, session, how, file = metered
    create_ledger_table(owner.client("dynamodb"), "ledger")
    owner.client("s3").create_bucket(Bucket="outbox", CreateBucketConfiguration={"LocationConstraint": "eu-west-2"})
    table, store = session.client("dynamodb", **how), session.client("s3", **how)
    table.put_item(TableName="ledger", Item=item("2026-11-20"))
    table.transact_write_items(TransactItems=[{"Put": {"TableName": "ledger", "Item": item("2026-11-21")}}])
    key = {"pk": {"S": "ENCOUNTER#1"}, "sk": {"S": "STATE"}}
    table.get_item(TableName="ledger", Key=key, ConsistentRead=True)
    table.query(
        TableName="ledger", IndexName="by_work", KeyConditionExpression="work_shard = :shard",
        ExpressionAttributeValues={":shard": {"S": "nobody"}},
    )  # fmt: skip
    store.put_object(Bucket="outbox", Key="messages/1.xml", Body=b"x" * 1000)
    deadline = time.monotonic() + 20
    while len(file.read_text().splitlines()) < 5 and time.monotonic() < deadline:
        time.sleep(0.05)  # a call is written down when it has been answered
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(line["call"], line["by"], line["write"], line["read"]) for line in lines] == [
        ("dynamodb:PutItem", "builder", 2, 0),  # the table and one index
        ("dynamodb:TransactWriteItems", "builder", 4, 0),  # twice the table, and the index's old and new place
        ("dynamodb:GetItem", "builder", 0, 1),
        ("dynamodb:Query", "builder", 0, 0.5),
        ("s3:PUT", "builder", 0, 0),
    ]
    assert lines[-1]["sent"] >= 1000
    assert "ENCOUNTER#1" not in file.read_text(), "what was stored is not written down"
