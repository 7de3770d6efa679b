"""The environment of an operator: a deployed stack or a checkout's local run, with the same interface.

`open_environment(EnvironmentRef(environment="int", profile="…"))` opens an `OperatorEnvironment`. A checkout's `gpcm`
registers how to open its local run; an installed one has none. Names come from the stack's outputs, and settings
(timeouts, retention) from the variables of the deployed functions. An operator's records are therefore the same as the
product's.

    OperatorEnvironmentError    the environment cannot be used; the message says what to correct
    ├── UnknownMessageError     no message has that id
    └── AmbiguousError          several messages have that id
"""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session

from gpcm.logs import CloudWatchLogs, LogFiles, Logs
from gpcm.messages import Message, Row, message, row
from gpconnect_messaging.adapters import PollerAdapters
from gpconnect_messaging.derivation import IdentifiersSecretError, read_identifiers
from gpconnect_messaging.derived_ids import Identifiers
from gpconnect_messaging.ledger.audit import AuditTrail
from gpconnect_messaging.ledger.holds import HeldItems
from gpconnect_messaging.ledger.records import Summary
from gpconnect_messaging.ledger.search import Counted, Search
from gpconnect_messaging.mailboxes.senders import SenderDirectory, SenderSettingsError
from gpconnect_messaging.settings import BuilderSettings, PollerSettings, SenderSettings, SettingsError
from gpconnect_messaging.steps.operator_actions import OperatorActions

if TYPE_CHECKING:
    from gpconnect_messaging.ledger.store import Ledger
    from gpconnect_messaging.legal_hold import LegalHold
    from gpconnect_messaging.replay.backfill import Backfill
    from gpconnect_messaging.replay.redrive import Lane, Redrive
    from gpconnect_messaging.replay.resend import Resend
    from gpconnect_messaging.storage import Outbox

FUNCTIONS = ("builder", "sender", "poller")
_QUEUES = {
    "intake": "IntakeQueueUrl",
    "send": "SendQueueUrl",
    "inbox": "InboxQueueUrl",
    "intake dead letters": "IntakeDeadLetterQueueUrl",
    "send dead letters": "SendDeadLetterQueueUrl",
    "inbox dead letters": "InboxDeadLetterQueueUrl",
}
_SENDER_QUEUE_OUTPUT = "IntakeQueueUrlOf"
"""Beginning of the outputs with the senders' own queues."""
# AWS answers in milliseconds: a retry is faster than waiting for a call that hangs.
_CONFIG = Config(
    connect_timeout=5, read_timeout=30, retries={"mode": "standard", "max_attempts": 4}, max_pool_connections=32
)
# A balance takes the poller minutes, and a retry would start a second one.
_LAMBDA_CONFIG = _CONFIG.merge(Config(read_timeout=900, retries={"total_max_attempts": 1}))
_Settings = TypeVar("_Settings", BuilderSettings, SenderSettings, PollerSettings)
_ENVIRONMENT = re.compile(r"[a-z][a-z0-9-]{0,30}")


class OperatorEnvironmentError(Exception):
    """The environment cannot be used. The message says what to correct."""


class UnknownMessageError(OperatorEnvironmentError):
    """No message has that id."""


class AmbiguousError(OperatorEnvironmentError):
    """Several messages have that id: `found` has the summaries, and `rows` the rows of a list."""

    def __init__(self, sentence: str, found: Sequence[Summary], rows: Sequence[Row]) -> None:
        super().__init__(sentence)
        self.found = tuple(found)
        self.rows = tuple(rows)


