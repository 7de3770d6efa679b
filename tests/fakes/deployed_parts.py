"""EventBridge, Lambda and KMS as far as the product asks them which parts of a deployment are enabled."""

# ruff: noqa: N803
# (The argument names are boto3's.)

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.faults import aws_error


@dataclass
class DeployedParts:
    """One client for EventBridge, Lambda and KMS: the states of rules, event source mappings and keys, by name."""

    states: dict[str, str]
    variables: dict[str, Mapping[str, str]] = field(default_factory=dict)
    """The environment variables of a function, by name."""
    asked: int = 0
    """How often a state was asked for."""

    def describe_rule(self, *, Name: str) -> dict[str, Any]:
        """Give a rule's state."""
        return {"State": self._state("DescribeRule", Name)}

    def get_event_source_mapping(self, *, UUID: str) -> dict[str, Any]:
        """Give an event source mapping's state."""
        return {"State": self._state("GetEventSourceMapping", UUID)}

    def describe_key(self, *, KeyId: str) -> dict[str, Any]:
        """Give a key's state."""
        return {"KeyMetadata": {"KeyState": self._state("DescribeKey", KeyId)}}

    def get_function_configuration(self, *, FunctionName: str) -> dict[str, Any]:
        """Give a function's environment variables."""
        return {"Environment": {"Variables": dict(self.variables[FunctionName])}}

    def _state(self, operation: str, name: str) -> str:
        self.asked += 1
        if name not in self.states:
            raise aws_error(operation, "ResourceNotFoundException")
        return self.states[name]
