"""The documentation site, built from docs/ and README.md, and the reference pages, written from the code."""
