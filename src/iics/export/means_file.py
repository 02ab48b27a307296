"""Camera means beside an exported file, as .npz: what a deployer takes off the features of a camera.

The graph's features stay plain, so one file serves every camera, known or new, and its interface is the same.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from iics.atomic import write_atomically
from iics.models.camera_means import CameraMeans


def means_path(out: Path) -> Path:
    """Return where the means of an exported file stand."""
    return out.with_suffix(".cameras.npz")


def write_means(means: CameraMeans, out: Path) -> None:
    """Write the means beside an exported file.

    Args:
        means: Of the model.
        out: The exported file; the means are written to `means_path(out)`: `names` (c,), `num_crops` (c,), `means`
            (c, d) and `mean_of_all` (d,).

    Raises:
        WriteError: If they cannot be written.
    """
    buffer = io.BytesIO()
    np.savez(
        buffer,
        names=np.array(means.names),
        num_crops=np.array(means.num_crops),
        means=means.means,
        mean_of_all=means.of_all,
    )
    write_atomically(means_path(out), buffer.getvalue())
