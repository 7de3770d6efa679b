"""Configuration of an environment: frozen values, validated when they are made.

A wrong value raises `pydantic.ValidationError` or `MailboxSettingsError`, which names the field; nothing is
synthesized. The name of a time ends in the unit. A comment beside a field cites the source of an NHS figure.
"""

import math
import re
from itertools import permutations
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from gpconnect_messaging.identifiers import OWN_MAILBOX_ID_RULE, is_mailbox_id
from gpconnect_messaging.mailboxes.settings import LONGEST_HOLD, LONGEST_WAIT
from gpconnect_messaging.mailboxes.settings import MailboxSettings as MailboxSettings
from gpconnect_messaging.mailboxes.settings import Release as Release
from gpconnect_messaging.specification import PageSize as PageSize
from gpconnect_messaging.specification import Version as Version
from gpconnect_messaging.specification.birth_date import BirthDateFormat as BirthDateFormat

LIVE_MESH_HOST = "mesh-sync.spineservices.nhs.uk"
LIVE_MESH_HOSTS = (LIVE_MESH_HOST, "mesh-sync.national.ncrs.nhs.uk")
"""The live service on the internet, and in the Health and Social Care Network."""
UNITED_KINGDOM = "eu-west-2"
"""The region in London: patients' data stays in the United Kingdom."""
LIVE_PDS_HOST = "api.service.nhs.uk"
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost"})
_HOST = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")


def _mailbox_id(text: str) -> str:
    if not is_mailbox_id(text):
        raise ValueError(f"must be {OWN_MAILBOX_ID_RULE}")
    return text


def _url(text: str) -> str:
    url = urlsplit(text)
    # A dot after the host would hide the live service.
    if not _HOST.fullmatch(url.hostname or "") or url.port == 0:
        raise ValueError("must have a host of ASCII letters, digits, hyphens and single dots, and a port above 0")
    return text


def _without_trailing_slash(url: str) -> str:
    if url.endswith("/"):
        raise ValueError("must not end with a slash: paths are appended to it")
    return url


# Not `\d` or `\w`, which also match other scripts.
AccountId = Annotated[str, Field(pattern=r"^[0-9]{12}$")]
PolicyArn = Annotated[str, Field(pattern=r"^arn:aws:iam::([0-9]{12}|aws):policy/[A-Za-z0-9_+=,.@/-]+$")]
Region = Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]$")]
EmailAddress = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9.!#$%&'*+=?^_`{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$", max_length=254)
]
WebhookUrl = Annotated[str, Field(pattern=r"^https://[^/\s?#@]+(/[^\s#]*)?$", max_length=2_048), AfterValidator(_url)]
"""An https endpoint that answers SNS's subscription confirmation. A secret, if any, is in the path."""
Contact = EmailAddress | WebhookUrl
MailboxId = Annotated[str, AfterValidator(_mailbox_id)]
MeshUrl = Annotated[
    str,
    Field(pattern=r"^https?://[^/\s?#@]+(/[^\s?#]*)?$"),
    AfterValidator(_url),
    AfterValidator(_without_trailing_slash),
]


BALANCE_HOURS = ((3, 6),)
"""The hours of the day (UTC) in which the balance is made, first and last."""
ARCHIVE_HOURS = ((0, 2), (7, 14))
"""The hours of the day (UTC) in which settled messages are archived: out-of-hours services send least then."""
DROP_MINUTES = 5
"""How often the listing of the drop continues: a run of the poller has ended before the next one starts."""
LONGEST_POLL = 270
"""Seconds: the shortest interval of polls is 300."""
MOST_RESOURCES = 500
"""CloudFormation's limit for a stack."""