@dataclass(frozen=True, kw_only=True)
class EnvironmentRef:
    """Names an environment: the local run, or a stack by environment or full name.

    Without profile, region and endpoint, the variables of the AWS tools apply.
    """

    local: bool = False
    environment: str | None = None
    stack: str | None = None
    profile: str | None = None
    region: str | None = None
    endpoint_url: str | None = None


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """The number of entries in a queue, as SQS estimates it."""

    name: str
    waiting: int
    in_work: int
    put_back: int
    """Requests that wait for documents or a scan, and become visible later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """A received request that is not in the ledger yet. It waits, or is in work, until `until` at most."""

    request_id: str
    at: datetime
    until: datetime
    overdue: bool


@dataclass(frozen=True, slots=True)
class ScheduleState:
    """A schedule: the function, the expression, and whether it is switched on."""

    name: str
    function: str
    expression: str
    on: bool


class OperatorEnvironment(PollerAdapters):
    """The adapters for the operator's commands and pages, created at first use. Safe to share between threads."""

    def __init__(
        self,
        *,
        name: str,
        client: Callable[[str], Any],
        outputs: Mapping[str, str],
        log_files: Path | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        close_clients: Callable[[], None] = lambda: None,
    ) -> None:
        """`client` returns the boto3 client of a service, always the same one; the settings are the poller's.

        `log_files` is the folder of a local run's logs, None for a deployed environment. `close()` calls
        `close_clients`: pass it if this environment owns the clients.
        """
        super().__init__(lambda: self._settings(PollerSettings, "poller"), client, now)
        self._close_clients = close_clients
        self.name = name
        """The displayed name, such as `the local run` or `prod`."""
        self.outputs = outputs
        self._log_files = log_files

    def close(self) -> None:
        """Close the connections."""
        if "mesh" in self.__dict__:
            self.mesh.close()
        self._close_clients()

    @property
    def local(self) -> bool:
        """Whether this is a local run, with test patients only."""
        return self._log_files is not None

    def output(self, name: str) -> str:
        """Return an output of the stack. Raises OperatorEnvironmentError."""
        try:
            return self.outputs[name]
        except KeyError:
            raise OperatorEnvironmentError(
                f"The stack of {self.name} has no output {name}. Deploy the current version, or name another stack."
            ) from None

    def variables(self, function: str) -> Mapping[str, str]:
        """Return the environment variables of a function (`builder`, `sender`, `poller`)."""
        name = self.output(f"{function.capitalize()}FunctionName")
        configuration = self.client("lambda").get_function_configuration(FunctionName=name)
        variables: Mapping[str, str] = configuration.get("Environment", {}).get("Variables", {})
        return variables

    @cached_property
    def builder_settings(self) -> BuilderSettings:
        """The builder's settings. Raises OperatorEnvironmentError."""
        return self._settings(BuilderSettings, "builder")

    @cached_property
    def sender_settings(self) -> SenderSettings:
        """The sender's settings. Raises OperatorEnvironmentError."""
        return self._settings(SenderSettings, "sender")

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
    def identifiers(self) -> Identifiers:
        """The derivation of ids, the same as the functions use. Raises OperatorEnvironmentError."""
        return self.read_identifiers()

    def read_identifiers(self) -> Identifiers:
        """Read the current id secret. Raises OperatorEnvironmentError."""
        try:
            return read_identifiers(self.client("secretsmanager"), self.output("IdentifiersSecretName"))
        except IdentifiersSecretError as error:
            raise OperatorEnvironmentError(f"Ids cannot be derived: {error}.") from None

    @cached_property
    def search(self) -> Search:
        """Search for messages, page by page, and counts of messages."""
        search = Search(self.client("dynamodb"), self.table, self.now, timeouts=self.settings.timeouts)
        return search.with_archive(self.archive)

    @cached_property
    def ledger(self) -> "Ledger":
        """The ledger, with the archive."""
        return super().ledger.with_archive(self.archive)

    @cached_property
    def trail(self) -> AuditTrail:
        """The audit trail."""
        trail = AuditTrail(self.client("dynamodb"), self.table, self.now, self.settings.audit_kept)
        return trail.with_archive(self.archive)

    @cached_property
    def outbox(self) -> "Outbox":
        """Built messages and their envelopes: personal data, see `gpcm.personal_data`."""
        from gpconnect_messaging.storage import Outbox

        return Outbox(self.client("s3"), self.output("OutboxBucketName"))

    @cached_property
    def operator_actions(self) -> OperatorActions:
        """An operator's actions: release, practice told, accept a response."""
        return OperatorActions(ledger=self.ledger, notifier=self.notifier, now=self.now)

    @cached_property
    def resend(self) -> "Resend":
        """Sends messages again."""
        from gpconnect_messaging.ledger.orders import OrderBook
        from gpconnect_messaging.replay.resend import Resend

        return Resend(
            ledger=self.ledger,
            trail=self.trail,
            orders=OrderBook(self.client("dynamodb"), self.table, self.now, self.settings.audit_kept),
            outbox=self.outbox,
            evidence=self.evidence,
            send_queue=self.send_queue,
            intake_queue=self.intake_queue,
            timeouts=self.settings.timeouts,
            identifiers=lambda: self.identifiers,
        )

    @cached_property
    def redrives(self) -> "Mapping[Lane, Redrive]":
        """Puts dead letters back on their queues, by dead-letter queue."""
        from gpconnect_messaging.replay.redrive import Lane, Redrive

        return {
            lane: Redrive(
                lane=lane,
                sqs=self.client("sqs"),
                dead_letters_url=self.output(_QUEUES[f"{lane} dead letters"]),
                queue_url=self.output(_QUEUES[lane]),
                ledger=self.ledger,
                trail=self.trail,
                identifiers=lambda: self.identifiers,
            )
            for lane in Lane
        }

    @cached_property
    def backfill(self) -> "Backfill | None":
        """Announces dropped requests again; None where the stack has no backfill."""
        from gpconnect_messaging.replay.backfill import Backfill

        machine = self.outputs.get("BackfillStateMachineArn")
        if not machine:
            return None
        return Backfill(
            states=self.client("stepfunctions"),
            s3=self.client("s3"),
            trail=self.trail,
            machine_arn=machine,
            drop_bucket=self.output("DropBucketName"),
        )

    @cached_property
    def legal_hold(self) -> "LegalHold":
        """The legal holds."""
        from gpconnect_messaging.legal_hold import LegalHold

        items = HeldItems(
            self.client("dynamodb"), self.table, self.settings.timeouts, self.now, self.settings.audit_kept
        )
        return LegalHold(
            items=items.with_archive(self.archive),
            trail=self.trail,
            s3=self.client("s3"),
            outbox_bucket=self.output("OutboxBucketName"),
            evidence_bucket=self.output("EvidenceBucketName"),
        )

    def mailbox_names(self) -> list[str]:
        """List the sending mailboxes."""
        pages = self.client("ssm").get_paginator("get_parameters_by_path").paginate(
            Path=self.settings.mailbox_parameters
        )  # fmt: skip
        return sorted(parameter["Name"].rsplit("/", 1)[-1] for page in pages for parameter in page["Parameters"])

    def prefix_of(self, mailbox: str) -> str:
        """Return the drop bucket's prefix of the sender that owns a mailbox; empty if no sender does.

        Raises OperatorEnvironmentError.
        """
        settings = self.builder_settings
        senders = SenderDirectory(self.client("ssm"), settings.sender_parameters, settings.sender_prefixes)
        try:
            sender = senders.of_mailbox(mailbox)
        except SenderSettingsError as error:
            raise OperatorEnvironmentError(
                f"The senders of {self.name} are not configured: {error}. Deploy it again."
            ) from None
        return sender.prefix if sender else ""

    def queues(self) -> tuple[QueueDepth, ...]:
        """Return the depths of all queues, with the senders' own queues and the dead-letter queues."""
        outputs = _QUEUES | {
            f"intake of {output.removeprefix(_SENDER_QUEUE_OUTPUT)}": output
            for output in self.outputs
            if _SENDER_QUEUE_OUTPUT in output
        }
        kinds = ("", "NotVisible", "Delayed")
        wanted = [f"ApproximateNumberOfMessages{kind}" for kind in kinds]

        def depth(name: str) -> QueueDepth:
            url = self.output(outputs[name])
            depths = self.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=wanted)["Attributes"]
            return QueueDepth(name, *(int(depths.get(attribute, 0)) for attribute in wanted))

        with ThreadPoolExecutor(len(outputs)) as threads:
            return tuple(threads.map(depth, outputs))

    def schedules(self) -> tuple[ScheduleState, ...]:
        """Return the schedules that start the poller."""
        poller = self.output("PollerFunctionName")
        client = self.client("scheduler")
        schedules = []
        for page in client.get_paginator("list_schedules").paginate():
            for schedule in page["Schedules"]:
                if f":function:{poller}" not in schedule["Target"]["Arn"]:
                    continue
                whole = client.get_schedule(Name=schedule["Name"], GroupName=schedule.get("GroupName", "default"))
                on = whole.get("State", "ENABLED") == "ENABLED"
                schedules.append(ScheduleState(whole["Name"], "poller", whole["ScheduleExpression"], on))
        return tuple(sorted(schedules, key=lambda schedule: schedule.name))

    @cached_property
    def logs(self) -> Logs:
        """The functions' logs."""
        if self._log_files is not None:
            return LogFiles(self._log_files)
        return CloudWatchLogs(self.client("logs"), self._log_groups)

    def _log_groups(self) -> Mapping[str, str]:
        groups = {}
        for function in FUNCTIONS:
            name = self.output(f"{function.capitalize()}FunctionName")
            configuration = self.client("lambda").get_function_configuration(FunctionName=name)
            groups[function] = configuration.get("LoggingConfig", {}).get("LogGroup", f"/aws/lambda/{name}")
        return groups

    def find(self, reference: str) -> Summary:
        """Find the message with an id (see `Search.named`). Raises UnknownMessageError, AmbiguousError."""
        summaries = self.search.named(reference)
        if not summaries:
            # The sentence does not repeat the input: it can hold a patient's name.
            raise UnknownMessageError(
                "No message has that id. Give a whole message id, request id or MESH message id; `gpcm list` shows the "
                "messages."
            )
        if len(summaries) > 1:
            sentence = f"{len(summaries)} messages have that id; give the id of one of them."
            raise AmbiguousError(sentence, summaries, self.rows(summaries))
        return summaries[0]

    def arrived(self, request_id: str) -> Arrived | None:
        """Find a request that is not in the ledger, by the kept request or the receipt of the last day."""
        try:
            canonical_id = str(UUID(request_id.strip()))
        except ValueError:
            return None
        now = self.now()
        at = self.evidence.arrived(canonical_id, now - timedelta(days=1))
        if at is None:
            return None
        settings = self.settings
        until = at + settings.longest_wait
        return Arrived(
            request_id=canonical_id, at=at, until=until, overdue=now > until + settings.timeouts.requeue_after
        )

    def message(self, summary: Summary, *, reveal_encounter: bool = False) -> Message:
        """Read a message. Set `reveal_encounter` only within `personal_data.reveal`. Raises UnknownMessageError."""
        record = self.ledger.find(summary.message_id)
        if record is None:
            raise UnknownMessageError("The message is no longer in the ledger.")
        return message(record, summary, self.now(), reveal_encounter=reveal_encounter)

    def rows(self, summaries: Sequence[Summary]) -> list[Row]:
        """Return the rows of a list."""
        now = self.now()
        return [row(summary, now) for summary in summaries]

    def counted(self, settled_within: timedelta = timedelta(days=1)) -> Counted:
        """Count messages by status: all open ones, with the oldest, and the settled ones of the last day.

        Takes about a second, and longer with many messages: see `ledger.search`.
        """
        return self.search.counts(self.now() - settled_within)


