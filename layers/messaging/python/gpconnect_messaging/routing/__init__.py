"""Where a message goes, and what MESH's headers say of it."""
