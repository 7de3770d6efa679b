"""The checks of `gpcm doctor` and `gpcm mailbox check`: whether the parts of an environment are in order.

The checks change nothing, and their words contain no secret and no patient's name. A part that cannot be checked is
not in order, and the words say what to do.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from gpcm.environment import OperatorEnvironment, OperatorEnvironmentError
from gpcm.unannounced import look
from gpconnect_messaging.enabled import PartKind
from gpconnect_messaging.ledger.drop_passes import Listing
from gpconnect_messaging.mailboxes.directory import CredentialsError, UnknownMailboxError
from gpconnect_messaging.mailboxes.settings import MailboxSettings, MailboxSettingsError
from gpconnect_messaging.mesh.errors import Authentication, MeshError
from gpconnect_messaging.pds.errors import CredentialsError as PdsCredentialsError
from gpconnect_messaging.pds.errors import PdsError
from gpconnect_messaging.storage import StorageError

if TYPE_CHECKING:
    from gpconnect_messaging.pds.client import PdsClient

_SOON = timedelta(days=30)
"""A certificate that expires within this time is not in order (docs/watching.md: alarms at 60, 30 and 7 days)."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check: the part, whether it is in order, and the state or what to do."""

    what: str
    well: bool
    words: str


Check = Callable[[], tuple[bool, str]]


def examined(environment: OperatorEnvironment) -> Iterator[Finding]:
    """Check all parts of an environment. Only `mailbox_examined` calls MESH."""
    yield from (_finding(f"function {name}", lambda name=name: _function(environment, name)) for name in _SETTINGS)  # type: ignore[misc]
    yield _finding("ledger", lambda: _ledger(environment))
    for bucket in ("DropBucketName", "OutboxBucketName", "EvidenceBucketName"):
        name = bucket.removesuffix("BucketName").lower()
        yield _finding(f"{name} bucket", lambda bucket=bucket: _bucket(environment, bucket))  # type: ignore[misc]
    yield from flow_examined(environment)
    yield drop_examined(environment)
    yield _finding("schedules", lambda: _schedules(environment))
    yield _finding("contacts", lambda: _contacts(environment))
    yield _finding("notifications", lambda: _notifications(environment))
    yield from _pds(environment)
    try:
        mailboxes = environment.mailbox_names()
    except (ClientError, BotoCoreError, OperatorEnvironmentError) as error:
        yield Finding("mailboxes", False, _words(error))
        return
    if not mailboxes:
        yield Finding("mailboxes", False, "None is configured: name one in infra/environments and deploy.")
    for mailbox in mailboxes:
        yield _finding(f"mailbox {mailbox}", lambda mailbox=mailbox: _mailbox(environment, mailbox))  # type: ignore[misc]


def flow_examined(environment: OperatorEnvironment, *, look_into_dead_letters: bool = True) -> Iterator[Finding]:
    """Check for conditions that stop requests: queues, disabled parts, canaries, the listing, the id secret."""
    yield _finding("queues", lambda: _queues(environment, look_into_dead_letters=look_into_dead_letters))
    for kind, what in _PARTS.items():
        yield _finding(what, lambda kind=kind: _enabled(environment, kind))  # type: ignore[misc]
    yield _finding("canary", lambda: _canary(environment))
    yield _finding("listing of the drop", lambda: _listing(environment))
    yield _finding("id secret", lambda: _identifiers(environment))


def drop_examined(environment: OperatorEnvironment) -> Finding:
    """Check the drop for files that were not received: requests, and documents that no request names."""
    return _finding("dropped files", lambda: _dropped(environment))


def mailbox_examined(environment: OperatorEnvironment, mailbox: str, practice: str | None) -> Iterator[Finding]:
    """Check one mailbox with MESH. `practice` is the ODS code of a practice whose mailbox is looked up."""
    try:
        settings = environment.mailboxes.settings(mailbox)
    except (UnknownMailboxError, MailboxSettingsError) as error:
        yield Finding("settings", False, f"{_sentence(error)} Name it in infra/environments and deploy.")
        return
    version = settings.specification.value
    yield Finding("settings", True, f"{settings.ods_code}, Send Document {version}, release {settings.release.value}")
    yield _finding("credentials", lambda: _mailbox(environment, mailbox))
    yield _finding("handshake", lambda: _handshake(environment, mailbox))
    specification = settings.specification_rules
    yield _finding("receives responses", lambda: _receives(environment, settings, specification.response_workflow_id))
    if practice:
        yield _finding(
            f"lookup of {practice}", lambda: _lookup(environment, mailbox, practice, specification.workflow_id)
        )


