"""`python -m infra.operations` is `gpcm`."""

import infra.operations.commands  # noqa: F401 - registers the commands
from infra.operations.command_line import main

if __name__ == "__main__":
    main()
