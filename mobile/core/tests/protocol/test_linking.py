"""Linking a device: the honest run, people's words, time, and an attacker between the two."""

import os
from dataclasses import replace

import pytest
from handshaker_core.credentials import DeviceKey, Mailbox, SigningSeed
from handshaker_core.errors import (
    InvalidLinkCode,
    LinkingAltered,
    LinkingCancelled,
    LinkingCodeUsed,
    LinkingError,
    LinkingExpired,
    LinkingMismatch,
)
from handshaker_core.protocol.address import BundleId
from handshaker_core.protocol.device import DeviceId
from handshaker_core.protocol.keys import DeviceIdentityKeyPair
from handshaker_core.protocol.linking import DeviceKeys, LinkCode, NewDevice, NewStep, PrimaryDevice, PrimaryStep
from handshaker_core.protocol.linking.code import CodeSecret
from handshaker_core.protocol.linking.messages import LIFETIME_SECONDS, LinkingShare, Reveal, seal_reveal
from handshaker_core.protocol.randomness import system_randomness
from hypothesis import given, settings
from hypothesis import strategies as st

ACCOUNT = bytes(range(16))
NOW = 1_000.0


def device_keys(name: str = "laptop") -> DeviceKeys:
    auth = DeviceKey.generate().public
    key = DeviceIdentityKeyPair.generate(system_randomness).public
    return DeviceKeys(key, auth, DeviceId(os.urandom(16)), BundleId(os.urandom(16)), name)


def new_device(name: str = "laptop") -> NewDevice:
    secret = CodeSecret(os.urandom(32))
    box = Mailbox(SigningSeed(os.urandom(32)), secret.send_secret())
    return NewDevice(device_keys(name), secret, box.send_id, now=NOW)


def primary(code: LinkCode) -> PrimaryDevice:
    box = Mailbox.generate()
    return PrimaryDevice(code, (box.send_id, box.send_secret), now=NOW)


def met() -> tuple[NewDevice, PrimaryDevice]:
    """Both sides, as far as the comparison."""
    new = new_device()
    old = primary(LinkCode.parse(new.code.text()))
    reveal = new.receive(old.hello, NOW)
    assert reveal is not None
    old.receive(reveal, NOW)
    return new, old


def proven() -> tuple[NewDevice, PrimaryDevice]:
    """Both sides, as far as the proof."""
    new, old = met()
    new.confirm(same=True, now=NOW)
    new.receive(old.confirm(same=True, account=ACCOUNT, now=NOW), NOW)
    old.receive(new.prove(b"proof", NOW), NOW)
    return new, old


# --- the honest run ---


def test_the_whole_run() -> None:
    new = new_device("my läptop")
    assert new.step is NewStep.SHOWING
    old = primary(LinkCode.parse(new.code.text()))
    assert old.to == (new.code.send_id, new.code.secret.send_secret())
    reveal = new.receive(old.hello, NOW)
    assert reveal is not None
    assert (len(old.hello), len(reveal)) == (2_048, 16_384), "frames like any others"
    old.receive(reveal, NOW)
    assert new.short_string == old.short_string
    assert len(new.short_string) == 6
    assert new.short_string.isdigit()
    assert old.device.name == "my läptop"
    grant = old.confirm(same=True, account=ACCOUNT, now=NOW)
    new.receive(grant, NOW)
    assert new.step is NewStep.COMPARING, "nothing goes on before this side's owner has compared, too"
    with pytest.raises(LookupError):
        _ = new.account
    new.confirm(same=True, now=NOW)
    assert new.account == ACCOUNT
    old.receive(new.prove(b"proof" * 12, NOW), NOW)
    assert old.proof == b"proof" * 12
    for_new = os.urandom(9_000)
    new.receive(old.pack(for_new, NOW), NOW)
    assert new.package == for_new
    old.receive(new.finish(b"write here", NOW), NOW)
    assert old.answer == b"write here"
    assert (new.step, old.step) == (NewStep.DONE, PrimaryStep.DONE)
    assert new.failure is old.failure is None


def test_the_owner_of_the_new_device_may_be_quicker() -> None:
    new, old = met()
    new.confirm(same=True, now=NOW)
    assert new.step is NewStep.CONFIRMED
    new.receive(old.confirm(same=True, account=ACCOUNT, now=NOW), NOW)
    assert new.step is NewStep.GRANTED


def test_numbers_are_fresh_in_every_run() -> None:
    assert len({met()[0].short_string for _ in range(12)}) > 10


# --- codes ---


