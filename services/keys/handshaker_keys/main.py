"""Puts keys together and runs it. Nothing in its tables expires by itself, so there is nothing to clean."""

from typing import NoReturn

import asyncpg
import grpc
from handshaker_common.command import run_service
from handshaker_common.log import configure
from handshaker_common.postgres import service_database
from handshaker_common.server import Service
from handshaker_proto.keys.v1 import keys_pb2_grpc

from handshaker_keys.domain import Pepper
from handshaker_keys.rpc import KeysAnonymousServicer, KeysServicer
from handshaker_keys.settings import KeysSettings
from handshaker_keys.store import KeysStore

NAME = "keys"
PACKAGE = "handshaker_keys"


class Keys:
    """All of keys over one pool."""

    def __init__(self, pool: asyncpg.Pool, settings: KeysSettings) -> None:
        pepper = Pepper(settings.username_pepper_file.read_bytes())
        self.store = KeysStore(pool)
        self._owners = KeysServicer(self.store, pepper)
        self._strangers = KeysAnonymousServicer(self.store, pepper)

    def add_to(self, server: grpc.aio.Server) -> None:
        """Adds the methods of keys to a server."""
        keys_pb2_grpc.add_KeysServiceServicer_to_server(self._owners, server)
        keys_pb2_grpc.add_KeysAnonymousServiceServicer_to_server(self._strangers, server)


async def serve(settings: KeysSettings) -> int:
    """Runs keys until it is told to stop; returns the exit status."""
    configure(NAME, settings.log_level)
    async with service_database(settings, PACKAGE) as pool:
        keys = Keys(pool, settings)
        async with Service(NAME, settings) as service:
            keys.add_to(service.server)
            service.ready_when(keys.store.is_up)
            return await service.serve()


def main() -> NoReturn:
    """The command line."""
    run_service(NAME, KeysSettings, serve)
