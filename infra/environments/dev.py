"""Development: test patients, against the MESH integration service."""

from infra.configuration import Configuration, MailboxSettings, Retention

CONFIGURATION = Configuration(
    name="dev",
    account=None,
    mesh_url="https://msg.intspineservices.nhs.uk",
    nhs_numbers="test",
    keep_data=False,
    # Invented. A deployer names real contacts and mailboxes before the first deployment.
    contacts=("messaging@example.org",),
    # Nothing is held here, so a developer sees a result at once.
    mailboxes=(MailboxSettings(mailbox="Y90001OT001", ods_code="Y90001", hold_window_seconds=0),),
    retention=Retention(payload_days=14, log_days=30),
)
