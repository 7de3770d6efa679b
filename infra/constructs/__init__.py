"""One construct per capability: what it owns, how it is protected, and what it grants to a function."""
