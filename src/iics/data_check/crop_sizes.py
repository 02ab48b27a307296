"""Sizes of crops: quantiles, a histogram, and warnings of crops that do not look like what they should show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from iics.arrays import BoolArray, IntArray
from iics.data_check.scan import Scan
from iics.subjects import SUBJECTS, SubjectName

SMALLEST_WIDTH, SMALLEST_HEIGHT = 16, 32
MOST_SLENDER = 6.0
"""Height over width of a person standing straight is about 2 to 4."""
LEAST_CONTRAST = 2.0
"""Grey levels; an even wall as JPEG has less."""
_NUM_BINS = 12


@dataclass(frozen=True)
class Distribution:
    """How a number is spread over crops.

    Attributes:
        minimum: Smallest.
        low: 5 % lie below.
        median: Half lie below.
        high: 95 % lie below.
        maximum: Largest.
        histogram: Crops in each of 12 equal steps from the smallest to the largest.
    """

    minimum: float
    low: float
    median: float
    high: float
    maximum: float
    histogram: tuple[int, ...]

    @classmethod
    def of(cls, values: npt.ArrayLike) -> Distribution:
        """Return the distribution of at least one value."""
        array = np.asarray(values, dtype=np.float64)
        counts, _ = np.histogram(array, bins=_NUM_BINS)
        minimum, low, median, high, maximum = np.quantile(array, [0, 0.05, 0.5, 0.95, 1]).tolist()
        return cls(minimum, low, median, high, maximum, histogram=tuple(counts.tolist()))


@dataclass(frozen=True)
class SizeDistribution:
    """How large the crops of a split are.

    Attributes:
        width: In pixels.
        height: In pixels.
        aspect: Height over width.
    """

    width: Distribution
    height: Distribution
    aspect: Distribution

    @classmethod
    def of(cls, sizes: IntArray) -> SizeDistribution | None:
        """Return the distribution of widths and heights, None if there are none. Shape (n, 2)."""
        if len(sizes) == 0:
            return None
        width, height = sizes.T
        return cls(Distribution.of(width), Distribution.of(height), Distribution.of(height / width))


def unlikely_crops(split: str, scan: Scan, subject: SubjectName = "person") -> list[str]:
    """Return a warning for each way in which crops of a split do not look like the subject: shape, size, no picture."""
    width, height = scan.sizes.T
    is_decoded = scan.is_decoded
    kinds = {
        **(_unlike_a_person(width, height) if subject == "person" else _unlike_others(width, height)),
        "of one even colour, without a picture in them": scan.contrasts < LEAST_CONTRAST,
    }
    warnings = []
    for what, is_such in kinds.items():
        found = np.flatnonzero(is_such & is_decoded)
        if len(found):
            example = scan.crops.label(int(found[0]))
            size = "x".join(map(str, scan.sizes[found[0]].tolist()))
            warnings.append(
                f"Of {len(scan.crops)} crops in {split}, {len(found)} {'is' if len(found) == 1 else 'are'} {what}: "
                f"e.g. {example} ({size}). Look at them, and remove what shows no {SUBJECTS[subject].one}."
            )
    if subject == "person" and 2 * np.count_nonzero(width > height) > np.count_nonzero(is_decoded):
        warnings.append(
            f"More than half of the crops in {split} are wider than high. If they show no people, say what they show: "
            "--subject vehicle, animal or other, here and for iics train."
        )
    return warnings


def _unlike_a_person(width: IntArray, height: IntArray) -> dict[str, BoolArray]:
    return {
        "wider than high; a person upright is 2 to 4 times as high as wide": width > height,
        f"more than {MOST_SLENDER:g} times as high as wide; a person upright is 2 to 4 times": height
        > MOST_SLENDER * width,
        f"smaller than {SMALLEST_WIDTH} x {SMALLEST_HEIGHT} pixels; little can be told from them": (
            (width < SMALLEST_WIDTH) | (height < SMALLEST_HEIGHT)
        ),
    }


def _unlike_others(width: IntArray, height: IntArray) -> dict[str, BoolArray]:
    """Of vehicles, animals and others, only what is extreme either way is unlikely."""
    short, long = np.minimum(width, height), np.maximum(width, height)
    return {
        f"more than {MOST_SLENDER:g} times as long as wide": long > MOST_SLENDER * short,
        f"smaller than {SMALLEST_WIDTH} x {SMALLEST_HEIGHT} pixels; little can be told from them": (
            (short < SMALLEST_WIDTH) | (long < SMALLEST_HEIGHT)
        ),
    }
