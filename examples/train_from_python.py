"""Train from Python: measure every round, look at something of your own, use the model.

python examples/train_from_python.py runs/python
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np

import iics


def main(out: Path, data: iics.DataSplits, settings: iics.Settings) -> iics.TrainingRun:
    """Train on a data set that has a query and a gallery; print what came of it."""
    some = data.to_train_on().subset(np.arange(0, len(data.to_train_on()), 10))

    def spread(model: iics.ReidModel, _round_number: int) -> dict[str, Any]:
        """Return how far features lie apart: near 0, all crops look alike to the model."""
        return {"spread": float(model.embed(some).std(axis=0).mean())}

    run = iics.train(
        data.to_train_on(),
        settings=settings,
        out=out,
        query=data.query,  # with a gallery: mAP and CMC after every round, and thresholds of matches in the end
        gallery=data.gallery,
        after_round=spread,  # recorded beside them
        progress=True,
    )
    print({name: run.history[-1]["evaluation"][name] for name in ("mean_ap", "rank1", "spread")})
    features = iics.load_model(out / "model.safetensors").embed(some)  # (n, d), L2-normalised
    print(f"crop 0 is most like crop {int(np.argsort(-(features @ features[0]))[1])}")
    return run


if __name__ == "__main__":
    main(Path(sys.argv[1]), iics.load_sample(), iics.presets.SAMPLE)
