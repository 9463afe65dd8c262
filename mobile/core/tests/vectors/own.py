"""The protocol's own test vectors in docs/protocol/vectors."""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[4] / "docs" / "protocol" / "vectors"


def load(name: str) -> dict[str, Any]:
    """One file of vectors."""
    content: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return content


def unhex(case: dict[str, Any]) -> dict[str, Any]:
    """The fields of a case, hexadecimal strings as bytes."""
    return {name: bytes.fromhex(value) if isinstance(value, str) else value for name, value in case.items()}
