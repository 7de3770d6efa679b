"""A synthetic GP practice: it collects messages from MESH, validates them as a receiver would, and responds.

It stands for the receiving system and for the NHS test harness. It shares no code with the sender's library, so that a
fault in the library cannot hide here: the MESH client, the reading and the codes are separate.
"""
