"""A synthetic GP practice: it collects what comes over MESH, validates it as a receiver would, and answers.

It stands in for the receiving system and for the NHS test harness. It shares no code with the sender's library, so
that a fault in the library cannot hide itself here: its MESH client, its reading and its codes are its own.
"""
