"""Passphrases come from files that are private, or from a terminal; the terminal's part is in test_terminal."""

import os
from pathlib import Path

import pytest
from handshaker_cli import passphrase
from handshaker_cli.errors import UnusablePassphrase


def written(tmp_path: Path, content: bytes, mode: int = 0o600) -> Path:
    path = tmp_path / "passphrase"
    path.write_bytes(content)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    ("content", "expected"),
    [(b"correct horse\n", "correct horse"), (b"correct horse", "correct horse"), (b" pa\xc3\xb1o \r\n", " paño ")],
)
def test_the_only_line_without_its_end_is_the_passphrase(tmp_path, content, expected):
    assert passphrase.read_file(written(tmp_path, content)) == expected


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o666, 0o777])
def test_a_file_that_everybody_may_read_is_refused_with_the_remedy(tmp_path, mode):
    path = written(tmp_path, b"correct horse\n", mode)
    with pytest.raises(UnusablePassphrase, match=f"Everybody on this machine can read .* Run: chmod 600 {path}"):
        passphrase.read_file(path)
    path.chmod(0o600)
    assert passphrase.read_file(path) == "correct horse"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty. To do without a passphrase, say so: --no-passphrase"),
        (b"\n", "is empty"),
        (b"one\ntwo\n", "has more than one line"),
        (b"a\0b", "has more than one line"),
        (b"\xff\xfe", "is not UTF-8 text"),
        (b"x" * 1025, "is longer than 1024 bytes"),
    ],
)
def test_a_file_that_is_no_passphrase_is_refused(tmp_path, content, sentence):
    with pytest.raises(UnusablePassphrase, match=sentence):
        passphrase.read_file(written(tmp_path, content))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UnusablePassphrase, match="missing cannot be read: No such file or directory"):
        passphrase.read_file(tmp_path / "missing")


def test_a_directory_is_no_passphrase_file(tmp_path):
    with pytest.raises(UnusablePassphrase, match="Is a directory"):
        passphrase.read_file(tmp_path)


def test_a_pipe_serves_as_a_passphrase_file():
    reading, writing = os.pipe()
    os.write(writing, b"from a pipe\n")
    os.close(writing)
    try:
        assert passphrase.read_file(Path(f"/dev/fd/{reading}")) == "from a pipe"
    finally:
        os.close(reading)