def _finding(what: str, check: Check) -> Finding:
    try:
        return Finding(what, *check())
    except (ClientError, BotoCoreError, OperatorEnvironmentError, CredentialsError, MeshError, StorageError) as error:
        return Finding(what, False, _words(error))


def _words(error: Exception) -> str:
    if isinstance(error, ClientError):
        return f"AWS refuses {error.operation_name} ({error.response['Error']['Code']}): check your permissions."
    if isinstance(error, BotoCoreError):
        return f"AWS cannot be reached ({type(error).__name__})."
    return _sentence(error)


def _sentence(error: Exception) -> str:
    words = str(error)
    return f"{words[:1].upper()}{words[1:]}".rstrip(".") + "."


def _function(environment: OperatorEnvironment, name: str) -> tuple[bool, str]:
    configuration = environment.client("lambda").get_function_configuration(
        FunctionName=environment.output(f"{name.title()}FunctionName")
    )
    _SETTINGS[name](environment)
    state = str(configuration.get("State", "Active"))
    well = state == "Active" or (state == "Inactive" and configuration.get("StateReasonCode") == "Idle")
    return well, f"{state.lower()}, {configuration.get('MemorySize')} MB, {configuration.get('Timeout')} s"


_SETTINGS: Mapping[str, Callable[[OperatorEnvironment], object]] = {
    "builder": lambda environment: environment.builder_settings,
    "sender": lambda environment: environment.sender_settings,
    "poller": lambda environment: environment.settings,
}
"""The settings by function. Reading them raises OperatorEnvironmentError if a variable is missing."""


def _ledger(environment: OperatorEnvironment) -> tuple[bool, str]:
    table = environment.client("dynamodb").describe_table(TableName=environment.table)["Table"]
    wanted = {"by_attention", "by_time", "by_work"}
    active = {
        index["IndexName"] for index in table.get("GlobalSecondaryIndexes", ())
        if index.get("IndexStatus", "ACTIVE") == "ACTIVE"
    }  # fmt: skip
    if missing := wanted - active:
        return False, f"index {', '.join(sorted(missing))} does not exist (yet): deploy the current version."
    return table["TableStatus"] == "ACTIVE", f"{table['TableStatus'].lower()}, {len(active)} indexes"


def _bucket(environment: OperatorEnvironment, output: str) -> tuple[bool, str]:
    environment.client("s3").head_bucket(Bucket=environment.output(output))
    return True, "there"


def _queues(environment: OperatorEnvironment, *, look_into_dead_letters: bool) -> tuple[bool, str]:
    depths = {queue.name: queue.waiting for queue in environment.queues()}
    dead = {name: count for name, count in depths.items() if "dead letters" in name and count}
    if dead:
        named = ", ".join(f"{count} in {name}" for name, count in dead.items())
        times = _dead_letter_times(environment) if look_into_dead_letters else ""
        return False, f"{named}{times}: find the cause in the logs, fix it, then `gpcm redrive`."
    return True, ", ".join(f"{name} {count}" for name, count in depths.items())


def _dead_letter_times(environment: OperatorEnvironment) -> str:
    """Write the age of the oldest dead letter, and how many were queued within the last hour."""
    letters = [letter for redrive in environment.redrives.values() for letter in redrive.look()]
    if not letters:
        return ""
    now = environment.now()
    hours = (now - min(letter.queued_at for letter in letters)) / timedelta(hours=1)
    new = sum(now - letter.queued_at < timedelta(hours=1) for letter in letters)
    return f" (the oldest {hours:.0f} h old, {new} of the last hour)"


_PARTS = {
    PartKind.RULE: "rule of dropped requests",
    PartKind.EVENT_SOURCE_MAPPING: "event source mappings",
    PartKind.KEY: "keys",
}
_DISABLED = {
    PartKind.RULE: "Dropped requests are not announced: enable the rule, then have the requests dropped again.",
    PartKind.EVENT_SOURCE_MAPPING: "The queue triggers no function: enable the mapping.",
    PartKind.KEY: "Encrypted data cannot be read or written: enable the key, or cancel the deletion.",
}
"""The effect of a disabled part, and what to do."""


def _enabled(environment: OperatorEnvironment, kind: PartKind) -> tuple[bool, str]:
    parts = environment.enabled_parts.recent(kind)
    off = [part.name for part in parts if not part.enabled]
    if off:
        return False, f"Not enabled: {', '.join(off)}. {_DISABLED[kind]}"
    return True, "enabled" if len(parts) == 1 else f"{len(parts)}, all enabled"


