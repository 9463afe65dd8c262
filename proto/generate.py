"""Generates the package `handshaker_proto` from the .proto files beside this script.

Usage: python proto/generate.py [--check]. With --check nothing is written; a difference to the committed package
is an error. The generated modules import each other as `handshaker_proto...`, because protoc derives import paths
from file paths and the product's name alone is too general for a Python package.
"""

import filecmp
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from google.protobuf import descriptor_pb2

HERE = Path(__file__).parent
PACKAGE = HERE / "handshaker_proto"
# Written by hand, so neither compared nor replaced.
KEPT = {"__init__.py", "py.typed", "comments.py", "rules.py"}


def generate(into: Path) -> None:
    """Runs protoc with the Python, typing and gRPC plug-ins and writes the package's files below `into`."""
    sources = sorted(str(path.relative_to(HERE)) for path in HERE.glob("handshaker/**/*.proto"))
    with tempfile.TemporaryDirectory() as scratch:
        outputs = [f"--{kind}_out={scratch}" for kind in ("python", "grpc_python", "mypy", "mypy_grpc")]
        plugins = [
            f"--plugin=protoc-gen-{name}={Path(sys.executable).parent / f'protoc-gen-{name}'}"
            for name in ("mypy", "mypy_grpc")
        ]
        outputs += ["--include_source_info", f"--descriptor_set_out={scratch}/described"]
        command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{HERE}", *plugins, *outputs, *sources]
        subprocess.run(command, cwd=HERE, check=True)
        described = descriptor_pb2.FileDescriptorSet.FromString(Path(scratch, "described").read_bytes())
        text = json.dumps(comments(described), indent=1, sort_keys=True, ensure_ascii=False)
        (into / "comments.json").write_text(text + "\n", "utf-8")
        for path in sorted(Path(scratch, "handshaker").rglob("*.py*")):
            if "_pb2_grpc" in path.name and "Stub" not in path.read_text():
                continue  # a file without services
            target = into / path.relative_to(Path(scratch, "handshaker"))
            target.parent.mkdir(parents=True, exist_ok=True)
            for folder in [p for p in target.parents if into in p.parents]:
                (folder / "__init__.py").touch()
            text = re.sub(r"\b(from|import) handshaker\.", r"\1 handshaker_proto.", path.read_text())
            text = re.sub(r"\bhandshaker\.(\w+)\.v1\.(\w+_pb2)", r"handshaker_proto.\1.v1.\2", text)
            target.write_text(text)


def comments(described: descriptor_pb2.FileDescriptorSet) -> dict[str, str]:
    """The comments before services, methods, messages, fields, enums and their values, by full name.

    Python's descriptors have lost them; the gateway's OpenAPI document gives them back.
    """
    found: dict[str, str] = {}
    for file in described.file:
        for location in file.source_code_info.location:
            name = _name_of(file, list(location.path))
            text = " ".join(location.leading_comments.split())
            if name and text:
                found[name] = text
    return found


def _name_of(file: descriptor_pb2.FileDescriptorProto, path: list[int]) -> str:
    """The full name of what a path of field numbers and indexes leads to; empty for what has no name of its own."""
    names, here = [file.package], file
    for number, index in zip(path[::2], path[1::2], strict=False):
        field = here.DESCRIPTOR.fields_by_number[number]
        if not field.is_repeated or field.message_type is None:
            return ""
        here = getattr(here, field.name)[index]
        names.append(getattr(here, "name", ""))
    return ".".join(names) if path and len(path) % 2 == 0 else ""


def differences(fresh: Path, committed: Path) -> list[str]:
    """Names of files that exist on one side only or differ."""
    names = {
        str(path.relative_to(root))
        for root in (fresh, committed)
        for path in root.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and str(path.relative_to(root)) not in KEPT
    }
    return sorted(
        name
        for name in names
        if not ((fresh / name).is_file() and (committed / name).is_file())
        or not filecmp.cmp(fresh / name, committed / name, shallow=False)
    )


def main() -> int:
    with tempfile.TemporaryDirectory() as scratch:
        generate(Path(scratch))
        changed = differences(Path(scratch), PACKAGE)
        if "--check" in sys.argv[1:]:
            for name in changed:
                print(f"proto/handshaker_proto/{name} is not what the .proto files generate. Run: ./dev proto")
            return 1 if changed else 0
        for name in changed:
            source, target = Path(scratch, name), PACKAGE / name
            if source.is_file():
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(source.read_bytes())
            else:
                target.unlink()
            print(f"proto/handshaker_proto/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
