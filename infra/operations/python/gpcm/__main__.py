"""`python -m gpcm` is `gpcm`."""

import gpcm.commands  # noqa: F401 - registers the commands
from gpcm.command_line import main

if __name__ == "__main__":
    main()
