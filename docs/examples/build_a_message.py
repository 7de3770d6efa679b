"""Build and validate a message without AWS, MESH or a network: run it in a checkout, with the library installed."""

from pathlib import Path

from gpconnect_messaging import Identifiers, MailboxSettings, draft_messages

folder = Path("events/requests/consultation-report-2.0")
mailbox = MailboxSettings(mailbox="Y90001OT001", ods_code="Y90001")
identifiers = Identifiers(b"a secret that you keep, and never change")
request = (folder / "request.json").read_bytes()
(message,) = draft_messages(request, mailbox, lambda key: (folder / key).read_bytes(), identifiers=identifiers)
print(message.message_id, message.envelope.workflow_id, Path("message.xml").write_bytes(message.xml), "bytes")
