"""Scenarios of the product, with the permissions that they need.

A scenario begins, and holds once what it is about has happened. Together they use every permission of every role that
the emulator can refuse; `needs` says which scenario fails where one is missing.
"""

import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any
from unittest.mock import patch

from gpcm.dropping import Dropped
from gpcm.functions import FunctionFailedError
from gpconnect_messaging.ledger import encounter_format
from gpconnect_messaging.ledger import events as ledger_events
from gpconnect_messaging.ledger.encounter_table import STATE, pk_of
from gpconnect_messaging.ledger.history import MessageHistory
from gpconnect_messaging.ledger.records import MessageRecord
from gpconnect_messaging.ledger.store import Ledger
from gpconnect_messaging.mesh import MeshClient
from infra.local.permissions import Permission
from infra.local.scenarios import REQUESTS
from tests.e2e.conftest import DeployedProduct
from tests.examples import request_data
from tests.fakes.product import TIMEOUTS
from tests.local_mesh import PRACTICE, SENDER, answer, credentials

Holds = Callable[[], bool]
Begin = Callable[[DeployedProduct], Holds]

HELD_MAILBOX = "Y90001OT002"
LOOKED_UP: dict[str, Any] = {"mailbox": "Y90003OT001", "organisation__ods_code": "Y90003"}
FAULTY: dict[str, Any] = {"mailbox": "Y90002OT001", "organisation__ods_code": "Y90002"}
"""Two mailboxes with one fault of MESH: the fault must not hit another upload."""

MAILBOX, DUE = {"task": "mailbox", "mailbox": SENDER}, {"task": "due"}
"""What the poller is asked for."""


@dataclass(frozen=True)
class Scenario:
    """A scenario, with the functions' permissions that it needs: actions, and resources with wildcards."""

    name: str
    begin: Begin
    needs: Mapping[str, tuple[str, ...]]
    tasks: tuple[Mapping[str, Any], ...] = (MAILBOX,)
    """What the poller is asked for, round by round, until the scenario holds."""
    afresh: bool = False
    """Whether the functions must start anew: what they read of settings and secrets they keep for five minutes."""
    waits: float = 0
    """Seconds that must pass by design, before it fails or holds."""

    @property
    def at_once(self) -> bool:
        """Whether a failure shows at once."""
        return not self.afresh and self.waits == 0

    def proves(self, permission: Permission) -> bool:
        """Whether it fails without a permission."""
        asked = f"{permission.action} {permission.resource}"
        return any(fnmatchcase(asked, need) for need in self.needs.get(function_of(permission.role), ()))

    def work(self, product: DeployedProduct) -> None:
        """Do what the schedules do; what fails comes round again."""
        for task in self.tasks:
            with suppress(FunctionFailedError):
                product.run.invoke("poller", task)


def function_of(role: str) -> str:
    """Name what a role is for: a function, or `schedules`."""
    return role.rsplit("-", 2)[-2].partition("Role")[0].lower()


def reaches(product: DeployedProduct, dropped: Dropped, *statuses: str) -> Holds:
    """Say whether a request, or a message that it became, is where it should be."""
    return lambda: any(
        message.request_id == dropped.request_id and message.status in statuses for message in product.run.messages()
    )


def told(product: DeployedProduct, dropped: Dropped, kind: str, when: str = "told_at") -> Holds:
    """Whether a person was notified of a request's message (at `when`)."""

    def holds() -> bool:
        message = product.run.message(dropped)
        raised = message and product.ledger.find_notification(f"MESSAGE#{message.message_id}/{kind}")
        return bool(raised and getattr(raised, when))

    return holds


def a_report(product: DeployedProduct) -> Holds:
    return reaches(product, product.drop(), "DELIVERED")


def a_request_that_nothing_announced(product: DeployedProduct) -> Holds:
    rules = product.run.session.client("events")
    [rule] = [rule["Name"] for rule in rules.list_rules()["Rules"] if "RequestDropped" in rule["Name"]]
    rules.disable_rule(Name=rule)
    try:
        dropped = product.drop()
    finally:
        rules.enable_rule(Name=rule)
    return reaches(product, dropped, "SENT", "DELIVERED")


