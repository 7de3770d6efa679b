"""Handler processes killed in the middle of their work lose nothing and send nothing twice unnoticed."""

import random
import time

from gpcm.functions import FunctionFailedError
from tests.e2e.conftest import DeployedProduct


def test_killed_functions_lose_nothing_and_hide_no_second_copy(product: DeployedProduct) -> None:
    seed = random.randrange(10**6)
    print(f"seed of the killings: {seed}")
    dice = random.Random(seed)
    dropped = [product.drop(f"consultation-report-{dice.choice(['1.5', '2.0'])}") for _ in range(10)]
    killed = 0
    end = time.monotonic() + 25
    while time.monotonic() < end:
        time.sleep(dice.uniform(0.05, 1.5))
        killed += product.run.kill_handlers(dice.choice(["builder", "sender", "poller"]))
        try:
            product.run.poll()
        except FunctionFailedError:
            continue  # it was killed, or comes after one that was
    assert killed
    product.wait(
        lambda: all(
            (message := product.run.message(request)) is not None and message.status == "DELIVERED"
            for request in dropped
        ),
        seconds=150,
    )
    for request in dropped:
        message = product.message(request)
        assert 1 <= len(product.uploads(message)) <= message.item["possible_copies"]
    assert len({product.message(request).message_id for request in dropped}) == len(dropped)
