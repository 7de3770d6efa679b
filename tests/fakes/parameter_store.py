"""Systems Manager's Parameter Store as far as the product uses it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Self

from tests.fakes.faults import aws_error


@dataclass
class Parameters:
    """A Systems Manager client: parameters by whole name, as data for JSON or as text."""

    values: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    """The names that were asked for, in order."""

    def get_parameter(self, *, Name: str) -> dict[str, Any]:  # noqa: N803 - boto3's name
        """Read a parameter."""
        self.asked.append(Name)
        if Name not in self.values:
            raise aws_error("GetParameter", "ParameterNotFound")
        value = self.values[Name]
        return {"Parameter": {"Name": Name, "Value": value if isinstance(value, str) else json.dumps(value)}}

    def get_paginator(self, operation: str) -> Self:
        """List parameters, one a page."""
        assert operation == "get_parameters_by_path"
        return self

    def paginate(self, *, Path: str) -> Iterator[dict[str, Any]]:  # noqa: N803
        """List the parameters right under a path."""
        for name in self.values:
            if name.rpartition("/")[0] == Path.rstrip("/"):
                yield {"Parameters": [{"Name": name}]}
