"""Connecting with somebody: from a username or a link to a request on its way, and from a request to a conversation."""

from dataclasses import dataclass

from handshaker_core.client import directory, notices, requests, syncing
from handshaker_core.client.core import Core, StepProgress, no_progress
from handshaker_core.client.directory import Lead
from handshaker_core.client.errors import AddressGone, AlreadyConnected, NewIdentity, OwnAddress, UnknownUsername
from handshaker_core.client.events import IdentityChanged
from handshaker_core.client.prekeys import read_bundle
from handshaker_core.client.setup import create_mailbox
from handshaker_core.client.texts import check_greeting
from handshaker_core.client.unit import Unit
from handshaker_core.credentials import Mailbox
from handshaker_core.errors import InvalidUsername, ProtocolError
from handshaker_core.model import Attention, ContactId, ContactState, Direction, Found, Notice, Request, RequestId
from handshaker_core.net.errors import NetworkError, RateLimited, RefusedByServer
from handshaker_core.protocol import session as protocol
from handshaker_core.protocol.bundle import verify_bundle
from handshaker_core.protocol.keys import IdentityPublicKey
from handshaker_core.protocol.safety_number import safety_number
from handshaker_core.protocol.session import SessionState
from handshaker_core.store import contacts
from handshaker_core.store import requests as stored
from handshaker_core.store.mailboxes import PeerMailbox


@dataclass(frozen=True, slots=True)
class _Known:
    """What there is already between us and whom a lead names."""

    contact: ContactId | None
    state: ContactState
    incoming: RequestId | None
    outgoing: RequestId | None


async def find(core: Core, typed: str, progress: StepProgress = no_progress) -> Found | None:
    """Whom a username leads to, without asking them anything; None when nobody has it.

    Raises:
        InvalidUsername, ProtocolError, NetworkError.
    """
    lead = await directory.look_up(core, typed, progress)
    if lead is None or lead.username is None:
        return None
    username, identity = lead.username, lead.address.identity_key

    def describe(u: Unit) -> Found:
        known = contacts.by_identity(u.c, identity)
        _notice_identity(u, username, identity)
        return Found(
            username=username,
            safety_number=safety_number(u.keys.identity_key, identity),
            contact=None if known is None else contacts.get(u.c, known),
        )

    return await core.run(describe)


async def connect(
    core: Core,
    target: str,
    greeting: str = "",
    *,
    accept_new_identity: bool = False,
    progress: StepProgress = no_progress,
) -> Request:
    """Ask somebody to connect. Whoever asks us already is accepted instead; an open request is returned as it is.

    Raises:
        InvalidLink, InvalidUsername, UnknownUsername, OwnAddress, AlreadyConnected, NewIdentity, AddressGone,
        OtherDeployment, TextTooLong: see `errors`.
        ProtocolError: what the server gave us is not what the address promises. Nothing was sent.
        PrimaryDeviceOnly: this is a linked device.
        NetworkError.
    """
    _ = core.keys.identity  # a linked device answers for nobody; its owner connects on the primary
    greeting = check_greeting(greeting)
    lead = await directory.follow(core, target, progress)
    if lead is None:
        raise UnknownUsername
    if lead.address.identity_key == core.keys.identity_key:
        raise OwnAddress
    known = await core.run(lambda u: _known(u, lead))
    if await core.run(lambda u: _is_new_identity(u, lead)) and not accept_new_identity:
        raise NewIdentity
    if known.state is ContactState.CONNECTED:
        raise AlreadyConnected
    if known.incoming is not None:
        await accept(core, known.incoming, lead=lead, progress=progress)
        return await _reload(core, known.incoming)
    if known.outgoing is not None:
        return await _reload(core, known.outgoing)
    session = await _agree(core, lead, progress)
    reply_to = Mailbox.generate(core.rng)
    await create_mailbox(core, reply_to, progress)
    request_id = await core.run(lambda u: _ask(u, lead, session, reply_to, greeting))
    return await _reload(core, request_id)