def a_request_whose_document_is_not_there(product: DeployedProduct) -> Holds:
    """Nor is an expired version of it, which the builder looks for."""
    return told(product, product.run.drop_request(request_data(encounter=str(uuid.uuid4())), {}), "invalid")


def sent(product: DeployedProduct) -> str:
    """Send a report, and return the encounter."""
    encounter = str(uuid.uuid4())
    product.wait(reaches(product, product.drop(encounter=encounter), "SENT", "DELIVERED"))
    return encounter


def a_refused_request(product: DeployedProduct) -> Holds:
    return told(product, product.run.drop(REQUESTS / "invalid"), "invalid")


def an_escalation(product: DeployedProduct) -> Holds:
    nobody = product.drop(patient__nhs_number="9990000409")
    return told(product, nobody, "undelivered", when="escalated_at")


def a_held_request(product: DeployedProduct) -> Holds:
    # With a slightly fast clock: a slow machine must see the request before the hold window ends.
    updated = datetime.now(UTC) + timedelta(seconds=6)
    dropped = product.drop(mailbox=HELD_MAILBOX, consultation__updated=updated.isoformat())
    return reaches(product, dropped, "SENT", "DELIVERED", "OVERDUE")


def a_deleted_consultation(product: DeployedProduct) -> Holds:
    encounter = sent(product)
    wanted = {"kind": "withdraw", "mailbox": SENDER, "encounter": encounter, "deleted": datetime.now(UTC).isoformat()}
    return reaches(product, product.run.drop_request(wanted, {}), "TELL_PRACTICE")


def another_name_at_pds(product: DeployedProduct) -> Holds:
    dropped = product.drop(**LOOKED_UP, patient__name__family="TESTWRONG")

    def holds() -> bool:
        message = product.run.message(dropped)
        return message is not None and "differs from PDS" in [event.kind for event in message.events]

    return holds


def a_refusal_of_mesh(product: DeployedProduct) -> Holds:
    return told(product, product.drop_to_fail("refuse", **LOOKED_UP), "refused")


def a_lost_answer_of_mesh(product: DeployedProduct) -> Holds:
    dropped = product.drop_to_fail("cut_before", "consultation-report-1.5", **FAULTY)

    def holds() -> bool:
        message = product.run.message(dropped)
        kinds = [event.kind for event in message.events] if message else []
        return "upload uncertain" in kinds and "upload accepted" in kinds

    return holds


def an_answer_to_nothing(product: DeployedProduct) -> Holds:
    before = _unmatched(product)
    with MeshClient(product.run.mesh_url, credentials(PRACTICE)) as practice:
        answer(practice, str(uuid.uuid4()), "20013")
    return lambda: bool(_unmatched(product) - before)


def _unmatched(product: DeployedProduct) -> set[str]:
    """Responses that match no message, and that a person was notified of."""
    subjects = (str(item["pk"]) for item in product.items() if str(item["pk"]).startswith("RECEIVED#"))
    raised = (product.ledger.find_notification(f"{subject}/unmatched") for subject in subjects)
    return {each.notification.subject_key for each in raised if each and each.told_at}


def a_long_encounter(product: DeployedProduct) -> Holds:
    """A second version of an encounter whose history is divided into parts."""
    encounter = sent(product)
    key = product.run.identifiers.of_encounter(SENDER, encounter).key
    with patch.object(encounter_format, "LARGEST_BODY", 1):
        for record in product.ledger.find_by_encounter(key):
            product.ledger.set_legal_hold(record.message_id, on=True)
    assert product.ledger.encounter(key).parts
    return reaches(product, product.drop(encounter=encounter), "DELIVERED")


def a_canary(product: DeployedProduct) -> Holds:
    """A canary that the next sweep starts, since the table knows of none before."""
    table = product.run.session.resource("dynamodb").Table(product.run.outputs["LedgerTableName"])
    table.delete_item(Key={"pk": "CANARIES", "sk": "LATEST"})
    before = _canaries(product)
    return lambda: bool(_canaries(product) - before)


def _canaries(product: DeployedProduct) -> set[str]:
    return {str(item["pk"]) for item in product.items() if item["sk"] == "CANARY" and "through_at" in item}


