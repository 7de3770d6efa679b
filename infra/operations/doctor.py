"""Whether a place is in order, part by part: what `gpcm doctor` and `gpcm mailbox check` ask.

Nothing here changes anything, and nothing says a secret or a patient's name. A part that cannot be asked is not in
order, and the words say what to do.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from gpconnect_messaging.enabled import PartKind
from gpconnect_messaging.mailboxes.directory import CredentialsError, UnknownMailboxError
from gpconnect_messaging.mailboxes.settings import MailboxSettings, MailboxSettingsError
from gpconnect_messaging.mesh.errors import Authentication, MeshError
from gpconnect_messaging.storage import StorageError
from infra.operations.environment import OperatorEnvironment, OperatorEnvironmentError
from infra.operations.unannounced import look

_SOON = timedelta(days=30)
"""How long before it ends a certificate needs somebody (docs/watching.md: 60, 30 and 7 days are alarms)."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One part: whether it is in order, and how it is, or what to do."""

    what: str
    well: bool
    words: str


Look = Callable[[], tuple[bool, str]]


def examined(environment: OperatorEnvironment) -> Iterator[Finding]:
    """Look at all parts of a place. MESH itself is asked by `mailbox_examined` alone."""
    yield from (_finding(f"function {name}", lambda name=name: _function(environment, name)) for name in _SETTINGS)  # type: ignore[misc]
    yield _finding("ledger", lambda: _ledger(environment))
    for bucket in ("DropBucketName", "OutboxBucketName", "EvidenceBucketName"):
        named = bucket.removesuffix("BucketName").lower()
        yield _finding(f"{named} bucket", lambda bucket=bucket: _bucket(environment, bucket))  # type: ignore[misc]
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
    """Look at what can stop requests: queues, parts that are switched off, canaries, the listing, the id secret."""
    yield _finding("queues", lambda: _queues(environment, look_into_dead_letters=look_into_dead_letters))
    for kind, what in _SWITCHED.items():
        yield _finding(what, lambda kind=kind: _enabled(environment, kind))  # type: ignore[misc]
    yield _finding("canary", lambda: _canary(environment))
    yield _finding("listing of the drop", lambda: _listing(environment))
    yield _finding("id secret", lambda: _identifiers(environment))


def drop_examined(environment: OperatorEnvironment) -> Finding:
    """Look at what lies in the drop and was not received: requests, and documents that no request names."""
    return _finding("dropped files", lambda: _dropped(environment))


def mailbox_examined(environment: OperatorEnvironment, mailbox: str, practice: str | None) -> Iterator[Finding]:
    """Look at one mailbox as MESH sees it; `practice` is an ODS code that is looked up for its workflow."""
    try:
        settings = environment.mailboxes.settings(mailbox)
    except (UnknownMailboxError, MailboxSettingsError) as error:
        yield Finding("settings", False, f"{_sentence(error)} Name it in infra/environments and deploy.")
        return
    version = settings.specification.value
    yield Finding("settings", True, f"{settings.ods_code}, Send Document {version}, release {settings.release.value}")
    yield _finding("credentials", lambda: _mailbox(environment, mailbox))
    yield _finding("handshake", lambda: _handshake(environment, mailbox))
    prescribed = settings.prescribed
    yield _finding("receives answers", lambda: _receives(environment, settings, prescribed.response_workflow_id))
    if practice:
        yield _finding(f"lookup of {practice}", lambda: _lookup(environment, mailbox, practice, prescribed.workflow_id))


def _finding(what: str, look: Look) -> Finding:
    try:
        return Finding(what, *look())
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
    found = environment.client("lambda").get_function_configuration(
        FunctionName=environment.output(f"{name.title()}FunctionName")
    )
    _SETTINGS[name](environment)
    state = str(found.get("State", "Active"))
    well = state == "Active" or (state == "Inactive" and found.get("StateReasonCode") == "Idle")
    return well, f"{state.lower()}, {found.get('MemorySize')} MB, {found.get('Timeout')} s"


_SETTINGS: Mapping[str, Callable[[OperatorEnvironment], object]] = {
    "builder": lambda environment: environment.builder_settings,
    "sender": lambda environment: environment.sender_settings,
    "poller": lambda environment: environment.poller_settings,
}
"""What each function is told; to ask for it raises OperatorEnvironmentError where it lacks something."""


def _ledger(environment: OperatorEnvironment) -> tuple[bool, str]:
    table = environment.client("dynamodb").describe_table(TableName=environment.table)["Table"]
    wanted = {"by_status", "by_time", "by_encounter", "by_due"}
    there = {
        each["IndexName"] for each in table.get("GlobalSecondaryIndexes", ())
        if each.get("IndexStatus", "ACTIVE") == "ACTIVE"
    }  # fmt: skip
    if missing := wanted - there:
        return False, f"index {', '.join(sorted(missing))} is not there (yet): deploy the present version."
    return table["TableStatus"] == "ACTIVE", f"{table['TableStatus'].lower()}, {len(there)} indexes"


