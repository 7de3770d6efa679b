"""The stack of an environment: constructs, the functions' environment variables, and grants."""

from aws_cdk import CfnOutput, CfnParameter, DefaultStackSynthesizer, Duration, Environment, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.configuration import Configuration
from infra.constructs.alarms import Alarms
from infra.constructs.backfill import BackfillMachine
from infra.constructs.dashboard import Dashboard
from infra.constructs.functions import MessagingFunction
from infra.constructs.identifiers import IdentifiersSecret
from infra.constructs.intake import Intake
from infra.constructs.keys import ContentKey
from infra.constructs.layers import PROJECT, Layers
from infra.constructs.ledger import Ledger
from infra.constructs.mailboxes import Mailboxes
from infra.constructs.malware_scan import MalwareScan
from infra.constructs.networks import FunctionNetwork
from infra.constructs.notifications import Notifications
from infra.constructs.pds import DemographicsService
from infra.constructs.queues import MAXIMUM_RECEIVES
from infra.constructs.releases import Releases
from infra.constructs.report_files import report_environment
from infra.constructs.schedules import Schedules
from infra.constructs.senders import Senders, sender_queue_output
from infra.constructs.sending import Sending
from infra.constructs.storage import Storage
from infra.constructs.synthetic_reports import SyntheticReports


