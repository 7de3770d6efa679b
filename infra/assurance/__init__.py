"""What outside tools say of templates, packages and sources, compared with what we answer for."""
