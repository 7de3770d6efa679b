"""The sending mailboxes: their settings (Parameter Store) and credentials (Secrets Manager)."""
