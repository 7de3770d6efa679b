"""Where an operator works: a run kept on this machine, or a deployed stack, behind the same doors.

`open_place(Where(local=True))`, or `open_place(Where(environment="int", profile="…"))`, gives a `OperatorEnvironment`; a test makes
one of a running product (`of_product`). All names come from the stack's outputs, and everything that a function is
told (how patient the sweep is, how long the ledger keeps things) from the deployed functions' own environment: what an
operator records is recorded exactly as the product would record it.

    OperatorEnvironmentError                    nothing can be done there; the message says what to correct
"""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from threading import RLock
from typing import Any, TypeVar
from uuid import UUID

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from gpconnect_messaging.derivation import IdentifiersSecretError, read_identifiers
from gpconnect_messaging.enabled import EnabledParts
from gpconnect_messaging.ledger.audit import AuditTrail
from gpconnect_messaging.ledger.balances import Balances
from gpconnect_messaging.ledger.canaries import Canaries
from gpconnect_messaging.ledger.derivation import DerivationGuard
from gpconnect_messaging.ledger.drop_passes import DropPasses
from gpconnect_messaging.ledger.holds import HeldItems
from gpconnect_messaging.ledger.notifications import NotificationStore
from gpconnect_messaging.ledger.records import Summary
from gpconnect_messaging.ledger.search import Search
from gpconnect_messaging.ledger.store import Ledger
from gpconnect_messaging.legal_hold import LegalHold
from gpconnect_messaging.mailboxes.connections import MeshConnections
from gpconnect_messaging.mailboxes.directory import CredentialVault, MailboxDirectory
from gpconnect_messaging.mailboxes.senders import SenderDirectory
from gpconnect_messaging.notifications import Notifier
from gpconnect_messaging.queues import IntakeQueue, SendQueue
from gpconnect_messaging.replay.tools import ReplayTools, replay_tools
from gpconnect_messaging.requests.identity import Identifiers
from gpconnect_messaging.requests.senders import SenderSettingsError
from gpconnect_messaging.settings import BuilderSettings, PollerSettings, SenderSettings, SettingsError
from gpconnect_messaging.steps.operator_actions import OperatorActions
from gpconnect_messaging.storage import DropBucket, Evidence, Outbox
from infra.local.detached_run import kept
from infra.local.emulator import LocalSession
from infra.local.run import Product, State
from infra.operations.logs import CloudWatchLogs, LogFiles, Logs
from infra.operations.messages import Message, Row, StatusCount, message, row, status_counts

FUNCTIONS = ("builder", "sender", "poller")
_QUEUES = {
    "intake": "IntakeQueueUrl",
    "send": "SendQueueUrl",
    "intake dead letters": "IntakeDeadLetterQueueUrl",
    "send dead letters": "SendDeadLetterQueueUrl",
}
_OF_SENDER = "IntakeQueueUrlOf"
"""How the outputs of senders' own queues begin."""
# AWS answers in milliseconds: a call that hangs is better tried again than waited for.
_CONFIG = Config(
    connect_timeout=5, read_timeout=30, retries={"mode": "standard", "max_attempts": 4}, max_pool_connections=32
)
# A balance takes the poller minutes, and must not be asked for again meanwhile.
_OF_LAMBDA = _CONFIG.merge(Config(read_timeout=900, retries={"total_max_attempts": 1}))
_Settings = TypeVar("_Settings", BuilderSettings, SenderSettings, PollerSettings)
_ENVIRONMENT = re.compile(r"[a-z][a-z0-9-]{0,30}")


class OperatorEnvironmentError(Exception):
    """Nothing can be done there. The message is a sentence that says what to correct."""


class UnknownMessageError(OperatorEnvironmentError):
    """Nothing there goes by that name."""


class AmbiguousError(OperatorEnvironmentError):
    """More than one message goes by that name: `found` has them, and `rows` as a list shows them."""

    def __init__(self, sentence: str, found: Sequence[Summary], rows: Sequence[Row]) -> None:
        super().__init__(sentence)
        self.found = tuple(found)
        self.rows = tuple(rows)


