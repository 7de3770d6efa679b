"""What people and pipelines do with a deployed environment."""
