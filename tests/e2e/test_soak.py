"""A few messages of what `make soak` sends thousands of."""

from tests.e2e.conftest import DeployedProduct
from tests.performance.flow import picture
from tests.performance.soak import soak, statuses_over_time, waiting


def test_the_books_balance_after_a_mesh_that_fails(product: DeployedProduct) -> None:
    run = product.run
    product.wait(lambda: not waiting(run))  # what other tests left to be done again is not the soak's
    books, messages = soak(run, messages=24, rate=0.1, seed=3, report=lambda _line: None)
    print(books)
    assert books.wrong == []
    assert books.faults > 10, "the faults did not strike"
    assert sum(books.statuses.values()) == 24
    assert len(books.statuses) >= 3, "all went the same way"
    assert "<polygon" in picture(statuses_over_time(messages), "flow")
