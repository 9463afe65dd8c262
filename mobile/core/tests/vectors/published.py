"""Reading the test vectors that others have published (package `cryptography-vectors`: NIST, RFCs, draft authors)."""

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, TextIO

import cryptography_vectors


def open_text(path: str) -> TextIO:
    """A vector file of the package as text."""
    return cryptography_vectors.open_vector_file(path, "r")


def load_json(path: str) -> Any:
    """A vector file of the package that is JSON."""
    with open_text(path) as file:
        return json.load(file)


def records(path: str, first: str) -> Iterator[dict[str, str]]:
    """The records of a `name = value` file, in the style of NIST.

    Args:
        path: inside the package.
        first: the lower-case name with which every record begins.

    A line without a value (`FAIL`) is a field with an empty value. Settings in brackets are part of every record that
    follows; they stand under their names too.
    """
    settings: dict[str, str] = {}
    record: dict[str, str] | None = None
    with open_text(path) as file:
        for line in file:
            text = line.strip()
            if not text or text.startswith("#"):
                continue
            name, _, value = (part.strip() for part in text.strip("[]").partition("="))
            name = name.lower()
            if text.startswith("["):
                settings[name] = value
                continue
            if name == first:
                if record is not None:
                    yield record
                record = dict(settings)
            if record is not None:
                record[name] = value
    if record is not None:
        yield record


def key_of_any_size(raw: bytes) -> Any:
    """Stands in for a key type of 32 bytes where a published vector uses another length."""
    return SimpleNamespace(raw=raw)


def no_label() -> Any:
    """Stands in for a label where a published vector signs bytes that begin with none."""
    return SimpleNamespace(value=b"")