def _bucket(environment: OperatorEnvironment, output: str) -> tuple[bool, str]:
    environment.client("s3").head_bucket(Bucket=environment.output(output))
    return True, "there"


def _queues(environment: OperatorEnvironment, *, look_into_dead_letters: bool) -> tuple[bool, str]:
    depths = {each.name: each.waiting for each in environment.queues()}
    dead = {name: count for name, count in depths.items() if "dead letters" in name and count}
    if dead:
        named = ", ".join(f"{count} in {name}" for name, count in dead.items())
        times = _dead_letter_times(environment) if look_into_dead_letters else ""
        return False, f"{named}{times}: find out why in the logs, mend it, then `gpcm redrive`."
    return True, ", ".join(f"{name} {count}" for name, count in depths.items())


def _dead_letter_times(environment: OperatorEnvironment) -> str:
    """Say how long the oldest dead letter has waited, and how many were queued within the last hour."""
    letters = [letter for redrive in environment.replay.redrives.values() for letter in redrive.look()]
    if not letters:
        return ""
    now = environment.now()
    hours = (now - min(letter.queued_at for letter in letters)) / timedelta(hours=1)
    new = sum(now - letter.queued_at < timedelta(hours=1) for letter in letters)
    return f" (the oldest {hours:.0f} h old, {new} of the last hour)"


_SWITCHED = {
    PartKind.RULE: "rule of dropped requests",
    PartKind.EVENT_SOURCE_MAPPING: "event source mappings",
    PartKind.KEY: "keys",
}
_WITHOUT = {
    PartKind.RULE: "What is dropped is not announced: enable it, then have it dropped again.",
    PartKind.EVENT_SOURCE_MAPPING: "Its queue feeds no function: enable it.",
    PartKind.KEY: "What it encrypts cannot be read or written: enable it, or cancel its deletion.",
}
"""What follows where a part of the kind is switched off, and what to do."""


def _enabled(environment: OperatorEnvironment, kind: PartKind) -> tuple[bool, str]:
    parts = environment.enabled_parts.recent(kind)
    off = [part.name for part in parts if not part.enabled]
    if off:
        return False, f"Not enabled: {', '.join(off)}. {_WITHOUT[kind]}"
    return True, "enabled" if len(parts) == 1 else f"{len(parts)}, all enabled"


def _canary(environment: OperatorEnvironment) -> tuple[bool, str]:
    state = environment.canaries.state()
    if state is None:
        return False, "None was ever started: the due work starts one. See the poller's log, and its schedule."
    age = state.age(environment.now())
    minutes = f"{age / timedelta(minutes=1):.0f} minutes"
    if age > 3 * timedelta(minutes=environment.poller_settings.canary_minutes):
        return False, f"None has come through for {minutes}, so requests may not either: see where they wait."
    return True, f"the newest that came through was started {minutes} ago" if state.came_through else "under way"


_LISTED_EVERY = timedelta(hours=1)


def _listing(environment: OperatorEnvironment) -> tuple[bool, str]:
    last = environment.drop_passes.last()
    if last is None:
        return False, "The drop was never listed: see the poller's log, and its schedule."
    settled = timedelta(seconds=environment.poller_settings.drop_settled_seconds)
    behind = environment.now() - settled - last.reached
    words = f"what was dropped until {last.reached:%d %b %H:%M} UTC was looked at"
    if behind > 2 * _LISTED_EVERY:
        hours = behind / timedelta(hours=1)
        return False, f"{words}: {hours:.0f} hours behind. What is not announced is not found: see the poller's log."
    return True, words


def _dropped(environment: OperatorEnvironment) -> tuple[bool, str]:
    settled = timedelta(seconds=environment.poller_settings.drop_settled_seconds)
    found = look(environment.drop_bucket, environment.now(), settled)
    scope = f"of {found.looked_at}" if found.all else f"of the first {found.looked_at}, in the order of their keys,"
    words = [
        f"{len(times)} {what} (the oldest {(environment.now() - times[0]) / timedelta(hours=1):.0f} h old)"
        for times, what in (
            (found.requests, "requests not taken in"),
            (found.documents, "documents that no request names"),
        )
        if times
    ]
    if not words:
        return True, f"{scope} old enough all were received"
    return False, f"{scope} objects: {', '.join(words)}. {_TAKE_IN}"


_TAKE_IN = (
    "The listing takes in within two hours what was not announced; see the builder's log and the intake's dead letters "
    "for what is older. Ask the sending system whether a request is missing, and to remove what is not to be sent."
)


def _identifiers(environment: OperatorEnvironment) -> tuple[bool, str]:
    """Compare the secret that ids are derived with to the one that the table was begun with; read afresh each time."""
    known = environment.derivation_guard.fingerprint()
    try:
        own = environment.read_identifiers().fingerprint
    except OperatorEnvironmentError as error:
        return False, f"{_sentence(error)} {_RESTORE}"
    except ClientError as error:
        if error.response["Error"]["Code"] != "AccessDeniedException":
            raise
        return True, "not compared, since you may not read it; the functions compare it when they start"
    if known is None:
        return True, "not used yet: the first function that starts binds it to the table"
    if own != known:
        return False, (
            "It is not the secret that the table's ids are derived with: it was replaced, rotated, or restored without "
            f"its table. {_RESTORE}"
        )
    return True, "the one that the table's ids are derived with"


