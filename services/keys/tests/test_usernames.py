"""The username directory, over real gRPC and in a real PostgreSQL."""

import asyncio
import hmac
import re
import secrets

import pytest
from handshaker_proto.options.v1 import options_pb2


def arm(answer):
    return answer.WhichOneof("outcome")


def name():
    return secrets.token_bytes(32)


def address():
    return secrets.token_bytes(512)


async def test_a_name_leads_to_its_address_until_it_is_released(api, owner):
    alice, sealed = name(), address()
    assert arm(await api.look_up(alice)) == "refused"
    assert arm(await api.set_username(owner, alice, sealed)) == "set"
    assert (await api.look_up(alice)).found.sealed_address == sealed
    assert arm(await api.look_up(name())) == "refused"
    for _ in range(2):
        await api.release_username(owner)
        assert arm(await api.look_up(alice)) == "refused"


async def test_setting_the_same_name_again_rotates_the_address(api, owner):
    alice, sealed = name(), address()
    await api.set_username(owner, alice, address())
    assert arm(await api.set_username(owner, alice, sealed)) == "set"
    assert (await api.look_up(alice)).found.sealed_address == sealed


async def test_an_account_has_one_name_at_a_time(pool, api, owner):
    old, new, sealed = name(), name(), address()
    await api.set_username(owner, old, address())
    assert arm(await api.set_username(owner, new, sealed)) == "set"
    assert arm(await api.look_up(old)) == "refused"
    assert (await api.look_up(new)).found.sealed_address == sealed
    assert await pool.fetchval("SELECT count(*) FROM usernames") == 1


async def test_a_taken_name_stays_with_its_owner_and_costs_the_other_nothing(api, owner, new_owner):
    other, taken, own = new_owner(), name(), name()
    theirs, mine = address(), address()
    await api.set_username(owner, taken, theirs)
    await api.set_username(other, own, mine)
    assert arm(await api.set_username(other, taken, address())) == "taken"
    assert (await api.look_up(taken)).found.sealed_address == theirs
    assert (await api.look_up(own)).found.sealed_address == mine
    await api.release_username(owner)
    assert arm(await api.set_username(other, taken, mine)) == "set"
    assert arm(await api.look_up(own)) == "refused"


async def test_of_many_who_want_one_name_one_gets_it(pool, api, new_owner):
    wanted, owners = name(), [new_owner() for _ in range(20)]
    addresses = [address() for _ in owners]
    answers = await asyncio.gather(
        *(api.set_username(owner, wanted, sealed) for owner, sealed in zip(owners, addresses, strict=True))
    )
    arms = [arm(answer) for answer in answers]
    assert arms.count("set") == 1
    assert arms.count("taken") == 19
    assert (await api.look_up(wanted)).found.sealed_address == addresses[arms.index("set")]


async def test_one_account_that_sets_many_names_at_once_ends_with_one(pool, api, owner):
    names = [name() for _ in range(20)]
    answers = await asyncio.gather(*(api.set_username(owner, each, address()) for each in names))
    assert {arm(answer) for answer in answers} == {"set"}
    assert await pool.fetchval("SELECT count(*) FROM usernames") == 1
    assert [arm(await api.look_up(each)) for each in names].count("found") == 1


async def test_found_and_refused_have_one_size(api, owner):
    alice = name()
    await api.set_username(owner, alice, address())
    found, refused = await api.look_up(alice), await api.look_up(name())
    assert (arm(found), arm(refused)) == ("found", "refused")
    assert found.ByteSize() == refused.ByteSize() > 512


async def test_the_database_alone_does_not_tell_which_name_it_is(pool, settings, api, owner):
    alice = name()
    await api.set_username(owner, alice, address())
    stored = await pool.fetchval("SELECT lookup_key FROM usernames")
    assert stored == hmac.digest(settings.username_pepper_file.read_bytes(), alice, "sha256")
    assert alice not in stored


@pytest.mark.parametrize(("hash_size", "address_size"), [(31, 512), (33, 512), (32, 511), (32, 513), (0, 0)])
async def test_names_and_addresses_of_the_wrong_size_are_rejected(api, owner, rejection, hash_size, address_size):
    alice = name()
    wrong = api.set_username(owner, bytes(hash_size), bytes(address_size))
    assert (await rejection(wrong))[1] == "malformed"
    if hash_size != 32:
        assert (await rejection(api.look_up(bytes(hash_size))))[1] == "malformed"
    assert arm(await api.set_username(owner, alice, address())) == "set"


async def test_every_column_says_what_it_tells_and_for_how_long(pool):
    columns = await pool.fetch(
        "SELECT attrelid::regclass::text || '.' || attname AS name, col_description(attrelid, attnum) AS comment "
        "FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid "
        "WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND attnum > 0 AND NOT attisdropped"
    )
    classes, retentions = set(options_pb2.PrivacyClass.keys()), set(options_pb2.Retention.keys())
    assert len(columns) >= 22
    for column, comment in columns:
        found = re.fullmatch(r"class=(\w+); retention=(\w+); \S.*", comment or "")
        assert found, column
        assert found[1] in classes
        assert found[2] in retentions
