"""The local run: invented organisations and short waits, so that a demonstration ends within a minute."""

from infra.configuration import (
    Backfill,
    Configuration,
    MailboxSettings,
    Pds,
    PollerLimits,
    QueueFunctionLimits,
    Timings,
    Version,
)

CONFIGURATION = Configuration(
    name="local",
    account=None,
    # A default: the sandbox's port is known when it starts, and the MeshUrl parameter carries it.
    mesh_url="http://127.0.0.1:8700",
    # Likewise; the PdsUrl parameter carries it.
    pds=Pds(url="http://127.0.0.1:8701"),
    nhs_numbers="test",
    keep_data=False,
    contacts=("messaging@example.org",),
    mailboxes=(
        MailboxSettings(
            mailbox="Y90001OT001",
            ods_code="Y90001",
            pds_lookup=False,
            specification=Version.V2_0,
            infrastructure_acknowledgement_seconds=12,
            business_acknowledgement_seconds=12,
            escalate_after_seconds=6,
            hold_window_seconds=0,
        ),
        MailboxSettings(
            mailbox="Y90002OT001",
            ods_code="Y90002",
            pds_lookup=False,
            specification=Version.V1_5,
            infrastructure_acknowledgement_seconds=12,
            business_acknowledgement_seconds=12,
            escalate_after_seconds=6,
            hold_window_seconds=0,
        ),
        # The first organisation's second mailbox, with a hold window that a demonstration can wait for.
        MailboxSettings(
            mailbox="Y90001OT002",
            ods_code="Y90001",
            pds_lookup=False,
            infrastructure_acknowledgement_seconds=12,
            business_acknowledgement_seconds=12,
            hold_window_seconds=4,
            escalate_after_seconds=6,
        ),
        MailboxSettings(
            mailbox="Y90003OT001",
            ods_code="Y90003",
            further_ods_codes=("Y90013",),
            hold_window_seconds=0,
            infrastructure_acknowledgement_seconds=12,
            business_acknowledgement_seconds=12,
        ),
    ),
    backfill=Backfill(requests_per_second=2),
    timings=Timings(
        lease_seconds=20,
        stale_seconds=15,
        uncertain_seconds=10,
        escalate_after_seconds=6,
        drop_settled_seconds=5,
        document_wait_seconds=45,
    ),
    builder=QueueFunctionLimits(memory_megabytes=1024, timeout_seconds=30, batch_size=1, maximum_concurrency=2),
    sender=QueueFunctionLimits(memory_megabytes=512, timeout_seconds=15, batch_size=5, maximum_concurrency=2),
    # A balance reads every shard of every status, and the emulator serves one call at a time.
    poller=PollerLimits(
        memory_megabytes=512, timeout_seconds=110, batch_size=1, maximum_concurrency=2, messages_at_once=10
    ),
)