@dataclass(frozen=True, kw_only=True)
class EnvironmentRef:
    """Which place is meant: a kept local run, or a stack by its environment or its whole name.

    Profile, region and endpoint are as for AWS's own tools, whose variables count where these are not given.
    """

    local: bool = False
    environment: str | None = None
    stack: str | None = None
    profile: str | None = None
    region: str | None = None
    endpoint_url: str | None = None


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """What waits in a queue, as SQS estimates it."""

    name: str
    waiting: int
    in_work: int
    put_back: int
    """What waits for its documents or its scan, and comes again later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """A request that arrived, and that the ledger has nothing of yet: it waits or is in work, until `until` at most."""

    request_id: str
    at: datetime
    until: datetime
    overdue: bool


@dataclass(frozen=True, slots=True)
class ScheduleState:
    """A schedule: what it starts and how often, and whether it is switched on."""

    name: str
    function: str
    expression: str
    on: bool


class OperatorEnvironment:
    """Everything that an operator's commands and pages work with. Safe to share between threads.

    The adapters are the library's own, made when first asked for.
    """

    def __init__(
        self,
        *,
        name: str,
        client: Callable[[str], Any],
        outputs: Mapping[str, str],
        product: Product | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        close_clients: Callable[[], None] = lambda: None,
    ) -> None:
        """`client` gives boto3's client of a service, and the same one again; `product` is the local run's.

        `close_clients` is called when the place is closed: give it where the clients are the place's own.
        """
        self._close_clients = close_clients
        self.name = name
        """What screens call it, such as `the local run` or `prod`."""
        self.client = client
        self.outputs = outputs
        self.product = product
        self.now = now

    def close(self) -> None:
        """Close the connections that were opened here."""
        if "mesh" in self.__dict__:
            self.mesh.close()
        self._close_clients()

    @property
    def local(self) -> bool:
        """Whether it is a run on this machine, with test people only."""
        return self.product is not None

    def output(self, name: str) -> str:
        """Give one of the stack's outputs. Raises OperatorEnvironmentError."""
        try:
            return self.outputs[name]
        except KeyError:
            raise OperatorEnvironmentError(
                f"The stack of {self.name} has no output {name}. Deploy the present version, or name another stack."
            ) from None

    def variables(self, function: str) -> Mapping[str, str]:
        """Give what a function (`builder`, `sender`, `poller`) is told by its environment."""
        name = self.output(f"{function.capitalize()}FunctionName")
        found = self.client("lambda").get_function_configuration(FunctionName=name)
        variables: Mapping[str, str] = found.get("Environment", {}).get("Variables", {})
        return variables

    @cached_property
    def builder_settings(self) -> BuilderSettings:
        """What the builder is told. Raises OperatorEnvironmentError."""
        return self._settings(BuilderSettings, "builder")

    @cached_property
    def sender_settings(self) -> SenderSettings:
        """What the sender is told. Raises OperatorEnvironmentError."""
        return self._settings(SenderSettings, "sender")

    @cached_property
    def poller_settings(self) -> PollerSettings:
        """What the poller is told. Raises OperatorEnvironmentError."""
        return self._settings(PollerSettings, "poller")

    def _settings(self, kind: type[_Settings], function: str) -> _Settings:
        try:
            return kind.from_environment(self.variables(function))
        except SettingsError as error:
            raise OperatorEnvironmentError(
                f"The {function} of {self.name} is not configured: {error}. Deploy it again."
            ) from None

    @cached_property
    def table(self) -> str:
        """The ledger's table."""
        return self.output("LedgerTableName")

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger: reads messages with their facts, and records."""
        its = self.poller_settings
        return Ledger(self.client("dynamodb"), self.table, its.patience, self.now, its.audit_kept)

    def identifiers(self) -> Identifiers:
        """Derive ids as the functions do: for finding an encounter by the sender's word, or an unread request."""
        return self._identifiers

    @cached_property
    def _identifiers(self) -> Identifiers:
        return self.read_identifiers()

    def read_identifiers(self) -> Identifiers:
        """Read the secret that ids are derived with, as it is now. Raises OperatorEnvironmentError."""
        try:
            return read_identifiers(self.client("secretsmanager"), self.output("IdentifiersSecretName"))
        except IdentifiersSecretError as error:
            raise OperatorEnvironmentError(f"Ids cannot be derived: {error}.") from None

    @cached_property
    def search(self) -> Search:
        """Finds messages page by page, and counts them."""
        return Search(self.client("dynamodb"), self.table, self.now)

    @cached_property
    def trail(self) -> AuditTrail:
        """Who did what."""
        return AuditTrail(self.client("dynamodb"), self.table, self.now, self.poller_settings.audit_kept)

    @cached_property
    def notifications(self) -> NotificationStore:
        """The notifications that wait for a person."""
        return NotificationStore(self.client("dynamodb"), self.table, self.now, self.poller_settings.audit_kept)

    @cached_property
    def balances(self) -> Balances:
        """The daily balances."""
        return Balances(self.client("dynamodb"), self.table, self.now, self.poller_settings.audit_kept)

    @cached_property
    def derivation_guard(self) -> DerivationGuard:
        """Which secret the table's ids are derived with."""
        return DerivationGuard(self.client("dynamodb"), self.table)

    @cached_property
    def drop_passes(self) -> DropPasses:
        """How far the listing of the drop has come."""
        return DropPasses(self.client("dynamodb"), self.table, self.now)

    @cached_property
    def drop_bucket(self) -> DropBucket:
        """What senders dropped."""
        return DropBucket(self.client("s3"), self.output("DropBucketName"))

    @cached_property
    def outbox(self) -> Outbox:
        """Built messages and their envelopes: personal data, see `infra.operations.personal_data`."""
        return Outbox(self.client("s3"), self.output("OutboxBucketName"))

    @cached_property
    def evidence(self) -> Evidence:
        """What was asked of us and sent to us: personal data, see `infra.operations.personal_data`."""
        return Evidence(self.client("s3"), self.output("EvidenceBucketName"), self.now)

    @cached_property
    def notifier(self) -> Notifier:
        """Tells notifications."""
        return Notifier(self.client("sns"), self.output("NoticesTopicArn"), self.ledger)

    @cached_property
    def operator_actions(self) -> OperatorActions:
        """What a person decides: release, practice told, accept a response."""
        return OperatorActions(ledger=self.ledger, notifier=self.notifier, now=self.now)

    @cached_property
    def replay(self) -> ReplayTools:
        """Sends again, and redrives dead letters."""
        session: Any = self  # a place gives clients by name, which is all that is asked of a session
        its = self.poller_settings
        return replay_tools(
            session, self.outputs, patience=its.patience, kept_for=its.audit_kept, identifiers=self.identifiers
        )

    @cached_property
    def enabled_parts(self) -> EnabledParts:
        """Asks AWS whether the rule, the event source mappings and the keys are enabled."""
        told = self.poller_settings
        return EnabledParts(
            events=self.client("events"),
            functions=self.client("lambda"),
            keys=self.client("kms"),
            rule=told.event_rule,
            mapping_ids=told.mapping_ids,
            key_arns=told.key_arns,
            now=self.now,
        )

    @cached_property
    def canaries(self) -> Canaries:
        """The canaries: when one was started, and which came through."""
        return Canaries(self.client("dynamodb"), self.table)

    @cached_property
    def legal_hold(self) -> LegalHold:
        """Places and lifts legal holds."""
        items = HeldItems(self.client("dynamodb"), self.table, self.now, self.poller_settings.audit_kept)
        return LegalHold(
            items=items,
            trail=self.trail,
            s3=self.client("s3"),
            outbox_bucket=self.output("OutboxBucketName"),
            evidence_bucket=self.output("EvidenceBucketName"),
        )

    @cached_property
    def mailboxes(self) -> MailboxDirectory:
        """The settings of the sending mailboxes."""
        return MailboxDirectory(self.client("ssm"), self.output("MailboxParameters"))

    def mailbox_names(self) -> list[str]:
        """List the sending mailboxes."""
        pages = self.client("ssm").get_paginator("get_parameters_by_path").paginate(
            Path=self.output("MailboxParameters")
        )  # fmt: skip
        return sorted(each["Name"].rsplit("/", 1)[-1] for page in pages for each in page["Parameters"])

    def prefix_of(self, mailbox: str) -> str:
        """Give the prefix of the drop bucket for requests that name a mailbox: its sender's; empty where none is known.

        Raises OperatorEnvironmentError.
        """
        told = self.builder_settings
        senders = SenderDirectory(self.client("ssm"), told.sender_parameters, told.sender_prefixes)
        try:
            sender = senders.of_mailbox(mailbox)
        except SenderSettingsError as error:
            raise OperatorEnvironmentError(
                f"The senders of {self.name} are not configured: {error}. Deploy it again."
            ) from None
        return sender.prefix if sender else ""

    @cached_property
    def vault(self) -> CredentialVault:
        """The mailboxes' credentials."""
        secrets = self.client("secretsmanager")
        return CredentialVault(secrets, self.output("MailboxSecrets"), self.output("MeshSecretName"))

    @cached_property
    def mesh(self) -> MeshConnections:
        """MESH, as the environment's mailboxes."""
        return MeshConnections(self.poller_settings.mesh_url, self.vault)

    @cached_property
    def send_queue(self) -> SendQueue:
        """The queue that the sender reads."""
        return SendQueue(self.client("sqs"), self.output("SendQueueUrl"))

    @cached_property
    def intake_queue(self) -> IntakeQueue:
        """The queue that the builder reads."""
        return IntakeQueue(self.client("sqs"), self.output("IntakeQueueUrl"))

    def queues(self) -> tuple[QueueDepth, ...]:
        """Tell what waits in the queues, the senders' own among them, and in the dead-letter queues."""
        outputs = _QUEUES | {
            f"intake of {output.removeprefix(_OF_SENDER)}": output for output in self.outputs if _OF_SENDER in output
        }
        kinds = ("", "NotVisible", "Delayed")
        wanted = [f"ApproximateNumberOfMessages{kind}" for kind in kinds]

        def depth(name: str) -> QueueDepth:
            url = self.output(outputs[name])
            found = self.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=wanted)["Attributes"]
            return QueueDepth(name, *(int(found.get(each, 0)) for each in wanted))

        with ThreadPoolExecutor(len(outputs)) as threads:
            return tuple(threads.map(depth, outputs))

    def schedules(self) -> tuple[ScheduleState, ...]:
        """Tell which schedules start this environment's poller."""
        poller = self.output("PollerFunctionName")
        client = self.client("scheduler")
        found = []
        for page in client.get_paginator("list_schedules").paginate():
            for each in page["Schedules"]:
                if f":function:{poller}" not in each["Target"]["Arn"]:
                    continue
                whole = client.get_schedule(Name=each["Name"], GroupName=each.get("GroupName", "default"))
                on = whole.get("State", "ENABLED") == "ENABLED"
                found.append(ScheduleState(whole["Name"], "poller", whole["ScheduleExpression"], on))
        return tuple(sorted(found, key=lambda each: each.name))

    @cached_property
    def logs(self) -> Logs:
        """The functions' logs."""
        if self.product is not None:
            return LogFiles(self.product.logs_folder)
        return CloudWatchLogs(self.client("logs"), self._log_groups)

    def _log_groups(self) -> Mapping[str, str]:
        groups = {}
        for function in FUNCTIONS:
            name = self.output(f"{function.capitalize()}FunctionName")
            found = self.client("lambda").get_function_configuration(FunctionName=name)
            groups[function] = found.get("LoggingConfig", {}).get("LogGroup", f"/aws/lambda/{name}")
        return groups

    # What every screen shows, as values.

    def find(self, reference: str) -> Summary:
        """Find the one message that somebody names (see `Search.named`). Raises UnknownMessageError, AmbiguousError."""
        found = self.search.named(reference)
        if not found:
            # What was typed is not repeated: it can be anything, a patient's name too.
            raise UnknownMessageError(
                "Nothing goes by that id. Give a message id (or its first eight characters), a whole request id, or "
                "MESH's message id; `gpcm list` shows what there is."
            )
        if len(found) > 1:
            raise AmbiguousError(f"{len(found)} messages go by that name; name one of them.", found, self.rows(found))
        return found[0]

    def arrived(self, request_id: str) -> Arrived | None:
        """Find a request that the ledger has nothing of, as it is kept, or by its receipt of the last day."""
        try:
            name = str(UUID(request_id.strip()))
        except ValueError:
            return None
        now = self.now()
        at = self.evidence.arrived(name, now - timedelta(days=1))
        if at is None:
            return None
        settings = self.poller_settings
        until = at + settings.longest_wait
        return Arrived(request_id=name, at=at, until=until, overdue=now > until + settings.patience.stale)

    def message(self, summary: Summary, *, reveal_encounter: bool = False) -> Message:
        """Tell all of a message; `reveal_encounter` only from `revealing.reveal`. Raises UnknownMessageError."""
        record = self.ledger.find(summary.message_id)
        if record is None:
            raise UnknownMessageError("The ledger does not have that message any more.")
        return message(record, summary, self.now(), reveal_encounter=reveal_encounter)

    def rows(self, summaries: Sequence[Summary]) -> list[Row]:
        """Make list rows."""
        now = self.now()
        return [row(each, now) for each in summaries]

    def counts(self, settled_within: timedelta = timedelta(days=1)) -> tuple[StatusCount, ...]:
        """Count messages by status: open ones in all, settled ones of the last day, and how long open ones stand.

        Takes about a second of this machine's time, and more where there are many: see `ledger.search`.
        """
        counted = self.search.counts(self.now() - settled_within)
        open_ones = [status for status, count in counted.by_status.items() if count and not status.settled]
        with ThreadPoolExecutor(4) as threads:
            standing = dict(zip(open_ones, threads.map(self.search.oldest, open_ones), strict=True))
        return status_counts(counted, {status: since for status, since in standing.items() if since})


