"""Numbers that need no labels: tracklets, cameras, clusters. Features x CropSet -> LabelFreeReport.

None of them is an accuracy. They compare models on the same crops, and show where one fails.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from iics.arrays import FloatArray
from iics.crops import CropSet
from iics.errors import EvaluationError
from iics.evaluation.across_cameras import AcrossCameras, across_cameras
from iics.evaluation.camera_bias import CameraBias, camera_bias
from iics.evaluation.cluster_structure import ClusterStructure, cluster_structure
from iics.evaluation.tracklet_agreement import TrackletAgreement, tracklet_agreement

_LEAST_CROPS = 3


@dataclass(frozen=True)
class LabelFreeReport:
    """What was found; its text explains every number.

    Attributes:
        num_crops: All crops.
        seed: Of what was drawn where there were too many crops.
        tracklets: None if neither tracklets nor boxes are known.
        cameras: None for one camera.
        clusters: Always there.
        notes: What could not be measured, and why.
        across: Whether matches across cameras can be trusted; None for one camera.
    """

    num_crops: int
    seed: int
    tracklets: TrackletAgreement | None
    cameras: CameraBias | None
    clusters: ClusterStructure
    notes: tuple[str, ...]
    across: AcrossCameras | None = None

    def __str__(self) -> str:
        found = self.tracklets, self.across, self.cameras, self.clusters
        parts = [part.lines() for part in found if part is not None]
        head = [
            f"What {self.num_crops:,} crops say without labels. None of these numbers is an accuracy; compare models",
            f"on the same crops. Where fewer crops were looked at, they were drawn at random (seed {self.seed}).",
            "Similarity is the cosine of features throughout, as in searches. Training clusters by another one, so the",
            "report of a run counts other clusters.",
        ]
        return "\n\n".join("\n".join(lines) for lines in (head, *parts, *([note] for note in self.notes)))


def label_free_report(features: FloatArray, crops: CropSet, *, seed: int = 0) -> LabelFreeReport:
    """Return the numbers that need no labels; identities are not used.

    Args:
        features: L2-normalised. Shape (n, d).
        crops: Of the features, at least three.
        seed: Of what is drawn.

    Raises:
        EvaluationError: If features and crops do not belong together, are fewer than three, or are not finite.
    """
    if features.ndim != 2 or len(features) != len(crops):
        raise EvaluationError(f"{len(crops)} crops need as many rows of features, got shape {features.shape}.")
    if len(crops) < _LEAST_CROPS:
        raise EvaluationError(
            f"{crops.name} has {len(crops)} crops; at least {_LEAST_CROPS} are needed to compare any."
        )
    if not np.isfinite(features).all():
        raise EvaluationError("features hold NaN or infinite values; check the model.")
    notes = []
    tracklets = None
    if crops.tracklet_ids is not None or crops.boxes is not None:
        tracklets = tracklet_agreement(features, crops, seed=seed)
        if not tracklets.num_apart:
            notes.append(
                "No two crops are known to be two people: that takes boxes in one picture, or tracklets with times "
                "that tell pictures apart, and two tracklets at one time."
            )
    else:
        notes.append("There are no tracklets and no boxes, so no pair is known to be one person, or two.")
    if crops.num_cameras < 2:
        notes.append("All crops are of one camera, so nothing can be said of cameras.")
    return LabelFreeReport(
        num_crops=len(crops),
        seed=seed,
        tracklets=tracklets,
        cameras=camera_bias(features, crops, seed=seed) if crops.num_cameras > 1 else None,
        clusters=cluster_structure(features, crops, seed=seed),
        notes=tuple(notes),
        across=across_cameras(features, crops, seed=seed),
    )
