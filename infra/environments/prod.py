"""Production: living patients and the live MESH service. Deleting the stack deletes no data."""

from infra.configuration import (
    LIVE_MESH_HOST,
    LIVE_PDS_HOST,
    Configuration,
    Deployment,
    MailboxSettings,
    MalwareScan,
    Pds,
)

CONFIGURATION = Configuration(
    name="prod",
    # Invented, like the mailbox and the contacts. A deployer names real ones before the first deployment.
    account="444455556666",
    mesh_url=f"https://{LIVE_MESH_HOST}",
    pds=Pds(url=f"https://{LIVE_PDS_HOST}"),
    nhs_numbers="live",
    keep_data=True,
    contacts=("messaging@example.org", "clinical-safety@example.org"),
    mailboxes=(MailboxSettings(mailbox="Y90001OT001", ods_code="Y90001"),),
    malware_scan=MalwareScan(),
    # As long as payloads are kept: no one can delete or overwrite evidence before it expires.
    deployment=Deployment(traffic_shift="canary", evidence_lock_days=30),
)
