"""The client: every command that a program on top of it needs, and the stream of events.

Commands work on the local store and, where they have to, ask the server. Messages are sent and received while `run` runs;
without it they wait in the store.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, closing
from pathlib import Path
from typing import Any, Self, TypeVar

from handshaker_core.client import connecting, conversations, directory, opening, receipts, requests, sending, setup
from handshaker_core.client import settings as preferences
from handshaker_core.client.core import Core, StepProgress, no_progress
from handshaker_core.client.devices import Devices
from handshaker_core.client.errors import LoggedOut, NoSuchMessage, NoSuchRequest, NotRegistered
from handshaker_core.client.events import ConnectionState, Listener
from handshaker_core.client.online import Online, meanwhile
from handshaker_core.client.openpgp import OpenPgp
from handshaker_core.client.safekeeping import Safekeeping
from handshaker_core.client.sessions import Sessions
from handshaker_core.client.settings import Settings
from handshaker_core.client.texts import check_display_name, check_text
from handshaker_core.client.tokens import Session
from handshaker_core.client.unit import Signal, Unit
from handshaker_core.client.upkeep import Upkeep
from handshaker_core.clock import Clock, system_clock
from handshaker_core.model import (
    Account,
    Contact,
    ContactState,
    Found,
    Message,
    MessageNumber,
    MessageState,
    Request,
    RequestId,
)
from handshaker_core.protocol.randomness import Randomness, system_randomness
from handshaker_core.protocol.safety_number import SafetyCode
from handshaker_core.store import Store, accounts, contacts, messages
from handshaker_core.store import requests as stored_requests

T = TypeVar("T")

DEFAULT_HISTORY = 50


class Client:
    """One account on this device. Made by `open`; use it as an async context manager, or call `close`.

    All methods are coroutines of one event loop. Each command is committed when it returns; one that raises has changed
    nothing but what its documentation names. Every exception is a `HandshakerError`.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self._session = Session(core)
        self._online = Online(core, Upkeep(core, self._session))

    # --- Opening -------------------------------------------------------------------------------------------------

    @staticmethod
    def exists(home: Path) -> bool:
        """Whether the directory holds a store."""
        return Store.exists(home)

    @classmethod
    async def open(
        cls,
        home: Path,
        passphrase: str,
        *,
        server: str | None = None,
        create: bool = False,
        socks: str | None = None,
        ca_file: str | None = None,
        clock: Clock = system_clock,
        rng: Randomness = system_randomness,
    ) -> Self:
        """Unlock and open a store; no server is asked.

        Args:
            home: its directory.
            passphrase: what unlocks it.
            server: `https://host[:port]`, remembered; needed once.
            create: make the store if there is none.
            socks: a SOCKS5 proxy (`HOST:PORT`) for everything, remembered; `direct` forgets it.
            ca_file: certificates (PEM) to trust instead of the system's; not remembered.
            clock: the time.
            rng: randomness.

        Raises:
            NoStore, WrongPassphrase, StoreInUse, StoreCorrupt, StoreTooNew, StoreUnusable: see `store.errors`.
            ServerRequired, EmptyPassphrase, ProxyRequired, BadServerAddress, InsecureServer, BadProxyAddress.
        """
        where = opening.Where(Path(home), server, socks, ca_file)
        return cls(await opening.open_core(where, passphrase, create=create, clock=clock, rng=rng))

    async def close(self) -> None:
        """End `run`, close connections and store, end all event streams. A second call does nothing."""
        await self.sessions.hang_up()
        await self._online.stop()
        await self._core.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def safe(self) -> Safekeeping:
        """What protects the account here: passphrase, phrase, keystore, decoy, backups, disappearing messages, panic."""
        return Safekeeping(self._core)

    # --- Account -------------------------------------------------------------------------------------------------

    async def register(
        self, username: str | None = None, *, display_name: str = "", progress: StepProgress = no_progress
    ) -> Account:
        """Make an account on the server, or go on where an earlier attempt was interrupted.

        Args:
            username: `name.digits`, or a name alone, which gets digits; None for none.
            display_name: what contacts are told to call this person.
            progress: told (step, share); steps are `registration`, `prekeys`, `mailbox`, `username`.

        Raises:
            InvalidUsername: before anything is done.
            RefusedByServer: `username_taken`: the account is there, without a username; see `set_username`.
            NetworkError.
        """
        name = check_display_name(display_name)
        if username is not None:
            directory.check_wanted(username)
        if name:
            await self._core.run(lambda u: accounts.set_display_name(u.c, name))
        await setup.set_up(self._core, self._session, progress)
        if username is not None:
            await directory.set_username(self._core, self._session, username, progress)
        return await self.whoami()

    async def whoami(self) -> Account:
        """Who this device is. Raises: NotRegistered."""
        account = await self._core.store.run(accounts.get)
        if account is None or account.account_id is None or account.device_id is None:
            raise NotRegistered
        return Account(
            account_id=account.account_id,
            device_id=account.device_id,
            username=account.username,
            display_name=account.display_name,
            server=self._core.server.url,
            link=await directory.own_link_or_none(self._core),
            logged_in=not account.logged_out,
        )

    async def log_in(self) -> Account:
        """Start a session on the server with this device's key. Raises: NotRegistered, NetworkError."""
        await self.whoami()
        await self._session.log_in()
        return await self.whoami()

    async def log_out(self) -> None:
        """End this device's session and stay offline until `log_in`. Messages and keys stay.

        The device is logged out here even when an exception says that the server could not be told.

        Raises:
            NotRegistered, NetworkError.
        """
        await self.whoami()
        await self._session.log_out()

    async def set_username(self, wanted: str, progress: StepProgress = no_progress) -> Account:
        """Take a username in place of the one before. Raises: InvalidUsername, NotRegistered, NetworkError."""
        directory.check_wanted(wanted)
        await self.whoami()
        await directory.set_username(self._core, self._session, wanted, progress)
        return await self.whoami()

    async def release_username(self) -> Account:
        """Give the username up. Raises: NotRegistered, NetworkError."""
        await self.whoami()
        await directory.release_username(self._core, self._session)
        return await self.whoami()

    async def set_display_name(self, name: str) -> Account:
        """Choose what contacts of the future are told to call this person. Raises: TextTooLong, NotRegistered."""
        cleaned = check_display_name(name)
        await self._core.run(lambda u: accounts.set_display_name(u.c, cleaned))
        return await self.whoami()

    async def link(self) -> str:
        """The contact link to give to others: whoever has it can ask to connect."""
        return await directory.own_link(self._core)

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self._core.settings

    async def change_settings(self, **changes: Any) -> Settings:
        """Change settings by name. Raises: InvalidSetting."""
        changed = self._core.settings.changed(changes)
        await self._core.run(lambda u: preferences.save(u.c, changed))
        self._core.settings = changed
        return changed

    @property
    def devices(self) -> Devices:
        """The owner's devices: link, list, remove, recover."""
        return Devices(self._core, self._session)

    @property
    def sessions(self) -> Sessions:
        """Live sessions with contacts, and the end of sessions."""
        return Sessions(self._core)

    @property
    def openpgp(self) -> OpenPgp:
        """Certificates, files and the encrypted export of all conversations."""
        return OpenPgp(self._core, self._session)

    # --- People --------------------------------------------------------------------------------------------------

    async def find(self, username: str, progress: StepProgress = no_progress) -> Found | None:
        """Whom a username leads to; None when nobody has it. Raises: InvalidUsername, ProtocolError, NetworkError."""
        return await connecting.find(self._core, username, progress)

    async def connect(
        self,
        target: str,
        greeting: str = "",
        *,
        accept_new_identity: bool = False,
        progress: StepProgress = no_progress,
    ) -> Request:
        """Ask the person behind a username or a contact link to connect; see `connecting.connect` for what it raises.

        The request is queued when this returns. Whoever asks us already is accepted instead.
        """
        await self.whoami()
        return await connecting.connect(
            self._core, target, greeting, accept_new_identity=accept_new_identity, progress=progress
        )

    async def requests(self, *, include_answered: bool = False) -> list[Request]:
        """Requests in both directions, newest first; only open ones by default."""
        return await self._core.run(lambda u: stored_requests.listed(u.c, only_pending=not include_answered))

    async def request(self, request_id: int) -> Request:
        """One request. Raises: NoSuchRequest."""
        found = await self._core.run(lambda u: stored_requests.get(u.c, RequestId(request_id)))
        if found is None:
            raise NoSuchRequest
        return found

    async def accept(self, request_id: int, progress: StepProgress = no_progress) -> Contact:
        """Say yes. Raises: NoSuchRequest, RequestClosed, NetworkError (nothing is changed then)."""
        contact = await connecting.accept(self._core, RequestId(request_id), progress=progress)
        return await self.contact(contact)

    async def reject(self, request_id: int, *, tell: bool = False) -> Request:
        """Say no, silently or so that they know. Raises: NoSuchRequest, RequestClosed."""
        return await self._core.run(lambda u: requests.reject(u, RequestId(request_id), tell=tell))

    async def cancel(self, request_id: int) -> Request:
        """Withdraw an own request. Raises: NoSuchRequest, RequestClosed."""
        return await self._core.run(lambda u: requests.cancel(u, RequestId(request_id)))

    async def contacts(self, *, include_all: bool = False) -> list[Contact]:
        """Contacts, latest conversation first; by default those who are connected or were asked."""
        everybody = await self._core.run(lambda u: contacts.everybody(u.c))
        shown = (ContactState.CONNECTED, ContactState.REQUESTED)
        return [contact for contact in everybody if include_all or contact.state in shown]

    async def contact(self, reference: int | str) -> Contact:
        """The contact that a number, username or name means. Raises: NoSuchContact, AmbiguousContact."""
        return await self._core.run(lambda u: conversations.resolve(u, reference))

    async def safety_number(self, contact: int | str) -> str:
        """The 60 digits to compare with the contact; `protocol.safety_number.grouped` spaces them."""
        return await self._about(contact, lambda u, who: conversations.safety_number_with(u, who.id))

    async def verify(self, contact: int | str, number: str | SafetyCode | None = None) -> Contact:
        """Note that the safety number was compared; a number that is given, or a code, has to be the right one.

        Raises:
            NotVerified, UnsupportedVersion, NoSuchContact, AmbiguousContact.
        """
        return await self._about(contact, lambda u, who: conversations.verify(u, who.id, number))

    async def safety_code(self, contact: int | str) -> SafetyCode:
        """The code for the contact to scan."""
        return await self._about(contact, lambda u, who: conversations.safety_code_with(u, who.id))

    async def unverify(self, contact: int | str) -> Contact:
        """Take `verify` back."""
        return await self._about(contact, lambda u, who: conversations.unverify(u, who.id))

    # --- Messages ------------------------------------------------------------------------------------------------

    async def send(self, contact: int | str, text: str) -> Message:
        """Queue a message; it is safe in the store when this returns, whether the server can be reached or not.

        Raises:
            EmptyText, TextTooLong, NotConnected, NoSuchContact, AmbiguousContact; after `sessions.end` see `ensure`.
        """
        checked = check_text(text)
        await self.sessions.ensure(contact)
        number = await self._about(contact, lambda u, who: sending.send_text(u, who.id, checked))
        return await self.message(number)

    async def message(self, number: int) -> Message:
        """One message. Raises: NoSuchMessage."""
        found = await self._core.run(lambda u: messages.get(u.c, MessageNumber(number)))
        if found is None:
            raise NoSuchMessage
        return found

    async def history(
        self,
        contact: int | str,
        *,
        search: str | None = None,
        limit: int = DEFAULT_HISTORY,
        before: int | None = None,
    ) -> list[Message]:
        """The last messages of a conversation, oldest first; `search` leaves those that contain the text."""
        older = None if before is None else MessageNumber(before)
        return await self._about(contact, lambda u, who: messages.history(u.c, who.id, search, limit, older))

    async def unread(self, contact: int | str | None = None, *, limit: int = 1_000) -> list[Message]:
        """Incoming messages that were not marked as read, oldest first, of one contact or of all."""
        if contact is None:
            return await self._core.run(lambda u: messages.unread(u.c, None, limit))
        return await self._about(contact, lambda u, who: messages.unread(u.c, who.id, limit))

    async def mark_read(self, contact: int | str, up_to: int | None = None) -> int:
        """Mark a contact's messages as read, up to one or all; the contact learns it. Returns: how many."""
        limit = None if up_to is None else MessageNumber(up_to)
        return await self._about(contact, lambda u, who: receipts.mark_read(u, who.id, limit))

    # --- Connection ----------------------------------------------------------------------------------------------

    def events(self) -> Listener:
        """A stream of everything that happens from now on; an async iterator that ends with `close`."""
        return self._core.hub.listen()

    @property
    def connection(self) -> ConnectionState:
        """Whether the client is connected now."""
        return self._online.state

    @property
    def proxy(self) -> str | None:
        """The SOCKS proxy in use (`HOST:PORT`); None when connections are direct."""
        return None if self._core.way.proxy is None else self._core.way.proxy.address

    async def run(self) -> None:
        """Stay connected, send and receive, until cancelled; lost connections are made anew.

        Raises:
            NotRegistered, LoggedOut, AlreadyRunning, StoreError.
        """
        if not (await self.whoami()).logged_in:
            raise LoggedOut
        await self._online.run()

    def online(self) -> AbstractAsyncContextManager[None]:
        """Run in the background for the length of a block. If `run` fails, the block is cancelled and its error raised.

        Raises:
            NotRegistered, LoggedOut, AlreadyRunning, StoreError.
        """
        return meanwhile(self.run)

    async def drained(self) -> None:
        """Wait until everything that was stored for this device has been received. Needs `run`; may wait for ever."""
        await self._online.drained.wait()

    async def flushed(self) -> None:
        """Wait until nothing is left to send but what the server has told us to hold. Needs `run`; may wait for ever."""
        self._online.sent.clear()
        self._core.signals[Signal.OUTBOX].set()
        await self._online.sent.wait()

    async def settled(self, number: int) -> Message:
        """Wait until a message is no longer `sending`. Needs `run`; may wait for ever."""
        with closing(self.events()) as listener:
            message = await self.message(number)
            while message.state is MessageState.SENDING:
                await anext(listener)
                message = await self.message(number)
            return message

    async def _about(self, contact: int | str, work: Callable[[Unit, Contact], T]) -> T:
        return await self._core.run(lambda u: work(u, conversations.resolve(u, contact)))
