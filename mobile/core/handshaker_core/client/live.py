"""Live sessions between this device and one of a contact: what is said about them, and where their keys are meanwhile.

The rules are `protocol.live`; here they meet the conversation. Everything that is said goes only to somebody who is
there: servers do not keep it, but for the end of one.
"""

from handshaker_core.client.content import Content, LiveAccept, LiveEnd, LiveOffer
from handshaker_core.client.errors import AttentionNeeded, NotConnected
from handshaker_core.client.events import LiveSessionChanged
from handshaker_core.client.posting import new_content, post, post_exporting
from handshaker_core.client.unit import Signal, Unit
from handshaker_core.model import ContactId, LiveSession
from handshaker_core.protocol import live
from handshaker_core.protocol.device import DeviceId
from handshaker_core.protocol.keys import ExportedSecret
from handshaker_core.protocol.labels import Label
from handshaker_core.protocol.live import (
    Accepting,
    Ended,
    EndReason,
    Idle,
    Live,
    LiveId,
    LiveKeys,
    LiveState,
    Offered,
    Reply,
)
from handshaker_core.protocol.session import MessageExporter, SessionState
from handshaker_core.store import contacts, mailboxes, outbox, sessions
from handshaker_core.store.mailboxes import PeerMailbox
from handshaker_core.store.outbox import Kind


def start(u: Unit, contact: ContactId) -> LiveSession:
    """Offer a live session, or accept the one that the contact offers.

    Raises:
        NotConnected: there is nobody to offer it to.
        AttentionNeeded: something about the contact has changed that the owner has not looked at.
        LiveSessionOpen: there is one, or an own offer waits.
    """
    if not contacts.is_connected(u.c, contact):
        raise NotConnected
    who = contacts.get(u.c, contact)
    if who is not None and who.attention is not None:
        raise AttentionNeeded(who.attention)
    state = _current(u, contact)
    if isinstance(state, Accepting):
        _accept(u, contact)
        return status(u, contact)
    live.check_may_offer(state)
    session, to = _reachable(u, contact, None)
    live_id = live.new_live_id(u.rng)
    secret = _say(u, contact, session, to, new_content(u, LiveOffer(live_id)))
    _set(u, contact, session.peer.device_id, live.offer(state, live_id, secret, u.now))
    return status(u, contact)


def end(u: Unit, contact: ContactId, reason: EndReason = EndReason.ENDED_HERE) -> None:
    """End it, tell the contact, and delete its keys. Raises: NoLiveSession."""
    state, device = _current(u, contact), u.live.device(contact)
    ended = live.end(state, reason)
    if device is not None and isinstance(state, Offered | Accepting | Live):
        _tell_end(u, contact, device, state.live_id)
        _set(u, contact, device, ended)


def status(u: Unit, contact: ContactId) -> LiveSession:
    """How it stands; never with a key."""
    state = _current(u, contact)
    since = state.at if isinstance(state, Offered | Accepting | Live) else None
    return LiveSession(
        contact_id=contact,
        phase=state.phase,
        since_ms=None if since is None else int(since * 1000),
        ended=state.reason if isinstance(state, Ended) else None,
    )


def keys(u: Unit, contact: ContactId) -> LiveKeys | None:
    """The keys of the channel; None while there is no live session."""
    state = _current(u, contact)
    return state.keys if isinstance(state, Live) else None


def end_all(u: Unit) -> int:
    """End all of them, and tell. Returns: how many there were."""
    open_ones = [who for who in u.live.contacts() if isinstance(_current(u, who), Offered | Accepting | Live)]
    for contact in open_ones:
        end(u, contact)
    return len(open_ones)


def take(
    u: Unit,
    contact: ContactId,
    session: SessionState,
    said: LiveOffer | LiveAccept | LiveEnd,
    exporter: MessageExporter,
) -> None:
    """What the contact's device says about one; `exporter` is of the message that says it."""
    if not contacts.is_connected(u.c, contact):
        return
    state, device = _current(u, contact), session.peer.device_id
    secret = exporter.export(Label.LIVE_SESSION_EXPORT)
    match said:
        case LiveOffer(live_id):
            changed, reply = live.receive_offer(state, live_id, secret, u.now)
        case LiveAccept(live_id):
            changed, reply = live.receive_accept(state, live_id, secret, u.now)
        case LiveEnd(live_id):
            changed, reply = live.receive_end(state, live_id), Reply.NOTHING
    _set(u, contact, device, changed)
    if reply is Reply.ACCEPT:
        _accept(u, contact)
    elif reply is Reply.END:
        _tell_end(u, contact, device, live_id)