class Settings(BaseModel):
    """A group of settings: frozen, no unknown names, no silent conversion."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


PrincipalArn = Annotated[
    str, Field(pattern=r"^arn:aws:iam::[0-9]{12}:(root|(role|user)/[A-Za-z0-9_+=,.@/-]+)$", max_length=600)
]
"""A role, a user, or a whole account (`root`), of this account or another."""
DropPrefix = Annotated[str, Field(pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]*/)+$", max_length=100)]
SYNTHETIC = "synthetic"
"""Name and folder of the sender of the pipeline's reports about test people. No other sender may have them."""
LONGEST_BUCKET_POLICY = 20_480
"""S3's limit in bytes (Amazon S3 User Guide, "Bucket policies")."""
_POLICY_OF_NO_SENDER, _POLICY_OF_A_SENDER = 2_000, 700
"""Estimated bytes of the drop bucket's policy without senders, and for a sender without the ARNs."""
QUEUE_CONCURRENCY = 2
"""Builders that a sender's own queue feeds at once: SQS's minimum."""

PdsUrl = Annotated[str, Field(pattern=r"^https?://[^/\s?#@]+$"), AfterValidator(_url)]
"""Scheme and host only: the paths of the API and of the token endpoint are appended."""


class Pds(Settings):
    """The Personal Demographics Service, and the rate that NHS England grants to the environment's application."""

    url: PdsUrl
    """Scheme and host of PDS."""
    requests_per_second: int = Field(default=5, ge=1, le=1000)
    """The granted rate, which all builders share."""


class OrganisationContacts(Settings):
    """Contacts for notifications about an organisation's mailboxes, instead of the environment's contacts."""

    mailboxes: tuple[MailboxId, ...] = Field(min_length=1)
    contacts: tuple[Contact, ...] = Field(min_length=1)
    escalation_contacts: tuple[Contact, ...] = ()
    """Contacts for escalations. Empty: the environment's."""


class Sender(Settings):
    """A sending system: the AWS principals, the folder and the mailboxes."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*(-[a-z][a-z0-9]*)*$", max_length=30)]
    principals: tuple[PrincipalArn, ...] = Field(min_length=1, max_length=20)
    """Roles and users that may put requests. `root` stands for all that the account's own IAM allows."""
    mailboxes: tuple[MailboxId, ...] = Field(min_length=1, max_length=70)
    """Mailboxes that the sender's requests may name. A mailbox has one sender. If a request names none of them, the
    contacts of the first mailbox are notified."""
    prefix: DropPrefix | None = None
    """Folder of requests and documents in the drop bucket, with a slash at the end. None: the sender's name."""
    queue: bool = False
    """Whether the sender has an intake queue for whole requests."""

    @property
    def folder(self) -> str:
        """Prefix of the sender's keys in the drop bucket."""
        return self.prefix or f"{self.name}/"


LONGEST_DAYS = 36_500
"""S3's limit for object locks."""


class Retention(Settings):
    """Retention of every kind of data. The controller decides; the defaults are suggestions."""

    payload_days: int = Field(default=30, ge=1, le=LONGEST_DAYS)
    """Original requests, documents, messages and responses in S3."""
    audit_days: int = Field(default=2_922, ge=90, le=LONGEST_DAYS)
    """Events in the ledger and daily balances, from their last change: who did what to which message, and when."""
    archive_after_days: int = Field(default=120, ge=60, le=900)
    """Age at which a month's settled encounters leave the ledger for the archive; MESH keeps messages for 30 days."""
    legal_hold: bool = False
    """Keep all data of the environment: nothing in S3 or in the ledger expires while this is true."""
    replaced_version_days: int = Field(default=7, ge=1, le=LONGEST_DAYS)
    """Overwritten or deleted object versions: long enough to undo a mistake."""
    drop_listed_days: int = Field(default=7, ge=1, le=LONGEST_DAYS)
    """How long a dropped file stays on the bucket's list, which is read every hour: at most half of `payload_days`."""
    access_log_days: int = Field(default=90, ge=1, le=LONGEST_DAYS)
    """S3 access logs. They name object keys, which senders choose and which may hold personal data."""
    log_days: Literal[1, 3, 7, 14, 30, 60, 90, 180, 365] = 90
    """Function logs."""
    intake_days: int = Field(default=7, ge=1, le=13)
    """Intake queue. It may hold whole requests, so a builder that is stopped for a week loses none of them."""
    intake_dead_letter_days: int = Field(default=14, ge=2, le=14)
    """Requests that failed on every try. 14 days is SQS's maximum."""
    send_days: int = Field(default=4, ge=1, le=13)
    """Send queue. It holds ids only."""
    send_dead_letter_days: int = Field(default=14, ge=2, le=14)
    """Ids of messages that could not be sent on any try."""

    @model_validator(mode="after")
    def _dead_letters_outlive_their_source(self) -> Self:
        # SQS keeps a message's first arrival time when it moves it: an equal retention would delete it on arrival.
        if self.intake_dead_letter_days <= self.intake_days:
            raise ValueError("intake_dead_letter_days must be longer than intake_days")
        if self.send_dead_letter_days <= self.send_days:
            raise ValueError("send_dead_letter_days must be longer than send_days")
        return self


