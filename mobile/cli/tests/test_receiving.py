"""Which messages count as read once one of them has been shown."""

from handshaker_cli.operations.messages import with_limits
from handshaker_core.model import ContactId, Direction, Message, MessageKind, MessageNumber, MessageState
from hypothesis import given
from hypothesis import strategies as st


def message(number: int, contact: int) -> Message:
    return Message(
        MessageNumber(number),
        ContactId(contact),
        Direction.INCOMING,
        MessageKind.TEXT,
        "",
        MessageState.RECEIVED,
        None,
        0,
        0,
    )


@given(st.permutations(range(1, 9)), st.lists(st.integers(1, 3), min_size=8, max_size=8))
def test_nothing_is_marked_before_it_is_shown_and_everything_is_in_the_end(numbers, contacts):
    unread = [message(number, contacts[number - 1]) for number in numbers]
    shown: set[int] = set()
    marked: set[int] = set()
    for entry, up_to in with_limits(unread):
        shown.add(entry.id)
        marked |= {each.id for each in unread if each.contact_id == entry.contact_id and each.id <= up_to}
        assert marked <= shown
    assert marked == set(numbers)


def test_in_the_usual_order_each_message_is_marked_at_once():
    unread = [message(4, 1), message(5, 2), message(6, 1)]
    assert [limit for _, limit in with_limits(unread)] == [5, 6, 6]
