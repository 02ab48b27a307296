"""All methods by name, and the one that settings ask for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from iics.config import Settings
from iics.crops import CropSet
from iics.errors import check_setting, named
from iics.methods.camera_proxies.method import CAMERA_PROXIES
from iics.methods.cluster_contrast.method import CLUSTER_CONTRAST
from iics.methods.iics.method import IICS
from iics.methods.method import Method, Stage
from iics.methods.supervised import SUPERVISED

METHODS: dict[str, Method] = {
    "iics": IICS,
    "supervised": SUPERVISED,
    "cluster-contrast": CLUSTER_CONTRAST,
    "camera-proxies": CAMERA_PROXIES,
}
"""A method more is a line more."""


def method_of(settings: Settings) -> Method:
    """Return the method that trains under some settings.

    Raises:
        SettingsError: If none is called so.
    """
    return named(METHODS, settings.method, what="method")


def own_settings(name: str) -> type | None:
    """Return the dataclass of a method's own settings; None if it has none.

    Raises:
        SettingsError: If none is called so.
    """
    return named(METHODS, name, what="method").settings


def with_own_settings(settings: Settings) -> Settings:
    """Return settings with the method's own: those that are given, or their defaults.

    Raises:
        SettingsError: If no method is called so, or those that are given are another method's.
    """
    kind = own_settings(settings.method)
    if settings.own is None:
        return settings if kind is None else replace(settings, own=kind())
    check_setting(
        kind is not None and isinstance(settings.own, kind),
        f"The method {settings.method} takes {'no settings' if kind is None else kind.__name__} of its own, got "
        f"{type(settings.own).__name__}.",
    )
    return settings


def ignored(settings: Settings, places: Iterable[str]) -> list[str]:
    """Return which of some settings nothing reads under the method and stages of a run, in their order.

    Args:
        settings: Of the run.
        places: Settings by their place, e.g. "stage2.mu".

    Raises:
        SettingsError: If no method is called so.
    """
    begins = method_of(settings).ignores(settings)
    return [place for place in places if any(_is_of(place, begin) for begin in begins)]


def _is_of(place: str, begin: str) -> bool:
    return place.startswith(begin) if begin.endswith(".") else place == begin


def settings_for(crops: CropSet, settings: Settings) -> tuple[Settings, str]:
    """Return settings with the method's own, as far as crops allow them, and why they differ from what was asked for.

    Raises:
        SettingsError: As `with_own_settings`.
    """
    whole = with_own_settings(settings)
    return method_of(whole).for_crops(crops, whole)


def stages_of(settings: Settings) -> tuple[Stage, ...]:
    """Return the stages of a round in order."""
    return method_of(settings).stages(settings)


def remaining_stages(settings: Settings, done: tuple[int, int] | None) -> Iterator[tuple[int, int]]:
    """Yield the stages that are still to do, in order, as (round, place of the stage in it), both from 0.

    Args:
        settings: Of the run.
        done: Round and place of the last finished stage; None before the first.
    """
    for round_index in range(settings.rounds):
        for stage_index, stage in enumerate(stages_of(settings)):
            is_done = done is not None and (round_index, stage_index) <= done
            if not is_done and stage.in_round(settings, round_index):
                yield round_index, stage_index


def ends_round(settings: Settings, stage_index: int) -> bool:
    """Return whether a stage is the last one of a round."""
    return stage_index + 1 >= len(stages_of(settings))