def test_codes_survive_how_people_pass_them_on() -> None:
    code = new_device().code
    text = code.text()
    assert len(text) == 143
    assert len(text) < 200
    folded = "\n".join(text[start : start + 20] for start in range(0, len(text), 20))
    for variant in (text, text.lower(), f"  {text}\n", folded):
        assert LinkCode.parse(variant) == code
    assert "redacted" in repr(code)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_mistyped_codes_are_refused(data: st.DataObject) -> None:
    text = CODE.text()
    position = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567:.0189"))
    mistyped = text[:position] + other + text[position + 1 :]
    if mistyped == text:
        assert LinkCode.parse(mistyped) == CODE
    else:
        with pytest.raises(InvalidLinkCode):
            LinkCode.parse(mistyped)


CODE = new_device().code


@given(st.text() | st.binary().map(lambda data: "HSLINK:" + data.hex().upper()))
@settings(max_examples=60, deadline=None)
def test_other_texts_are_no_codes(text: str) -> None:
    with pytest.raises(InvalidLinkCode):
        LinkCode.parse(text)


# --- people and time ---


def test_different_numbers_end_it_on_either_side() -> None:
    new, old = met()
    with pytest.raises(LinkingMismatch):
        new.confirm(same=False, now=NOW)
    with pytest.raises(LinkingMismatch):
        new.receive(old.confirm(same=True, account=ACCOUNT, now=NOW), NOW)
    with pytest.raises(LinkingMismatch):
        new.confirm(same=True, now=NOW)
    new, old = met()
    with pytest.raises(LinkingMismatch):
        old.confirm(same=False, account=ACCOUNT, now=NOW)
    with pytest.raises(LinkingMismatch):
        old.confirm(same=True, account=ACCOUNT, now=NOW)


def test_it_can_be_called_off() -> None:
    new, old = met()
    told = old.cancel()
    with pytest.raises(LinkingCancelled):
        old.confirm(same=True, account=ACCOUNT, now=NOW)
    with pytest.raises(LinkingCancelled, match="other device"):
        new.receive(told, NOW)
    with pytest.raises(LinkingCancelled):
        new.confirm(same=True, now=NOW)
    new, old = proven()
    with pytest.raises(LinkingCancelled, match="other device"):
        old.receive(new.cancel(), NOW)
    assert isinstance(new.failure, LinkingCancelled)
    untouched, _ = met()
    assert untouched.receive(told, NOW) is None, "one linking's end is not another's"


def test_it_runs_out() -> None:
    new = new_device()
    old = primary(new.code)
    with pytest.raises(LinkingExpired):
        new.receive(old.hello, NOW + LIFETIME_SECONDS + 1)
    with pytest.raises(LinkingExpired):
        new.receive(old.hello, NOW)
    new, old = met()
    with pytest.raises(LinkingExpired):
        old.confirm(same=True, account=ACCOUNT, now=NOW + LIFETIME_SECONDS + 1)
    with pytest.raises(LinkingExpired):
        new.confirm(same=True, now=NOW + LIFETIME_SECONDS + 1)


def test_steps_are_not_skipped() -> None:
    new, old = met()
    with pytest.raises(LookupError):
        new.prove(b"proof", NOW)
    with pytest.raises(LookupError):
        old.pack(b"package", NOW)
    with pytest.raises(LookupError):
        new.finish(b"", NOW)
    fresh = new_device()
    with pytest.raises(LookupError):
        _ = fresh.short_string
    with pytest.raises(LookupError):
        primary(fresh.code).confirm(same=True, account=ACCOUNT, now=NOW)


# --- an attacker who has seen the code ---


def test_who_has_seen_the_code_and_answers_first_is_noticed() -> None:
    new = new_device()
    thief, old = primary(new.code), primary(new.code)
    assert new.receive(thief.hello, NOW) is not None
    with pytest.raises(LinkingCodeUsed):
        new.receive(old.hello, NOW)
    assert isinstance(new.failure, LinkingCodeUsed)


def test_who_has_seen_the_code_and_the_relay_shows_another_number() -> None:
    """The thief links the new device to an account of theirs; the owner's primary shows something else."""
    new = new_device()
    thief, old = primary(new.code), primary(new.code)
    stolen = new.receive(thief.hello, NOW)
    assert stolen is not None
    thief.receive(stolen, NOW)
    # They pass on what they were told; it opens the commitment, so that only the numbers can tell.
    assert thief._reveal is not None
    old.receive(seal_reveal(thief._reveal, old._hello), NOW)
    assert old.step is PrimaryStep.COMPARING
    assert old.short_string != new.short_string
    # And if nobody compares: what is sent is sealed to the new device's own key, which the thief has not.
    grant = old.confirm(same=True, account=ACCOUNT, now=NOW)
    thief_as_new = new_device()
    thief_as_new._transcript, thief_as_new._reveal = old._transcript, thief._reveal
    thief_as_new.step = NewStep.CONFIRMED
    thief_as_new.receive(grant, NOW)
    assert thief_as_new.step is NewStep.CONFIRMED