class Timings(Settings):
    """Waits of the message lifecycle, and the poller's intervals."""

    lease_seconds: int = Field(default=180, ge=5, le=LONGEST_HOLD)
    """How long a sender has the right to work on a message. Longer than the sender's timeout."""
    stale_seconds: int = Field(default=600, ge=5, le=LONGEST_HOLD)
    """After how long the sweep re-queues a message that no function works on."""
    uncertain_seconds: int = Field(default=900, ge=5, le=LONGEST_HOLD)
    """After how long the sweep resolves an uncertain upload."""
    # MESH asks for at most one poll in five minutes, and at least one a day.
    mailbox_poll_minutes: int = Field(default=5, ge=5, le=1440)
    """Interval of the polls of a mailbox."""
    due_work_minutes: int = Field(default=1, ge=1, le=15)
    """Interval of the sweep."""
    # Well within the three hours in which a report is sent (GPCM-SD-CS-075), and before the listing of the drop.
    document_wait_seconds: int = Field(default=600, ge=0, le=1800)
    """How long a request waits for documents that are not in the drop yet. Then it is refused."""
    drop_settled_seconds: int = Field(default=3600, ge=1, le=86_400)
    """The listing of the drop checks objects that are older than this: by then S3 must have announced them."""
    canary_minutes: int = Field(default=15, ge=1, le=60)
    """Interval of canaries, which show that the queues and functions work."""
    escalate_after_seconds: int = Field(default=14_400, ge=1, le=LONGEST_WAIT)
    """Like a mailbox's `escalate_after_seconds`, for notifications that are about no mailbox."""
    mesh_questions_a_day: int = Field(default=5_000, ge=1, le=50_000)
    """About how many messages a daily balance asks MESH about, at five a second. The next day's continues."""


class FunctionLimits(Settings):
    """Limits of a function."""

    memory_megabytes: int = Field(ge=256, le=3008)
    """Memory; Lambda gives processor time in proportion."""
    timeout_seconds: int = Field(ge=3, le=900)
    """How long a run may take."""


class QueueFunctionLimits(FunctionLimits):
    """Limits of a function with a queue. SQS's minimum for the concurrency is 2."""

    batch_size: int = Field(ge=1, le=10)
    """Queue messages of a run."""
    maximum_concurrency: int = Field(ge=2, le=1000)
    """Runs at the same time that the queue starts."""


class PollerLimits(QueueFunctionLimits):
    """Limits of the poller. `maximum_concurrency` is of the runs that collect, for all mailboxes."""

    messages_at_once: int = Field(ge=1, le=10)
    """Received messages that a run collects at once: an entry of the queue has ten. One needs up to 8 megabytes."""


class AlarmThresholds(Settings):
    """Thresholds of alarms, and the address of the runbook.

    The ages are well within the three hours in which a report is sent. The counts say how many messages may fail alike
    in an hour: a single failure has a notification, and more than a few have a common cause.
    """

    intake_age_minutes: int = Field(default=15, ge=1, le=120)
    """Age of the oldest request on an intake queue."""
    send_age_minutes: int = Field(default=30, ge=1, le=120)
    """Age of the oldest message on the send queue."""
    inbox_age_minutes: int = Field(default=30, ge=1, le=1440)
    """Age of the oldest entry on the inbox queue. A message that fails is tried alone for half an hour."""
    dead_letter_age_hours: int = Field(default=24, ge=1, le=24 * 7)
    """Age of a dead letter at which a second alarm starts."""
    undelivered_an_hour: int = Field(default=3, ge=0, le=10_000)
    """Messages that MESH reports as not delivered."""
    overdue_an_hour: int = Field(default=5, ge=0, le=10_000)
    """Messages whose acknowledgement is late."""
    unmatched_an_hour: int = Field(default=3, ge=0, le=10_000)
    """Received messages that match no message sent."""
    runbook: Annotated[str, Field(pattern=r"^(https://[^\s#]+|[^\s#:]+)$", max_length=300)] = "docs/runbook.md"
    """The page that every alarm links to: where the organisation publishes it, or this repository's file."""


