"""Doing again what went wrong, by an operator's hand: dead letters back to their queues, messages sent once more."""