class MessagingStack(Stack):
    """An environment's stack. The outputs are the names that people, tests and the local run need."""

    def __init__(self, scope: Construct, construct_id: str, *, configuration: Configuration) -> None:
        super().__init__(
            scope,
            construct_id,
            stack_name=f"gpconnect-messaging-{configuration.name}",
            env=Environment(account=configuration.account, region=configuration.region),
            description=f"GP Connect Messaging sender: {configuration.name}",
            termination_protection=configuration.keep_data,
            # The same template from the command line and from Python; `cdk deploy` checks the bootstrap by itself.
            analytics_reporting=False,
            synthesizer=DefaultStackSynthesizer(generate_bootstrap_version_rule=False),
            tags={"product": "gpconnect-messaging", "environment": configuration.name},
        )
        mesh_url = self._mesh_url(configuration)
        # Logs, dead letters and the second topic are not under it: they must work when it does not.
        key = ContentKey(
            self,
            "RecordsKey",
            content="requests, messages, responses, the ledger, queues, notifications and secrets",
            keep=configuration.keep_data,
        )
        storage = Storage(self, "Storage", configuration=configuration, key=key)
        ledger = Ledger(self, "Ledger", configuration=configuration, key=key)
        identifiers = IdentifiersSecret(self, "Identifiers", configuration=configuration, key=key)
        intake = Intake(self, "Intake", configuration=configuration, drop=storage.drop, key=key)
        sending = Sending(self, "Sending", configuration=configuration, key=key)
        senders = Senders(self, "Senders", configuration=configuration, storage=storage, intake=intake, key=key)
        intakes = (intake.work, *intake.sender_queues.values())
        notifications = Notifications(self, "Notices", configuration=configuration, key=key)
        mailboxes = Mailboxes(self, "Mailboxes", configuration=configuration, key=key)
        pds = configuration.pds and DemographicsService(
            self, "Pds", configuration=configuration, pds=configuration.pds, key=key
        )
        layers = Layers(self, "Layers")
        network = FunctionNetwork(self, "Network", configuration=configuration)

        shared = {
            "LEDGER_TABLE": ledger.table.table_name,
            "NOTICES_TOPIC_ARN": notifications.topic.topic_arn,
            "STALE_SECONDS": str(configuration.timings.stale_seconds),
            "AUDIT_DAYS": str(configuration.retention.audit_days),
        }
        mesh = {
            "MESH_URL": mesh_url,
            "MAILBOX_SECRETS": mailboxes.secret_prefix,
            "MESH_SECRET": mailboxes.mesh_secret_name,
            "UNCERTAIN_SECONDS": str(configuration.timings.uncertain_seconds),
        }
        builder = MessagingFunction(
            self,
            "Builder",
            name="builder",
            configuration=configuration,
            limits=configuration.builder,
            concurrency=configuration.builder_concurrency,
            layers=layers,
            network=network,
            environment={
                **shared,
                "IDENTIFIERS_SECRET": identifiers.secret_name,
                "MAILBOX_PARAMETERS": mailboxes.parameter_prefix,
                **(pds.environment if pds else {}),
                "NHS_NUMBERS": configuration.nhs_numbers,
                "ACTIVE_CONTENT": configuration.active_content,
                "DROP_BUCKET": storage.drop.bucket_name,
                "OUTBOX_BUCKET": storage.outbox.bucket_name,
                "EVIDENCE_BUCKET": storage.evidence.bucket_name,
                "SEND_QUEUE_URL": sending.work.queue.queue_url,
                "MAXIMUM_RECEIVES": str(MAXIMUM_RECEIVES),
                **senders.environment,
                "INTAKE_QUEUE_URL": intake.work.queue.queue_url,
                **_waits(configuration),
                **report_environment(PROJECT / "functions" / "builder"),
            },
        )
        sender = MessagingFunction(
            self,
            "Sender",
            name="sender",
            configuration=configuration,
            limits=configuration.sender,
            concurrency=configuration.sender.maximum_concurrency,
            layers=layers,
            network=network,
            environment={
                **shared,
                **mesh,
                "OUTBOX_BUCKET": storage.outbox.bucket_name,
                "LEASE_SECONDS": str(configuration.timings.lease_seconds),
            },
        )
        for work in intakes:
            work.feed(builder)
        sending.work.feed(sender)
        poller = MessagingFunction(
            self,
            "Poller",
            name="poller",
            configuration=configuration,
            limits=configuration.poller,
            concurrency=configuration.poller_concurrency,
            layers=layers,
            network=network,
            environment={
                **shared,
                **mesh,
                "IDENTIFIERS_SECRET": identifiers.secret_name,
                "MAILBOX_PARAMETERS": mailboxes.parameter_prefix,
                "EVIDENCE_BUCKET": storage.evidence.bucket_name,
                "INTAKE_QUEUE_URL": intake.work.queue.queue_url,
                "SEND_QUEUE_URL": sending.work.queue.queue_url,
                "ESCALATE_AFTER_SECONDS": str(configuration.timings.escalate_after_seconds),
                "DROP_BUCKET": storage.drop.bucket_name,
                "DROP_SETTLED_SECONDS": str(configuration.timings.drop_settled_seconds),
                **_waits(configuration),
                "CANARY_MINUTES": str(configuration.timings.canary_minutes),
                "MESH_QUESTIONS_A_DAY": str(configuration.timings.mesh_questions_a_day),
                "ARCHIVE_AFTER_DAYS": str(configuration.retention.archive_after_days),
                **_archive_lock(configuration),
                "EVENT_RULE": intake.rule.ref,
                "INBOX_QUEUE_URL": sending.inbox.queue.queue_url,
                "MAILBOX_POLL_MINUTES": str(configuration.timings.mailbox_poll_minutes),
                "MESSAGES_AT_ONCE": str(configuration.poller.messages_at_once),
                # Without the poller's own, which would be a circle: the age of the inbox queue shows that one.
                "EVENT_SOURCE_MAPPINGS": ",".join(
                    work.mapping.event_source_mapping_id for work in (*intakes, sending.work)
                ),
                "KEYS": key.key_arn,
            },
        )
        sending.inbox.feed(poller)
        poller.allow("events:DescribeRule", on=[intake.rule.attr_arn])
        poller.allow(
            "lambda:GetEventSourceMapping",
            on=[work.mapping.event_source_mapping_arn for work in (*intakes, sending.work)],
        )
        poller.allow("kms:DescribeKey", on=[key.key_arn])

        storage.grant_read_drop(builder)
        storage.grant_write_messages(builder)
        storage.grant_keep_requests(builder)
        if pds:
            storage.grant_keep_comparisons(builder)
            pds.grant_ask(builder)
        storage.grant_read_requests(builder)
        storage.grant_keep_warnings(builder)
        storage.grant_read_messages(sender)
        storage.grant_keep_received(poller)
        storage.grant_reconcile(poller)
        storage.grant_read_archive(builder)
        storage.grant_archive(poller, locked=bool(_archive_lock(configuration)))
        storage.grant_list_drop(poller)
        ledger.grant_record(builder)
        ledger.grant_record(sender)
        # A response that names no known message is matched by encounter; the balance counts by status.
        ledger.grant_record(poller, query=("by_attention", "by_time", "by_work"))
        # The builder derives ids; the poller looks up the encounter that a response quotes. The sender needs neither.
        identifiers.grant_read(builder)
        identifiers.grant_read(poller)
        sending.work.grant_send(builder)
        sending.work.grant_send(poller)
        sending.inbox.grant_send(poller)
        intake.work.grant_send(poller)
        for work in intakes:  # a request that must wait goes back to the same queue
            work.grant_send(builder)
        for function in (builder, sender, poller):
            notifications.grant_publish(function)
        # The builder applies a mailbox's settings to messages, the poller to the escalation of notifications.
        mailboxes.grant_read_settings(builder)
        senders.grant_read(builder)
        mailboxes.grant_read_settings(poller)
        mailboxes.grant_read_credentials(sender)
        mailboxes.grant_read_credentials(poller)

        if configuration.malware_scan is not None:
            MalwareScan(self, "MalwareScan", drop=storage.drop, key=key)
            storage.grant_see_scans(builder)

        Schedules(self, "Schedules", configuration=configuration, poller=poller)

        alarms = Alarms(self, "Alarms", notifications=notifications, configuration=configuration)
        oldest = Duration.minutes(configuration.alarms.intake_age_minutes)
        requests_failed = alarms.watch_queue("Intake", intake.work, oldest=oldest)
        for name, work in intake.sender_queues.items():
            alarms.watch_age("Intake", work, oldest=oldest, sender=name)
        sending_failed = alarms.watch_queue(
            "Sending", sending.work, oldest=Duration.minutes(configuration.alarms.send_age_minutes)
        )
        alarms.watch_dead_letters("Inbox", sending.inbox)
        alarms.watch_age(
            "Inbox",
            sending.inbox,
            oldest=Duration.minutes(configuration.alarms.inbox_age_minutes),
            why="responses stay in MESH meanwhile",
        )
        releases = Releases(self, "Releases", configuration=configuration)
        releases.shift("Builder", builder, unless=[alarms.watch_function("Builder", builder), requests_failed])
        releases.shift("Sender", sender, unless=[alarms.watch_function("Sender", sender), sending_failed])
        releases.shift("Poller", poller, unless=[alarms.watch_function("Poller", poller)])
        alarms.watch_refused_credentials()
        alarms.watch_rule(intake.rule)
        alarms.watch_enabled_parts()
        alarms.watch_canary()
        alarms.watch_notifications()
        alarms.watch_drop_listing()
        alarms.watch_balance()
        alarms.watch_messages()
        alarms.watch_schedules(tuple(settings.mailbox for settings in configuration.mailboxes))
        if pds:
            alarms.watch_pds()
        for settings in configuration.mailboxes:
            alarms.watch_credentials(settings.mailbox)
        if configuration.dashboard:
            Dashboard(
                self,
                "Watching",
                configuration=configuration,
                functions={"builder": builder, "sender": sender, "poller": poller},
                queues={
                    "intake": intake.work,
                    **{f"intake of {name}": work for name, work in intake.sender_queues.items()},
                    "sending": sending.work,
                    "inbox": sending.inbox,
                },
                table=ledger.table,
                notifications=notifications,
                alarms=alarms,
            )

        names = {
            "DropBucketName": storage.drop.bucket_name,
            "OutboxBucketName": storage.outbox.bucket_name,
            "EvidenceBucketName": storage.evidence.bucket_name,
            "LedgerTableName": ledger.table.table_name,
            "IdentifiersSecretName": identifiers.secret_name,
            "IntakeQueueUrl": intake.work.queue.queue_url,
            "IntakeDeadLetterQueueUrl": intake.work.dead_letters.queue_url,
            "SendQueueUrl": sending.work.queue.queue_url,
            "SendDeadLetterQueueUrl": sending.work.dead_letters.queue_url,
            "InboxQueueUrl": sending.inbox.queue.queue_url,
            "InboxDeadLetterQueueUrl": sending.inbox.dead_letters.queue_url,
            "NoticesTopicArn": notifications.topic.topic_arn,
            "NoticePathTopicArn": notifications.path_topic.topic_arn,
            "BuilderFunctionName": builder.function.function_name,
            "SenderFunctionName": sender.function.function_name,
            "PollerFunctionName": poller.function.function_name,
            "MailboxParameters": mailboxes.parameter_prefix,
            "MailboxSecrets": mailboxes.secret_prefix,
            "MeshSecretName": mailboxes.mesh_secret_name,
            **({"PdsSecretName": pds.secret_name} if pds else {}),
            **{sender_queue_output(name): work.queue.queue_url for name, work in intake.sender_queues.items()},
        }
        if configuration.backfill is not None:
            backfill = BackfillMachine(
                self,
                "Backfill",
                configuration=configuration,
                backfill=configuration.backfill,
                storage=storage,
                intake=intake,
                key=key,
            )
            names["BackfillStateMachineArn"] = backfill.machine_arn
        pipeline_account = configuration.deployment.synthetic_reports_from
        if pipeline_account is not None:
            reports = SyntheticReports(
                self,
                "SyntheticReports",
                configuration=configuration,
                pipeline_account=pipeline_account,
                storage=storage,
                ledger=ledger,
                key=key,
            )
            names["SyntheticReportsRoleArn"] = reports.role.role_arn
        self.outputs = {name: CfnOutput(self, name, value=value) for name, value in names.items()}

        boundary = configuration.deployment.permissions_boundary
        if boundary is not None:
            policy = iam.ManagedPolicy.from_managed_policy_arn(self, "Boundary", boundary)
            iam.PermissionsBoundary.of(self).apply(policy)

    def _mesh_url(self, configuration: Configuration) -> str:
        """Return the MESH address: a parameter, because a local sandbox's port is known only once it runs.

        In other environments the parameter takes only the configured address, so no deployment can point a test
        environment at the live service, or production at another.
        """
        local = configuration.name == "local"
        parameter = CfnParameter(
            self,
            "MeshUrl",
            description="MESH, without a slash at its end",
            default=configuration.mesh_url,
            allowed_pattern=r"^https?://(127\.0\.0\.1|localhost)(:[0-9]+)?(/[^/]+)*$" if local else None,
            allowed_values=None if local else [configuration.mesh_url],
        )
        return str(parameter.value_as_string)


def _archive_lock(configuration: Configuration) -> dict[str, str]:
    """Lock the archive for the audit period, where evidence is locked at all."""
    locked = configuration.deployment.evidence_lock_days is not None
    return {"ARCHIVE_LOCK_DAYS": str(configuration.retention.audit_days)} if locked else {}


def _waits(configuration: Configuration) -> dict[str, str]:
    """Return how long a request waits for documents and for scans, where it waits at all."""
    scan = configuration.malware_scan
    seconds = {
        "DOCUMENT_WAIT_SECONDS": configuration.timings.document_wait_seconds,
        "SCAN_PATIENCE_SECONDS": scan.patience_minutes * 60 if scan else 0,
    }
    return {name: str(wait) for name, wait in seconds.items() if wait}