_RESTORE = (
    "No function starts with it, since every repeated request would become a new message. Restore the secret that "
    "belongs to the table, and change nothing in the table (docs/deploy.md, Restore the ledger)."
)


def _schedules(environment: OperatorEnvironment) -> tuple[bool, str]:
    found = environment.schedules()
    if not found:
        return False, "None starts the poller: deploy the present version."
    off = [each.name for each in found if not each.on]
    if off:
        return False, f"switched off: {', '.join(off)}. Nothing is collected or chased by these."
    return True, f"{len(found)}, all on"


def _contacts(environment: OperatorEnvironment) -> tuple[bool, str]:
    pages = environment.client("sns").get_paginator("list_subscriptions_by_topic").paginate(
        TopicArn=environment.output("NoticesTopicArn")
    )  # fmt: skip
    arns = [each["SubscriptionArn"] for page in pages for each in page["Subscriptions"]]
    if not arns:
        return False, "Nobody is told of notifications: name contacts in infra/environments and deploy."
    waiting = sum("PendingConfirmation" in arn for arn in arns)
    if waiting:
        return False, f"{waiting} of {len(arns)} have not confirmed: each must follow the link that SNS sent."
    return True, f"{len(arns)}, all confirmed"


def _notifications(environment: OperatorEnvironment) -> tuple[bool, str]:
    found = environment.notifications.open()
    untold = [
        each for each in found if each.told_at is None and environment.now() - each.notification.raised_at > _UNTOLD
    ]
    if untold:
        return False, f"{len(untold)} could not be told: see the poller's log and the alarm NoticesFailed."
    return True, f"{len(found)} wait for somebody to take them" if found else "none waits for anybody"


_UNTOLD = timedelta(minutes=10)


def _pds(environment: OperatorEnvironment) -> Iterator[Finding]:
    try:
        settings = environment.builder_settings
    except (ClientError, BotoCoreError, OperatorEnvironmentError) as error:
        yield Finding("PDS", False, _words(error))
        return
    if not settings.pds_url:
        yield Finding("PDS", True, "not used here")
        return

    def look() -> tuple[bool, str]:
        from gpconnect_messaging.pds.__main__ import Unlimited, check
        from gpconnect_messaging.pds.client import PdsClient
        from gpconnect_messaging.pds.vault import ApplicationVault

        vault = ApplicationVault(environment.client("secretsmanager"), settings.pds_secret)
        with closing(PdsClient(settings.pds_url, vault, Unlimited())) as client:
            problem = check(client)
        return problem is None, problem or "accepts the application's credentials"

    yield _finding("PDS", look)


def _mailbox(environment: OperatorEnvironment, mailbox: str) -> tuple[bool, str]:
    try:
        environment.mailboxes.settings(mailbox)
    except MailboxSettingsError as error:
        return False, _sentence(error)
    credentials = environment.vault.credentials(mailbox)
    try:
        credentials.tls_context()
    except ValueError as error:
        return False, f"{_sentence(error)} Put the right one into its secret."
    expires = credentials.certificate_expires
    if expires is None:
        return True, "credentials there, no client certificate"
    left = expires - environment.now()
    words = f"its certificate ends on {expires:%d %b %Y}, in {left.days} days"
    return left > _SOON, words if left > _SOON else f"{words}: put a new one into its secret (docs/deploy.md)."


def _handshake(environment: OperatorEnvironment, mailbox: str) -> tuple[bool, str]:
    try:
        environment.mesh.authorised(mailbox, lambda client: client.handshake())
    except Authentication as error:
        return False, f"{_sentence(error)} Compare the mailbox's password and the shared key with what MESH gave you."
    return True, "MESH accepts the mailbox"


def _receives(environment: OperatorEnvironment, settings: MailboxSettings, workflow_id: str) -> tuple[bool, str]:
    found = environment.mesh.authorised(
        settings.mailbox, lambda client: client.endpoint_lookup(settings.ods_code, workflow_id)
    )
    named = [each.mailbox_id for each in found.mailboxes]
    if settings.mailbox in named:
        return True, f"MESH sends {workflow_id} here"
    others = f" MESH names {', '.join(named)} instead." if named else ""
    return False, f"MESH does not send {workflow_id} here: ask for the workflow to be added.{others}"


def _lookup(environment: OperatorEnvironment, mailbox: str, practice: str, workflow_id: str) -> tuple[bool, str]:
    found: Any = environment.mesh.authorised(mailbox, lambda client: client.endpoint_lookup(practice, workflow_id))
    named: Sequence[str] = [each.mailbox_id for each in found.mailboxes]
    if len(named) == 1:
        return True, f"takes {workflow_id} at {named[0]}"
    if not named:
        return False, f"takes no {workflow_id}: it is not enabled for GP Connect Send Document."
    return False, f"has several mailboxes for {workflow_id}: {', '.join(named)}. Name the right one in the request."
