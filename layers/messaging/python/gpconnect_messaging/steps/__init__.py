"""The steps of a message's way, one per trigger: build, send, poll a mailbox, do due work.

Each is safe to repeat, and has one commit point: the ledger's conditional write.
"""
