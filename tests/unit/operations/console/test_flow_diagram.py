"""Today's flow as a picture."""

from collections.abc import Callable, Mapping
from itertools import combinations

import pytest

from gpcm.console.flow_diagram import COUNTED, STAGES, Box, FlowDiagram, count_of, narrow, wide
from gpconnect_messaging.ledger.stored_names import Status

SLOTS = [slot for stage in STAGES for slot in (stage.slot, *stage.leaving)]
BUSY = {status: 11 * number for number, status in enumerate(COUNTED)}


def test_every_status_has_one_place_but_a_released_request_whose_messages_have() -> None:
    placed = [status for environment in SLOTS for status in environment.statuses]
    assert len(placed) == len(set(placed))
    assert set(placed) == set(Status) - {Status.RELEASED} == COUNTED


@pytest.mark.parametrize("draw", [wide, narrow])
@pytest.mark.parametrize("counts", [{}, BUSY], ids=["nothing came in", "much came in"])
def test_every_place_is_in_the_picture_with_its_number_and_covers_no_other(
    draw: Callable[[Mapping[Status, int]], FlowDiagram], counts: dict[Status, int]
) -> None:
    picture = draw(counts)
    assert {box.name: box.count for box in picture.boxes} == {
        environment.name: count_of(environment, counts) for environment in SLOTS
    }
    assert not [(one, other) for one, other in combinations(picture.boxes, 2) if _overlap(one, other)]
    assert all(box.x + box.width <= picture.width and box.y + box.height <= picture.height for box in picture.boxes)


def test_an_arrow_is_a_hair_where_nothing_went_and_thick_where_all_did() -> None:
    idle = [arrow.width for arrow in wide({}).arrows]
    assert set(idle) == {1}
    all_the_way = [arrow.width for arrow in wide({Status.DELIVERED: 1_000_000}).arrows]
    assert set(all_the_way) == {12}


def test_what_left_the_way_does_not_go_on() -> None:
    first, second, last = (arrow.width for arrow in narrow({Status.REFUSED: 10}).arrows)
    assert first > second == last == 1


def _overlap(one: Box, other: Box) -> bool:
    return (
        one.x < other.x + other.width
        and other.x < one.x + one.width
        and one.y < other.y + other.height
        and other.y < one.y + one.height
    )
