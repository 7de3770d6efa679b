"""Integration: test patients, against the MESH integration service, as much like production as that allows."""

from infra.configuration import Configuration, Deployment, MailboxSettings, Pds

CONFIGURATION = Configuration(
    name="int",
    # Invented, like the mailbox and the contacts. A deployer names real ones before the first deployment.
    account="111122223333",
    mesh_url="https://msg.intspineservices.nhs.uk",
    pds=Pds(url="https://int.api.service.nhs.uk"),
    nhs_numbers="test",
    keep_data=False,
    contacts=("messaging@example.org",),
    # Held for a minute only: the pipeline waits here for the responses to the synthetic report.
    mailboxes=(MailboxSettings(mailbox="Y90001OT001", ods_code="Y90001", hold_window_seconds=60),),
    deployment=Deployment(traffic_shift="linear"),
)
