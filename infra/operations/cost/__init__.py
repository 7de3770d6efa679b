"""What a message costs: measured calls of the local run, a price table, and the sum of the two. It calls no AWS."""
