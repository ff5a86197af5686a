"""Loads settings from their sources and reports each wrong one under its source's name for it.

Sources, later ones overriding earlier ones: defaults, `thermalwatch.toml`, environment variables,
command-line options. Every single-valued setting has a variable ``THERMALWATCH_<SECTION>_<KEY>``,
such as ``THERMALWATCH_THRESHOLD_PERCENTILE``; the URLs of the two services have the customary names
``REDIS_URL`` and ``DATABASE_URL``.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from ops.config.settings import Settings
from ops.errors import SettingsError

CONFIG_NAME = "thermalwatch.toml"
PREFIX = "THERMALWATCH_"

#: Variables that the command itself reads; they are not settings.
RESERVED = frozenset({"THERMALWATCH_DEBUG", "THERMALWATCH_CONFIG", "THERMALWATCH_LOG_FORMAT"})

#: Settings whose values are never shown.
SECRET = frozenset({"redis_url", "database_url", "client_secret"})

#: Settings that hold paths. In a settings file they are relative to the file's directory.
PATH_SETTINGS = ("watch", "model", "data")

Location = tuple[str, ...]

#: How the check of a whole section begins its message: with the name of the wrong setting.
_FIELD = re.compile(r"([a-z_]+): ")


@dataclass(frozen=True)
class Layer:
    """Settings from one source; `names` has the source's own name of each, where it has one."""

    source: str
    values: Mapping[str, Any]
    names: Mapping[Location, str]

    def spell(self, location: Location) -> str:
        """The setting at `location` as this source calls it: key of a file, variable or option."""
        return self.names.get(location) or f"{self.source}: {'.'.join(location)}"

    def holds(self, location: Location) -> bool:
        """Whether this source sets the setting at `location`."""
        node: Any = self.values
        for part in location:
            if not isinstance(node, Mapping) or part not in node:
                return False
            node = node[part]
        return True


def load_settings(
    *,
    options: Mapping[str, object],
    environ: Mapping[str, str],
    config: Path | None = None,
    directory: Path | None = None,
) -> Settings:
    """Load settings from `config` (or `thermalwatch.toml` in `directory`), `environ`, `options`.

    `options` holds top-level settings from the command line; ``None`` means not given.

    Raises:
        SettingsError: a setting is wrong or unknown, or the file cannot be read; the message has
            one line for each.
    """
    layers = [_file_layer(path)] if (path := find_config(config, environ, directory)) else []
    layers += [_environment_layer(environ), _option_layer(options)]
    merged: dict[str, Any] = {}
    for layer in layers:
        _merge(merged, layer.values)
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        problems = [_explain(e, layers) for e in error.errors(include_url=False)]
        raise SettingsError("\n".join(dict.fromkeys(problems))) from None


def find_config(
    config: Path | None, environ: Mapping[str, str], directory: Path | None
) -> Path | None:
    """The settings file: the one named by option or variable, else the one in `directory`, if any.

    Raises:
        SettingsError: the named file does not exist.
    """
    named = config or (Path(v) if (v := environ.get("THERMALWATCH_CONFIG")) else None)
    if named is not None:
        if not named.is_file():
            raise SettingsError(f"{named}: no such settings file")
        return named
    found = (directory or Path()) / CONFIG_NAME
    return found if found.is_file() else None


def variable_names() -> dict[str, Location]:
    """Each environment variable that holds a setting, with the location of that setting."""
    names: dict[str, Location] = {"REDIS_URL": ("redis_url",), "DATABASE_URL": ("database_url",)}
    for name, field in Settings.model_fields.items():
        section = section_of(field.annotation)
        if section is not None:
            for location in _locations(section, (name,)):
                names[f"{PREFIX}{'_'.join(location)}".upper()] = location
        elif name != "cameras" and name not in SECRET:
            names[f"{PREFIX}{name}".upper()] = (name,)
    return names


def _locations(section: type, place: Location) -> Iterator[Location]:
    """The settings of a section and of the sections in it."""
    for key, annotation in _annotations(section).items():
        inner = section_of(annotation)
        if inner is not None:
            yield from _locations(inner, (*place, key))
        else:
            yield (*place, key)


def _file_layer(path: Path) -> Layer:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path}: not valid TOML: {error}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path}: not UTF-8 text") from None
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from None
    for key in PATH_SETTINGS:
        if isinstance(value := values.get(key), str):
            values[key] = [_from(path, value)] if key == "watch" else _from(path, value)
        elif isinstance(value, list):
            values[key] = [_from(path, v) if isinstance(v, str) else v for v in value]
    return Layer(str(path), values, {})


