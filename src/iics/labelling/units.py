"""Units: what gets one label. A tracklet, where its crops are linked (must-link); a crop by itself otherwise.

In: crops, features and settings of tracklets. Out: the unit of each crop, and pairs of units that are two individuals.
Labels are found over units, by means over their crops, and given to the crops.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from iics.arrays import DoubleArray, IntArray
from iics.clustering.apart import Apart
from iics.clustering.cuts import number_by_first_appearance
from iics.clustering.known import Known
from iics.crops import CropSet
from iics.labelling.broken_tracklets import Broken, find_broken
from iics.labelling.known_apart import known_apart
from iics.labelling.pseudo_labels import PseudoLabels
from iics.tracklet_settings import TrackletSettings

_ROWS = 1024
_LEAST = 1e-9


@dataclass(frozen=True, eq=False)
class Units:
    """What n crops are labelled by.

    Attributes:
        of_crop: Unit of each crop, 0..u-1 without gaps. Shape (n,).
        apart: Pairs of units that are two individuals, which no cluster may hold.
        num_tracklets: Tracklets whose crops are linked, broken ones included; None where none are used.
        broken: What was found of broken tracklets; None where they are not looked for.
    """

    of_crop: IntArray
    apart: Apart
    num_tracklets: int | None = None
    broken: Broken | None = None

    def __len__(self) -> int:
        return int(self.of_crop.max()) + 1

    @property
    def are_crops(self) -> bool:
        """Whether each crop is a unit, in the order of the crops."""
        return len(self) == len(self.of_crop)

    @property
    def crops_a_unit(self) -> float:
        """How many crops a unit has on average."""
        return len(self.of_crop) / len(self)

    def known(self, features: Tensor) -> Known:
        """Return what is known of units before they are clustered.

        Args:
            features: Of the crops, L2-normalised. Shape (n, d).
        """
        # Half of the crops, as each cluster has two; or all units if there are fewer.
        most = min(len(self), len(self.of_crop) // 2)
        return Known(self.apart, most, None if self.are_crops else lambda: self._alone(features))

    def _alone(self, features: Tensor) -> DoubleArray:
        """Return the silhouette, in cosine distances, of each unit as a cluster by itself; 0 of single crops."""
        means, sizes = self.mean(features).float().cpu(), np.bincount(self.of_crop).astype(np.float64)
        pairs = np.maximum(sizes * (sizes - 1), 1)
        lengths = means.norm(dim=1).numpy().astype(np.float64) * sizes  # of the sums: cosines of all pairs, itself too
        spread = 1 - (lengths**2 - sizes) / pairs
        nearest = 1 - _nearest_cosines(F.normalize(means, dim=1))
        silhouette = (nearest - spread) / np.maximum(np.maximum(nearest, spread), _LEAST)
        return np.where(sizes > 1, silhouette.clip(0, 1), 0.0)

    @cached_property
    def first_crops(self) -> IntArray:
        """A crop of each unit. Shape (u,)."""
        return np.unique(self.of_crop, return_index=True)[1]

    def mean(self, rows: Tensor) -> Tensor:
        """Return the mean over the crops of each unit; the rows themselves where each crop is one. (n, d) to (u, d).

        Of classifier scores, the mean is a score again (Eq. 9): each head's sum to 1.
        """
        if self.are_crops:
            return rows
        order = torch.from_numpy(np.argsort(self.of_crop, kind="stable")).to(rows.device)
        sizes = torch.from_numpy(np.bincount(self.of_crop)).to(rows.device)
        return torch.segment_reduce(rows[order], "mean", lengths=sizes, axis=0)

    def mean_features(self, features: Tensor) -> Tensor:
        """Return the mean feature of each unit, L2-normalised; see `mean`."""
        return features if self.are_crops else F.normalize(self.mean(features), dim=1)

    def to_crops(self, found: PseudoLabels) -> PseudoLabels:
        """Return the labels of crops from those of units."""
        return PseudoLabels(found.labels[self.of_crop], num_clusters=found.num_clusters)

    def of_crops(self, members: IntArray) -> Units:
        """Return the units of some crops, such as a camera's, numbered anew.

        Args:
            members: Indices of all crops of some units, ascending. Shape (k,).
        """
        own, of_crop = np.unique(self.of_crop[members], return_inverse=True)
        return Units(of_crop.reshape(-1), self.apart.among(own, len(self)))

    def record(self, labels: IntArray, camera_ids: IntArray, *, in_cameras: bool = False) -> dict[str, float]:
        """Return what the record of a stage says of tracklets: numbers by name; nothing where none are used.

        Args:
            labels: Of crops, as they are trained on; -1 is none. Shape (n,).
            camera_ids: Camera of each crop. Shape (n,).
            in_cameras: Whether labels are of one camera each, so that pairs of two cameras say nothing.
        """
        found: dict[str, float] = {}
        if self.num_tracklets is not None:
            found |= {"tracklets": self.num_tracklets, "crops_a_tracklet": self.crops_a_unit}
        if self.broken is not None:
            found |= {"broken_tracklets": self.broken.num_broken, "tracklet_spread": self.broken.spread}
        apart = self.apart.of_one(camera_ids[self.first_crops]) if in_cameras else self.apart
        if len(apart):
            share = len(apart.joined(labels[self.first_crops])) / len(apart)
            found |= {"apart_pairs": len(apart), "violated_pairs": share}
        return found


def _nearest_cosines(features: Tensor) -> DoubleArray:
    """Return the cosine of each row with the nearest other; O(n^2 d) time, in blocks; 1 if there is no other."""
    nearest = np.ones(len(features))
    for start in range(0, len(features) if len(features) > 1 else 0, _ROWS):
        cosines = features[start : start + _ROWS] @ features.T
        cosines[torch.arange(len(cosines)), torch.arange(start, start + len(cosines))] = -1.0
        nearest[start : start + _ROWS] = cosines.amax(dim=1).numpy()
    return nearest


def single_crops(num_crops: int, apart: Apart | None = None) -> Units:
    """Return units of one crop each."""
    return Units(np.arange(num_crops), Apart.none() if apart is None else apart)


def units_of(crops: CropSet, features: Tensor, settings: TrackletSettings) -> Units:
    """Return what crops are labelled by.

    Args:
        crops: The crops; with tracklets, if settings link them.
        features: L2-normalised. Shape (n, d).
        settings: How tracklets are used.
    """
    if not settings.must_link or crops.tracklet_ids is None:
        units = np.arange(len(crops))
        return single_crops(len(crops), known_apart(crops, units, settings.apart))
    tracklets = linked(crops)
    broken, units = None, tracklets
    if settings.broken != "trust":
        broken = find_broken(features.float().cpu().numpy(), tracklets, crops.camera_ids)
        units = broken.parts
        if settings.broken == "alone":
            units = np.where(broken.was_broken, len(crops) + np.arange(len(crops)), tracklets)
        units = number_by_first_appearance(units)
    apart = known_apart(crops, units, settings.apart)
    num_tracklets = len(np.unique(crops.tracklet_ids[crops.tracklet_ids >= 0]))
    return Units(units, apart, num_tracklets, broken)


def most_units_by_camera(crops: CropSet, settings: TrackletSettings) -> list[int]:
    """Return how many units each camera has at most; of the tracklets, as many may be broken as have two crops."""
    units = linked(crops) if settings.must_link else np.arange(len(crops))
    sizes = np.bincount(units)
    cameras = crops.camera_ids[np.unique(units, return_index=True)[1]]
    most = np.minimum(sizes, {"alone": sizes.max(), "split": 2, "trust": 1}[settings.broken])
    counts: list[int] = np.bincount(np.repeat(cameras, most)).tolist()
    return counts


def linked(crops: CropSet) -> IntArray:
    """Return the tracklet of each crop, numbered by first appearance; crops of none are of one of their own."""
    if crops.tracklet_ids is None:
        return np.arange(len(crops))
    is_known = crops.tracklet_ids >= 0
    own = int(crops.tracklet_ids.max()) + 1 + np.arange(len(crops))
    return number_by_first_appearance(np.where(is_known, crops.tracklet_ids, own))
