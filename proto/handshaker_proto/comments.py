"""The comments of the .proto files, which the descriptors have lost."""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files


@cache
def all_comments() -> Mapping[str, str]:
    """Comments of services, methods, messages, fields, enums and enum values, by full name, on one line each."""
    loaded: dict[str, str] = json.loads(files(__package__).joinpath("comments.json").read_text("utf-8"))
    return loaded


def comment(full_name: str) -> str:
    """The comment that stands before a thing; empty when there is none."""
    return all_comments().get(full_name, "")
