"""What differs between environments, as frozen values that refuse to be wrong.

A wrong value raises `pydantic.ValidationError`, which names the field; nothing is synthesized. Times are in the unit
that the field's name ends with. Figures that the NHS sets are cited beside the field.
"""

import math
from itertools import permutations
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

LIVE_MESH_HOST = "mesh-sync.spineservices.nhs.uk"
UNITED_KINGDOM = "eu-west-2"
"""The region in London: patients' data stays in the United Kingdom."""
LIVE_PDS_HOST = "api.service.nhs.uk"
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost"})

_MESSAGE_DEFINITION = "https://fhir.nhs.uk/STU3/MessageDefinition/ITK-GPConnectSendDocument-MessageDefinition-1"


def _without_trailing_slash(url: str) -> str:
    if url.endswith("/"):
        raise ValueError("must not end with a slash: paths are appended to it")
    return url


AccountId = Annotated[str, Field(pattern=r"^\d{12}$")]
PolicyArn = Annotated[str, Field(pattern=r"^arn:aws:iam::(\d{12}|aws):policy/[\w+=,.@/-]+$")]
Region = Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")]
EmailAddress = Annotated[str, Field(pattern=r"^[^@\s/:]+@[^@\s]+\.[^@\s]+$")]
WebhookUrl = Annotated[str, Field(pattern=r"^https://[^/\s?#@]+(/[^\s#]*)?$")]
"""An https endpoint, which must answer the confirmation that SNS sends it. Its secret, if any, is in its path."""
Contact = EmailAddress | WebhookUrl
MailboxId = Annotated[str, Field(pattern=r"^[A-Z0-9]{5,32}$")]
ConceptId = Annotated[str, Field(pattern=r"^[1-9][0-9]{5,17}$")]
OdsCode = Annotated[str, Field(pattern=r"^[A-Z0-9]{3,10}$")]
MeshUrl = Annotated[str, Field(pattern=r"^https?://[^/\s?#]+(/[^\s?#]*)?$"), AfterValidator(_without_trailing_slash)]


MOST_MAILBOXES_WITH_CONTACTS = 70
"""SNS takes 150 values in a filter policy, and the environment's contacts need two for each such mailbox."""


class Settings(BaseModel):
    """A group of settings: frozen, no unknown names, no silent conversion."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


PrincipalArn = Annotated[
    str, Field(pattern=r"^arn:aws:iam::[0-9]{12}:(root|(role|user)/[A-Za-z0-9_+=,.@/-]+)$", max_length=600)
]
"""A role, a user, or a whole account (`root`), of this account or another."""
DropPrefix = Annotated[str, Field(pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]*/)+$", max_length=100)]
SYNTHETIC = "synthetic"
"""The sender, and its folder, of the pipeline's reports about test people: no other may have that name or folder."""
LONGEST_BUCKET_POLICY = 20_480
"""What S3 takes, in bytes (Amazon S3 User Guide, "Bucket policies")."""
_POLICY_OF_NO_SENDER, _POLICY_OF_A_SENDER = 2_000, 700
"""About how many bytes of the drop bucket's policy there are anyway, and how many a sender adds beside its ARNs."""
QUEUE_CONCURRENCY = 2
"""How many builders a sender's own queue feeds at once: as few as SQS takes."""

PdsUrl = Annotated[str, Field(pattern=r"^https?://[^/\s?#@]+$")]
"""Up to the host: the API's and the token endpoint's paths are appended."""


class Pds(Settings):
    """The Personal Demographics Service, and the rate that NHS England allows the environment's application."""

    url: PdsUrl
    requests_per_second: int = Field(default=5, ge=1, le=1000)


