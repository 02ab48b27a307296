"""Settings to JSON and back: what a run folder keeps, read strictly."""

from __future__ import annotations

import dataclasses
import difflib
import json
import typing
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

from iics.computing_settings import EngineSettings
from iics.config import Settings
from iics.errors import SettingsError, check_setting

T = TypeVar("T")

_RETIRED: dict[type, set[str]] = {EngineSettings: {"memory_format"}}
"""Settings of older versions that changed no result; run folders still name them."""
_MOST = 2**64  # no setting is larger, seeds included; NaN is not below it


def to_json(settings: Settings) -> str:
    """Return settings as indented JSON; without `own` where the method has no settings of its own."""
    values = dataclasses.asdict(settings)
    if values["own"] is None:
        del values["own"]
    return json.dumps(values, indent=2) + "\n"


def from_json(text: str, *, source: Path, own: Callable[[str], type | None] = lambda _: None) -> Settings:
    """Return the settings that `to_json` wrote.

    Args:
        text: JSON.
        source: Where it was read, for messages.
        own: From a method's name to the dataclass of its own settings; by default no method has any.

    Raises:
        SettingsError: If the text is no JSON, a key is unknown (the nearest is suggested) or a value does not fit.
    """
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{source} is no valid JSON: {error}.") from error
    where, own_values = str(source), None
    if isinstance(values, dict):
        if values.get("stages") == "supervised" and "method" not in values:  # as older versions called the method
            values |= {"stages": "both", "method": "supervised"}
        own_values = values.pop("own", None)
    settings = _from_mapping(Settings, values, where=where)
    kind = own(settings.method)
    check_setting(
        kind is not None or own_values is None, f"{where}: the method {settings.method} has no settings of its own."
    )
    if kind is None:
        return settings
    return dataclasses.replace(
        settings, own=_from_mapping(kind, {} if own_values is None else own_values, where=f"{where}: own")
    )


def leaves(values: Mapping[str, Any], *, separator: str = ".", prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield what lies in nested values, under names joined from the outside in: ("model.height", 256)."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from leaves(value, separator=separator, prefix=f"{prefix}{name}{separator}")
        else:
            yield f"{prefix}{name}", value


def _from_mapping(kind: type[T], values: Any, *, where: str) -> T:
    if not isinstance(values, Mapping):
        raise SettingsError(f"{where} must be an object with settings, got {values!r}.")
    hints = typing.get_type_hints(kind)
    values = {key: value for key, value in values.items() if key not in _RETIRED.get(kind, ())}
    for key in values:
        if key not in hints:
            near = difflib.get_close_matches(str(key), hints, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else f" Known: {', '.join(hints)}."
            raise SettingsError(f"{where} has an unknown setting {key!r}.{hint}")
    return kind(**{key: _convert(hints[key], value, where=f"{where}: {key}") for key, value in values.items()})


def _convert(hint: Any, value: Any, *, where: str) -> Any:
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _from_mapping(hint, value, where=where)
    origin = typing.get_origin(hint)
    if origin is Literal:
        choices = typing.get_args(hint)
        check_setting(value in choices, f"{where} must be one of {', '.join(map(str, choices))}, got {value!r}.")
        return value
    if origin is tuple:
        is_list = isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)
        check_setting(is_list, f"{where} must be a list of names, got {value!r}.")
        return tuple(value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool) and abs(value) < _MOST:
        return float(value)
    fits = isinstance(value, hint) and not (isinstance(value, bool) and hint is not bool)
    if fits and isinstance(value, int | float):
        check_setting(abs(value) < _MOST, f"{where} must be a number that can be, got {str(value)[:40]}.")
    check_setting(fits, f"{where} must be of type {getattr(hint, '__name__', hint)}, got {value!r}.")
    return value
