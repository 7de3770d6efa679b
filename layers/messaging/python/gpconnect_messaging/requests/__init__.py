"""Requests of sending systems: models, rules, ids and refusals."""
