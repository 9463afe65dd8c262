"""What the tests of notify share: a Mosquitto to start and kill, devices that listen, owners that set targets."""

import asyncio
import contextlib
import datetime
import hashlib
import os
import shutil
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiomqtt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, hpke, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from handshaker_common.ids import WakeId, wake_id
from handshaker_common.testing import free_port
from handshaker_local.server import Server
from handshaker_notify.broker_config import SALT_SIZE, broker_access, broker_configuration, find_plugin
from handshaker_proto.notify.v1 import notify_pb2

USERNAME, PASSWORD = "notify", "correct horse"  # the password of a broker that lives for one test run


class Certificates:
    """A certificate for localhost that signs itself, so that it is its own authority."""

    def __init__(self, home: Path) -> None:
        home.mkdir()
        home.chmod(0o755)
        self.authority, self.key = home / "certificate.pem", home / "key.pem"
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
        now = datetime.datetime.now(datetime.UTC)
        certificate = (
            x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=1))
            .not_valid_after(now + datetime.timedelta(hours=1))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(key, hashes.SHA256())
        )
        self.authority.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        self.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )


class Mosquitto(Server):
    """Debian's Mosquitto with our configuration, on a free port of loopback."""

    name = "Mosquitto"

    def __init__(self, home: Path, certificates: Certificates | None = None) -> None:
        super().__init__(home)
        program, plugin = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin"), find_plugin()
        assert program, "Mosquitto is not installed: apt install mosquitto"
        assert plugin, "Mosquitto's dynamic security plugin is not installed: apt install mosquitto"
        home.mkdir()
        home.chmod(0o755)  # it gives up root
        self.port = free_port()
        access = home / "access.json"
        access.write_text(broker_access(username=USERNAME, password=PASSWORD, salt=os.urandom(SALT_SIZE)))
        access.chmod(0o644)
        self._program = program
        self._configuration = home / "mosquitto.conf"
        self._configuration.write_text(
            broker_configuration(
                host="127.0.0.1",
                port=self.port,
                access_file=access,
                plugin=plugin,
                certificate_file=certificates and certificates.authority,
                key_file=certificates and certificates.key,
            )
        )
        self._tls = certificates and ssl.create_default_context(cafile=certificates.authority)

    def start(self) -> None:
        self.spawn([self._program, "-c", self._configuration])
        self.wait_until(self._accepts)

    def _accepts(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    @contextlib.asynccontextmanager
    async def device(self, *topics: str) -> AsyncIterator[aiomqtt.Client]:
        """A client without a name, subscribed to topics."""
        async with aiomqtt.Client("localhost", self.port, timeout=5, tls_context=self._tls) as client:
            for topic in topics:
                granted = await client.subscribe(topic, qos=1)
                assert [int(getattr(code, "value", code)) for code in granted] == [1]
            yield client


class Owner:
    """A client that sets and deletes its wake target."""

    def __init__(self) -> None:
        self.key = Ed25519PrivateKey.generate()
        self.public_key = self.key.public_key().public_bytes_raw()
        self.wake_id: WakeId = wake_id(self.public_key)
        self.topic_key = os.urandom(32)

    def sealed(self, sealing_key: bytes, content: bytes | None = None) -> bytes:
        if content is None:
            target = notify_pb2.WakeTarget(mqtt=notify_pb2.WakeTarget.Mqtt(topic_key=self.topic_key))
            content = (target.SerializeToString() + b"\x80").ljust(512, b"\0")
        public = hpke.MLKEM768X25519PublicKey(
            MLKEM768PublicKey.from_public_bytes(sealing_key[:1184]),
            X25519PublicKey.from_public_bytes(sealing_key[1184:]),
        )
        suite = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
        return suite.encrypt(content, public, b"handshaker/v1/wake-target")

    def put(self, sealed: bytes, revision: int = 1) -> notify_pb2.PutWakeTargetRequest:
        signed = b"handshaker/v1/wake-put" + self.public_key + revision.to_bytes(8, "big")
        return notify_pb2.PutWakeTargetRequest(
            owner_public_key=self.public_key,
            sealed_target=sealed,
            revision=revision,
            signature=self.key.sign(signed + hashlib.sha256(sealed).digest()),
        )

    def delete(self) -> notify_pb2.DeleteWakeTargetRequest:
        signature = self.key.sign(b"handshaker/v1/wake-delete" + self.public_key)
        return notify_pb2.DeleteWakeTargetRequest(owner_public_key=self.public_key, signature=signature)


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Waits for a condition."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)