class MailboxSettings(Settings):
    """One sending mailbox: who sends, and in which form. Published whole as the mailbox's parameter."""

    mailbox: MailboxId
    ods_code: OdsCode
    specification: Literal["1.5", "2.0"] = "2.0"
    birth_date_format: Literal["YYYYMMDD", "DDMMYYYY"] = "YYYYMMDD"
    message_definition: str = _MESSAGE_DEFINITION
    max_message_bytes: int = Field(default=5_000_000, gt=0, le=20_000_000_000)
    document_types: tuple[ConceptId, ...] = ()
    """SNOMED CT document types that NHS England approved for this sender, beside those that all senders may use."""
    infrastructure_acknowledgement_seconds: int = Field(default=86_400, gt=0)
    business_acknowledgement_seconds: int = Field(default=432_000, gt=0)
    pds_lookup: bool = False
    """Whether PDS is asked for each patient's registered practice: needs the environment's `pds`."""
    escalate_after_seconds: int = Field(default=14_400, gt=0)
    """How long after it was told a notification about this mailbox goes to whom it escalates, unless it is acknowledged."""
    # Sent within three hours of the last update, and only the newest of that time: GPCM-SD-CS-075, GPCM-SD-CS-076.
    hold_window_seconds: int = Field(default=9_900, ge=0, le=10_800)
    warn_before_seconds: int = Field(default=600, gt=0, lt=10_800)
    """How long before three hours are over a person is told of a report that has not left (GPCM-SD-CS-075)."""
    release: Literal["automatic", "by a person"] = "automatic"
    """Who lets a held request go (GPCM-SD-CS-074)."""
    further_ods_codes: tuple[OdsCode, ...] = ()
    """ODS codes of the sending organisation beside `ods_code`: nothing is sent to itself (GPCM-SD-CS-071)."""


class OrganisationContacts(Settings):
    """Who is told of what concerns an organisation's mailboxes, in place of the environment's contacts."""

    mailboxes: tuple[MailboxId, ...] = Field(min_length=1)
    contacts: tuple[Contact, ...] = Field(min_length=1)
    escalation_contacts: tuple[Contact, ...] = ()
    """Told when nobody acknowledged in time; none: the environment's."""


class Sender(Settings):
    """A sending system: who may put requests, where, and for which mailboxes."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*(-[a-z][a-z0-9]*)*$", max_length=30)]
    principals: tuple[PrincipalArn, ...] = Field(min_length=1, max_length=20)
    """Who may put requests: its roles and users, or (`root`) whoever of an account that account's own IAM allows."""
    mailboxes: tuple[MailboxId, ...] = Field(min_length=1, max_length=100)
    """The mailboxes that its requests may name. A mailbox has one sender. The contacts of the first one are notified of
    a request that names none of them."""
    prefix: DropPrefix | None = None
    """Its folder of the drop bucket, with a slash at its end: its requests and documents lie there. None: its name."""
    queue: bool = False
    """Whether it has an intake queue of its own, for whole requests."""

    @property
    def folder(self) -> str:
        """The prefix of its keys in the drop bucket."""
        return self.prefix or f"{self.name}/"


class Retention(Settings):
    """How long each kind of data is kept. The controller decides; these are the suggested figures."""

    payload_days: int = Field(default=30, ge=1)
    """Requests, documents, messages and responses as they were, in S3."""
    audit_days: int = Field(default=2_922, ge=90)
    """The ledger's facts and the daily balances, from their last change: who did what to which message, and when."""
    legal_hold: bool = False
    """Keep everything of the whole environment: nothing in S3 or in the ledger expires while this is true."""
    replaced_version_days: int = Field(default=7, ge=1)
    """Overwritten or deleted object versions: long enough to undo a mistake."""
    access_log_days: int = Field(default=90, ge=1)
    """S3 access logs. They name object keys, which senders choose and which may hold personal data."""
    log_days: Literal[1, 3, 7, 14, 30, 60, 90, 180, 365] = 90
    """Function logs."""
    intake_days: int = Field(default=7, ge=1, le=13)
    """Intake queue. Its messages may be whole requests: a builder that is stopped for a week loses none of them."""
    intake_dead_letter_days: int = Field(default=14, ge=2, le=14)
    """Requests that kept failing. 14 days is the longest that SQS keeps anything."""
    send_days: int = Field(default=4, ge=1, le=13)
    send_dead_letter_days: int = Field(default=14, ge=2, le=14)

    @model_validator(mode="after")
    def _dead_letters_outlive_their_source(self) -> Self:
        # A message keeps its first arrival time when SQS moves it, so an equal retention would delete it on arrival.
        if self.intake_dead_letter_days <= self.intake_days:
            raise ValueError("intake_dead_letter_days must be longer than intake_days")
        if self.send_dead_letter_days <= self.send_days:
            raise ValueError("send_dead_letter_days must be longer than send_days")
        return self


