"""Whether crops have what the settings of tracklets ask for, before anything is computed."""

from __future__ import annotations

import numpy as np

from iics.crops import CropSet
from iics.errors import TrainingError
from iics.labelling.known_apart import known_apart
from iics.labelling.units import linked
from iics.pictures import picture_ids, twice_in_a_picture
from iics.tracklet_settings import TrackletSettings


def check_tracklets(crops: CropSet, settings: TrackletSettings) -> None:
    """Refuse crops without the tracklets, times or boxes that are asked for, or whose tracklets contradict frames.

    Raises:
        TrainingError: If something is missing, or a tracklet has two crops in one frame although boxes of one frame are
            to be two individuals.
    """
    if settings.must_link and len(np.unique(linked(crops))) == len(crops):
        raise TrainingError(
            f"--tracklets.must-link needs tracklets of two crops or more; {crops.name} has "
            f"{'none' if crops.tracklet_ids is None else 'only tracklets of one crop'}. Read it from a table, a "
            "pattern or a tracker's text that names them (docs/tracklets.md), or leave the flag out."
        )
    if settings.apart == "off":
        return
    pictures = picture_ids(crops)
    if pictures is None or (settings.apart == "times" and crops.times is None):
        needed = "times" if settings.apart == "times" else "times, or boxes in shared files,"
        raise TrainingError(
            f"--tracklets.apart {settings.apart} needs {needed} and {crops.name} has none. Read it from a table or a "
            "pattern that names them (docs/tracklets.md), or leave the flag out."
        )
    again = twice_in_a_picture(crops, pictures)
    if settings.must_link and len(again):
        one, other = (crops.label(index) for index in again[0])
        raise TrainingError(
            f"{len(again)} crops of {crops.name} share frame and tracklet with another, e.g. {one} and {other}: they "
            "cannot be one individual (--tracklets.must-link) and two (--tracklets.apart). Mend the tracklets; or, if "
            "times are too coarse to tell frames apart, leave out --tracklets.apart."
        )
    known_apart(crops, linked(crops) if settings.must_link else np.arange(len(crops)), settings.apart)
