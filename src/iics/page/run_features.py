"""The features of a run's crops, computed once with its model and kept in the run folder."""

from __future__ import annotations

import io
import logging
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from iics.arrays import FloatArray
from iics.atomic import write_atomically
from iics.crops import CropSet
from iics.errors import WriteError
from iics.models.fingerprint import model_fingerprint
from iics.models.reid_model import ReidModel
from iics.regular_file import open_regular
from iics.shown_picture import VERSION

logger = logging.getLogger(__name__)

FEATURES_FILE = "cluster_features.npz"


def run_features(
    run: Path, model: ReidModel, crops: CropSet, *, batch_size: int, progress: Callable[[int], None] | None = None
) -> FloatArray:
    """Return the features of a run's crops: those in its folder, if they are of this model and these crops.

    Args:
        run: The run folder; the features are written there, or not, with a warning, where it cannot be written to.
        model: The run's model.
        crops: Of the run.
        batch_size: Crops forwarded at once.
        progress: Called after each batch with the number of crops in it.

    Returns:
        L2-normalised rows. Shape (n, d).

    Raises:
        DataError: If a crop cannot be read.
    """
    file = run / FEATURES_FILE
    key = f"{model_fingerprint(model)} {crops.fingerprint()} shown {VERSION}"
    kept = kept_features(file, key, len(crops))
    if kept is not None:
        return kept
    features = model.embed(crops, batch_size=batch_size, progress=progress)
    content = io.BytesIO()
    np.savez(content, features=features, key=np.array(key))
    try:
        write_atomically(file, content.getvalue())
    except WriteError as error:
        logger.warning("The features of the run are computed anew at each start: %s", error)
    return features


def kept_features(file: Path, key: str, num_crops: int) -> FloatArray | None:
    """Return the features in a file; None if there are none of this key, or the file is damaged."""
    if not file.exists():
        return None
    try:
        with open_regular(file) as opened, np.load(opened, allow_pickle=False) as kept:
            features: FloatArray = kept["features"]
            is_ours = str(kept["key"]) == key and features.ndim == 2 and features.dtype == np.float32
            return features if is_ours and len(features) == num_crops and np.isfinite(features).all() else None
    except (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        logger.warning("%s is damaged (%s); the features are computed anew.", file, error)
        return None
