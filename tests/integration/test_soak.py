"""With a failing MESH, no message is lost and no failure is hidden."""

from pathlib import Path

import pytest

from tests.local_mesh import local_mesh
from tests.performance.soak_mesh import soak


@pytest.mark.parametrize("seed", [11, 12])
def test_nothing_is_lost_and_nothing_untrue_is_said_when_a_fifth_of_all_requests_fails(
    seed: int, tmp_path: Path
) -> None:
    with local_mesh(tmp_path) as mesh:
        outcome = soak(mesh, messages=75, rate=0.2, seed=seed)
    assert outcome.wrong == []
    assert outcome.faults > 50, "the faults did not strike"
    assert outcome.in_chunks > 10
    assert outcome.copies > 0, "no upload was repeated, so no copy could be unknown"
