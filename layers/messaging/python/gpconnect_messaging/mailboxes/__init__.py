"""The sending mailboxes: their settings (Parameter Store), and what opens them (Secrets Manager)."""
