"""Labels are unique, prefix-free and spelled in one file; error reasons are unique."""

from itertools import permutations
from pathlib import Path

import handshaker_core
from handshaker_core import errors
from handshaker_core.protocol import labels
from handshaker_core.protocol.labels import Label, ServerLabel

NAMESPACE = b"handshaker/v1/"
PAGE = Path("docs/protocol/README.md")


def all_errors(root: type[errors.HandshakerError]) -> list[type[errors.HandshakerError]]:
    return [root] + [found for child in root.__subclasses__() for found in all_errors(child)]


def test_labels_are_unique_and_no_label_is_a_prefix_of_another() -> None:
    values = [member.value for kind in (Label, ServerLabel) for member in kind.__members__.values()]
    assert len(values) >= 18
    assert len(set(values)) == len(values)
    assert all(value.startswith(NAMESPACE) and len(value) > len(NAMESPACE) for value in values)
    assert not [pair for pair in permutations(values, 2) if pair[1].startswith(pair[0])]


def test_every_label_stands_in_the_specification_with_its_use() -> None:
    page = next(parent / PAGE for parent in Path(__file__).parents if (parent / PAGE).exists()).read_text("utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `handshaker/")]
    assert sorted(row.split("`")[1].encode() for row in rows) == sorted(label.value for label in Label)


def test_no_other_file_spells_a_label() -> None:
    root = Path(handshaker_core.__file__).parent
    spelling = {path for path in root.rglob("*.py") if NAMESPACE in path.read_bytes()}
    assert spelling == {Path(labels.__file__)}


def test_reasons_are_unique_snake_case_and_every_error_speaks() -> None:
    classes = [found for found in all_errors(errors.HandshakerError) if found.__module__ == errors.__name__]
    assert len(classes) > 15
    reasons = [found.reason for found in classes]
    assert len(set(reasons)) == len(reasons)
    assert all(reason.replace("_", "").isalpha() and reason.islower() for reason in reasons)
    for found in classes:
        if found is not errors.ContentTooLarge:
            assert str(found()).endswith((".", "#...", "alice.42"))
    too_large = errors.ContentTooLarge(maximum=530, actual=2_000)
    assert str(too_large) == "The content has 2,000 bytes; at most 530 fit in this frame."
