"""`python -m gpcm` is `gpcm`."""

from gpcm.command_line import main

if __name__ == "__main__":
    main()
