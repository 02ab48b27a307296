"""Cameras without colour among others: grey or infrared. Scan -> counts and warnings.

A crop without colour is of shades of one tint: its pixels differ in brightness alone. It is decoded like any other, to
three channels; what follows for the result is in docs/your_cameras.md.
"""

from __future__ import annotations

import numpy as np

from iics.arrays import BoolArray
from iics.data_check.crop_sizes import LEAST_CONTRAST
from iics.data_check.scan import Scan

LEAST_COLOUR = 3.0
"""Grey levels that colour spreads by, at least. Of the sample's crops all have 3.6 or more; grey ones have 0, tinted
ones after JPEG up to 3."""
_NEARLY_ALL, _SOME = 0.9, 0.1
"""Shares of a camera's crops: from the first on it has no colour, from the second on it has two faces."""


def colourless_per_camera(scan: Scan) -> tuple[int, ...]:
    """Return the number of crops without colour of each camera."""
    is_such = _is_colourless(scan)
    counts = np.bincount(scan.crops.camera_ids[is_such], minlength=len(scan.crops.camera_names))
    return tuple(counts.tolist())


def colourless_cameras(split: str, scan: Scan) -> list[str]:
    """Return warnings: of cameras without colour among others, and of cameras that change between the two."""
    crops = scan.crops
    names = np.array(crops.camera_names, dtype=np.object_)
    totals = np.bincount(crops.camera_ids[scan.is_decoded], minlength=len(names))
    counts = np.array(colourless_per_camera(scan))
    share = np.divide(counts, totals, out=np.zeros(len(names)), where=totals > 0)
    grey, mixed = share >= _NEARLY_ALL, (share >= _SOME) & (share < _NEARLY_ALL)
    warnings = []
    if grey.any() and not grey[totals > 0].all():
        warnings.append(
            f"In {split}, {_listed(names[grey])} without colour (grey or infrared), unlike the others. Crops are "
            "compared with them by brightness and shape alone: expect fewer matches between the two kinds "
            "(docs/your_cameras.md)."
        )
    if mixed.any():
        told = ", ".join(
            f"{name} ({count} of {total})"
            for name, count, total in zip(names[mixed], counts[mixed], totals[mixed], strict=True)
        )
        warnings.append(
            f"In {split}, a part of the crops has no colour in camera {told}: does it turn to infrared at night? Name "
            "its crops by day and by night as two cameras (docs/your_cameras.md)."
        )
    return warnings


def _is_colourless(scan: Scan) -> BoolArray:
    """Return which crops have no colour; an even picture tells nothing."""
    is_such: BoolArray = (scan.colour_spreads < LEAST_COLOUR) & (scan.contrasts >= LEAST_CONTRAST)
    return is_such


def _listed(names: np.ndarray) -> str:
    return f"camera{'' if len(names) == 1 else 's'} {', '.join(names)} {'is' if len(names) == 1 else 'are'}"
