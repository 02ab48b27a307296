"""Features of query and gallery -> the same, centred by camera where that is wanted or found to help (`--centre`)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from iics.arrays import FloatArray
from iics.config import Centre
from iics.crops import CropSet
from iics.models.camera_means import CameraMeans
from iics.models.centre_choice import CentreChoice, centre_features, choose_centre, spread_over
from iics.models.centring import OwnMean, own_means


@dataclass(frozen=True, eq=False)
class CentredSearch:
    """Features to rank by, and whether they are centred.

    Attributes:
        query_features: Shape (m, d).
        gallery_features: Shape (n, d).
        choice: Whether they are centred, and why.
    """

    query_features: FloatArray
    gallery_features: FloatArray
    choice: CentreChoice


def centre_search(
    query_features: FloatArray,
    gallery_features: FloatArray,
    query: CropSet,
    gallery: CropSet,
    *,
    means: CameraMeans | None,
    centre: Centre,
) -> CentredSearch:
    """Return the features that a search compares; nothing is logged, see `CentreChoice.log`.

    A camera that training saw too little of is centred by the mean of its gallery crops, else of its query crops.

    Args:
        query_features: L2-normalised. Shape (len(query), d).
        gallery_features: L2-normalised. Shape (len(gallery), d).
        query: Crops searched for.
        gallery: Crops searched in, with the same camera names.
        means: Of the model; None if it has none.
        centre: What is wanted.

    Raises:
        WeightsError: If they are to be centred and the model has no means.
    """
    if centre == "off":
        return CentredSearch(query_features, gallery_features, CentreChoice(centre, False))
    present = np.unique(np.concatenate([query.camera_ids, gallery.camera_ids]))
    names = [gallery.camera_names[camera] for camera in present]
    query_at, gallery_at = (np.searchsorted(present, crops.camera_ids) for crops in (query, gallery))
    in_gallery, in_query = own_means(gallery_features, gallery_at, names), own_means(query_features, query_at, names)
    chosen = spread_over(len(query) + len(gallery))
    of_query, of_gallery = chosen[chosen < len(query)], chosen[chosen >= len(query)] - len(query)
    choice, centres = choose_centre(
        centre,
        means,
        names,
        own_mean=_first_that_knows(in_gallery, in_query),
        features=np.concatenate([query_features[of_query], gallery_features[of_gallery]]),
        camera_ids=np.concatenate([query_at[of_query], gallery_at[of_gallery]]),
    )
    if centres is None:
        return CentredSearch(query_features, gallery_features, choice)
    rows = centres.centred(query_features, query_at), centres.centred(gallery_features, gallery_at)
    return CentredSearch(*rows, choice)


def centre_crops(
    features: FloatArray, crops: CropSet, *, means: CameraMeans | None, centre: Centre
) -> tuple[FloatArray, CentreChoice]:
    """Return the features of one set of crops, centred if that is wanted or found to help, and whether they are.

    Args:
        features: L2-normalised. Shape (len(crops), d).
        crops: A camera that training saw too little of is centred by the mean of its crops.
        means: Of the model; None if it has none.
        centre: What is wanted.

    Raises:
        WeightsError: If they are to be centred and the model has no means.
    """
    cameras = [crops.camera_names[camera] for camera in crops.camera_ids]
    return centre_features(features, cameras, means=means, centre=centre)


def _first_that_knows(*asked: OwnMean) -> OwnMean:
    def own_mean(name: str) -> tuple[int, FloatArray | None]:
        found = [ask(name) for ask in asked]
        known = [(count, mean) for count, mean in found if mean is not None]
        return known[0] if known else (max(count for count, _ in found), None)

    return own_mean
