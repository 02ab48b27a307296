"""Every setting as a table for docs/settings.md: flag and values, default and the presets that change it, meaning."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from functools import reduce
from itertools import groupby
from typing import Any

from docs_site.tables import as_text, flag_cells, table
from iics.cli.flag_texts import Flag, default_in_words, flags_of
from iics.config import Settings
from iics.presets import BY_NAME

_HEADINGS = ("flag and its values", "default, and presets that change it", "meaning")
_TITLES = {
    "": "Run",
    "model": "Network",
    "pixels": "Pixels",
    "augment": "Augmentation",
    "distance": "Distance",
    "stage1": "Stage 1",
    "stage2": "Stage 2",
    "engine": "Engine",
    "supervised": "Training with identities",
    "tracklets": "Tracklets",
}


def settings_tables() -> str:
    """Return the settings, a section for each group of them."""
    defaults = Settings()
    by_section = sorted(flags_of(Settings, defaults=defaults), key=lambda flag: list(_TITLES).index(_section(flag)))
    return "\n".join(line for name, flags in groupby(by_section, _section) for line in _lines(name, flags, defaults))


def _section(flag: Flag) -> str:
    return flag.place[0] if len(flag.place) > 1 else ""


def _lines(name: str, flags: Iterator[Flag], defaults: Settings) -> Iterator[str]:
    holder = getattr(defaults, name) if name else defaults
    yield f"## {_TITLES[name]}\n"
    yield as_text((inspect.getdoc(type(holder)) or "").split("\n\n")[0]) + "\n"
    yield from table(_HEADINGS, [_cells(flag) for flag in flags])
    yield ""


def _cells(flag: Flag) -> tuple[str, ...]:
    name, default, meaning = flag_cells(flag)
    changes: dict[str, list[str]] = {}
    for preset, settings in BY_NAME.items():
        value = _value(settings, flag)
        if value != flag.default:
            changes.setdefault(default_in_words(value), []).append(preset)
    return name, "<br>".join([default, *(f"{', '.join(names)}: {value}" for value, names in changes.items())]), meaning


def _value(settings: Settings, flag: Flag) -> Any:
    return reduce(getattr, flag.place, settings)