class Network(Settings):
    """An existing network, for an organisation whose functions must run in one.

    The subnets need DNS and a route to MESH (internet through a NAT gateway, or the Health and Social Care Network).
    """

    vpc: Annotated[str, Field(pattern=r"^vpc-[0-9a-f]{8,17}$")]
    availability_zones: tuple[Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9][a-z]$")], ...] = Field(
        min_length=1
    )
    subnets: tuple[Annotated[str, Field(pattern=r"^subnet-[0-9a-f]{8,17}$")], ...] = Field(min_length=1)
    """Private subnets, one for every zone, in the zones' order."""
    route_tables: tuple[Annotated[str, Field(pattern=r"^rtb-[0-9a-f]{8,17}$")], ...] = Field(min_length=1)
    """Route tables of the subnets, in the same order."""
    make_endpoints: bool = True
    """Whether the stack makes endpoints of the AWS services that it uses. False if the network has them."""

    @model_validator(mode="after")
    def _zones_have_subnets_and_route_tables(self) -> Self:
        for name in ("subnets", "route_tables"):
            if len(getattr(self, name)) != len(self.availability_zones):
                raise ValueError(f"network.{name} must name one for every zone of availability_zones")
        for name in ("availability_zones", "subnets"):
            if len(set(getattr(self, name))) != len(self.availability_zones):
                raise ValueError(f"network.{name} must not name one twice")
        return self


class Deployment(Settings):
    """Deployment rules of an account or an organisation."""

    traffic_shift: Literal["all at once", "canary", "linear"] = "all at once"
    """Shift to a new version: a tenth of the work for ten minutes and then all, or a tenth more every minute. An alarm
    of a function reverts it."""
    reserve_concurrency: bool = True
    """Whether functions reserve their concurrency. False only in an account whose quota is too small."""
    permissions_boundary: PolicyArn | None = None
    """Managed policy that bounds every role, if the organisation demands one."""
    network: Network | None = None
    """None: the functions run outside any VPC, and reach AWS and MESH by TLS only."""
    evidence_lock_days: int | None = Field(default=None, ge=1, le=LONGEST_DAYS)
    """How long S3 refuses to delete or overwrite evidence (object lock, governance mode). None: no lock; production
    refuses None."""
    synthetic_reports_from: AccountId | None = None
    """Account of the pipeline, which may drop a report about a test person here and read the status."""


class Backfill(Settings):
    """A state machine that submits the requests under a prefix of the drop bucket."""

    requests_per_second: int = Field(default=5, ge=1, le=1000)
    """Upper limit. Builders, PDS and MESH must also cope with newly dropped requests."""


class MalwareScan(Settings):
    """GuardDuty scans dropped files; a request waits until all files are found clean (ADR 40)."""

    # Well within the three hours in which a report is sent (GPCM-SD-CS-075), and before the listing of the drop checks
    # for unused documents (`timings.drop_settled_seconds`).
    patience_minutes: int = Field(default=45, ge=5, le=60)
    """How long a request waits for scans. Then it is refused, and a person is notified."""


