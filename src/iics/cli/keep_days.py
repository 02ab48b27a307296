"""A gallery's limit of days on the command line: set, acted on, and told; by `iics watch` once an hour."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from iics.cli.people_told import told_aged
from iics.errors import GalleryError, PeopleError, WriteError
from iics.plausible_times import TEN_YEARS
from iics.progress_display import count_of

if TYPE_CHECKING:
    from iics.crops import CropSet
    from iics.gallery.gallery import Gallery
    from iics.people.keeping import Aged

logger = logging.getLogger(__name__)
SECONDS_BETWEEN = 3600.0


def set_limit(gallery: Gallery, days: float | None) -> None:
    """Give a gallery a limit; 0 ends it, None leaves it as it is."""
    from iics.gallery.kept_days import keep_for

    if days is not None:
        keep_for(gallery, days)


def young(gallery: Gallery, crops: CropSet | None) -> CropSet | None:
    """Return the crops that are not too old for a gallery's limit, or have no date; None if there are none.

    How many are too old is told: they would be indexed, and deleted within the hour, at each start.
    """
    from iics.gallery.kept_days import kept_days, oldest_kept

    days = None if crops is None or crops.times is None else kept_days(gallery)
    if crops is None or crops.times is None or days is None:
        return crops
    is_old = (crops.times >= TEN_YEARS) & (crops.times < oldest_kept(days))
    if is_old.any():
        told = f"{count_of(int(is_old.sum()), 'crop')} taken {days:g} days ago or longer: not indexed"
        print(told, file=sys.stderr, flush=True)
    return None if is_old.all() else crops.subset(np.flatnonzero(~is_old))


class HourlyLimit:
    """Acts on a gallery's limit when it is first asked, then once an hour.

    Args:
        gallery: Open.
    """

    def __init__(self, gallery: Gallery) -> None:
        self._gallery = gallery
        self._next = -float("inf")
        self._num_undated = 0

    def act(self) -> Iterator[str]:
        """Delete what is too old, and yield what is new of it; what cannot be deleted now is told, and tried again."""
        from iics.people.keeping import forget_aged

        if time.monotonic() < self._next:
            return
        is_first = self._next < 0
        self._next = time.monotonic() + SECONDS_BETWEEN
        try:
            aged = forget_aged(self._gallery)
        except (GalleryError, PeopleError, WriteError) as error:
            logger.warning("What is too old was not deleted, and will be in an hour: %s", error)
            return
        if aged is not None and (is_first or self._is_news(aged)):
            yield from told_aged(aged)
            self._num_undated = aged.forgotten.num_undated

    def _is_news(self, aged: Aged) -> bool:
        done = aged.forgotten
        return bool(done.num_crops or done.persons) or (done.num_undated > 0 and not self._num_undated)
