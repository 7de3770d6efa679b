"""The console of `gpcm console`: web pages for operators, served on this machine alone."""
