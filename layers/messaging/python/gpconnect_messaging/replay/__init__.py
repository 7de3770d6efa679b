"""Operators' tools for repeating failed work: resend messages, redrive dead letters, backfill the drop."""