def _known(u: Unit, lead: Lead) -> _Known:
    contact = contacts.by_identity(u.c, lead.address.identity_key)
    if contact is None:
        return _Known(None, ContactState.CLOSED, None, None)
    return _Known(
        contact,
        requests.standing(u, contact),
        stored.pending(u.c, contact, Direction.INCOMING),
        stored.pending(u.c, contact, Direction.OUTGOING),
    )


def _notice_identity(u: Unit, username: str, identity: IdentityPublicKey) -> bool:
    """Tell when a name that led to a contact leads to somebody else. Returns: whether it does."""
    before = contacts.by_username(u.c, username)
    if before is None or contacts.identity(u.c, before) == identity:
        return False
    contact = contacts.get(u.c, before)
    if contact is None:
        return True
    if contact.state is ContactState.CONNECTED and contact.attention is not Attention.IDENTITY_CHANGED:
        contacts.set_attention(u.c, before, Attention.IDENTITY_CHANGED)
        notices.add(u, before, Notice.IDENTITY_CHANGED)
        syncing.share_person(u, before)
    u.events.append(IdentityChanged(contacts.get(u.c, before) or contact))
    return True


def _is_new_identity(u: Unit, lead: Lead) -> bool:
    return lead.username is not None and _notice_identity(u, lead.username, lead.address.identity_key)


async def _agree(core: Core, lead: Lead, progress: StepProgress) -> SessionState:
    """Fetch the bundle at the address, verify it against the address, and start a session."""
    try:
        fetched = await core.api.fetch_bundle(lead.address.bundle_id, lambda share: progress("bundle", share))
    except RateLimited:
        raise
    except RefusedByServer:
        directory.check_deployment(core, lead)
        raise AddressGone from None
    verified = verify_bundle(read_bundle(fetched), lead.address.identity_key, lead.address.bundle_id)
    session, _ = protocol.initiate(core.keys.local, verified, now=core.clock(), rng=core.rng)
    return session


def _ask(u: Unit, lead: Lead, session: SessionState, reply_to: Mailbox, greeting: str) -> RequestId:
    known = _known(u, lead)
    if known.outgoing is not None:
        return known.outgoing  # asked twice at the same time; the second mailbox is never used and runs out
    address = PeerMailbox(lead.address.send_id, lead.address.send_secret)
    if known.incoming is not None:
        # They have asked while we did: both have said yes.
        contact = requests.accept(u, known.incoming, reply_to)
        _learn_username(u, contact, lead)
        return known.incoming
    request_id = requests.ask(u, session, address, reply_to, greeting)
    contact_id = contacts.by_identity(u.c, lead.address.identity_key)
    if contact_id is not None:
        _learn_username(u, contact_id, lead)
    return request_id


def _learn_username(u: Unit, contact: ContactId, lead: Lead) -> None:
    if lead.username is not None:
        contacts.set_username(u.c, contact, lead.username)


async def accept(
    core: Core, request_id: RequestId, *, lead: Lead | None = None, progress: StepProgress = no_progress
) -> ContactId:
    """Say yes to somebody who asks. The username that they claim is looked up, so that it shows only if it is theirs.

    Raises:
        NoSuchRequest, RequestClosed, NetworkError.
    """
    request = await core.run(lambda u: requests.get_open(u, request_id, Direction.INCOMING))
    reply_to = Mailbox.generate(core.rng)
    await create_mailbox(core, reply_to, progress)
    if lead is None and request.claimed_username is not None:
        lead = await _confirm(core, request.claimed_username, progress)

    def commit(u: Unit) -> ContactId:
        contact = requests.accept(u, request_id, reply_to)
        if lead is not None and lead.address.identity_key == contacts.identity(u.c, contact):
            _learn_username(u, contact, lead)
        return contact

    return await core.run(commit)


async def _confirm(core: Core, username: str, progress: StepProgress) -> Lead | None:
    try:
        return await directory.look_up(core, username, progress)
    except (NetworkError, ProtocolError, InvalidUsername):
        return None  # the name stays a claim


async def _reload(core: Core, request_id: RequestId) -> Request:
    request = await core.run(lambda u: stored.get(u.c, request_id))
    if request is None:
        raise AssertionError("a request vanished")
    return request