def nobody_there(u: Unit, contact: ContactId) -> None:
    """What was said about a live session reached nobody, and the server did not keep it."""
    state, device = u.live.get(contact), u.live.device(contact)
    if device is not None and isinstance(state, Offered | Live):
        _set(u, contact, device, live.end(state, EndReason.NOT_THERE))


def session_ended(u: Unit, contact: ContactId) -> None:
    """The session of the conversation is over, and with it what was agreed in it. Nobody has to be told."""
    state, device = u.live.get(contact), u.live.device(contact)
    if device is not None and not isinstance(state, Idle | Ended):
        _set(u, contact, device, live.end(state, EndReason.SESSION_ENDED))


def forget_frames(u: Unit) -> None:
    """What an earlier process had to say about live sessions is about sessions that are gone with it."""
    outbox.remove_kind(u.c, Kind.LIVE)


def expire_all(u: Unit) -> float | None:
    """End what has waited or lasted too long. Returns: seconds until the next has; None when there is none."""
    waits = []
    for contact in u.live.contacts():
        match _current(u, contact):
            case Offered(at=at) | Accepting(at=at):
                waits.append(at + live.OFFER_SECONDS - u.now)
            case Live(at=at):
                waits.append(at + live.LONGEST_SECONDS - u.now)
    return min(waits, default=None)


def _current(u: Unit, contact: ContactId) -> LiveState:
    state, device = u.live.get(contact), u.live.device(contact)
    expired = live.expire(state, u.now)
    if device is not None and expired is not state:
        _set(u, contact, device, expired)
    return expired


def _accept(u: Unit, contact: ContactId) -> None:
    state, device = u.live.get(contact), u.live.device(contact)
    if device is None or not isinstance(state, Accepting):
        raise AssertionError("only an offer is accepted")
    session, to = _reachable(u, contact, device)
    secret = _say(u, contact, session, to, new_content(u, LiveAccept(state.live_id)))
    _set(u, contact, device, live.accept(state, secret, u.now))


def _set(u: Unit, contact: ContactId, device: DeviceId, state: LiveState) -> None:
    if state is u.live.get(contact) or isinstance(state, Idle):
        return
    u.live.set(contact, device, state)
    if isinstance(state, Ended):
        outbox.remove_of_contact(u.c, contact, Kind.LIVE)  # an offer that has not left must not leave later
    u.signals.add(Signal.SESSIONS)
    who = contacts.get(u.c, contact)
    if who is not None:
        u.events.append(LiveSessionChanged(status(u, contact), who))


def _tell_end(u: Unit, contact: ContactId, device: DeviceId, live_id: LiveId) -> None:
    try:
        session, to = _reachable(u, contact, device)
    except NotConnected:
        return  # there is no session any more in which it could be said
    # This one is worth keeping for somebody who is away: their key has to go as well.
    post(u, contact, session, to, new_content(u, LiveEnd(live_id)), kind=Kind.CONTROL)


def _reachable(u: Unit, contact: ContactId, device: DeviceId | None) -> tuple[SessionState, PeerMailbox]:
    """The session to speak in, with that device or with the one that the contact last wrote from. Raises: NotConnected."""
    found = sessions.of_contact(u.c, contact) if device is None else sessions.of_device(u.c, contact, device)
    to = mailboxes.peer(u.c, contact, found[0].peer.device_id) if found else None
    if to is None:
        raise NotConnected
    return found[0], to


def _say(u: Unit, contact: ContactId, session: SessionState, to: PeerMailbox, content: Content) -> ExportedSecret:
    """Queue a content, and export the secret of its message."""
    _, exporter = post_exporting(u, contact, session, to, content, kind=Kind.LIVE)
    return exporter.export(Label.LIVE_SESSION_EXPORT)
