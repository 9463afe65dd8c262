"""A Mosquitto (2.0 or newer) that carries wake-ups and nothing else, as text for its configuration files.

Devices connect without a name. They may subscribe to exact topics `w/<something>`, which only who knows a device's
topic key can tell; they may not publish. Wildcards and shared subscriptions are refused at subscription: Mosquitto's
plain ACL file would accept them, so this uses the dynamic security plugin that comes with Mosquitto. Notify alone
may publish, on `w/+`. Nothing is written to disk, and no address or topic to a log.
"""

import base64
import hashlib
import json
from pathlib import Path

TOPICS = "w/+"
PASSWORD_ROUNDS = 10_000
SALT_SIZE = 12
# Where Debian, Alpine and the official image keep it.
PLUGIN_PLACES = (
    "/usr/lib/*/mosquitto_dynamic_security.so",
    "/usr/lib/mosquitto_dynamic_security.so",
    "/usr/local/lib/mosquitto_dynamic_security.so",
    "/opt/homebrew/lib/mosquitto_dynamic_security.so",
)


def find_plugin() -> Path | None:
    """Mosquitto's dynamic security plugin, where it is installed."""
    for place in PLUGIN_PLACES:
        for found in sorted(Path("/").glob(place.removeprefix("/"))):
            return found
    return None


def broker_configuration(
    *,
    host: str,
    port: int,
    access_file: Path,
    plugin: Path,
    certificate_file: Path | None = None,
    key_file: Path | None = None,
    user: str | None = None,
) -> str:
    """The text of mosquitto.conf. `access_file` is to hold what `broker_access` returns, readable by `user`.

    Without a certificate the listener speaks plain MQTT: for loopback, and behind an onion service.
    """
    lines = [
        "# Wake-ups only: no persistence, no retained messages, no names of clients or topics in the log.",
        "per_listener_settings false",
        "persistence false",
        "retain_available false",
        "message_size_limit 64",
        "max_packet_size 1024",
        "max_queued_messages 100",
        "queue_qos0_messages false",
        "persistent_client_expiration 2d",
        "sys_interval 0",
        "connection_messages false",
        "log_dest stderr",
        "log_type error",
        "allow_anonymous true",
        "allow_zero_length_clientid true",
        f"plugin {plugin}",
        f"plugin_opt_config_file {access_file}",
        # What belongs to the listener stands after it: before it, Mosquitto would open its default port as well.
        f"listener {port} {host}",
        "max_qos 1",
        "socket_domain ipv6" if ":" in host else "socket_domain ipv4",
    ]
    if certificate_file is not None and key_file is not None:
        lines += [f"certfile {certificate_file}", f"keyfile {key_file}", "tls_version tlsv1.2"]
    if user is not None:
        lines.append(f"user {user}")
    return "\n".join(lines) + "\n"


def broker_access(*, username: str, password: str, salt: bytes) -> str:
    """The text of the plugin's file: who may do what. `salt` is 12 random bytes; the plugin takes no other number."""
    if len(salt) != SALT_SIZE:
        raise ValueError(f"the salt has {SALT_SIZE} bytes")
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, PASSWORD_ROUNDS)
    publisher = [{"acltype": "publishClientSend", "topic": TOPICS, "allow": True}]
    device = [
        {"acltype": "subscribeLiteral", "topic": TOPICS, "allow": False, "priority": 1},
        {"acltype": "subscribePattern", "topic": TOPICS, "allow": True},
        {"acltype": "publishClientReceive", "topic": TOPICS, "allow": True},
    ]
    access = {
        "defaultACLAccess": {
            "publishClientSend": False,
            "publishClientReceive": False,
            "subscribe": False,
            "unsubscribe": True,
        },
        "roles": [{"rolename": "publisher", "acls": publisher}, {"rolename": "device", "acls": device}],
        "groups": [{"groupname": "devices", "roles": [{"rolename": "device"}]}],
        "anonymousGroup": "devices",
        "clients": [
            {
                "username": username,
                "password": base64.b64encode(digest).decode(),
                "salt": base64.b64encode(salt).decode(),
                "iterations": PASSWORD_ROUNDS,
                "roles": [{"rolename": "publisher"}],
            }
        ],
    }
    return json.dumps(access, indent=1) + "\n"
