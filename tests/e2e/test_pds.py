"""Every answer of PDS through the deployed builder: role, secret, budget, and PDS's checks of the JWTs."""

import json
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gpcm.dropping import Dropped
from gpconnect_messaging.pds.budget import SharedBudget
from infra.local.ledger import Message
from tests.e2e.conftest import PDF, DeployedProduct
from tests.examples import request_data
from tests.fakes.pds import private_key, secret

MAILBOX = "Y90003OT001"
WRIGHT = ("9658218865", "WRIGHT", "1933-11-14")

ANSWERS: dict[tuple[str, str, str], tuple[str, str]] = {
    WRIGHT: ("DELIVERED", "A20047"),
    ("9658220290", "BISSET", "1920-03-17"): ("UNDELIVERED", "deceased"),  # MESH does not know him
    ("9990000107", "oTest Aberg", "1985-04-21"): ("UNDELIVERED", "A20047"),
    ("9990000085", "TESTHAVEN", "1991-09-15"): ("NOT_REQUIRED", "GPCM-SD-CS-071"),
    ("9990000093", "TESTHAVEN", "1993-02-11"): ("NOT_REQUIRED", "GPCM-SD-CS-071"),
    ("9990000107", "TESTFIELD", "1985-04-21"): ("HELD", "patient.name.family"),
    ("9658218873", "MEAKIN", "1927-06-20"): ("HELD", "patient.birth_date"),
    ("9658220142", "KEWN", "1999-10-03"): ("INVALID", "restricted"),
    ("9990000042", "TESTWICK", "1964-01-30"): ("INVALID", "restricted"),
    ("9990000050", "MEAKIN", "1927-06-19"): ("INVALID", "replaced"),
    ("9990000069", "ANYBODY", "1960-01-01"): ("INVALID", "invalidated"),
    ("9990000409", "ANYBODY", "1960-01-01"): ("INVALID", "unknown to PDS"),
    ("9990000077", "TESTMOOR", "1979-07-07"): ("INVALID", "no practice"),
    ("9000000009", "SMITH", "2010-10-22"): ("INVALID", "no practice"),
    ("9000000025", "SMYTHE", "2010-10-22"): ("INVALID", "restricted"),
    ("9000000033", "ANYBODY", "2010-10-22"): ("INVALID", "no practice"),
}
"""NHS number, family name and birth date of a request: the status that it reaches, and a word of why."""


@pytest.fixture
def pds(product: DeployedProduct) -> Iterator[DeployedProduct]:
    yield product
    control(product, "DELETE", "next")


def control(product: DeployedProduct, method: str, name: str, content: Any = None) -> Any:
    answer = httpx.request(method, f"{product.run.pds_url}/control/{name}", json=content, timeout=10)
    answer.raise_for_status()
    return answer.json()


def drop(product: DeployedProduct, nhs_number: str, family: str, birth_date: str) -> Dropped:
    request = request_data(
        mailbox=MAILBOX,
        organisation__ods_code="Y90003",
        encounter=str(uuid.uuid4()),
        patient__nhs_number=nhs_number,
        patient__name__family=family,
        patient__birth_date=birth_date,
    )
    return product.run.drop_request(request, {"report.pdf": PDF})


def told_of(message: Message) -> str:
    """All that the ledger says of a request or message."""
    return json.dumps([event.details for event in message.events], default=str, ensure_ascii=False)


@pytest.mark.requirement("GPCM-SD-CS-071", "GPCM-SD-CS-072", "GPCM-SD-084")
def test_each_answer_has_its_outcome(pds: DeployedProduct) -> None:
    control(pds, "DELETE", "requests")
    tokens_before = control(pds, "GET", "requests")["tokens"]  # other tests' builders share the run
    dropped = {person: drop(pds, *person) for person in ANSWERS}
    for person, (status, why) in ANSWERS.items():
        message = pds.reaches(dropped[person], status)
        assert why in told_of(message), person
        if status in {"DELIVERED", "UNDELIVERED"}:
            assert '"source": "PDS"' in told_of(message)
        assert person[0] not in told_of(message)
        assert person[1] not in told_of(message)
    asked = control(pds, "GET", "requests")
    assert {request["status"] for request in asked["requests"]} <= {200, 404}, "the budget let none be refused"
    assert {request["headers"]["nhsd-end-user-organisation-ods"] for request in asked["requests"]} == {"Y90003"}
    assert asked["tokens"] - tokens_before <= 2, "each of two builders asked for one"


