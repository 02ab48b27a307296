"""Whether to centre features by camera, decided without labels, by two shares that both must rise.

Mixed: how many of a crop's 10 nearest crops are of other cameras. What a camera puts into all of its features keeps
them together; means of the wrong cameras push them apart even more. Partners: in a pair of cameras, crops that are
each other's nearest. Where taking means off takes people off, too, there are fewer.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np

from iics.arrays import FloatArray, IntArray
from iics.config import Centre
from iics.models.camera_means import CameraMeans
from iics.models.centring import CameraCentres, OwnMean, needed_means, own_means

logger = logging.getLogger(__name__)

CROPS_LOOKED_AT = 4000
"""Of more crops, these are looked at, evenly spaced: 64 MB of similarities, and twice that beside."""
NEAREST = 10
"""Crops whose cameras are counted: the very nearest is mostly the next frame."""


@dataclass(frozen=True)
class CentreChoice:
    """Whether features are centred, and why.

    Attributes:
        centre: What was asked for.
        is_centred: Whether they are.
        reason: A sentence; "" where nothing was to be decided.
        mixed: Share of other cameras among the nearest crops, plain; None if not measured.
        mixed_centred: The same, centred.
        partners: Share of crops with a partner in another camera, plain; None if not measured.
        partners_centred: The same, centred.
        notes: What is to be told of cameras that training saw too little of.
    """

    centre: Centre
    is_centred: bool
    reason: str = ""
    mixed: float | None = None
    mixed_centred: float | None = None
    partners: float | None = None
    partners_centred: float | None = None
    notes: tuple[str, ...] = ()

    def json_values(self) -> dict[str, Any]:
        """Return what a command prints of it as JSON; nothing where features are plain and nobody asked."""
        return {} if self.centre == "off" else {"centre": asdict(self)}

    def log(self, *, of: str = "") -> None:
        """Tell what was decided and why, if there was something to decide, and warn of cameras not seen.

        Args:
            of: What to call the model, where there are several.
        """
        begin = f"{of}: " if of else ""
        if self.reason:
            logger.info("%s%s", begin, self.reason)
        for note in self.notes:
            logger.warning("%s%s", begin, note)


def choose_centre(
    centre: Centre,
    means: CameraMeans | None,
    names: Sequence[str],
    *,
    own_mean: OwnMean,
    features: FloatArray,
    camera_ids: IntArray,
) -> tuple[CentreChoice, CameraCentres | None]:
    """Return whether features are centred, and by what; None if they are not.

    Args:
        centre: What is wanted.
        means: Of the model; None if it has none.
        names: Of the cameras.
        own_mean: Asked for cameras that training saw too little of.
        features: To decide by; L2-normalised. Shape (n, d).
        camera_ids: Index of each row's camera into `names`. Shape (n,).

    Raises:
        WeightsError: If they are to be centred and the model has no means.
    """
    if centre == "off":
        return CentreChoice(centre, False), None
    if centre == "auto" and means is None:
        return CentreChoice(centre, False, "Features are not centred: the model has no camera means."), None
    centres = CameraCentres.of(needed_means(means), names, own_mean)
    if centre == "on":
        return CentreChoice(centre, True, notes=centres.unseen_notes()), centres
    chosen = spread_over(len(features))
    rows, cameras = features[chosen], camera_ids[chosen]
    if len(np.unique(cameras)) < 2:
        return CentreChoice(centre, False, "Features are not centred: all crops are of one camera."), None
    plain, moved = (_shares(found, cameras) for found in (rows, centres.centred(rows, cameras)))
    is_centred = moved[0] > plain[0] and moved[1] > plain[1]
    reason = (
        f"Features are {'' if is_centred else 'not '}centred: that would change the share of other cameras among the "
        f"nearest crops from {100 * plain[0]:.1f} to {100 * moved[0]:.1f} %, and that of crops that are each other's "
        f"nearest in a pair of cameras from {100 * plain[1]:.1f} to {100 * moved[1]:.1f} %; both have to rise."
    )
    measured = plain[0], moved[0], plain[1], moved[1]
    if not is_centred:
        return CentreChoice(centre, False, reason, *measured), None
    return CentreChoice(centre, True, reason, *measured, centres.unseen_notes()), centres


def centre_features(
    features: FloatArray, cameras: Sequence[str], *, means: CameraMeans | None, centre: Centre
) -> tuple[FloatArray, CentreChoice]:
    """Return features, centred if that is wanted or found to help, and whether they are.

    Args:
        features: L2-normalised. Shape (n, d).
        cameras: Name of each row's camera; one that training saw too little of is centred by its rows. Length n.
        means: Of the model; None if it has none.
        centre: What is wanted.

    Raises:
        WeightsError: If they are to be centred and the model has no means.
    """
    names = sorted(set(cameras))
    number = {name: index for index, name in enumerate(names)}
    ids = np.array([number[name] for name in cameras])
    own = own_means(features, ids, names)
    choice, centres = choose_centre(centre, means, names, own_mean=own, features=features, camera_ids=ids)
    return features if centres is None else centres.centred(features, ids), choice


def share_mixed(similarity: FloatArray, camera_ids: IntArray) -> float:
    """Return the share of other cameras among the nearest `NEAREST` crops of each, the crop itself left out.

    Args:
        similarity: Of all pairs; larger is closer. Shape (n, n).
        camera_ids: Shape (n,).
    """
    apart = similarity.copy()
    np.fill_diagonal(apart, -np.inf)
    count = min(NEAREST, len(apart) - 1)
    nearest = np.argpartition(-apart, count - 1, axis=1)[:, :count]
    return float((camera_ids[nearest] != camera_ids[:, None]).mean())


def share_with_partner(similarity: FloatArray, camera_ids: IntArray) -> float:
    """Return how many crops are the nearest of their nearest, in all pairs of cameras, of as many as could be.

    Args:
        similarity: Of all pairs; larger is closer. Shape (n, n).
        camera_ids: Of at least two cameras. Shape (n,).
    """
    members = [np.flatnonzero(camera_ids == camera) for camera in np.unique(camera_ids)]
    found = possible = 0
    for one, other in combinations(members, 2):
        between = similarity[np.ix_(one, other)]
        found += int((between.argmax(axis=1)[between.argmax(axis=0)] == np.arange(len(other))).sum())
        possible += min(len(one), len(other))
    return found / possible


def _shares(features: FloatArray, camera_ids: IntArray) -> tuple[float, float]:
    similarity: FloatArray = features @ features.T
    return share_mixed(similarity, camera_ids), share_with_partner(similarity, camera_ids)


def spread_over(count: int) -> IntArray:
    """Return which of so many crops are looked at, evenly spaced. Shape (min(count, CROPS_LOOKED_AT),)."""
    looked_at = min(count, CROPS_LOOKED_AT)
    return np.arange(looked_at) * count // max(looked_at, 1)