def _from(config: Path, value: str) -> str:
    return str(config.parent / Path(value).expanduser())


def _environment_layer(environ: Mapping[str, str]) -> Layer:
    known = variable_names()
    values: dict[str, Any] = {}
    names: dict[Location, str] = {}
    for variable, text in environ.items():
        location = known.get(variable)
        if location is None:
            _refuse_misspelt(variable, known)
        elif text:
            node = values
            for part in location[:-1]:
                node = node.setdefault(part, {})
            node[location[-1]] = text
            names[location] = variable
    return Layer("environment", values, names)


def _refuse_misspelt(variable: str, known: Mapping[str, Location]) -> None:
    """Reject a variable that nearly matches a known one; ignore other ``THERMALWATCH_*`` names.

    Orchestrators add variables of their own, such as ``THERMALWATCH_SERVICE_HOST``.
    """
    if not variable.startswith(PREFIX) or variable in RESERVED or "_SERVICE_" in variable:
        return
    if variable.startswith(f"{PREFIX}CAMERAS"):
        raise SettingsError(f"{variable}: cameras are configured in {CONFIG_NAME}")
    if close := difflib.get_close_matches(variable, known, n=1, cutoff=0.9):
        raise SettingsError(f"{variable}: unknown variable; did you mean {close[0]}?")


def _option_layer(options: Mapping[str, object]) -> Layer:
    values = {k: v for k, v in options.items() if v is not None and v != ()}
    names: dict[Location, str] = {(k,): f"--{k.replace('_', '-')}" for k in values}
    return Layer("command line", values, names)


def _merge(target: dict[str, Any], layer: Mapping[str, Any]) -> None:
    for key, value in layer.items():
        if isinstance(value, Mapping) and isinstance(target.get(key), dict):
            _merge(target[key], value)
        else:
            target[key] = dict(value) if isinstance(value, Mapping) else value


def _explain(error: ErrorDetails, layers: Sequence[Layer]) -> str:
    location = tuple(part for part in error["loc"] if isinstance(part, str))  # no list positions
    expected = error["msg"].removeprefix("Value error, ").replace("Input should ", "should ")
    if error["type"] == "value_error" and (named := _FIELD.match(expected)):
        location = (*location, named[1])
        held = location if any(layer.holds(location) for layer in layers) else location[:-1]
        return f"{_source_of(held, layers).spell(location)}: {expected[named.end() :]}"
    missing = error["type"] in ("missing", "dataclass_missing")
    layer = _source_of(location[:-1] if missing else location, layers)
    where = layer.spell(location)
    if error["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"{where}: unknown setting{_suggestion(location)}"
    if missing:
        return f"{where}: missing"
    if error["type"] == "path_type":
        return f"{where}: should be a path, given {error['input']!r}"
    if SECRET & {location[0], location[-1]} or isinstance(error["input"], Mapping | BaseModel):
        return f"{where}: {expected}"
    return f"{where}: {expected}, given {error['input']!r}"


def _source_of(location: Location, layers: Sequence[Layer]) -> Layer:
    """The layer whose value for `location` is used."""
    return next((layer for layer in reversed(layers) if layer.holds(location)), layers[-1])


def _suggestion(location: Location) -> str:
    section: type = Settings
    for part in location[:-1]:
        annotation = _annotations(section).get(part)
        if _is_dict(annotation):  # dict[str, CameraSettings]: the next part is a camera's name
            annotation = get_args(annotation)[1]
        section = section_of(annotation) or section
    known = keys_of(section)
    close = difflib.get_close_matches(str(location[-1]), known, n=1)
    if close:
        return f"; did you mean '{close[0]}'?"
    return f"; known here: {', '.join(known)}"


def keys_of(section: type) -> list[str]:
    """Names of a section's settings, in the order of declaration."""
    return list(_annotations(section))


def section_of(annotation: object) -> type | None:
    """The section class in an annotation ``Section`` or ``Section | None``; None without one."""
    candidates = (annotation, *get_args(annotation)) if not _is_dict(annotation) else ()
    for candidate in candidates:
        if isinstance(candidate, type) and (
            issubclass(candidate, BaseModel) or is_dataclass(candidate)
        ):
            return candidate
    return None


def _annotations(section: type) -> dict[str, object]:
    if issubclass(section, BaseModel):
        return {name: field.annotation for name, field in section.model_fields.items()}
    return get_type_hints(section)  # of a dataclass


def _is_dict(annotation: object) -> bool:
    return get_origin(annotation) is dict