_open_local_run: Callable[[], OperatorEnvironment] | None = None


def register_local_run(opener: Callable[[], OperatorEnvironment]) -> None:
    """Make a checkout's local run the default environment; `opener` raises OperatorEnvironmentError if it is off."""
    global _open_local_run
    _open_local_run = opener


def open_environment(where: EnvironmentRef) -> OperatorEnvironment:
    """Open an environment. Raises OperatorEnvironmentError.

    The default is never a deployed environment, so that no command reaches one by omission.
    """
    if where.local and (where.environment or where.stack):
        raise OperatorEnvironmentError("Give --local, --environment or --stack, and only one of them.")
    if where.environment and where.stack:
        raise OperatorEnvironmentError("Give --environment or --stack, not both.")
    if where.environment or where.stack:
        return _deployed(where)
    if _open_local_run is None:
        raise OperatorEnvironmentError("Name an environment: --environment dev, or set GPCM_ENVIRONMENT.")
    return _open_local_run()


def _deployed(where: EnvironmentRef) -> OperatorEnvironment:
    if where.environment and not _ENVIRONMENT.fullmatch(where.environment):
        raise OperatorEnvironmentError("An environment's name is a word in lower case, such as dev, int or prod.")
    stack = where.stack or f"gpconnect-messaging-{where.environment}"
    clients = _Clients(where)
    try:
        [description] = clients.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
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
            f"AWS cannot be reached: {error}. Check --profile, --region and the network."
        ) from None
    outputs = {output["OutputKey"]: output["OutputValue"] for output in description.get("Outputs", [])}
    return OperatorEnvironment(
        name=where.environment or stack, client=clients.client, outputs=outputs, close_clients=clients.close
    )  # fmt: skip


