"""The gateway as a process, on the event loop that it runs on: it starts, says what is wrong, drains and ends."""

import asyncio
import contextlib
import datetime
import json
import os
import re
import signal
import ssl
import sys

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from gateway_raw import raw, statuses
from gateway_stack import another_gateway
from handshaker_common.testing import free_port

pytestmark = pytest.mark.asyncio(loop_scope="session")


def environment(stack, **changes):
    """The settings of the stack's gateway as a process gets them."""
    settings = stack.settings
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HANDSHAKER_")}
    given = {name: getattr(settings, name) for name in ("auth_target", "keys_target", "signaling_target")}
    given |= {"blobstore_target": settings.blobstore_target, "redis_url": settings.redis_url.get_secret_value()}
    given |= {"listen": f"127.0.0.1:{free_port()}", "metrics_listen": f"127.0.0.1:{free_port()}"} | changes
    return kept | {f"HANDSHAKER_{name.upper()}": str(value) for name, value in given.items()}


async def start(env, *arguments):
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "handshaker_gateway",
        *arguments,
        env=env,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


@contextlib.asynccontextmanager
async def running(env):
    """A gateway process that answers; killed if the test leaves it running."""
    process = await start(env)
    port = int(env["HANDSHAKER_LISTEN"].rpartition(":")[2])
    try:
        while True:
            assert process.returncode is None, (await process.communicate())[1]
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                break
        yield process, port
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def test_it_serves_drains_and_ends(stack, person):
    env = environment(stack)
    async with running(env) as (process, port):
        body = b'{"purpose": "LOOKUP"}'
        slow_reader, slow = await asyncio.open_connection("127.0.0.1", port)
        head = f"POST /a/v1/challenges HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        slow.write(head.encode() + b"\r\nExpect: 100-continue\r\n\r\n")
        await slow_reader.readuntil(b"100 Continue\r\n\r\n")
        slow.write(body[:5])
        idle_reader, idle = await asyncio.open_connection("127.0.0.1", port)
        idle.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        await idle_reader.readuntil(b'{"status":"ok"}')

        metrics_port = int(env["HANDSHAKER_METRICS_LISTEN"].rpartition(":")[2])
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{metrics_port}/metrics") as page:
            exposed = await page.text()
        assert 'handshaker_gateway_requests_total{code_class="2xx",reason="none",route="/healthz"} 1.0' in exposed

        process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0)
        while True:  # the process has taken the signal once it refuses connections
            try:
                _, probe = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                break
            probe.close()
            await asyncio.sleep(0.02)
        idle.write(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
        said = await asyncio.wait_for(idle_reader.read(), 5)
        assert statuses(said) == [503]
        assert b'"missing":["gateway"]' in said
        assert b"Connection: close" in said
        assert process.returncode is None
        slow.write(body[5:])
        answer = await asyncio.wait_for(slow_reader.read(), 5)
        assert statuses(answer) == [200]
        output, errors = await asyncio.wait_for(process.communicate(), 10)
        assert (process.returncode, errors) == (0, b"")
        lines = [json.loads(line) for line in output.splitlines()]
        assert {line["event"] for line in lines} >= {"draining", "stopped"}
        for writer in (slow, idle):
            writer.close()


async def test_bounds_hold_on_its_event_loop(stack):
    async with running(environment(stack)) as (_, port):
        close = b"Host: x\r\nConnection: close\r\n"
        assert statuses(await raw(port, b"GET /healthz HTTP/1.1\r\n" + close + b"\r\n")) == [200]
        large = b"\r\n".join(b"X-%d: %s" % (i, b"a" * 400) for i in range(25))
        assert statuses(await raw(port, b"GET /healthz HTTP/1.1\r\n" + close + large + b"\r\n\r\n")) == [431]
        both = b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}"
        assert statuses(await raw(port, b"POST /a/v1/challenges HTTP/1.1\r\n" + close + both)) == [400]
        slow = await raw(port, b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        assert statuses(slow) == [408]


async def test_mistakes_in_the_settings_end_it_with_sentences():
    process = await start({"PATH": os.environ["PATH"]})
    _, errors = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 2
    assert sorted(errors.decode().splitlines()) == [
        f"HANDSHAKER_{name}: is not set."
        for name in ("AUTH_TARGET", "BLOBSTORE_TARGET", "KEYS_TARGET", "REDIS_URL", "SIGNALING_TARGET")
    ]


async def test_a_port_that_is_taken(stack):
    process = await start(environment(stack, listen=f"127.0.0.1:{stack.port}"))
    _, errors = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 1
    assert errors.decode() == f"127.0.0.1:{stack.port} cannot be bound: is another process there?\n"


async def test_without_the_extension_it_refuses_to_start(stack):
    process = await start(environment(stack) | {"AIOHTTP_NO_EXTENSIONS": "1"})
    _, errors = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 1
    assert re.fullmatch(r"aiohttp runs without its C parser\..*\n", errors.decode())


def certificate(folder):
    """A certificate for localhost and its key, made on the spot."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (folder / "cert.pem").write_bytes(made.public_bytes(pem))
    (folder / "key.pem").write_bytes(key.private_bytes(pem, pkcs8, serialization.NoEncryption()))
    return {"public_certificate_file": folder / "cert.pem", "public_key_file": folder / "key.pem"}


async def test_tls_1_3_alone(stack, tmp_path):
    files = certificate(tmp_path)
    async with another_gateway(stack, **files) as other:

        async def get(**versions):
            context = ssl.create_default_context(cafile=str(files["public_certificate_file"]))
            for name, version in versions.items():
                setattr(context, name, version)
            context.set_alpn_protocols(["h2", "http/1.1"])
            reader, writer = await asyncio.open_connection("localhost", other.port, ssl=context)
            tls = writer.get_extra_info("ssl_object")
            version, chosen = tls.version(), tls.selected_alpn_protocol()
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answer = await reader.read()
            writer.close()
            return version, chosen, answer

        version, chosen, answer = await get()
        assert (version, chosen) == ("TLSv1.3", "http/1.1")
        assert b"Strict-Transport-Security: max-age=" in answer
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            await get(maximum_version=ssl.TLSVersion.TLSv1_2)
        assert await raw(other.port, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n") == b""
    assert "Strict-Transport-Security" not in (await stack.send("GET", "/healthz")).headers
