"""What the client knows, as results."""

from datetime import UTC, datetime

from handshaker_core import model

from handshaker_cli.operations import results

_LAST = datetime(9999, 1, 1, tzinfo=UTC)


def contact(value: model.Contact) -> results.Contact:
    """A contact."""
    return results.Contact(
        contact=value.id,
        name=value.name,
        username=value.username,
        claimed_username=value.claimed_username,
        state=value.state.value,
        verified=value.verified,
        unread=value.unread,
        attention=None if value.attention is None else value.attention.value,
    )


def request(value: model.Request) -> results.Request:
    """A connection request."""
    return results.Request(
        request=value.id,
        direction=value.direction.value,
        state=value.state.value,
        contact=value.contact_id,
        name=value.name,
        username=value.username,
        claimed_username=value.claimed_username,
        greeting=value.greeting,
        at=_moment(value.created_at_ms),
    )


def message(value: model.Message, name: str) -> results.Message:
    """A message; `name` is the contact's."""
    return results.Message(
        message=value.id,
        direction=value.direction.value,
        state=value.state.value,
        contact=value.contact_id,
        name=name,
        text=None if value.kind is model.MessageKind.UNREADABLE else value.text,
        at=_moment(value.sent_at_ms),
        failure=value.failure,
        notice=None if value.notice is None else value.notice.value,
        disappears_at=None if value.expires_at_ms is None else _moment(value.expires_at_ms),
    )


def session(value: model.SessionStatus, name: str) -> results.Session:
    """The sessions with a contact of that name."""
    since = value.live.since_ms
    return results.Session(
        contact=value.contact_id,
        name=name,
        sessions=value.sessions,
        epoch=value.epoch,
        live=value.live.phase.value,
        since=None if since is None else _moment(since),
        ended=None if value.live.ended is None else value.live.ended.value,
    )


def account(value: model.Account) -> results.Account:
    """The own account."""
    return results.Account(
        name=value.display_name,
        username=value.username,
        server=value.server,
        link=value.link,
        account_id=value.account_id,
        device_id=value.device_id,
        logged_in=value.logged_in,
    )


def _moment(milliseconds: int) -> datetime:
    """The time; a sender's clock may say anything, and years that calendars do not have become the last one."""
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return _LAST