def of_product(product: Product, close_clients: Callable[[], None] = lambda: None) -> OperatorEnvironment:
    """Make a place of a running product: a local run, kept or a test's own."""
    client: Any = product.session.client  # the stubs know a service by its literal name only
    return OperatorEnvironment(
        name="the local run", client=client, outputs=product.outputs, product=product, close_clients=close_clients
    )


def open_environment(where: EnvironmentRef, find_kept: Callable[[], State | None] = kept) -> OperatorEnvironment:
    """Open the place that is meant. Raises OperatorEnvironmentError.

    Where nothing is said, it is the kept local run if there is one: nobody gets at a deployed environment by leaving
    something out.
    """
    if where.local and (where.environment or where.stack):
        raise OperatorEnvironmentError("Say either --local, or --environment or --stack, not both.")
    if where.environment and where.stack:
        raise OperatorEnvironmentError("Say either --environment or --stack, not both.")
    if where.environment or where.stack:
        return _deployed(where)
    state = find_kept()
    if state is None:
        raise OperatorEnvironmentError(
            "No local run is being kept. Start one with `make demo KEEP=1`, or name a deployed environment: "
            "--environment dev."
        )
    session = LocalSession(state.access)
    product = Product(session, state)
    try:
        product.session.client("sts").get_caller_identity()
    except (BotoCoreError, ClientError):
        session.close()
        raise OperatorEnvironmentError(
            "The kept run does not answer. End it with `gpcm stop`, and start another."
        ) from None
    return of_product(product, session.close)


