"""The cost of a message: calls measured on the local run, times a price table. It does not call AWS."""