def test_both_values_are_kept_for_those_who_decide_and_no_function_can_read_them(pds: DeployedProduct) -> None:
    message = pds.reaches(drop(pds, "9990000107", "TESTFIELD", "1985-04-21"), "HELD")
    store, bucket = pds.run.session.client("s3"), pds.run.outputs["EvidenceBucketName"]
    kept = store.get_object(Bucket=bucket, Key=f"comparisons/{message.request_id}.json")["Body"].read()
    assert json.loads(kept) == {"patient.name.family": {"request": "TESTFIELD", "PDS": "O’TEST-ÅBERG"}}


def test_an_outage_keeps_the_request_until_pds_answers(pds: DeployedProduct) -> None:
    control(pds, "POST", "next", {"mode": "down", "count": 3})
    dropped = drop(pds, *WRIGHT)
    pds.wait(lambda: "DELIVERED" in {row.status for row in pds.run.messages_of(dropped)})
    (own,) = (row for row in pds.run.messages_of(dropped) if row.message_id == dropped.request_id)
    kinds = [event.kind for event in own.events]
    assert kinds[0] == "held", "its mailbox holds nothing else"
    assert kinds[-1] == "released"


def test_a_key_is_rotated_without_a_deployment(pds: DeployedProduct) -> None:
    """The old key goes at once, with every token that it got: the builders read the secret afresh when refused."""
    run = pds.run
    vault, name = run.session.client("secretsmanager"), run.outputs["PdsSecretName"]
    rotated = secret("rotated") | {"application_key": "local-run-application"}
    public = private_key("rotated").public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    vault.put_secret_value(SecretId=name, SecretString=json.dumps(rotated))
    control(pds, "PUT", "keys", {"rotated": public.decode()})
    control(pds, "POST", "tokens/withdrawn")
    pds.reaches(drop(pds, *WRIGHT), "DELIVERED")


def test_the_budget_holds_on_the_deployed_table(product: DeployedProduct) -> None:
    run = product.run

    def budget() -> SharedBudget:
        return SharedBudget(run.session.client("dynamodb"), run.outputs["LedgerTableName"], 50)

    one = budget()
    one.pause(0.5)

    def ask(budget: SharedBudget) -> list[float]:
        return [budget.reserve(30.0) for _ in range(5)]

    with ThreadPoolExecutor(4) as pool:
        waits = sorted(wait for waits in pool.map(ask, [budget() for _ in range(4)]) for wait in waits)
    assert len(waits) == 20
    assert waits[-1] > 0.02, "twenty moments a fiftieth of a second apart cannot all be now"


def test_no_log_line_names_anyone_or_holds_a_token_or_a_key(product: DeployedProduct) -> None:
    """The tests above have filled the logs."""
    lines = product.run.logs("builder")
    assert any("PdsUnanswered" in line for line in lines), "an outage is counted"
    assert any("PDS gave no answer; the request is held" in line for line in lines)
    people = {word for nhs_number, family, birth_date in ANSWERS for word in (nhs_number, family, birth_date)}
    held = product.run.session.client("secretsmanager").get_secret_value(SecretId=product.run.outputs["PdsSecretName"])
    key = json.loads(held["SecretString"])["private_key"].splitlines()[1]
    telling = [*people, "Bearer ", "eyJ", "/Patient/", "client_assertion", key]
    assert [word for word in telling for line in lines if word in line] == []
