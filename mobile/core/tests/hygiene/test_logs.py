"""The client writes no log, so that nothing can stand in one: it has no logger and prints nothing."""

import ast
from pathlib import Path

import handshaker_core

SILENT = {"logging", "warnings", "syslog", "structlog"}


def test_the_core_neither_logs_nor_prints() -> None:
    looked_at = 0
    for path in Path(handshaker_core.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                assert not SILENT & {alias.name.partition(".")[0] for alias in node.names}, path
            if isinstance(node, ast.ImportFrom):
                assert (node.module or "").partition(".")[0] not in SILENT, path
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in {"print", "breakpoint"}, path
        looked_at += 1
    assert looked_at > 40


def test_exceptions_never_format_a_value_that_could_be_secret() -> None:
    """Arguments of raised exceptions are sentences: constants, or formatted from counts and names of things."""
    allowed_parts = 0
    for path in Path(handshaker_core.__file__).parent.joinpath("protocol").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                for argument in node.exc.args:
                    names = {found.id for found in ast.walk(argument) if isinstance(found, ast.Name)}
                    bad = {
                        name for name in names if any(word in name for word in ("key", "secret", "seed", "raw", "data"))
                    }
                    assert not bad, f"{path}: {ast.unparse(node)}"
                    allowed_parts += 1
    assert allowed_parts