def _deployed(where: EnvironmentRef) -> OperatorEnvironment:
    if where.environment and not _ENVIRONMENT.fullmatch(where.environment):
        raise OperatorEnvironmentError("An environment's name is a word in small letters, such as dev, int or prod.")
    stack = where.stack or f"gpconnect-messaging-{where.environment}"
    try:
        clients = _Clients(boto3.Session(profile_name=where.profile, region_name=where.region), where.endpoint_url)
    except BotoCoreError as error:
        raise OperatorEnvironmentError(f"AWS cannot be asked: {error}. Check --profile and --region.") from None
    try:
        [found] = clients.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    except ClientError as error:
        clients.close()
        code = error.response["Error"]["Code"]
        if code == "ValidationError":
            raise OperatorEnvironmentError(
                f"There is no stack {stack} in this account and region. Name it with --environment or --stack, and "
                "check --profile and --region."
            ) from None
        raise OperatorEnvironmentError(
            f"AWS refuses to describe the stack {stack} ({code}). Check --profile, and that your credentials are "
            "current and may use CloudFormation."
        ) from None
    except BotoCoreError as error:
        clients.close()
        raise OperatorEnvironmentError(
            f"AWS cannot be asked: {error}. Check --profile, --region and the network."
        ) from None
    outputs = {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", [])}
    return OperatorEnvironment(
        name=where.environment or stack, client=clients.client, outputs=outputs, close_clients=clients.close
    )  # fmt: skip


class _Clients:
    """Makes each service's client once: clients may be used by many threads, but not made."""

    def __init__(self, session: boto3.Session, endpoint_url: str | None) -> None:
        self._session = session
        self._endpoint_url = endpoint_url
        self._made: dict[str, Any] = {}
        self._making = RLock()

    def client(self, service: str) -> Any:
        with self._making:
            if service not in self._made:
                config = _OF_LAMBDA if service == "lambda" else _CONFIG
                make: Any = self._session.client  # the stubs know a service by its literal name only
                self._made[service] = make(service, endpoint_url=self._endpoint_url, config=config)
            return self._made[service]

    def close(self) -> None:
        for made in self._made.values():
            made.close()


def operator_name(given: str | None) -> str:
    """Say who acts: the one given, or whoever is logged in. Raises OperatorEnvironmentError where nobody can be named."""
    actor = given or os.environ.get("GPCM_ACTOR") or os.environ.get("USER") or os.environ.get("LOGNAME")
    if not actor:
        raise OperatorEnvironmentError("Say who you are: --actor your.name, or set GPCM_ACTOR.")
    return actor
