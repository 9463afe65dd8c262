"""What the pages say is tested, is: every test that they name exists."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[4]
NAMED = re.compile(r"`([\w/.-]+\.py)::(\w+)`")


@cache
def names_in(path: Path) -> frozenset[str]:
    """Functions, classes and machines of a test file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return frozenset(found)


def missing(text: str) -> list[str]:
    """The tests that a text names and that do not exist."""
    found = []
    for file, name in NAMED.findall(text):
        path = next((base / file for base in (ROOT, ROOT / "mobile/core/tests") if (base / file).exists()), None)
        if path is None or name not in names_in(path):
            found.append(f"{file}::{name}")
    return found


@pytest.mark.parametrize(("page", "at_least"), [("docs/attacks.md", 60), ("docs/protocol/threat-model.md", 30)])
def test_every_test_that_a_page_names_exists(page: str, at_least: int) -> None:
    text = (ROOT / page).read_text()
    assert len(set(NAMED.findall(text))) >= at_least
    assert missing(text) == []


def test_every_row_of_the_findings_names_a_test() -> None:
    text = (ROOT / "docs/attacks.md").read_text().partition("## What was found in others")[2]
    rows = [line for line in text.splitlines() if line.startswith("| **")]
    assert len(rows) >= 25
    assert [row[:60] for row in rows if not NAMED.search(row)] == []


def test_a_name_that_does_not_exist_is_found() -> None:
    assert missing("`hygiene/test_documents.py::test_gone` and `nowhere.py::test_x`") == [
        "hygiene/test_documents.py::test_gone",
        "nowhere.py::test_x",
    ]
    assert missing("`hygiene/test_documents.py::test_a_name_that_does_not_exist_is_found`") == []
