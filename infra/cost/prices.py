"""The price table `prices.json`, as validated values. Prices are in dollars, without VAT or free tiers."""

from collections import Counter
from datetime import date
from pathlib import Path
from typing import Annotated, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

PRICES = Path(__file__).with_name("prices.json")

Item = Literal[
    "lambda_request", "lambda_gb_second", "dynamodb_write_unit", "dynamodb_read_unit", "dynamodb_gb_month",
    "dynamodb_recovery_gb_month", "s3_put", "s3_get", "s3_gb_month", "sqs_request", "sqs_fair_request", "sns_publish",
    "sns_email", "eventbridge_event", "scheduler_invocation", "kms_request", "kms_key_month", "secrets_request",
    "secret_month", "logs_gb", "logs_masked_gb", "logs_gb_month", "alarm_month", "metric_month",
    "data_out_gb", "state_transition", "endpoint_hour", "fargate_vcpu_hour", "fargate_gb_hour",
    "guardduty_object", "guardduty_gb",
]  # fmt: skip
"""An item that AWS charges for."""


class Price(BaseModel):
    """The price of one unit, with source and certainty.

    `quoted`: from AWS's price list, as a third party quotes it. `published`: from an AWS page. `derived`: calculated
    from the price of another region or date.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    item: Item
    usd: float = Field(gt=0, le=100)
    unit: str = Field(min_length=1)
    service: str = Field(min_length=1)
    usage_type: str
    source: str = Field(min_length=10)
    dated: Annotated[date, Field(strict=False)]
    certainty: Literal["quoted", "published", "derived"]
    note: str


class Prices(BaseModel):
    """Every price, of one region."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    region: Literal["eu-west-2"]
    currency: Literal["USD"]
    note: str
    prices: tuple[Price, ...]

    @model_validator(mode="after")
    def _all_once(self) -> Self:
        counts = Counter(price.item for price in self.prices)
        wrong = {item: counts[item] for item in get_args(Item) if counts[item] != 1}
        if wrong:
            raise ValueError(f"prices must name every item once; these counts differ: {wrong}")
        return self

    def usd(self, item: Item) -> float:
        """The price of one unit of an item."""
        return self.price(item).usd

    def price(self, item: Item) -> Price:
        """The price of an item, with source."""
        return next(price for price in self.prices if price.item == item)


def load(file: Path = PRICES) -> Prices:
    """Read a price table. Raises OSError; pydantic.ValidationError, which names the field."""
    return Prices.model_validate_json(file.read_bytes())