class _Clients:
    """Creates a service's client once. Threads may share clients, but not create them at the same time.

    By botocore alone: boto3 would add S3 uploads, resources and a tenth to the time that a command takes to start.
    """

    def __init__(self, where: EnvironmentRef) -> None:
        self._session = Session(profile=where.profile)
        if where.region:
            self._session.set_config_variable("region", where.region)
        self._endpoint_url = where.endpoint_url
        self._clients: dict[str, Any] = {}
        self._lock = RLock()

    def client(self, service: str) -> Any:
        with self._lock:
            if service not in self._clients:
                config = _LAMBDA_CONFIG if service == "lambda" else _CONFIG
                make: Any = self._session.create_client  # the stubs accept only literal service names
                self._clients[service] = make(service, endpoint_url=self._endpoint_url, config=config)
            return self._clients[service]

    def close(self) -> None:
        for client in self._clients.values():
            client.close()


def operator_name(option: str | None) -> str:
    """Return the operator's id: the option, a variable or the login name. Raises OperatorEnvironmentError if none."""
    names = (os.environ.get(name) for name in ("GPCM_ACTOR", "USER", "LOGNAME", "USERNAME"))  # the last is Windows'
    actor = option or next(filter(None, names), None)
    if not actor:
        raise OperatorEnvironmentError("Say who you are: --actor your.name, or set GPCM_ACTOR.")
    return actor
