"""What an operator does to a deployed environment, with the credentials of a person and not of a function."""
