from hypothesis import given
from hypothesis import strategies as st

from gpconnect_messaging.requests import identity


def test_ids_are_derived_and_stay_the_same_for_ever() -> None:
    # Written out: a change of derivation would make every repeated request a new message.
    assert str(identity.message_id("Y90001OT001", "encounter-1", 1)) == "04f02fbd-acfc-544a-aa5f-bce74ae73ac6"
    assert str(identity.document_id("Y90001OT001", "encounter-1", 1)) == "43ece050-93a8-5249-bfa8-c27313dc1b88"


@given(st.lists(st.tuples(st.text(), st.text(), st.integers(1, 9)), unique=True, max_size=20))
def test_different_messages_have_different_ids(parts: list[tuple[str, str, int]]) -> None:
    ids = {identity.message_id(*each) for each in parts} | {identity.document_id(*each) for each in parts}
    assert len(ids) == 2 * len(parts)


def test_neighbouring_parts_do_not_run_into_each_other() -> None:
    assert identity.message_id("ab", "c", 1) != identity.message_id("a", "bc", 1)
    assert identity.dropped_request_id("a", "b/c", "") != identity.dropped_request_id("a", "b", "/c")


def test_each_recipient_has_its_own_message_of_one_document() -> None:
    assert identity.message_id("m", "e", 1) != identity.message_id("m", "e", 1, "A20047")


def test_an_encounter_key_does_not_show_the_encounter() -> None:
    assert "WRIGHT" not in identity.encounter_key("Y90001OT001", "WRIGHT-19331114")
