"""The flags of a method's own settings, --own.NAME, which `iics train` has beside its others."""

from __future__ import annotations

from dataclasses import field, fields, make_dataclass
from typing import Annotated, Any

import tyro

from iics.config import Settings


def with_own_flags(command: type[Any], own: type) -> type[Any]:
    """Return a command like another one, whose settings have a method's own among them.

    Args:
        command: Dataclass with a field `settings` of type `Settings`.
        own: Dataclass of the method's own settings, with a default for each.
    """
    settings = make_dataclass("Settings", [("own", own, field(default_factory=own))], bases=(Settings,), frozen=True)
    hint = Annotated[settings, tyro.conf.arg(name="")]  # type: ignore[valid-type]  # a class, but made just now
    named = [("settings", hint, field(default_factory=settings))]
    return make_dataclass(
        command.__name__, named, bases=(command,), frozen=True, namespace={"__doc__": command.__doc__}
    )


def plain(settings: Settings) -> Settings:
    """Return settings that were read from such flags as `Settings` itself: they are compared, and sent to processes."""
    return Settings(**{each.name: getattr(settings, each.name) for each in fields(Settings)})
