"""The operator's tools for an environment. They use a person's credentials, not a function's."""
