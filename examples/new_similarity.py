"""A new similarity: features are compared after the mean of their camera is taken away. One file, one line.

python examples/new_similarity.py runs/camera-centred
"""

import sys
from dataclasses import replace
from pathlib import Path

from torch.nn.functional import normalize

import iics
from iics.similarity.by_name import SIMILARITIES
from iics.similarity.cosine import CosineSimilarity
from iics.similarity.crop_similarity import ComparedCrops, SimilarityKind


def camera_centred(crops: ComparedCrops) -> CosineSimilarity:
    """Return the cosine of centred features: what all crops of a camera share tells nothing of who is on them."""
    features = crops.features.clone()
    for camera in range(int(crops.camera_ids.max()) + 1):
        is_here = crops.camera_ids == camera
        features[is_here] -= features[is_here].mean(dim=0)
    return CosineSimilarity(normalize(features))


# In the package, the line stands in the dictionary itself, and the file beside the other similarities.
SIMILARITIES["camera-centred"] = SimilarityKind(camera_centred, needs_scores=False, has_features=True)


def main(out: Path, data: iics.DataSplits, settings: iics.Settings) -> iics.TrainingRun:
    """Train with it: in blocks of all pairs, on the graph of neighbours, on several processes, as any other."""
    settings = replace(settings, stage2=replace(settings.stage2, similarity="camera-centred"))
    crops, query, gallery = data.to_train_on(), data.query, data.gallery
    return iics.train(crops, settings=settings, out=out, query=query, gallery=gallery, progress=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), iics.load_sample(), iics.presets.SAMPLE)
