"""A small web page for operations staff, served on this machine alone: `gpcm console`."""
