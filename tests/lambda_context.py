"""What Lambda tells a handler about the invocation."""

from dataclasses import dataclass

REQUEST_ID = "8f5e3a52-3a55-4d0b-8c0f-4a1d6f0a2b11"


@dataclass(frozen=True)
class Context:
    """An invocation with a minute left."""

    function_name: str = "gpconnect-messaging-prod-function"
    function_version: str = "7"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:eu-west-2:123456789012:function:gpconnect-messaging-prod-function:live"
    aws_request_id: str = REQUEST_ID

    def get_remaining_time_in_millis(self) -> int:
        return 60_000
