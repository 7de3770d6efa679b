"""Settings of the pipeline. A wrong value raises `pydantic.ValidationError`, which names the field."""

from typing import Annotated

from pydantic import Field

from infra.configuration import UNITED_KINGDOM, AccountId, Region, Settings


class Delivery(Settings):
    """Settings of the pipeline; the environments have their own."""

    account: AccountId
    region: Region = UNITED_KINGDOM
    repository: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$")]
    """`owner/name`, on the service that the connection is for."""
    branch: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*$")] = "main"
    connection: Annotated[
        str,
        Field(pattern=r"^arn:aws:(codeconnections|codestar-connections):[a-z0-9-]+:[0-9]{12}:connection/[0-9a-f-]+$"),
    ]
    """ARN of the CodeConnections connection, which a person makes and confirms once."""
    patience_minutes: int = Field(default=30, ge=5, le=240)
    """How long the synthetic report waits for the responses of integration's practice."""


# Invented. A deployer names a real account, repository and connection before the first deployment of the pipeline.
DELIVERY = Delivery(
    account="777788889999",
    repository="example/gpconnect-messaging",
    connection="arn:aws:codeconnections:eu-west-2:777788889999:connection/00000000-0000-0000-0000-000000000000",
)
