"""What a run found for its queries, kept in its folder: ranked lists as a picture, accuracy by pair of cameras."""

from __future__ import annotations

from pathlib import Path

from iics.evaluation.evaluate import rank_camera_pairs
from iics.evaluation.ranked_results import EvaluatedModel
from iics.reports.camera_pairs_file import CameraPairMatrices

CONTACT_SHEET = "contact_sheet.png"


def write_rankings(evaluated: EvaluatedModel, folder: Path) -> None:
    """Write contact_sheet.png and camera_pairs.json into a run folder.

    Raises:
        DataError: If a crop that is shown cannot be read.
        WriteError: If they cannot be written.
    """
    evaluated.write_contact_sheet(folder / CONTACT_SHEET)
    features = evaluated.query_features, evaluated.gallery_features
    pairs = rank_camera_pairs(*features, evaluated.query, evaluated.gallery)
    CameraPairMatrices(pairs.cameras, pairs.rank1, pairs.mean_ap).write(folder)