def an_archived_encounter(product: DeployedProduct) -> Holds:
    """A request to an encounter that left the ledger: it must get the next version."""
    client: Any = product.run.session.client("dynamodb")
    long_ago = datetime.now(UTC) - timedelta(days=300)
    encounter = str(uuid.uuid4())
    ids = product.run.identifiers.of_encounter(SENDER, encounter)
    old = Ledger(client, product.run.outputs["LedgerTableName"], TIMEOUTS, lambda: long_ago)
    request_id = str(uuid.uuid4())
    assert old.claim(request_id, ids, (), long_ago)
    message_id = str(ids.message_id(1))
    built = ledger_events.built(
        at=long_ago, sha256="0" * 64, size=1, infrastructure_due=timedelta(days=1), business_due=timedelta(days=1)
    )
    record = MessageRecord(
        message_id=message_id, request_id=request_id, mailbox=SENDER, encounter=encounter, encounter_key=ids.key,
        version=1, created_at=long_ago, history=MessageHistory((built,)),
    )  # fmt: skip
    old.create(record)
    old.record(message_id, ledger_events.withdrawn(at=long_ago, by_request_id=request_id))
    table = product.run.session.resource("dynamodb").Table(product.run.outputs["LedgerTableName"])
    table.delete_item(Key={"pk": "ARCHIVE", "sk": "PROGRESS"})  # as in a new environment: it begins a year ago
    state = {"pk": pk_of(ids.key), "sk": STATE}

    def archived() -> bool:
        table.delete_item(Key={"pk": "ARCHIVE", "sk": "LEASE"})
        with suppress(FunctionFailedError):
            product.run.invoke("poller", {"task": "archive"})
        return "expires_at" in table.get_item(Key=state).get("Item", {})

    dropped: list[Dropped] = []

    def holds() -> bool:
        if not dropped:
            if not archived():
                return False
            table.delete_item(Key=state)
            dropped.append(product.drop(encounter=encounter))
        return any(
            message.request_id == dropped[0].request_id and message.item["version"] == 2
            for message in product.run.messages()
        )

    return holds


def two_days_balances(product: DeployedProduct) -> Holds:
    """The second day's begins with what the first day's left open."""
    left = ["2026-01-01", "2026-01-02"]

    def holds() -> bool:
        with suppress(FunctionFailedError):
            while left:
                assert product.run.invoke("poller", {"task": "reconcile", "day": left[0]})["day"] == left.pop(0)
        return not left

    return holds


def the_parts_are_enabled(product: DeployedProduct) -> Holds:
    """A poller that starts anew asks AWS whether the rule, the mappings and the keys are enabled, or is not done."""
    before = _measured_all(product)
    return lambda: _measured_all(product) > before


def _measured_all(product: DeployedProduct) -> int:
    """How many sweeps measured everything."""
    return sum('"DueWorkDone":[1' in line for line in product.run.logs())


_QUERY_TABLE = "dynamodb:Query *LedgerTable*[0-9A-F]"

