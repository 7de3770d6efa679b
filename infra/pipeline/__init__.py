"""The pipeline that takes a change from the repository to production, environment by environment."""
