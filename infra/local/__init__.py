"""The local run: the deployed template on an AWS emulator, with a local MESH, PDS and practice."""
