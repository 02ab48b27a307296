"""Every command's options as a table for docs/commands.md."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from typing import get_type_hints

from docs_site.tables import as_text, flag_cells, table
from iics.cli import COMMANDS, benchmark
from iics.cli.flag_texts import flags_of
from iics.config import Settings

_HEADINGS = ("option and its values", "default", "meaning")


def command_kinds() -> dict[str, type]:
    """Return the dataclass that each command is parsed into, by the words that name the command.

    Raises:
        LookupError: If a command's module does not have exactly one class of its own that is named ...Command.
    """
    words = [name for command in COMMANDS for name in _names(command)]
    return {name: _kind(f"iics.cli.{name.replace(' ', '_').replace('-', '_')}") for name in words}


def command_tables() -> str:
    """Return the commands, a section each."""
    return "\n".join(line for name, kind in command_kinds().items() for line in _lines(name, kind))


def _names(command: str) -> list[str]:
    return [f"benchmark {kind}" for kind in benchmark.KINDS] if command == "benchmark" else [command]


def _kind(module_name: str) -> type:
    module = importlib.import_module(module_name)
    found = [
        value
        for name, value in vars(module).items()
        if inspect.isclass(value) and name.endswith("Command") and value.__module__.startswith(module_name)
    ]
    if len(found) != 1:
        raise LookupError(f"{module_name} needs one class that is named ...Command, for its options, got {found}.")
    return found[0]


def _lines(name: str, kind: type) -> Iterator[str]:
    flags = list(flags_of(kind))
    settings = [flag for flag in flags if flag.place[0] == "settings" and takes_settings(kind)]
    yield f"## iics {name}\n"
    yield as_text(inspect.getdoc(kind) or "") + "\n"
    yield from table(_HEADINGS, [flag_cells(flag) for flag in flags if flag not in settings])
    yield ""
    if settings:
        yield "Every [setting](settings.md) is an option too.\n"


def takes_settings(kind: type) -> bool:
    """Return whether a command has every setting as an option."""
    return get_type_hints(kind).get("settings") is Settings
