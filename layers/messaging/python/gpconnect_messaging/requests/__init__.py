"""What a sending system asks for: the request, its identity, and why it was refused."""
