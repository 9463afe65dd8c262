"""Whether each package reaches what it imports through what it declares: a clean machine has that, and nothing else."""

import ast
import importlib.metadata
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from handshaker_local.locks import ROOT

NAME = re.compile(r"^[\w.-]+")
# Imported only where the tools of tests are installed, or only beside gRPC.
EXEMPT = re.compile(r"(/testing\.py|_pb2_grpc\.py)$")


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _names(requirements: list[str]) -> set[str]:
    return {_normal(match[0]) for entry in requirements if "extra ==" not in entry and (match := NAME.match(entry))}


@dataclass(frozen=True)
class Package:
    """A package of this repository."""

    project: Path

    @cached_property
    def _content(self) -> dict[str, dict[str, list[str]]]:
        with self.project.open("rb") as file:
            content: dict[str, dict[str, list[str]]] = tomllib.load(file)
        return content

    @property
    def name(self) -> str:
        return _normal(str(self._content["project"]["name"]))

    @property
    def declared(self) -> set[str]:
        """The projects that it names."""
        return _names(self._content["project"]["dependencies"])

    def imported(self) -> Iterator[tuple[str, str]]:
        """The top-level names that its modules import, each with its place."""
        for path in self.project.parent.glob("handshaker_*/**/*.py"):
            if EXEMPT.search(path.as_posix()):
                continue
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                place = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
                if isinstance(node, ast.Import):
                    yield from ((alias.name.partition(".")[0], place) for alias in node.names)
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    yield node.module.partition(".")[0], place


def _reached(package: Package, workspace: dict[str, Package]) -> set[str]:
    """What installing a package installs: what it names, what those name, and so on."""
    found: set[str] = set()
    waiting = {package.name}
    while waiting:
        name = waiting.pop()
        found.add(name)
        if name in workspace:
            named = workspace[name].declared
        else:
            try:
                named = _names(importlib.metadata.requires(name) or [])
            except importlib.metadata.PackageNotFoundError:  # for another system or version of Python
                named = set()
        waiting |= named - found
    return found


def undeclared() -> list[str]:
    """One sentence for each import that a clean installation of the package would lack."""
    projects = [ROOT / "proto/pyproject.toml", *ROOT.glob("[!.]*/*/pyproject.toml")]  # not what lies in hidden folders
    workspace = {package.name: package for package in map(Package, sorted(projects))}
    providers = importlib.metadata.packages_distributions()
    found = set()
    for package in workspace.values():
        reached = _reached(package, workspace)
        for module, place in package.imported():
            owners = (
                {_normal(module)} if _normal(module) in workspace else {_normal(o) for o in providers.get(module, [])}
            )
            if module not in sys.stdlib_module_names and not owners & reached:
                found.add(f"{place}: imports {module}, which {package.project.relative_to(ROOT)} does not lead to")
    return sorted(found)