def _canary(environment: OperatorEnvironment) -> tuple[bool, str]:
    state = environment.canaries.state()
    if state is None:
        return False, "No canary was ever started: the sweep starts them. See the poller's log and schedule."
    age = state.age(environment.now())
    minutes = f"{age / timedelta(minutes=1):.0f} minutes"
    if age > 3 * timedelta(minutes=environment.settings.canary_minutes):
        return False, f"No canary has come through for {minutes}, so requests may not either: see where they wait."
    return True, f"the newest that came through was started {minutes} ago" if state.came_through else "under way"


_LISTED_EVERY = timedelta(hours=1)
_VERSIONS_LATE = timedelta(days=2)


def _listing(environment: OperatorEnvironment) -> tuple[bool, str]:
    last = environment.drop_passes.last()
    if last is None:
        return False, "The drop was never listed: see the poller's log and schedule."
    settled = timedelta(seconds=environment.settings.drop_settled_seconds)
    behind = environment.now() - settled - last.reached
    words = f"files dropped until {last.reached:%d %b %H:%M} UTC were listed"
    if behind > 2 * _LISTED_EVERY:
        hours = behind / timedelta(hours=1)
        return False, f"{words}: {hours:.0f} hours behind. Unannounced requests are not found: see the poller's log."
    versions = environment.drop_passes.last(Listing.VERSIONS)
    if versions is None or environment.now() - settled - versions.reached > _VERSIONS_LATE:
        until = f" since {versions.reached:%d %b %H:%M} UTC" if versions else ""
        return False, f"{words}; replaced and removed ones were not listed{until}: see the poller's log."
    return True, words


def _dropped(environment: OperatorEnvironment) -> tuple[bool, str]:
    settled = timedelta(seconds=environment.settings.drop_settled_seconds)
    try:
        identifiers = environment.identifiers
    except ClientError as error:
        if error.response["Error"]["Code"] != "AccessDeniedException":
            raise
        return True, "not compared, since you may not read the id secret; the listing compares them every hour"
    unannounced = look(
        environment.drop_bucket,
        environment.received_objects,
        environment.drop_passes,
        identifiers,
        environment.now(),
        settled,
    )
    number = unannounced.looked_at
    scope = f"of {number}" if unannounced.all else f"of the first {number}, in key order,"
    words = [
        f"{len(times)} {what} (the oldest {(environment.now() - times[0]) / timedelta(hours=1):.0f} h old)"
        for times, what in (
            (unannounced.requests, "requests not received"),
            (unannounced.documents, "documents that no request names"),
        )
        if times
    ]
    if not words:
        return True, f"{scope} settled objects, all were received"
    return False, f"{scope} objects: {', '.join(words)}. {_NOT_RECEIVED}"


_NOT_RECEIVED = (
    "The listing submits unannounced requests within two hours; for older ones see the builder's log and the intake's "
    "dead letters. Ask the sending system whether a request is missing, and to remove files that are not to be sent."
)


def _identifiers(environment: OperatorEnvironment) -> tuple[bool, str]:
    """Compare the id secret, read now, with the secret that the table's ids are derived with."""
    expected = environment.derivation_guard.fingerprint()
    try:
        actual = environment.read_identifiers().fingerprint
    except OperatorEnvironmentError as error:
        return False, f"{_sentence(error)} {_RESTORE}"
    except ClientError as error:
        if error.response["Error"]["Code"] != "AccessDeniedException":
            raise
        return True, "not compared, since you may not read the secret; the functions compare it when they start"
    if expected is None:
        return True, "not used yet: the first function that starts binds it to the table"
    if actual != expected:
        return False, (
            "The table's ids are derived with a different secret: this one was replaced, rotated, or restored without "
            f"the table. {_RESTORE}"
        )
    return True, "the one that the table's ids are derived with"


_RESTORE = (
    "No function starts with it, since every repeated request would become a new message. Restore the secret that "
    "belongs to the table, and change nothing in the table (docs/deploy.md, Restore the ledger)."
)


def _schedules(environment: OperatorEnvironment) -> tuple[bool, str]:
    schedules = environment.schedules()
    if not schedules:
        return False, "No schedule starts the poller: deploy the current version."
    off = [schedule.name for schedule in schedules if not schedule.on]
    if off:
        return False, f"switched off: {', '.join(off)}. Their tasks do not run."
    return True, f"{len(schedules)}, all on"


