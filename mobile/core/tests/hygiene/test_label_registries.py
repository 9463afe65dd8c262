"""Labels of clients and servers together: unique, prefix-free, each of one use and none without."""

import ast
import re
from collections import defaultdict
from enum import Enum
from itertools import permutations
from pathlib import Path

import handshaker_core

from .planting import classes

ROOT = Path(__file__).resolve().parents[4]
NAMESPACE = b"handshaker/v1/"
SPELLED = re.compile(rb'b?"(handshaker/v1/[a-z0-9/+-]+)"')

# A label with several uses, and what tells them apart.
SEVERAL_FILES = {
    "PREKEY_SIGNATURE": "the key's type byte and id stand behind the label",
}


def registries() -> list[type[Enum]]:
    """Every enum of the client whose members are labels."""
    return [
        kind
        for kind in classes()
        if issubclass(kind, Enum)
        and any(isinstance(member.value, bytes) and member.value.startswith(NAMESPACE) for member in kind)
    ]


def spelled_by_services() -> dict[bytes, set[str]]:
    found: dict[bytes, set[str]] = defaultdict(set)
    for path in (ROOT / "services").rglob("*.py"):
        if "tests" not in path.parts:
            for label in SPELLED.findall(path.read_bytes()):
                found[label].add(path.relative_to(ROOT / "services").parts[0])
    return found


def test_all_labels_of_clients_and_services_are_unique_and_prefix_free() -> None:
    kinds = registries()
    assert {kind.__name__ for kind in kinds} >= {"Label", "ServerLabel"}
    labels = [member.value for kind in kinds for member in kind.__members__.values()]
    assert len(set(labels)) == len(labels)
    services = set(spelled_by_services())
    assert len(services) > 5
    everything = set(labels) | services
    assert not [(one, other) for one, other in permutations(sorted(everything), 2) if other.startswith(one)]


def test_what_clients_sign_for_servers_is_spelled_alike_by_both() -> None:
    server_labels = next(kind for kind in registries() if kind.__name__ == "ServerLabel")
    services = set(spelled_by_services())
    assert {member.value for member in server_labels} <= services
    between_clients = {member.value for kind in registries() if kind.__name__ == "Label" for member in kind}
    assert not between_clients & services


def test_every_label_is_used_and_in_one_file_only() -> None:
    uses: dict[str, set[str]] = defaultdict(set)
    folder = Path(handshaker_core.__file__).parent
    names = {kind.__name__ for kind in registries()}
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in names:
                uses[node.attr].add(str(path.relative_to(folder)))
    members = {name for kind in registries() for name in kind.__members__}
    several = {name: files for name, files in uses.items() if name in members and len(files) > 1}
    assert set(several) <= set(SEVERAL_FILES), several
    assert sorted(members - set(uses)) == []
