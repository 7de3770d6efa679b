"""Outside tools for templates, packages and sources, and the findings that the project has answered."""