class Timings(Settings):
    """Waits of the message lifecycle, and how often the poller runs."""

    lease_seconds: int = Field(default=180, ge=5)
    stale_seconds: int = Field(default=600, ge=5)
    uncertain_seconds: int = Field(default=900, ge=5)
    # MESH asks for at most one poll in five minutes, and at least one a day.
    mailbox_poll_minutes: int = Field(default=5, ge=5, le=1440)
    due_work_minutes: int = Field(default=1, ge=1, le=15)
    # Well within the three hours in which a report must be sent (GPCM-SD-CS-075), and before the listing of the drop.
    document_wait_seconds: int = Field(default=600, ge=0, le=1800)
    """How long a request waits for documents that it names and that are not in the drop: then it is refused."""
    drop_settled_seconds: int = Field(default=3600, ge=1)
    """How long after it was dropped an object must have been announced; the listing of the drop looks at older ones."""
    canary_minutes: int = Field(default=15, ge=1, le=60)
    """How often a test request without a patient goes through the queues, to show that they work."""
    escalate_after_seconds: int = Field(default=14_400, gt=0)
    """As a mailbox's own, for notifications that are about no mailbox."""
    mesh_questions_a_day: int = Field(default=5_000, ge=1, le=50_000)
    """About how many messages the daily balance asks MESH, at five a second; the next day goes on with the others."""


class FunctionLimits(Settings):
    """What one function may use."""

    memory_megabytes: int = Field(ge=256, le=3008)
    timeout_seconds: int = Field(ge=3, le=900)


class QueueFunctionLimits(FunctionLimits):
    """What one function fed by a queue may use. SQS takes no maximum concurrency below 2."""

    batch_size: int = Field(ge=1, le=10)
    maximum_concurrency: int = Field(ge=2, le=1000)


class AlarmThresholds(Settings):
    """When a person is told by an alarm, and where the alarm's instructions are.

    Work may wait for so long: well inside the three hours in which a report must be sent. So many messages may fail
    alike within an hour: one alone has a notification of its own, and more than a few have one cause.
    """

    intake_age_minutes: int = Field(default=15, ge=1, le=120)
    send_age_minutes: int = Field(default=30, ge=1, le=120)
    dead_letter_age_hours: int = Field(default=24, ge=1, le=24 * 7)
    """How old a dead letter may become before a person is told again that it waits."""
    undelivered_an_hour: int = Field(default=3, ge=0)
    overdue_an_hour: int = Field(default=5, ge=0)
    unmatched_an_hour: int = Field(default=3, ge=0)
    runbook: Annotated[str, Field(pattern=r"^(https://)?[^\s#]+$", max_length=300)] = "docs/runbook.md"
    """The page that every alarm links to: where the organisation publishes it, or the file of this repository."""


