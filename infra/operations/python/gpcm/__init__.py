"""The operator's tools for an environment: the command line and the console. They use a person's credentials."""
