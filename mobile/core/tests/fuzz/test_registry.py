"""No reader of bytes is forgotten: they are found in the code by name and by what they take."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import handshaker_cli
import handshaker_core

from .registry import NOT_TARGETS, TARGETS

READS = re.compile(
    r"_?(decode|from_bytes|from_line|from_object|parse|read|open|unpad|unseal|unwrap|split|normalise|import|load)(_\w+)?"
)
TAKES = re.compile(r"\b(bytes|bytearray|memoryview|str|Reader|Message|\w+_pb2\.\w+|Mapping|Path|object)\b")


def readers(package: Path, prefix: str) -> Iterator[str]:
    """Functions and methods whose name says that they read, and which take bytes, text or a parsed message."""
    for path in sorted(package.rglob("*.py")):
        module = prefix + ".".join(path.relative_to(package).with_suffix("").parts)
        tree = ast.parse(path.read_text())
        owners: list[tuple[str, list[ast.stmt]]] = [(module, tree.body)]
        owners += [
            (f"{module}.{node.name}", node.body)
            for node in tree.body
            if isinstance(node, ast.ClassDef) and "Protocol" not in {ast.unparse(base) for base in node.bases}
        ]
        for owner, body in owners:
            for function in body:
                if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and READS.fullmatch(function.name):
                    arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
                    taken = " ".join(ast.unparse(found.annotation) for found in arguments if found.annotation)
                    if TAKES.search(taken):
                        yield f"{owner}.{function.name}"


@cache
def found() -> frozenset[str]:
    core, cli = Path(handshaker_core.__file__).parent, Path(handshaker_cli.__file__).parent
    return frozenset({*readers(core, ""), *readers(cli, "cli.")})


def test_readers_are_found_at_all() -> None:
    names = found()
    assert len(names) > 30
    assert {"protocol.device.DeviceList.decode", "protocol.padding.unpad", "cli.rpc.protocol.from_line"} <= names


def test_every_reader_has_a_target_or_a_reason() -> None:
    covered = {name for target in TARGETS.values() for name in target.covers}
    assert sorted(found() - covered - set(NOT_TARGETS)) == []
    assert not covered & set(NOT_TARGETS)


def test_no_target_and_no_reason_is_left_over() -> None:
    covered = {name for target in TARGETS.values() for name in target.covers}
    # Names that do not look like readers may be covered too, if they exist.
    missing = {name for name in covered if name not in found() and not _exists(name)}
    assert sorted(missing) == []
    assert sorted(set(NOT_TARGETS) - found()) == []
    assert all(len(reason) > 10 for reason in NOT_TARGETS.values())


def _exists(name: str) -> bool:
    package = Path(handshaker_cli.__file__ if name.startswith("cli.") else handshaker_core.__file__).parent
    parts = name.removeprefix("cli.").split(".")
    for depth in range(len(parts) - 1, 0, -1):
        path = package.joinpath(*parts[:depth]).with_suffix(".py")
        if path.exists():
            return f"def {parts[-1]}(" in path.read_text()
    return False