SCENARIOS = (
    Scenario(
        "a report is delivered",
        a_report,
        {
            "builder": (
                *("dynamodb:BatchGetItem *", "dynamodb:GetItem *", "dynamodb:PutItem *"),
                *("s3:GetObject *storagedrop*/*", "s3:GetObjectVersion *storagedrop*/*"),
                *("s3:PutObject */requests/[*]", "s3:PutObject */receipts/[*]", "s3:PutObject */messages/[*]"),
                "sqs:SendMessage *SendingWork*",
            ),
            "sender": ("dynamodb:BatchGetItem *", "dynamodb:PutItem *", "s3:GetObject */messages/[*]"),
            "poller": (
                *("dynamodb:BatchGetItem *", "dynamodb:GetItem *", "dynamodb:PutItem *"),
                *("s3:PutObject */received/[*]", "sqs:SendMessage *SendingInbox*"),
            ),
        },
    ),
    Scenario(
        "functions that start anew send a report",
        a_report,
        {
            "builder": ("ssm:GetParameter *", "secretsmanager:GetSecretValue */identifiers-??????"),
            "sender": ("secretsmanager:GetSecretValue *",),
            "poller": ("secretsmanager:GetSecretValue *",),
        },
        afresh=True,
    ),
    Scenario(
        "a request that nothing announced is taken in",
        a_request_that_nothing_announced,
        {
            "poller": ("s3:ListBucket *storagedrop*", "s3:ListBucketVersions *storagedrop*"),
        },
        tasks=(MAILBOX, {"task": "drop"}),
        waits=10,
    ),
    Scenario(
        "a person is told of a document that is not there",
        a_request_whose_document_is_not_there,
        {"builder": ("s3:ListBucketVersions *storagedrop*", "sqs:SendMessage *IntakeWork*")},
        waits=135,  # the request waits for it first
    ),
    Scenario(
        "a second version follows a long history",
        a_long_encounter,
        {"builder": ("dynamodb:Query *",), "sender": ("dynamodb:Query *",), "poller": (_QUERY_TABLE,)},
    ),
    Scenario(
        "a canary comes through",
        a_canary,
        {
            "builder": ("dynamodb:UpdateItem *",),
            "sender": ("dynamodb:GetItem *", "dynamodb:UpdateItem *"),
            "poller": ("dynamodb:UpdateItem *",),
        },
        tasks=(DUE,),
    ),
    Scenario(
        "a request to an archived encounter goes on from there",
        an_archived_encounter,
        {
            "builder": ("s3:GetObject */archive/[*]", "s3:GetObject */archive-index/[*]"),
            "poller": (
                *("s3:GetObject */archive/[*]", "s3:GetObject */archive-index/[*]"),
                *("s3:PutObject */archive/[*]", "s3:PutObject */archive-index/[*]"),
            ),
        },
        tasks=(MAILBOX,),
    ),
    Scenario(
        "a person is told of a request that breaks rules",
        a_refused_request,
        {"builder": ("sns:Publish *",)},
    ),
    Scenario(
        "a held request is sent when its window is over",
        a_held_request,
        {
            "builder": ("s3:GetObject */requests/[*]",),
            "poller": ("dynamodb:Query */index/by_work", "sqs:SendMessage *IntakeWork*"),
        },
        tasks=(DUE,),
        waits=10,
    ),
    Scenario(
        "the practice is warned of a deleted consultation",
        a_deleted_consultation,
        {"builder": ("s3:PutObject */warnings/[*]",)},
    ),
    Scenario(
        "a person decides where PDS has another name",
        another_name_at_pds,
        {"builder": ("s3:PutObject */comparisons/[*]",)},
    ),
    Scenario(
        "a builder that starts anew asks PDS",
        another_name_at_pds,
        {"builder": ("secretsmanager:GetSecretValue */pds-??????",)},
        afresh=True,
    ),
    Scenario(
        "a person is told of a refusal of MESH",
        a_refusal_of_mesh,
        {"sender": ("sns:Publish *",)},
    ),
    Scenario(
        "an upload whose answer was lost is sent again",
        a_lost_answer_of_mesh,
        {"poller": ("sqs:SendMessage *SendingWork*",)},
        tasks=(DUE,),
        waits=10,
    ),
    Scenario(
        "a person is told of an answer to no message of ours",
        an_answer_to_nothing,
        {"poller": ("sns:Publish *",)},
    ),
    Scenario(
        "a notification that nobody takes escalates",
        an_escalation,
        {"poller": ("ssm:GetParameter *",)},
        tasks=(MAILBOX, DUE),
        afresh=True,
        waits=6,
    ),
    Scenario(
        "the poller asks whether the rule, the mappings and the keys are enabled",
        the_parts_are_enabled,
        {"poller": ("events:DescribeRule *", "lambda:ListEventSourceMappings *", "kms:DescribeKey *")},
        tasks=(DUE,),
        afresh=True,
    ),
    Scenario(
        "the books of a day are balanced",
        two_days_balances,
        {
            "poller": (
                *("dynamodb:Query */index/by_attention", "dynamodb:Query */index/by_time"),
                *("s3:ListBucket *storageevidence*", "s3:PutObject */balances/[*]", "s3:GetObject */balances/[*]"),
                *("s3:PutObject */reckonings/[*]", "s3:GetObject */reckonings/[*]"),
            )
        },
        tasks=(),
    ),
)