class Network(Settings):
    """A network that is there already, for an organisation whose functions must run in one.

    Its subnets need a way to MESH (internet through a NAT gateway, or the Health and Social Care Network), and DNS.
    """

    vpc: Annotated[str, Field(pattern=r"^vpc-[0-9a-f]{8,17}$")]
    availability_zones: tuple[Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d[a-z]$")], ...] = Field(min_length=1)
    subnets: tuple[Annotated[str, Field(pattern=r"^subnet-[0-9a-f]{8,17}$")], ...] = Field(min_length=1)
    """Private subnets, one for each zone, in the zones' order."""
    route_tables: tuple[Annotated[str, Field(pattern=r"^rtb-[0-9a-f]{8,17}$")], ...] = Field(min_length=1)
    """Their route tables, in the same order."""
    make_endpoints: bool = True
    """Whether the stack makes the endpoints of the AWS services that it uses; False where the network has them."""

    @model_validator(mode="after")
    def _one_of_each_for_every_zone(self) -> Self:
        for name in ("subnets", "route_tables"):
            if len(getattr(self, name)) != len(self.availability_zones):
                raise ValueError(f"network.{name} must name one for each of availability_zones")
        return self


class Deployment(Settings):
    """How the stack is deployed, as far as an account or an organisation has rules of its own."""

    traffic_shift: Literal["all at once", "canary", "linear"] = "all at once"
    """How a new version takes over: a tenth of the work for ten minutes and then all, or a tenth more each minute.
    An alarm of a function turns it back."""
    reserve_concurrency: bool = True
    """Whether each function's concurrency is set aside for it. False only in an account whose quota is too small."""
    permissions_boundary: PolicyArn | None = None
    """The managed policy that bounds every role, where the organisation demands one."""
    network: Network | None = None
    """None: the functions run outside any network of ours, and reach AWS and MESH by TLS only."""
    evidence_lock_days: int | None = Field(default=None, ge=1)
    """For how long S3 refuses to delete or overwrite evidence (object lock, governance mode). None: no lock, which
    production refuses."""
    synthetic_reports_from: AccountId | None = None
    """The account of the pipeline, which may drop a report about a test person here and read how it fared."""


class Backfill(Settings):
    """A state machine that puts the requests under a prefix of the drop bucket through the intake."""

    requests_per_second: int = Field(default=5, ge=1, le=1000)
    """At most; the builders, PDS and MESH must bear it beside what is dropped meanwhile."""


class MalwareScan(Settings):
    """GuardDuty scans what is dropped, and a request waits until all that it consists of is found clean (ADR 40)."""

    # Well within the three hours in which a report must be sent (GPCM-SD-CS-075), and before the listing of the drop
    # looks at documents that no request has taken up (`timings.drop_settled_seconds`).
    patience_minutes: int = Field(default=45, ge=5, le=60)
    """How long it waits at most: then it is refused, and a person is told."""


class Configuration(Settings):
    """One environment."""

    name: Literal["local", "dev", "int", "prod"]
    account: AccountId | None
    """None: the account of the credentials that deploy."""
    region: Region = UNITED_KINGDOM
    other_regions_allowed: tuple[Region, ...] = ()
    """Regions besides London that the data's controller allows. Naming one here is that decision."""
    mesh_url: MeshUrl
    pds: Pds | None = None
    """None: no mailbox of the environment asks PDS."""
    nhs_numbers: Literal["test", "live"]
    mailboxes: tuple[MailboxSettings, ...] = Field(min_length=1)
    contacts: tuple[Contact, ...] = Field(min_length=1)
    """Who is told of every alarm, and of failed messages of mailboxes whose organisation has no contacts here."""
    escalation_contacts: tuple[Contact, ...] = ()
    """Who is told when nobody acknowledged a notification in time; none: the contacts."""
    organisations: tuple[OrganisationContacts, ...] = ()
    """Organisations with contacts of their own."""
    senders: tuple[Sender, ...] = ()
    """The sending systems. None: whoever the account's own IAM allows to put a request may use every mailbox."""
    keep_data: bool
    """Whether buckets, table, keys and secrets outlive the stack."""
    retention: Retention = Retention()
    backfill: Backfill | None = None
    """None: no state machine is made."""
    active_content: Literal["refuse", "allow"] = "refuse"
    """What becomes of PDFs that hold scripts, programs to start or other files: refused, or sent and recorded."""
    malware_scan: MalwareScan | None = None
    """None: what is dropped is not scanned."""
    timings: Timings = Timings()
    alarms: AlarmThresholds = AlarmThresholds()
    builder: QueueFunctionLimits = QueueFunctionLimits(
        memory_megabytes=1024, timeout_seconds=60, batch_size=1, maximum_concurrency=10
    )
    sender: QueueFunctionLimits = QueueFunctionLimits(
        memory_megabytes=512, timeout_seconds=120, batch_size=5, maximum_concurrency=10
    )
    poller: FunctionLimits = FunctionLimits(memory_megabytes=512, timeout_seconds=240)
    deployment: Deployment = Deployment()

    @model_validator(mode="after")
    def _data_stays_where_it_is_allowed(self) -> Self:
        if self.region not in (UNITED_KINGDOM, *self.other_regions_allowed):
            raise ValueError(f"region must be {UNITED_KINGDOM}, or one that other_regions_allowed names")
        return self

    @model_validator(mode="after")
    def _what_is_locked_is_kept_no_longer_than_the_rest(self) -> Self:
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
    def _production_changes_little_by_little(self) -> Self:
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
        if live and host != LIVE_MESH_HOST:
            raise ValueError(f"mesh_url must name {LIVE_MESH_HOST} in prod")
        if not live and host == LIVE_MESH_HOST:
            raise ValueError(f"mesh_url must not name the live service in {self.name}")
        if not self.mesh_url.startswith("https://") and not (self.name == "local" and host in LOOPBACK_HOSTS):
            raise ValueError("mesh_url must be https; only the local environment may use http, on this machine")
        if live and self.account is None:
            raise ValueError("account must be given in prod: nothing live goes to whichever account is at hand")
        if live and not self.keep_data:
            raise ValueError("keep_data must be true in prod")
        return self

    @model_validator(mode="after")
    def _pds_is_the_environments_own(self) -> Self:
        asking = [each.mailbox for each in self.mailboxes if each.pds_lookup]
        if self.pds is None:
            if asking:
                raise ValueError(f"pds must be given: pds_lookup is on for {', '.join(asking)}")
            return self
        url, host = self.pds.url, urlsplit(self.pds.url).hostname
        if (host == LIVE_PDS_HOST) != (self.name == "prod"):
            raise ValueError(f"pds.url must name {LIVE_PDS_HOST} in prod, and nowhere else")
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
    def _work_is_held_by_one_at_a_time(self) -> Self:
        if self.sender.timeout_seconds >= self.timings.lease_seconds:
            raise ValueError(
                "sender.timeout_seconds must be shorter than timings.lease_seconds: a lease outlives its run"
            )
        if self.builder.batch_size != 1:
            # What waits behind it in the run would lose a try without being begun: ADR 36, which has the price.
            raise ValueError("builder.batch_size must be 1: a request that kills the function costs no other one a try")
        if self.poller.timeout_seconds > self.timings.mailbox_poll_minutes * 60:
            raise ValueError("poller.timeout_seconds must not exceed timings.mailbox_poll_minutes")
        return self

    @model_validator(mode="after")
    def _each_mailbox_once(self) -> Self:
        ids = [settings.mailbox for settings in self.mailboxes]
        twice = sorted({mailbox for mailbox in ids if ids.count(mailbox) > 1})
        if twice:
            raise ValueError(f"mailboxes names {', '.join(twice)} more than once")
        return self

    @model_validator(mode="after")
    def _each_organisation_has_mailboxes_of_its_own(self) -> Self:
        named = [mailbox for organisation in self.organisations for mailbox in organisation.mailboxes]
        if unknown := sorted(set(named) - {settings.mailbox for settings in self.mailboxes}):
            raise ValueError(f"organisations names {', '.join(unknown)}, which mailboxes does not")
        if twice := sorted({mailbox for mailbox in named if named.count(mailbox) > 1}):
            raise ValueError(f"organisations names {', '.join(twice)} more than once")
        if len(named) > MOST_MAILBOXES_WITH_CONTACTS:
            raise ValueError(
                f"organisations may name {MOST_MAILBOXES_WITH_CONTACTS} mailboxes: SNS's filters end there"
            )
        return self

    @model_validator(mode="after")
    def _each_mailbox_has_one_sender(self) -> Self:
        if not self.senders:
            return self
        known = [settings.mailbox for settings in self.mailboxes]
        named = [mailbox for sender in self.senders for mailbox in sender.mailboxes]
        if unknown := sorted(set(named) - set(known)):
            raise ValueError(f"senders names {', '.join(unknown)}, which mailboxes does not")
        if twice := sorted({mailbox for mailbox in named if named.count(mailbox) > 1}):
            raise ValueError(f"senders names {', '.join(twice)} more than once: a mailbox has one sender")
        if unused := sorted(set(known) - set(named)):
            raise ValueError(f"senders does not name {', '.join(unused)}: nobody could send from it")
        return self

    @model_validator(mode="after")
    def _each_sender_has_a_prefix_of_its_own(self) -> Self:
        names = [sender.name for sender in self.senders]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"senders names {', '.join(twice)} more than once")
        folders = [(SYNTHETIC, f"{SYNTHETIC}/"), *((sender.name, sender.folder) for sender in self.senders)]
        for (one, inner), (other, outer) in permutations(folders, 2):
            if inner.startswith(outer):
                raise ValueError(f"senders: the prefix of {one} lies within that of {other}")
        if _bucket_policy_bytes(self.senders) > LONGEST_BUCKET_POLICY:
            raise ValueError("senders: the drop bucket's policy would be longer than S3 takes: name fewer principals")
        return self

    @model_validator(mode="after")
    def _each_contact_has_one_part(self) -> Self:
        # SNS knows an address once for each topic, with one filter.
        everyone = [*self.contacts, *self.escalation_contacts]
        for organisation in self.organisations:
            everyone += [*organisation.contacts, *organisation.escalation_contacts]
        if twice := sorted({contact for contact in everyone if everyone.count(contact) > 1}):
            raise ValueError(
                f"contacts, escalation_contacts and organisations name {', '.join(twice)} more than once: an address "
                "has one part"
            )
        return self

    @property
    def synthetic_reports_role(self) -> str:
        """The name of the role that sends synthetic reports, which the pipeline must know before the role exists."""
        return f"gpconnect-messaging-{self.name}-synthetic-reports"

    @property
    def builder_concurrency(self) -> int:
        """How many runs of the builder there can be at once: those that each queue feeds."""
        return self.builder.maximum_concurrency + QUEUE_CONCURRENCY * sum(sender.queue for sender in self.senders)

    @property
    def poller_concurrency(self) -> int:
        """How many runs of the poller there can be at once: one for each mailbox, and those for due work that overlap.

        And one each for the listing of the drop and for the daily balance. A mailbox's run never outlasts the interval
        to its next one.
        """
        due = math.ceil(self.poller.timeout_seconds / (60 * self.timings.due_work_minutes))
        return len(self.mailboxes) + due + 2

    @property
    def path(self) -> str:
        """The prefix of every name that this environment chooses itself, without slashes at its ends."""
        return f"gpconnect-messaging/{self.name}"


def _bucket_policy_bytes(senders: tuple[Sender, ...]) -> int:
    """Estimate the drop bucket's policy, which names each principal twice and each prefix three times."""
    arns = sum(2 * (len(arn) + 3) for sender in senders for arn in sender.principals)
    return _POLICY_OF_NO_SENDER + arns + sum(_POLICY_OF_A_SENDER + 3 * len(sender.folder) for sender in senders)
