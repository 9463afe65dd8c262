"""Blobstore's settings: environment variables HANDSHAKER_…, checked at start."""

from handshaker_common.config import DatabaseSettings, ServiceSettings
from pydantic import Field

from handshaker_blobstore.domain.frames import PARTITIONS_AHEAD


class BlobstoreSettings(DatabaseSettings, ServiceSettings):
    """What blobstore takes beside what every service takes."""

    mailbox_quota: int = Field(512, ge=1, le=4096, description="Most frames that wait in one mailbox.")
    mailbox_unused_days: int = Field(
        90,
        ge=PARTITIONS_AHEAD,  # so that no mailbox goes before the frames that were stored in it
        le=3650,
        description="A mailbox that nobody wrote to or read for so many days is deleted.",
    )
    no_retention: bool = Field(
        False, description="Store nothing: frames for people who are away are refused as no_retention."
    )
    maintenance_seconds: float = Field(
        600, gt=0, le=3600, description="How often partitions are made and dropped and unused mailboxes deleted."
    )
