"""Whether crops can be trained on at all, asked before anything is computed or written."""

from __future__ import annotations

import numpy as np

from iics.config import Settings
from iics.data.crops import CropSet
from iics.data.images import free_memory
from iics.errors import TrainingError

BYTES_PER_PAIR = 20
"""Most memory that comparing and clustering n crops takes, over n^2: 17.2 measured at 6,000 crops, rounded up."""


def check_trainable(crops: CropSet, settings: Settings) -> None:
    """Refuse crops that the method cannot learn from, and more of them than memory holds.

    Raises:
        TrainingError: If they are of one camera only, no camera has 2 crops, or their distances do not fit into memory.
    """
    if crops.num_cameras < 2:
        camera = crops.camera_names[crops.camera_ids[0]]
        raise TrainingError(
            f"All {len(crops)} crops of {crops.name} are of camera {camera}; learning the same person across cameras "
            "needs at least 2 cameras."
        )
    largest_camera = int(np.bincount(crops.camera_ids).max())
    if largest_camera < 2:
        raise TrainingError("No camera has 2 crops or more; stage 1 has nothing to compare. Add crops.")
    compared = largest_camera if settings.stages == "stage1" else len(crops)
    needed, free = BYTES_PER_PAIR * compared**2, free_memory()
    if free is not None and needed > free:
        raise TrainingError(
            f"Clustering {compared:,} crops at once needs about {needed / 1e9:.1f} GB of memory, {free / 1e9:.1f} GB "
            "are free. Train on fewer crops or on a machine with more memory."
        )
