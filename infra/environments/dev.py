"""Development: test patients, against the MESH integration service."""

from infra.configuration import Configuration, MailboxSettings, Retention

CONFIGURATION = Configuration(
    name="dev",
    account=None,
    mesh_url="https://msg.intspineservices.nhs.uk",
    nhs_numbers="test",
    keep_data=False,
    # Invented. A deployer names its own people and mailboxes here before the first deployment.
    contacts=("messaging@example.org",),
    mailboxes=(MailboxSettings(mailbox="Y90001OT001", ods_code="Y90001"),),
    retention=Retention(payload_days=14, log_days=30),
)
