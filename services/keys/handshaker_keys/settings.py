"""The settings of keys: environment variables HANDSHAKER_…, checked at start."""

from handshaker_common.config import DatabaseSettings, SecretFile, ServiceSettings
from pydantic import Field


class KeysSettings(DatabaseSettings, ServiceSettings):
    """What keys takes beside what every service takes."""

    auth_target: str = Field(min_length=1, description="Address of auth, whose public keys check access tokens.")
    username_pepper_file: SecretFile = Field(
        description="At least 32 random bytes, the same for all processes of keys, kept away from the database and its "
        "backups. Changing it forgets all usernames."
    )
