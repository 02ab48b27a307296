"""Cameras in filters must be the gallery's: otherwise a typing error looks like "nobody was seen"."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence

from iics.errors import GalleryError
from iics.gallery.filters import GalleryFilters

_NAMES_TOLD = 20


def check_cameras(
    filters: GalleryFilters, *, where: str, is_known: Callable[[str], bool], names: Callable[[], Sequence[str]]
) -> None:
    """Refuse filters with a camera, wanted or unwanted, that no crop of the gallery is of.

    Args:
        filters: As they were asked for.
        where: What to call the gallery.
        is_known: Whether a camera of that name has crops.
        names: Of all cameras that have crops; asked for only where one is unknown.

    Raises:
        GalleryError: If there is one; the message has the names that there are, nearest first.
    """
    unknown = [name for name in (*filters.cameras, *filters.not_cameras) if not is_known(name)]
    if unknown:
        known = nearest_first(unknown[0], names())
        raise GalleryError(
            f"{where} has no camera {' and no camera '.join(map(repr, unknown))}. "
            + (f"Its cameras, nearest first: {_listed(known)}." if known else "It holds no crops.")
        )


def nearest_first(name: str, known: Sequence[str]) -> list[str]:
    """Return names by how like a name they are, whatever their case; equals stay in their order."""
    likeness = difflib.SequenceMatcher(b=name.lower())  # it keeps what it knows of b

    def ratio(other: str) -> float:
        likeness.set_seq1(other.lower())
        return likeness.ratio()

    return sorted(known, key=ratio, reverse=True)


def _listed(names: Sequence[str]) -> str:
    left = len(names) - _NAMES_TOLD
    return ", ".join(names[:_NAMES_TOLD]) + (f" and {left} more" if left > 0 else "")
