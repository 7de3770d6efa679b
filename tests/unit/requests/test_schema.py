from infra.documentation.request_schema import PUBLISHED, request_schema


def test_the_published_schema_is_the_one_that_the_models_give() -> None:
    assert PUBLISHED.read_text(encoding="utf-8") == request_schema(), "run `make reference`"