def test_another_device_cannot_stand_behind_the_code() -> None:
    new = new_device()
    old = primary(new.code)
    mine = new_device()
    for forged in (
        Reveal(mine._key.public, mine._reveal.device, mine._reveal.share),
        replace(new._reveal, device=mine._reveal.device),
        replace(new._reveal, key=mine._key.public),
        replace(new._reveal, share=LinkingShare(os.urandom(32))),
        replace(new._reveal, device=replace(new._reveal.device, name="phone")),
    ):
        old = primary(new.code)
        with pytest.raises(LinkingAltered):
            old.receive(seal_reveal(forged, old._hello), NOW)
        with pytest.raises(LinkingAltered):
            old.confirm(same=True, account=ACCOUNT, now=NOW)
    old = primary(new.code)
    old.receive(seal_reveal(new._reveal, old._hello), NOW)
    assert old.step is PrimaryStep.COMPARING


def test_a_swapped_code_shows_another_number() -> None:
    """The owner is made to read the attacker's code: two runs, whose numbers the attacker cannot make equal."""
    equal = 0
    for _ in range(20):
        new, fake = new_device(), new_device()
        old, attacker = primary(fake.code), primary(new.code)
        reveal, answer = new.receive(attacker.hello, NOW), fake.receive(old.hello, NOW)
        assert reveal is not None
        assert answer is not None
        old.receive(answer, NOW)
        equal += old.short_string == new.short_string
    assert equal == 0


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_frames_that_were_altered_repeated_or_mixed_up_change_nothing(data: st.DataObject) -> None:
    """Before every honest frame others arrive: pieces of this run and of another, altered or not."""
    _, other_old = proven()
    new = new_device()
    old = primary(new.code)
    seen: list[bytes] = [other_old.hello, other_old.pack(b"other", NOW), os.urandom(2_048)]

    def disturb(target: NewDevice | PrimaryDevice) -> None:
        for _ in range(data.draw(st.integers(0, 3))):
            frame = bytearray(data.draw(st.sampled_from(seen)))
            if data.draw(st.booleans()):
                frame[data.draw(st.integers(0, len(frame) - 1))] ^= data.draw(st.integers(1, 255))
            elif data.draw(st.booleans()):
                frame = frame[: data.draw(st.integers(0, len(frame)))]
            # The first hello opens the linking, whenever it comes; here it has come or is the next.
            if target is new and new.step is NewStep.SHOWING and bytes(frame) == old.hello:
                continue
            step = target.step
            assert target.receive(bytes(frame), NOW) is None
            assert target.step is step

    def deliver(target: NewDevice | PrimaryDevice, frame: bytes) -> bytes | None:
        disturb(target)
        answer = target.receive(frame, NOW)
        seen.append(frame)
        disturb(target)
        return answer

    reveal = deliver(new, old.hello)
    assert reveal is not None
    deliver(old, reveal)
    assert new.short_string == old.short_string
    new.confirm(same=True, now=NOW)
    deliver(new, old.confirm(same=True, account=ACCOUNT, now=NOW))
    deliver(old, new.prove(b"proof", NOW))
    deliver(new, old.pack(b"package", NOW))
    deliver(old, new.finish(b"done", NOW))
    assert (new.package, old.answer) == (b"package", b"done")


@given(st.binary(max_size=200) | st.sampled_from([2_048, 16_384]).map(os.urandom))
@settings(max_examples=40, deadline=None)
def test_noise_is_passed_over(noise: bytes) -> None:
    new, old = proven()
    assert new.receive(noise, NOW) is None
    old.receive(noise, NOW)
    new.receive(old.pack(b"package", NOW), NOW)
    assert new.package == b"package"


def test_what_is_authentic_but_malformed_ends_it() -> None:
    new = new_device()
    forged = primary(new.code)
    reveal = replace(new._reveal, device=replace(new._reveal.device, name="x" * 65))
    with pytest.raises(LinkingError):
        forged.receive(seal_reveal(reveal, forged._hello), NOW)
