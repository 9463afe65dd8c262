"""The settings of signaling: environment variables HANDSHAKER_…, checked at start."""

from typing import Self

from handshaker_common.config import PREFIX, RedisSettings, ServiceSettings
from pydantic import Field, model_validator

WILDCARDS = frozenset({"0.0.0.0", "::", "*", ""})  # noqa: S104 - what is to be recognised, not what is bound


class SignalingSettings(RedisSettings, ServiceSettings):
    """What signaling takes beside what every service takes."""

    blobstore_target: str = Field(min_length=1, description="Address of blobstore, which stores frames.")
    notify_target: str = Field("", description="Address of notify, which wakes devices; nobody is woken without it.")
    peer_address: str = Field(
        "",
        pattern=r"^(.+:\d+)?$",
        description="host:port at which the other signaling processes reach this one's gRPC. Needed where it listens "
        "on all addresses, and taken from GRPC_LISTEN otherwise.",
    )
    default_ttl_hours: int = Field(336, ge=1, le=336, description="Hours to keep a frame whose sender does not say.")

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        host = self.grpc_listen.rpartition(":")[0].strip("[]")
        if not self.peer_address and host in WILDCARDS:
            raise ValueError(
                f"{PREFIX}GRPC_LISTEN names no address that others could use; set {PREFIX}PEER_ADDRESS to one"
            )
        return self

    def reached_at(self, grpc_port: int) -> str:
        """The address for the other processes, once the port is known."""
        return self.peer_address or f"{self.grpc_listen.rpartition(':')[0]}:{grpc_port}"
