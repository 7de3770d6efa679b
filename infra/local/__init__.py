"""The product on one machine: the deployed template on an AWS emulator, with a MESH and a practice to send to."""
