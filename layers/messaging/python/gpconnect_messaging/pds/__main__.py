"""Check whether PDS accepts an environment's application: `python -m gpconnect_messaging.pds --url … --secret …`.

The command requests a token and names no patient. It reads the secret from Secrets Manager with your AWS credentials.
Exit status 0: accepted; 1: the output says what to correct.
"""

import argparse
import sys
from collections.abc import Callable, Sequence

from botocore.exceptions import BotoCoreError, ClientError

from gpconnect_messaging.pds.client import PdsClient
from gpconnect_messaging.pds.errors import CredentialsError, PdsError, RetryLater
from gpconnect_messaging.pds.vault import ApplicationVault
from gpconnect_messaging.safe_errors import describe


class Unlimited:
    """No budget: a token does not count towards the application's rate."""

    def reserve(self, longest: float) -> float:
        """Refuse: this command makes no lookups."""
        raise RetryLater("lookup", f"this command makes no lookups, however long one waits ({longest} s)")

    def pause(self, seconds: float) -> None:
        """Do nothing."""


def check(client: PdsClient) -> str | None:
    """Return the fault of the credentials; None if PDS accepts them. For the command line and `gpcm doctor`."""
    try:
        client.check()
    except (PdsError, CredentialsError) as problem:
        return str(problem)
    except (ClientError, BotoCoreError) as problem:
        return f"the secret could not be read: {describe(problem)['reason']}"
    return None


def main(arguments: Sequence[str] | None = None, open_client: Callable[[str, str], PdsClient] | None = None) -> int:
    """Run the command; `open_client` takes the address and the secret's name."""
    parser = argparse.ArgumentParser(prog="python -m gpconnect_messaging.pds", description=__doc__)
    parser.add_argument("--url", required=True, help="such as https://int.api.service.nhs.uk")
    parser.add_argument("--secret", required=True, help="the secret's name: the stack's output PdsSecretName")
    options = parser.parse_args(arguments)
    problem = check((open_client or _open)(options.url, options.secret))
    sys.stdout.write(f"{problem}\n" if problem else "PDS accepts the application's credentials.\n")
    return 1 if problem else 0


def _open(url: str, secret: str) -> PdsClient:
    import boto3

    return PdsClient(url, ApplicationVault(boto3.client("secretsmanager"), secret), Unlimited())


if __name__ == "__main__":
    sys.exit(main())
