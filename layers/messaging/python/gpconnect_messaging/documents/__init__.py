"""The documents of a request: which types may be sent, and whether a file is what its request says it is."""
