"""The table of all settings in docs/operating.md, made from the settings classes. `./dev docs` writes it."""

import argparse
import importlib
import sys

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from handshaker_local.locks import ROOT
from handshaker_local.services import KINDS, PREFIX

PAGE = ROOT / "docs" / "operating.md"
BEGIN, END = "<!-- settings: made by ./dev docs from the settings classes -->", "<!-- end of settings -->"


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "required"
    if isinstance(field.default, bool):
        return f"`{str(field.default).lower()}`"
    return "" if field.default in (None, "") else f"`{field.default}`"


def _table(fields: dict[str, FieldInfo]) -> list[str]:
    rows = [
        f"| `{PREFIX}{name.upper()}` | {_default(field)} | {(field.description or '').replace('|', '/')} |"
        for name, field in sorted(fields.items())
    ]
    return ["| setting | default | what it does |", "| --- | --- | --- |", *rows, ""]


def tables() -> str:
    """What every service takes first, then what each takes beside it."""
    classes: dict[str, type[BaseModel]] = {
        kind.name: getattr(importlib.import_module(f"{kind.module}.settings"), f"{kind.name.capitalize()}Settings")
        for kind in KINDS
    }
    shared = importlib.import_module("handshaker_common.config").ServiceSettings.model_fields
    lines = ["### Every service", "", *_table(shared)]
    for name, settings in classes.items():
        own = {
            key: field
            for key, field in settings.model_fields.items()
            if key not in shared or field.description != shared[key].description or field.default != shared[key].default
        }
        lines += [f"### {name}", "", *_table(own)]
    return "\n".join(lines)


def page() -> tuple[str, str]:
    """The page as it is and as it should be."""
    text = PAGE.read_text("utf-8")
    before, _, rest = text.partition(BEGIN)
    return text, f"{before}{BEGIN}\n{tables()}{END}{rest.partition(END)[2]}"


def main(arguments: list[str] | None = None) -> int:
    """Writes the page, or with --check says whether it is what the classes make."""
    parser = argparse.ArgumentParser(prog="./dev docs", description="Writes the settings into docs/operating.md.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when the page is out of date")
    is_now, should_be = page()
    if parser.parse_args(arguments).check:
        if is_now != should_be:
            print("docs/operating.md is not what the settings classes say. Run: ./dev docs")
        return 0 if is_now == should_be else 1
    PAGE.write_text(should_be, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
