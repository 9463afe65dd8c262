"""OpenPGP in the whole client, with the real services: publishing, fetching, and a large history."""

import asyncio
import json
import os
import time
import tracemalloc
from dataclasses import replace
from io import BytesIO

import pytest
from engine_world import PASSPHRASE, befriend, person
from handshaker_core.client import Client
from handshaker_core.client.openpgp import (
    FileExists,
    FileUnusable,
    ForeignCertificate,
    NoCertificate,
    NoOpenPgpKey,
    NotPublished,
    SignatureState,
)
from handshaker_core.errors import PrimaryDeviceOnly
from handshaker_core.openpgp.certificate import Certificate
from handshaker_core.openpgp.errors import CertificateRevoked, OpenPgpError
from handshaker_core.openpgp.keys import CREATED_AT
from handshaker_core.openpgp.own import OwnKey
from handshaker_core.openpgp.reading import read_message
from handshaker_core.openpgp.registry import Hash, SignatureType, Tag
from handshaker_core.openpgp.signatures import hasher, make_signature
from handshaker_core.protocol.root import RootSeed


async def test_a_published_certificate_is_fetched_checked_and_kept(new_person, server_urls, tmp_path):
    alice, bob = await new_person(), await new_person()
    bob_here, _ = await befriend(alice, bob)
    with pytest.raises(NotPublished):
        await alice.openpgp.fetch(bob_here)
    with pytest.raises(NoCertificate):
        await alice.openpgp.certificate_of(bob_here)
    published = await bob.openpgp.publish()
    fetched = await alice.openpgp.fetch(bob_here)
    assert (fetched.fingerprint, fetched.contact_id) == (published.fingerprint, bob_here)
    assert not (await alice.contact(bob_here)).verified
    assert await alice.openpgp.certificate_of(bob_here) == fetched
    await bob.openpgp.unpublish()
    with pytest.raises(NotPublished):
        await alice.openpgp.fetch(bob_here)
    assert await alice.openpgp.certificate_of(bob_here) == fetched


async def test_what_a_dishonest_server_gives_out_is_not_kept(new_person):
    alice, bob = await new_person(), await new_person()
    bob_here, _ = await befriend(alice, bob)
    session, keys = bob._session, bob._core.keys
    theirs = OwnKey.derive(RootSeed(bytes(32))).certificate().encoded
    good = Certificate.decode((await bob.openpgp.certificate()).armored.encode()).encoded
    altered = bytearray(good)
    altered[good.index(keys.identity.public.raw) + 5] ^= 1
    for certificate, refusal in ((theirs, ForeignCertificate), (bytes(altered), OpenPgpError), (b"x", OpenPgpError)):
        await session.call(
            lambda token, certificate=certificate: bob._core.api.publish_openpgp(token, keys.bundle_id, certificate)
        )
        with pytest.raises(refusal):
            await alice.openpgp.fetch(bob_here)
        with pytest.raises(NoCertificate):
            await alice.openpgp.certificate_of(bob_here)
    await bob.openpgp.publish()
    assert (await alice.openpgp.fetch(bob_here)).contact_id == bob_here


def revoked(certificate, own):
    """The certificate with its owner's revocation of the primary key behind the key."""
    packets = own.packets("anything", Tag.PUBLIC_KEY, Tag.PUBLIC_SUBKEY)
    digest = hasher(Hash.SHA512)
    digest.update(own.public.hashed)
    revocation = make_signature(own, SignatureType.KEY_REVOCATION, digest, created_at=CREATED_AT + 1)
    return certificate.encoded.replace(packets[0], packets[0] + revocation, 1)


async def test_a_revoked_certificate_is_used_no_more(new_person, tmp_path):
    alice, bob = await new_person(), await new_person()
    bob_here, _ = await befriend(alice, bob)
    await bob.openpgp.publish()
    await alice.openpgp.fetch(bob_here)
    own, stranger = OwnKey.derive(bob._core.keys.root), OwnKey.derive(RootSeed(bytes(32)))
    file = tmp_path / "revoked"
    file.write_bytes(revoked(stranger.certificate(), stranger))
    with pytest.raises(CertificateRevoked):
        await alice.openpgp.import_certificate(bob_here, file)
    assert (await alice.openpgp.certificate_of(bob_here)).contact_id == bob_here
    file.write_bytes(revoked(own.certificate(), own))
    with pytest.raises(CertificateRevoked):
        await alice.openpgp.import_certificate(bob_here, file)
    with pytest.raises(NoCertificate):
        await alice.openpgp.encrypt(file, tmp_path / "sealed", [bob_here])


async def test_the_certificate_is_the_same_after_opening_again(server_urls, tmp_path, few_prekeys):
    async with person(tmp_path / "home", server_urls[0]) as client:
        before = await client.openpgp.certificate()
    async with await Client.open(tmp_path / "home", PASSPHRASE) as client:
        assert await client.openpgp.certificate() == before


@pytest.mark.parametrize("linked", [True, False])
async def test_without_a_root_seed_it_says_why(new_person, linked):
    client = await new_person()
    assert await client.openpgp.certificate()
    core = client._core
    core.keys = _without_root(core.keys, linked=linked)
    with pytest.raises(PrimaryDeviceOnly if linked else NoOpenPgpKey):
        await client.openpgp.certificate()


def _without_root(keys, *, linked):
    return replace(keys, root=None, identity_pair=None if linked else keys.identity_pair)


@pytest.fixture
async def offline(tmp_path):
    """A client that never talked to a server."""
    async with await Client.open(tmp_path / "home", PASSPHRASE, server="http://127.0.0.1:9", create=True) as client:
        yield client