class Configuration(Settings):
    """An environment."""

    name: Literal["local", "dev", "int", "prod"]
    account: AccountId | None
    """None: the account of the credentials that deploy."""
    region: Region = UNITED_KINGDOM
    other_regions_allowed: tuple[Region, ...] = ()
    """Regions besides London that the data's controller allows."""
    mesh_url: MeshUrl
    pds: Pds | None = None
    """None: no mailbox of the environment uses PDS."""
    nhs_numbers: Literal["test", "live"]
    mailboxes: tuple[MailboxSettings, ...] = Field(min_length=1)
    contacts: tuple[Contact, ...] = Field(min_length=1)
    """Contacts for alarms, and for notifications about mailboxes whose organisation has no contacts here."""
    escalation_contacts: tuple[Contact, ...] = ()
    """Contacts for notifications that were not acknowledged in time. Empty: the contacts."""
    organisations: tuple[OrganisationContacts, ...] = ()
    """Organisations with contacts of their own."""
    senders: tuple[Sender, ...] = ()
    """The sending systems. Empty: every principal that the account's IAM allows may use every mailbox."""
    keep_data: bool
    """Whether buckets, table, keys and secrets outlive the stack."""
    retention: Retention = Retention()
    backfill: Backfill | None = None
    """None: the stack has no backfill state machine."""
    active_content: Literal["refuse", "allow"] = "refuse"
    """PDFs with scripts, programs to start or other files: refuse them, or send them and record it."""
    malware_scan: MalwareScan | None = None
    """None: dropped files are not scanned."""
    dashboard: bool = False
    """Whether the stack has a dashboard. CloudWatch gives an account three, and charges for more."""
    timings: Timings = Timings()
    alarms: AlarmThresholds = AlarmThresholds()
    builder: QueueFunctionLimits = QueueFunctionLimits(
        memory_megabytes=1024, timeout_seconds=60, batch_size=1, maximum_concurrency=10
    )
    sender: QueueFunctionLimits = QueueFunctionLimits(
        memory_megabytes=512, timeout_seconds=120, batch_size=5, maximum_concurrency=10
    )
    poller: PollerLimits = PollerLimits(
        memory_megabytes=512, timeout_seconds=240, batch_size=1, maximum_concurrency=10, messages_at_once=10
    )
    deployment: Deployment = Deployment()

    @model_validator(mode="after")
    def _data_stays_where_it_is_allowed(self) -> Self:
        if self.region not in (UNITED_KINGDOM, *self.other_regions_allowed):
            raise ValueError(f"region must be {UNITED_KINGDOM}, or in other_regions_allowed")
        network = self.deployment.network
        if network and any(zone[:-1] != self.region for zone in network.availability_zones):
            raise ValueError(f"deployment.network.availability_zones must lie in {self.region}")
        boundary = self.deployment.permissions_boundary
        if self.account and boundary and boundary.split(":")[4] not in (self.account, "aws"):
            raise ValueError(f"deployment.permissions_boundary must be a policy of account {self.account}")
        return self

    @model_validator(mode="after")
    def _evidence_lock_ends_with_the_payload(self) -> Self:
        lock = self.deployment.evidence_lock_days
        if lock is not None and lock > self.retention.payload_days:
            raise ValueError("deployment.evidence_lock_days must not exceed retention.payload_days")
        return self

    @model_validator(mode="after")
    def _live_evidence_is_locked(self) -> Self:
        if self.name == "prod" and self.deployment.evidence_lock_days is None:
            raise ValueError(
                "deployment.evidence_lock_days must be given in prod: evidence of live messages cannot be overwritten "
                "or deleted while it is locked"
            )
        return self

    @model_validator(mode="after")
    def _production_shifts_traffic_gradually(self) -> Self:
        if self.name == "prod" and self.deployment.traffic_shift == "all at once":
            raise ValueError("deployment.traffic_shift must be canary or linear in prod")
        if self.name == "prod" and self.deployment.synthetic_reports_from is not None:
            raise ValueError("deployment.synthetic_reports_from must be left out in prod: no test person goes there")
        return self

    @model_validator(mode="after")
    def _test_people_and_real_people_never_meet(self) -> Self:
        live = self.name == "prod"
        if self.nhs_numbers != ("live" if live else "test"):
            raise ValueError(f"nhs_numbers must be {'live' if live else 'test'} in {self.name}")
        host = urlsplit(self.mesh_url).hostname
        if live and host not in LIVE_MESH_HOSTS:
            raise ValueError(f"mesh_url must name {' or '.join(LIVE_MESH_HOSTS)} in prod")
        if not live and host in LIVE_MESH_HOSTS:
            raise ValueError(f"mesh_url must not name the live service in {self.name}")
        if not self.mesh_url.startswith("https://") and not (self.name == "local" and host in LOOPBACK_HOSTS):
            raise ValueError("mesh_url must be https; only the local environment may use http, on this machine")
        if live and self.account is None:
            raise ValueError("account must be given in prod: production never uses the account that happens to deploy")
        if live and not self.keep_data:
            raise ValueError("keep_data must be true in prod")
        return self

    @model_validator(mode="after")
    def _pds_belongs_to_the_environment(self) -> Self:
        asking = [settings.mailbox for settings in self.mailboxes if settings.pds_lookup]
        if self.pds is None:
            if asking:
                raise ValueError(f"pds must be given: pds_lookup is on for {', '.join(asking)}")
            return self
        url, host = self.pds.url, urlsplit(self.pds.url).hostname
        if (host == LIVE_PDS_HOST) != (self.name == "prod"):
            raise ValueError(f"pds.url must name {LIVE_PDS_HOST} in prod, and only there")
        if not url.startswith("https://") and not (self.name == "local" and host in LOOPBACK_HOSTS):
            raise ValueError("pds.url must be https; only the local environment may use http, on this machine")
        return self

    @model_validator(mode="after")
    def _only_the_newest_is_sent(self) -> Self:
        for settings in self.mailboxes:
            if settings.hold_window_seconds == 0 and self.name in {"int", "prod"}:
                raise ValueError(
                    f"mailboxes: hold_window_seconds of {settings.mailbox} must not be 0 in {self.name}: only the "
                    "newest version within three hours may be sent (GPCM-SD-CS-076)"
                )
        return self

    @model_validator(mode="after")
    def _leases_outlive_runs(self) -> Self:
        if self.sender.timeout_seconds >= self.timings.lease_seconds:
            raise ValueError(
                "sender.timeout_seconds must be shorter than timings.lease_seconds: a lease must outlive the run"
            )
        for name, limits in (("builder", self.builder), ("poller", self.poller)):
            if limits.batch_size != 1:
                # A run that dies costs a try of everything in the batch, even of what was not begun: ADR 36.
                raise ValueError(f"{name}.batch_size must be 1: what kills the run must not cost another a try")
        if self.builder.timeout_seconds < 30 or self.builder.memory_megabytes < 1024:
            raise ValueError(
                "builder.timeout_seconds must be at least 30, and builder.memory_megabytes at least 1024: the builder "
                "opens documents"
            )
        # The poller starts no more work in the last ten seconds of a run.
        if not 30 <= self.poller.timeout_seconds < LONGEST_POLL:
            raise ValueError(
                f"poller.timeout_seconds must be at least 30, and less than {LONGEST_POLL}: a poll must end before the "
                "next one begins"
            )
        return self

    @model_validator(mode="after")
    def _drop_settles_after_all_waits(self) -> Self:
        scan = self.malware_scan.patience_minutes * 60 if self.malware_scan else 0
        if self.name != "local" and self.timings.drop_settled_seconds < self.timings.document_wait_seconds + scan:
            raise ValueError(
                "timings.drop_settled_seconds must not be shorter than timings.document_wait_seconds and "
                "malware_scan.patience_minutes together: a request may wait that long for documents"
            )
        return self

    @model_validator(mode="after")
    def _mailboxes_are_unique(self) -> Self:
        ids = [settings.mailbox for settings in self.mailboxes]
        twice = sorted({mailbox for mailbox in ids if ids.count(mailbox) > 1})
        if twice:
            raise ValueError(f"mailboxes names {', '.join(twice)} more than once")
        if self.most_resources > MOST_RESOURCES:
            raise ValueError("mailboxes: the stack would exceed CloudFormation's limit of resources: name fewer")
        return self

    @model_validator(mode="after")
    def _organisations_share_no_mailbox(self) -> Self:
        named = [mailbox for organisation in self.organisations for mailbox in organisation.mailboxes]
        if unknown := sorted(set(named) - {settings.mailbox for settings in self.mailboxes}):
            raise ValueError(f"organisations names {', '.join(unknown)}, which mailboxes does not")
        if twice := sorted({mailbox for mailbox in named if named.count(mailbox) > 1}):
            raise ValueError(f"organisations names {', '.join(twice)} more than once")
        return self

    @model_validator(mode="after")
    def _mailboxes_have_one_sender(self) -> Self:
        if not self.senders:
            return self
        known = [settings.mailbox for settings in self.mailboxes]
        named = [mailbox for sender in self.senders for mailbox in sender.mailboxes]
        if unknown := sorted(set(named) - set(known)):
            raise ValueError(f"senders names {', '.join(unknown)}, which mailboxes does not")
        if twice := sorted({mailbox for mailbox in named if named.count(mailbox) > 1}):
            raise ValueError(f"senders names {', '.join(twice)} more than once: a mailbox has one sender")
        if unused := sorted(set(known) - set(named)):
            raise ValueError(f"senders does not name {', '.join(unused)}: no sender could use it")
        return self

    @model_validator(mode="after")
    def _prefixes_do_not_overlap(self) -> Self:
        names = [SYNTHETIC, *(sender.name for sender in self.senders)]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"senders names {', '.join(twice)} more than once ({SYNTHETIC} is the pipeline's sender)")
        folders = [(SYNTHETIC, f"{SYNTHETIC}/"), *((sender.name, sender.folder) for sender in self.senders)]
        for (name, inner), (other, outer) in permutations(folders, 2):
            if inner.startswith(outer):
                raise ValueError(f"senders: the prefix of {name} lies within that of {other}")
        if _bucket_policy_bytes(self.senders) > LONGEST_BUCKET_POLICY:
            raise ValueError("senders: the drop bucket's policy would exceed S3's limit: name fewer principals")
        return self

    @model_validator(mode="after")
    def _contacts_are_unique(self) -> Self:
        # SNS takes an address once for a topic, with one filter.
        contacts = [contact.lower() for contact in self.all_contacts]
        if twice := sorted({contact for contact in contacts if contacts.count(contact) > 1}):
            raise ValueError(
                f"contacts, escalation_contacts and organisations name {', '.join(twice)} more than once: an address "
                "may stand once"
            )
        return self

    @property
    def synthetic_reports_role(self) -> str:
        """Name of the role that sends synthetic reports; the pipeline needs it before the role exists."""
        return f"gpconnect-messaging-{self.name}-synthetic-reports"

    @property
    def most_resources(self) -> int:
        """An upper estimate of the stack's resources: those of a mailbox, a sender and a contact, and all others."""
        senders = sum(5 if sender.queue else 1 for sender in self.senders)
        return 150 + 7 * len(self.mailboxes) + senders + len(self.all_contacts)

    @property
    def all_contacts(self) -> list[str]:
        """The contacts of the environment and of the organisations."""
        contacts = [*self.contacts, *self.escalation_contacts]
        for organisation in self.organisations:
            contacts += [*organisation.contacts, *organisation.escalation_contacts]
        return contacts

    @property
    def builder_concurrency(self) -> int:
        """Builders that can run at once: those of the intake queue and of the senders' queues."""
        return self.builder.maximum_concurrency + QUEUE_CONCURRENCY * sum(sender.queue for sender in self.senders)

    @property
    def poller_concurrency(self) -> int:
        """Pollers that can run at once: collectors, one for every mailbox, overlapping sweeps, listing and balance.

        A mailbox's run ends before the next one starts.
        """
        due = math.ceil(self.poller.timeout_seconds / (60 * self.timings.due_work_minutes))
        return self.poller.maximum_concurrency + len(self.mailboxes) + due + 2

    @property
    def path(self) -> str:
        """Prefix of the names that this environment chooses, without slashes at the ends."""
        return f"gpconnect-messaging/{self.name}"


def _bucket_policy_bytes(senders: tuple[Sender, ...]) -> int:
    """Estimate the drop bucket's policy, which names a principal twice and a prefix three times."""
    arns = sum(2 * (len(arn) + 3) for sender in senders for arn in sender.principals)
    return _POLICY_OF_NO_SENDER + arns + sum(_POLICY_OF_A_SENDER + 3 * len(sender.folder) for sender in senders)
