"""The pages that are written from production's template say what is deployed."""

import copy

import pytest

from infra.documentation.from_template import UndescribedStoreError, stores_page
from infra.documentation.pages import FROM_TEMPLATE, published
from tests.infra.templates import Template


@pytest.mark.parametrize("name", FROM_TEMPLATE)
def test_a_page_that_is_written_from_the_template_is_what_it_gives(name: str, prod: Template) -> None:
    assert published(name).read_text(encoding="utf-8") == FROM_TEMPLATE[name](prod.body), "run `make reference`"


def test_a_place_that_the_page_does_not_describe_stops_it(prod: Template) -> None:
    body = copy.deepcopy(dict(prod.body))
    bucket = body["Resources"][prod.output("EvidenceBucketName")]["Properties"]
    bucket["LifecycleConfiguration"]["Rules"].append({"Prefix": "elsewhere/", "ExpirationInDays": 1})
    with pytest.raises(UndescribedStoreError, match="Evidence elsewhere/"):
        stores_page(body)
