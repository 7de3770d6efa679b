"""SNS as far as the product uses it."""

from dataclasses import dataclass, field
from typing import Any

from tests.fakes.faults import aws_error


@dataclass
class Topic:
    """An SNS client that keeps what was published."""

    published: list[str] = field(default_factory=list)
    attributes: list[dict[str, str]] = field(default_factory=list)

    def publish(
        self,
        *,
        TopicArn: str,  # noqa: N803 - boto3's names
        Subject: str,  # noqa: N803
        Message: str,  # noqa: N803
        MessageAttributes: dict[str, Any] | None = None,  # noqa: N803
    ) -> dict[str, Any]:
        """Publish, as SNS does: a subject is at most 100 printable ASCII characters in one line."""
        assert TopicArn
        if not (0 < len(Subject) <= 100 and Subject.isascii() and Subject.isprintable()):
            raise aws_error("Publish", "InvalidParameter")
        if not 0 < len(Message.encode()) <= 262_144:
            raise aws_error("Publish", "InvalidParameter")
        self.published.append(f"{Subject}\n{Message}")
        self.attributes.append({name: value["StringValue"] for name, value in (MessageAttributes or {}).items()})
        return {"MessageId": str(len(self.published))}

    @property
    def subjects(self) -> list[str]:
        """The subjects of what was published, without the product's name."""
        return [text.partition("\n")[0].removeprefix("GP Connect Messaging: ") for text in self.published]
