"""Exported files compared with torch in one process: agreement, mAP and crops per second."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np

from iics.arrays import Colour, FloatArray, Pixels
from iics.crops import CropSet
from iics.data_splits import DataSplits
from iics.evaluation.ranked_features import rank_crops
from iics.measure import seconds_in_turn
from iics.pixels.images import Interpolation, load_pixels

BATCH_SIZE = 32
_CROPS_PER_BLOCK = 1024
_REPEATS = 5


class PixelEmbedder(Protocol):
    """A form of the model: `ReidModel` or `OnnxModel`."""

    def embed(self, images: Pixels, /, *, batch_size: int) -> FloatArray:
        """Return L2-normalised features of pixels (n, h, w, 3). Shape (n, d)."""
        ...


@dataclass(frozen=True)
class FormResult:
    """One form of the model beside the first.

    Attributes:
        name: What it is called.
        mean_cosine: Between its features and the first form's; 1.0 is full agreement.
        least_cosine: The same for the crop on which they agree least.
        single_per_second: Crops a second, one at a time.
        batch_per_second: Crops a second, `BATCH_SIZE` at a time.
        mean_ap: mAP under the Market-1501 protocol; None without query, gallery and identities.
        rank1: Likewise.
    """

    name: str
    mean_cosine: float
    least_cosine: float
    single_per_second: float
    batch_per_second: float
    mean_ap: float | None
    rank1: float | None


def has_ranking(splits: DataSplits) -> bool:
    """Return whether mAP can be measured on a data set."""
    return all(crops is not None and crops.identity_ids is not None for crops in (splits.query, splits.gallery))


def compare_forms(
    forms: Mapping[str, PixelEmbedder],
    splits: DataSplits,
    *,
    height: int,
    width: int,
    interpolation: Interpolation = "bicubic",
    letterbox: Colour | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> list[FormResult]:
    """Measure several forms of one model on the same crops.

    Args:
        forms: By name; the first is the one that others are compared with. All should use equally many threads.
        splits: Query and gallery, if the data has them with identities, else the training crops or the gallery.
        height: Of the model's input.
        width: Of the model's input.
        interpolation: How the model's crops are resized.
        letterbox: What is filled around them; None stretches them.
        progress: Called with the number of crops done by all forms since the last call.

    Returns:
        A result for each form, in their order.
    """
    sets = compared_sets(splits)
    read = partial(load_pixels, height=height, width=width, interpolation=interpolation, letterbox=letterbox)
    features = {name: [_features(form, crops, read, progress) for crops in sets] for name, form in forms.items()}
    first = np.concatenate(next(iter(features.values())))
    pixels = read(sets[0].subset(np.arange(min(BATCH_SIZE, len(sets[0])))))
    speeds = [_crops_per_second(forms, pixels[:count]) for count in (1, len(pixels))]
    results = []
    for name, arrays in features.items():
        cosines = np.einsum("nd,nd->n", np.concatenate(arrays), first)
        ranking = rank_crops(arrays[0], arrays[1], sets[0], sets[1]) if len(sets) == 2 else None
        results.append(
            FormResult(
                name=name,
                mean_cosine=float(cosines.mean()),
                least_cosine=float(cosines.min()),
                single_per_second=speeds[0][name],
                batch_per_second=speeds[1][name],
                mean_ap=None if ranking is None else ranking.mean_ap,
                rank1=None if ranking is None else ranking.rank(1),
            )
        )
    return results


def compared_sets(splits: DataSplits) -> list[CropSet]:
    """Return the crops that forms are compared on: query and gallery, or those that there are."""
    if has_ranking(splits):
        return [crops for crops in (splits.query, splits.gallery) if crops is not None]
    return [splits.to_look_at()]


def _features(
    form: PixelEmbedder, crops: CropSet, read: Callable[[CropSet], Pixels], progress: Callable[[int], None]
) -> FloatArray:
    rows = []
    for start in range(0, len(crops), _CROPS_PER_BLOCK):  # a gallery need not fit into memory
        block = crops.subset(np.arange(start, min(start + _CROPS_PER_BLOCK, len(crops))))
        rows.append(form.embed(read(block), batch_size=BATCH_SIZE))
        progress(len(block))
    return np.concatenate(rows)


def _crops_per_second(forms: Mapping[str, PixelEmbedder], pixels: Pixels) -> dict[str, float]:
    # The forms run in turn, so that a busy moment of the machine hits all of them.
    works = {name: lambda form=form: form.embed(pixels, batch_size=len(pixels)) for name, form in forms.items()}
    return {name: len(pixels) / seconds for name, seconds in seconds_in_turn(works, repeats=_REPEATS).items()}
