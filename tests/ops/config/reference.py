"""Generates the table of all settings from their declarations.

    python -m tests.ops.config.reference     # writes docs/settings.md

The meaning of a setting comes from the ``#:`` comment above its field.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from pydantic import BaseModel, SecretStr

from ops.config.loading import section_of, variable_names
from ops.config.settings import CameraSettings, Settings

FILE = Path(__file__).parents[3] / "docs" / "settings.md"

_HEAD = """# Settings

All settings of `thermalwatch.toml`. Single values can also be set by the environment variable named
here, and top-level ones on the command line. Command-line options override variables, variables
override the file, and the file overrides the defaults. A wrong value is an error that names its
source and what was expected.

Settings of one camera are in `[cameras.NAME]`; `[cameras."*"]` applies to all cameras without their
own table.

| setting | type | default | meaning | variable |
|---|---|---|---|---|
"""

_LISTS = {
    Path: "list of paths",
    str: "list of texts",
    IPv4Network | IPv6Network: "list of addresses",
}
_WORDS = {int: "integer", float: "number", str: "text", bool: "true or false", Path: "path"}


def page() -> str:
    """The text that docs/settings.md should have."""
    variables = {location: name for name, location in variable_names().items()}
    rows = [*_rows(Settings, ()), *_rows(CameraSettings, ("cameras.NAME",))]
    lines = [
        " | ".join(("", _code(".".join(at)), kind, default, meaning, _code(variables.get(at)), ""))
        for at, kind, default, meaning in rows
    ]
    return _HEAD + "\n".join(line.strip() for line in lines) + "\n"


def _code(text: str | None) -> str:
    return f"`{text}`" if text else ""


def _rows(section: type, place: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str, str, str]]:
    meanings = _meanings(section)
    for name, (annotation, default) in _fields(section).items():
        inner = section_of(annotation)
        if inner is not None:
            yield from _rows(inner, (*place, name))
        elif name != "cameras":
            kind = "secret" if name.endswith("secret") else _type(annotation)
            yield (*place, name), kind, _default(default), meanings[name]


def _fields(section: type) -> dict[str, tuple[Any, Any]]:
    hints = get_type_hints(section)
    if issubclass(section, BaseModel):
        return {
            name: (hints[name], field.get_default(call_default_factory=True))
            for name, field in section.model_fields.items()
        }
    return {
        name: (hint, getattr(section, name, dataclasses.MISSING)) for name, hint in hints.items()
    }


def _meanings(section: type) -> dict[str, str]:
    found: dict[str, str] = {}
    comment: list[str] = []
    for line in inspect.getsource(section).splitlines():
        if match := re.match(r"    #: (.*)", line):
            comment.append(match[1])
        elif match := re.match(r"    (\w+): ", line):
            found[match[1]] = " ".join(comment).replace("``", "`").rstrip(".")
            comment = []
        else:
            comment = []
    return found


def _type(annotation: Any) -> str:
    options = [a for a in get_args(annotation) if a is not type(None)]
    if all(isinstance(option, str) for option in options) and options:
        return ", ".join(f"`{option}`" for option in options)
    if get_origin(annotation) is tuple:
        return _LISTS[options[0]]
    if annotation is SecretStr:
        return "URL"
    return _WORDS.get(annotation) or _type(options[0])


def _default(value: Any) -> str:
    if value is dataclasses.MISSING:
        return "(needed)"
    if value is None or value in ((), "", SecretStr("")):
        return ""
    if isinstance(value, tuple):
        return f"`{list(value)}`".replace("'", '"')
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value!r}`" if not isinstance(value, str) else f'`"{value}"`'


if __name__ == "__main__":
    FILE.write_text(page(), encoding="utf-8")
