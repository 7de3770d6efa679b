"""The recipients of a message, and the texts of MESH's headers."""
