"""A new loss: a classifier whose targets are smoothed, and no triplet. One file, one line.

python examples/new_loss.py runs/smoothed
"""

import sys
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

import iics
from iics.models.heads import BNNeckHead
from iics.training.losses import LOSSES, LabelLoss, LossSettings

SMOOTHING = 0.1


class SmoothedClassifier(LabelLoss):
    """Cross-entropy that asks for 90 % of the right label, not all of it: pseudo-labels are wrong now and then."""

    def __init__(self, num_features: int, num_labels: int, _: LossSettings, generator: torch.Generator) -> None:
        super().__init__()
        self.head = BNNeckHead(num_features, num_labels, generator=generator)  # the generator makes runs repeatable

    def forward(self, features: Tensor, labels: Tensor, _crop_ids: Tensor) -> dict[str, Tensor]:
        """Return the terms: "loss" is minimised; all are recorded after every round, and drawn in the report."""
        logits = self.head(features)
        return {
            "loss": F.cross_entropy(logits, labels, label_smoothing=SMOOTHING),
            "accuracy": (logits.argmax(dim=1) == labels).float().mean(),
            "certainty": logits.softmax(dim=1).amax(dim=1).mean(),
        }


# In the package, the line stands in the dictionary itself.
LOSSES["smoothed"] = SmoothedClassifier


def main(out: Path, data: iics.DataSplits, settings: iics.Settings) -> iics.TrainingRun:
    """Train stage 2 with it."""
    settings = replace(settings, stage2=replace(settings.stage2, loss="smoothed"))
    crops, query, gallery = data.to_train_on(), data.query, data.gallery
    return iics.train(crops, settings=settings, out=out, query=query, gallery=gallery, progress=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), iics.load_sample(), iics.presets.SAMPLE)
