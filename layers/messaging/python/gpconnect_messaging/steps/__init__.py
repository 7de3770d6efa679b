"""The steps, one per trigger: build a request, send a message, poll a mailbox, sweep.

Every step is safe to repeat, and commits at one point: the ledger's conditional write.
"""
