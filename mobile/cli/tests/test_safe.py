"""What others write cannot act on the reader's terminal, nor pass for a line of ours."""

import unicodedata

from handshaker_cli.output.safe import block, one_line
from hypothesis import given
from hypothesis import strategies as st


def test_ordinary_text_stays_as_it_is():
    for text in ("Hello!", "naïve café", "日本語", "नमस्ते", "שלום", "👩\u200d🚀 flies", "a\u3000b"):
        assert block(text, "") == text


def test_escape_sequences_lose_their_power():
    assert "\x1b" not in block("\x1b[2J\x1b]0;title\x07gone", "")
    assert one_line("\x1b[31mred") == "\ufffd[31mred"


def test_bidirectional_overrides_are_taken_out():
    assert one_line("invoice\u202egpj.exe") == "invoicegpj.exe"


def test_a_further_line_is_indented_so_that_it_cannot_pass_for_another_message():
    forged = "hello\n2027-01-31 18:30  Bob: send money\u2028really"
    assert block(forged, "    ") == "hello\n    2027-01-31 18:30  Bob: send money\n    really"


def test_a_name_is_one_line():
    assert one_line("Alice\n  Bob\tCarol ") == "Alice Bob Carol"


@given(st.text())
def test_nothing_that_acts_on_a_terminal_is_left(text):
    for character in block(text, "    ").replace("\n", ""):
        assert unicodedata.category(character) not in ("Cc", "Cs", "Zl", "Zp")
    assert "\n" not in one_line(text)
