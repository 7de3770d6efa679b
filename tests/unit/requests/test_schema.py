from gpconnect_messaging.requests.schema import request_schema
from tests.examples import ROOT


def test_the_published_schema_is_the_one_that_the_models_give() -> None:
    published = (ROOT / "events" / "request.schema.json").read_text(encoding="utf-8")
    assert published == request_schema(), "run `make schema`"