def _contacts(environment: OperatorEnvironment) -> tuple[bool, str]:
    pages = environment.client("sns").get_paginator("list_subscriptions_by_topic").paginate(
        TopicArn=environment.output("NoticesTopicArn")
    )  # fmt: skip
    arns = [subscription["SubscriptionArn"] for page in pages for subscription in page["Subscriptions"]]
    if not arns:
        return False, "Notifications have no recipients: name contacts in infra/environments and deploy."
    waiting = sum("PendingConfirmation" in arn for arn in arns)
    if waiting:
        return False, f"{waiting} of {len(arns)} have not confirmed: they must follow the link that SNS sent."
    return True, f"{len(arns)}, all confirmed"


def _notifications(environment: OperatorEnvironment) -> tuple[bool, str]:
    due = environment.notifications.open()
    unsent = [
        open_notification
        for open_notification in due
        if open_notification.told_at is None
        and environment.now() - open_notification.notification.raised_at > _NOTIFIED_WITHIN
    ]
    if unsent:
        return False, f"{len(unsent)} could not be delivered: see the poller's log and the alarm NoticesFailed."
    return True, f"{len(due)} open" if due else "none open"


_NOTIFIED_WITHIN = timedelta(minutes=10)


def _pds(environment: OperatorEnvironment) -> Iterator[Finding]:
    try:
        settings = environment.builder_settings
    except (ClientError, BotoCoreError, OperatorEnvironmentError) as error:
        yield Finding("PDS", False, _words(error))
        return
    if not settings.pds_url:
        yield Finding("PDS", True, "not used here")
        return

    def check_access() -> tuple[bool, str]:
        from gpconnect_messaging.pds.budget import SharedBudget
        from gpconnect_messaging.pds.client import PdsClient
        from gpconnect_messaging.pds.vault import ApplicationVault

        vault = ApplicationVault(environment.client("secretsmanager"), settings.pds_secret)
        budget = SharedBudget(environment.client("dynamodb"), environment.table, settings.pds_requests_per_second)
        with closing(PdsClient(settings.pds_url, vault, budget)) as client:
            return pds_accepts(client)

    yield _finding("PDS", check_access)


def pds_accepts(client: "PdsClient") -> tuple[bool, str]:
    """Check whether PDS accepts the application's credentials. No patient is named, and no lookup is used up."""
    try:
        client.check()
    except (PdsError, PdsCredentialsError) as error:
        return False, _sentence(error)
    return True, "accepts the application's credentials"


def _mailbox(environment: OperatorEnvironment, mailbox: str) -> tuple[bool, str]:
    try:
        environment.mailboxes.settings(mailbox)
    except MailboxSettingsError as error:
        return False, _sentence(error)
    credentials = environment.vault.credentials(mailbox)
    try:
        credentials.tls_context()
    except ValueError as error:
        return False, f"{_sentence(error)} Put the right one into the mailbox's secret."
    expires = credentials.certificate_expires
    if expires is None:
        return True, "credentials present, no client certificate"
    left = expires - environment.now()
    words = f"certificate expires on {expires:%d %b %Y}, in {left.days} days"
    return left > _SOON, words if left > _SOON else f"{words}: put a new one into the secret (docs/deploy.md)."


def _handshake(environment: OperatorEnvironment, mailbox: str) -> tuple[bool, str]:
    try:
        environment.mesh.authorised(mailbox, lambda client: client.handshake())
    except Authentication as error:
        return False, f"{_sentence(error)} Compare the mailbox's password and the shared key with those from MESH."
    return True, "MESH accepts the mailbox"


def _receives(environment: OperatorEnvironment, settings: MailboxSettings, workflow_id: str) -> tuple[bool, str]:
    lookup = environment.mesh.authorised(
        settings.mailbox, lambda client: client.endpoint_lookup(settings.ods_code, workflow_id)
    )
    mailboxes = [endpoint.mailbox_id for endpoint in lookup.mailboxes]
    if settings.mailbox in mailboxes:
        return True, f"MESH sends {workflow_id} here"
    others = f" MESH names {', '.join(mailboxes)} instead." if mailboxes else ""
    return False, f"MESH does not send {workflow_id} here: ask for the workflow to be added.{others}"


def _lookup(environment: OperatorEnvironment, mailbox: str, practice: str, workflow_id: str) -> tuple[bool, str]:
    lookup: Any = environment.mesh.authorised(mailbox, lambda client: client.endpoint_lookup(practice, workflow_id))
    mailboxes: Sequence[str] = [endpoint.mailbox_id for endpoint in lookup.mailboxes]
    if len(mailboxes) == 1:
        return True, f"receives {workflow_id} at {mailboxes[0]}"
    if not mailboxes:
        return False, f"receives no {workflow_id}: the practice is not enabled for GP Connect Send Document."
    return False, f"has several mailboxes for {workflow_id}: {', '.join(mailboxes)}. Name the right one in the request."
