"""Train with the method of this folder.

python examples/new_method/train.py runs/plain-clusters
"""

import sys
from dataclasses import replace
from pathlib import Path

from method import PLAIN_CLUSTERS, PlainClusters

import iics
from iics.methods.by_name import METHODS

# In the package, the folder lies in iics/methods and the line stands in the dictionary itself; then the command has it,
# too: iics train sample --method plain-clusters --own.clusters 500
METHODS["plain-clusters"] = PLAIN_CLUSTERS


def main(out: Path, data: iics.DataSplits, settings: iics.Settings, *, clusters: int = 500) -> iics.TrainingRun:
    """Train with it."""
    settings = replace(settings, method="plain-clusters", own=PlainClusters(clusters=clusters))
    crops, query, gallery = data.to_train_on(), data.query, data.gallery
    return iics.train(crops, settings=settings, out=out, query=query, gallery=gallery, progress=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), iics.load_sample(), iics.presets.SAMPLE)