async def test_a_linked_device_verifies_and_says_what_it_cannot_do(new_person, tmp_path):
    alice, bob = await new_person(), await new_person()
    bob_here, _ = await befriend(alice, bob)
    await bob.openpgp.publish()
    await alice.openpgp.fetch(bob_here)
    document, signature = tmp_path / "document", tmp_path / "signature"
    document.write_bytes(b"content")
    await bob.openpgp.sign(document, signature)
    alice._core.keys = _without_root(alice._core.keys, linked=True)
    checked = await alice.openpgp.verify(document, signature)
    assert (checked.signature, checked.contact_id, checked.own) == (SignatureState.GOOD, bob_here, False)
    with pytest.raises(PrimaryDeviceOnly):
        await alice.openpgp.sign(document, tmp_path / "another")
    assert (await bob.openpgp.verify(document, signature)).own


async def test_files_appear_complete_or_not_at_all(offline, tmp_path):
    source, target = tmp_path / "plain", tmp_path / "sealed"
    source.write_bytes(os.urandom(300_000))
    seen = []
    size = await offline.openpgp.encrypt(source, target, [], progress=lambda step, share: seen.append((step, share)))
    assert target.stat().st_size == size
    await asyncio.sleep(0)
    assert seen[-1] == ("encrypt", 1.0)
    with pytest.raises(FileExists):
        await offline.openpgp.encrypt(source, target, [])
    with pytest.raises(FileUnusable):
        await offline.openpgp.encrypt(tmp_path / "missing", tmp_path / "new", [])
    with pytest.raises(FileUnusable):
        await offline.openpgp.encrypt(source, tmp_path / "nowhere" / "new", [])
    cut = tmp_path / "cut"
    cut.write_bytes(target.read_bytes()[:-1])
    with pytest.raises(OpenPgpError):
        await offline.openpgp.decrypt(cut, tmp_path / "opened")
    assert {path.name for path in tmp_path.iterdir()} == {"home", "plain", "sealed", "cut"}
    checked = await offline.openpgp.decrypt(target, tmp_path / "opened")
    assert (checked.signature, checked.own, checked.size) == (SignatureState.GOOD, True, 300_000)
    assert (tmp_path / "opened").read_bytes() == source.read_bytes()
    assert (tmp_path / "opened").stat().st_mode & 0o777 == 0o600


async def filled(client, count):
    """Puts messages into the store in one statement."""
    identity = client._core.keys.identity.public.raw

    def fill(c):
        c.execute("INSERT OR IGNORE INTO contacts (id, identity, created_at) VALUES (1, ?, 0)", (identity,))
        c.execute("INSERT OR IGNORE INTO conversations (id, contact_id, created_at) VALUES (1, 1, 0)")
        c.execute("DROP TRIGGER IF EXISTS messages_fts_insert")  # the search index is not what is tried here
        c.execute(
            "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?)"
            " INSERT INTO messages (conversation_id, direction, message_id, kind, text, sent_at_ms, created_at_ms,"
            " position, state) SELECT 1, 'incoming', randomblob(16), 'text', 'message ' || i, i, i, i, 'read' FROM n",
            (count,),
        )

    await client._core.store.run(fill)


async def test_a_hundred_thousand_messages_are_exported_and_all_are_there(offline, tmp_path):
    count, seen = 100_000, []
    await filled(offline, count)
    target = tmp_path / "history"
    exported = await offline.openpgp.export_history(target, progress=lambda _, share: seen.append(share))
    assert (exported.messages, exported.size) == (count, target.stat().st_size)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    lines = _read(offline._core.keys.root, target)
    assert lines[-1] == {"type": "end", "messages": count}
    assert [line["text"] for line in lines if line["type"] == "message"] == [f"message {n}" for n in range(count)]


async def test_exporting_takes_no_more_memory_for_more_messages(offline, tmp_path):
    await filled(offline, 1_000)
    few = await peak_of_export(offline, tmp_path / "few")
    await filled(offline, 5_000)
    assert await peak_of_export(offline, tmp_path / "many") < 1.2 * few


async def peak_of_export(client, target):
    tracemalloc.start(1)
    try:
        await client.openpgp.export_history(target)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


async def test_messages_that_will_disappear_are_not_exported(offline, tmp_path):
    await filled(offline, 10)
    await offline._core.store.run(lambda c: c.execute("UPDATE messages SET expires_after_seconds = 60 WHERE id <= 4"))
    exported = await offline.openpgp.export_history(tmp_path / "history")
    assert exported.messages == 6
    texts = [line.get("text") for line in _read(offline._core.keys.root, tmp_path / "history")]
    assert ("message 3" in texts, "message 4" in texts) == (False, True)


def _read(root, path):
    own = OwnKey.derive(root)
    content = bytearray()
    certificate = own.certificate()
    read_message(BytesIO(path.read_bytes()), content.extend, own, lambda _: certificate, now=time.time())
    return [json.loads(line) for line in bytes(content).decode().splitlines()]


async def test_what_is_written_during_an_export_is_not_in_it_and_it_ends(offline, tmp_path):
    await filled(offline, 1_200)
    more = []

    def interfere(_step, _share):
        more.append(asyncio.get_running_loop().create_task(offline._core.store.run(_one_more)))

    exported = await offline.openpgp.export_history(tmp_path / "history", progress=interfere)
    await asyncio.gather(*more)
    assert len(more) > 1
    assert exported.messages == 1_200


def _one_more(c):
    c.execute(
        "INSERT INTO messages (conversation_id, direction, message_id, kind, text, sent_at_ms, created_at_ms, position,"
        " state) VALUES (1, 'incoming', ?, 'text', 'hello', 1, 1, 1, 'read')",
        (os.urandom(16),),
    )
