"""Whether to centre features by camera, decided without labels: do crops of different cameras find each other more?

Two crops of different cameras are partners if each is the other's nearest among all crops of other cameras. What a
camera puts into all of its features makes some crops near to everybody, and those have few partners. So features are
centred where that raises the share of crops that have a partner.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from iics.arrays import FloatArray, IntArray
from iics.config import Centre
from iics.models.camera_means import CameraMeans
from iics.models.centring import CameraCentres, OwnMean, needed_means, own_means

logger = logging.getLogger(__name__)

CROPS_LOOKED_AT = 4000
"""Of more crops, these are looked at, evenly spaced: 64 MB of similarities."""
_ROWS_AT_ONCE = 1000


@dataclass(frozen=True)
class CentreChoice:
    """Whether features are centred, and why.

    Attributes:
        centre: What was asked for.
        is_centred: Whether they are.
        reason: A sentence; "" where nothing was to be decided.
        partners: Share of crops with a partner in another camera, plain; None if not measured.
        partners_centred: The same, centred.
        notes: What is to be told of cameras that training did not see.
    """

    centre: Centre
    is_centred: bool
    reason: str = ""
    partners: float | None = None
    partners_centred: float | None = None
    notes: tuple[str, ...] = ()

    def json_values(self) -> dict[str, Any]:
        """Return what a command prints of it as JSON; nothing where features are plain and nobody asked."""
        return {} if self.centre == "off" else {"centre": asdict(self)}

    def log(self) -> None:
        """Tell what was decided and why, if there was something to decide, and warn of cameras not seen."""
        if self.reason:
            logger.info("%s", self.reason)
        for note in self.notes:
            logger.warning("%s", note)


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
        own_mean: Asked for cameras that training did not see.
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
    plain, moved = (share_with_partner(found, cameras) for found in (rows, centres.centred(rows, cameras)))
    is_centred = moved > plain
    reason = (
        f"Features are {'' if is_centred else 'not '}centred: {100 * moved:.1f} % of the crops have a partner in "
        f"another camera when they are, {100 * plain:.1f} % when they are not."
    )
    if not is_centred:
        return CentreChoice(centre, False, reason, plain, moved), None
    return CentreChoice(centre, True, reason, plain, moved, centres.unseen_notes()), centres


def centre_features(
    features: FloatArray, cameras: Sequence[str], *, means: CameraMeans | None, centre: Centre
) -> tuple[FloatArray, CentreChoice]:
    """Return features, centred if that is wanted or found to help, and whether they are.

    Args:
        features: L2-normalised. Shape (n, d).
        cameras: Name of each row's camera; one that training did not see is centred by its rows. Length n.
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


def share_with_partner(features: FloatArray, camera_ids: IntArray) -> float:
    """Return the share of crops that are the nearest of their nearest, among crops of other cameras.

    Costs the product of all pairs, in blocks.

    Args:
        features: L2-normalised, of at least two cameras. Shape (n, d).
        camera_ids: Shape (n,).
    """
    nearest = np.empty(len(features), dtype=np.int64)
    for start in range(0, len(features), _ROWS_AT_ONCE):
        block = slice(start, start + _ROWS_AT_ONCE)
        similarity = features[block] @ features.T
        similarity[camera_ids[block, None] == camera_ids] = -np.inf
        nearest[block] = similarity.argmax(axis=1)
    return float((nearest[nearest] == np.arange(len(features))).mean())


def spread_over(count: int) -> IntArray:
    """Return which of so many crops are looked at, evenly spaced. Shape (min(count, CROPS_LOOKED_AT),)."""
    looked_at = min(count, CROPS_LOOKED_AT)
    return np.arange(looked_at) * count // max(looked_at, 1)
