"""The recovery phrase: the published vectors, what people type, and what is said about their mistakes."""

import pytest
from handshaker_core.protocol import phrase
from handshaker_core.protocol.phrase import InvalidPhrase
from handshaker_core.protocol.root import RootSeed
from hypothesis import given
from hypothesis import strategies as st

# 256-bit entries of the vectors that BIP-39 refers to (trezor/python-mnemonic, vectors.json): entropy and words.
VECTORS = [
    ("00" * 32, " ".join(["abandon"] * 23 + ["art"])),
    (
        "7f" * 32,
        "legal winner thank year wave sausage worth useful " * 2 + "legal winner thank year wave sausage worth title",
    ),
    (
        "80" * 32,
        "letter advice cage absurd amount doctor acoustic avoid " * 2
        + "letter advice cage absurd amount doctor acoustic bless",
    ),
    ("ff" * 32, " ".join(["zoo"] * 23 + ["vote"])),
    (
        "68a79eaca2324873eacc50cb9c6eca8cc68ea5d936f98787c60c7ebc74e6ce7c",
        (
            "hamster diagram private dutch cause delay private meat slide toddler razor book happy fancy gospel tennis maple"
            " dilemma loan word shrug inflict delay length"
        ),
    ),
    (
        "9f6a2878b2520799a44ef18bc7df394e7061a224d2c33cd015b157d746869863",
        (
            "panda eyebrow bullet gorilla call smoke muffin taste mesh discover soft ostrich alcohol speed nation flash devote"
            " level hobby quick inner drive ghost inside"
        ),
    ),
    (
        "066dca1a2bb7e8a1db2832148ce9933eea0f3ac9548d793112d9a95c9407efad",
        (
            "all hour make first leader extend hole alien behind guard gospel lava path output census museum junior mass reopen"
            " famous sing advance salt reform"
        ),
    ),
    (
        "f585c11aec520db57dd353c69554b21a89b20fb0650966fa0a9d6f74fd989d8f",
        (
            "void come effort suffer camp survey warrior heavy shoot primary clutch crush open amazing screen patrol group space"
            " point ten exist slush involve unfold"
        ),
    ),
]
SEED = RootSeed(bytes.fromhex(VECTORS[4][0]))
WORDS = VECTORS[4][1].split()


@pytest.mark.parametrize(("entropy", "words"), VECTORS)
def test_published_vectors(entropy: str, words: str) -> None:
    seed = RootSeed(bytes.fromhex(entropy))
    assert phrase.encode(seed) == words.split()
    assert phrase.decode(words) == seed


@given(st.binary(min_size=32, max_size=32))
def test_every_seed_comes_back_from_its_words(raw: bytes) -> None:
    words = phrase.encode(RootSeed(raw))
    assert len(words) == 24
    assert phrase.decode(" ".join(words)) == RootSeed(raw)


@pytest.mark.parametrize(
    "typed",
    [
        " ".join(WORDS).upper(),
        "\n".join(WORDS) + "\n",
        "  ".join(WORDS),
        ", ".join(WORDS),
        "\n".join(f"{number}. {word}" for number, word in enumerate(WORDS, start=1)),
        " ".join(f"{number}.{word}" for number, word in enumerate(WORDS, start=1)),
        "\n".join(f"{number:2} {word}" for number, word in enumerate(WORDS, start=1)),
        " ".join(word[:4] for word in WORDS),
    ],
)
def test_however_it_is_typed(typed: str) -> None:
    assert phrase.decode(typed) == SEED


def test_four_letters_name_every_word() -> None:
    assert len({word[:4] for word in phrase._list().wordlist}) == 2048


def test_a_typo_is_named_with_what_may_have_been_meant() -> None:
    with pytest.raises(
        InvalidPhrase, match=r"Word 7, “privat3”, is not in the list of words. Did you mean private"
    ) as info:
        phrase.decode(" ".join([*WORDS[:6], "privat3", *WORDS[7:]]))
    assert info.value.word == 7
    with pytest.raises(InvalidPhrase, match=r"Word 1, “qqqqqq”, is not in the list of words\.$"):
        phrase.decode("qqqqqq " + " ".join(WORDS[1:]))


@pytest.mark.parametrize(
    ("count", "said"), [(0, "0 words"), (1, "1 word"), (12, "12 words"), (23, "23 words"), (25, "25 words")]
)
def test_missing_and_surplus_words_are_counted(count: int, said: str) -> None:
    with pytest.raises(InvalidPhrase, match=rf"has 24 words; this one has {said}\."):
        phrase.decode(" ".join((WORDS * 2)[:count]))


def test_words_that_changed_places_do_not_fit_together() -> None:
    swapped = [WORDS[1], WORDS[0], *WORDS[2:]]
    with pytest.raises(InvalidPhrase, match="does not fit together") as info:
        phrase.decode(" ".join(swapped))
    assert info.value.word is None


@given(st.text(max_size=400))
def test_any_text_is_a_phrase_or_says_why_not(text: str) -> None:
    with pytest.raises(InvalidPhrase) as info:
        phrase.decode(text)
    assert str(info.value).isprintable()


def test_no_word_of_a_phrase_but_the_mistyped_one_is_repeated() -> None:
    with pytest.raises(InvalidPhrase) as info:
        phrase.decode(" ".join([*WORDS[:23], "\x1b[31mlenght"]))
    # A suggestion can be right; the other words never appear.
    assert not {word for word in WORDS[:23] if word in str(info.value).split()}
    assert "\x1b" not in str(info.value)
