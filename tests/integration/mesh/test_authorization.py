"""The NHSMESH token's uniqueness at length, which takes seconds."""

from concurrent.futures import ThreadPoolExecutor

from gpconnect_messaging.mesh.authorization import authorization
from tests.unit.mesh.test_authorization import NOON, verified


def test_a_hundred_thousand_tokens_of_sixteen_threads_are_distinct_and_valid() -> None:
    def many(_: int) -> list[str]:
        return [authorization("Y90001OT001", "p", "k", at=NOON) for _ in range(6_250)]

    with ThreadPoolExecutor(16) as pool:
        tokens = [token for batch in pool.map(many, range(16)) for token in batch]
    assert len(set(tokens)) == len(tokens) == 100_000
    assert all(verified(token, "p", "k") for token in tokens)
