"""The pipeline that brings a change from the repository to production, one environment after the other."""
