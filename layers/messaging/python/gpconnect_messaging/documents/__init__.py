"""The documents of a request: permitted types, the gate that opens files, and rendered reports."""
