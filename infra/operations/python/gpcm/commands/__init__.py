"""The commands of `gpcm`, one module per task. Importing a module registers its commands."""
