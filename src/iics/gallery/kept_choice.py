"""The choice that a collection keeps as a property: whether searches compare centred features."""

from __future__ import annotations

import json

from iics.errors import GalleryError
from iics.models.centre_choice import CentreChoice


def choice_in(stored: str | None, uri: str) -> CentreChoice | None:
    """Return what a collection's property tells of centring, None if it tells nothing.

    Raises:
        GalleryError: If it cannot be read.
    """
    if not stored:
        return None
    try:
        values = json.loads(stored)
        return CentreChoice(**{**values, "notes": tuple(values["notes"])})
    except (ValueError, KeyError, TypeError) as error:
        raise GalleryError(
            f"The gallery {uri} does not say readably whether it is searched by centred features ({stored!r:.80}); "
            "set it anew with a newer iics, or index into a new gallery."
        ) from error
