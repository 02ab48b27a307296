"""`iics label` against the truth: how often its intervals hold it, and how wide they are. Answers are the identities.

Run: python -m benchmarks.answers [MODEL ...] [--data DATA --data-dir PLACE] [--crops 1500] [--draws 10] [--pairs 50]

A MODEL is a model file, a run folder, or imagenet or random: efficientnet_lite0 at 128x64 with such weights. Without
one, both are measured. Crops of the training split are drawn (seed 0), embedded once, and then asked about in draws of
seeds 0, 1, ... The truth is that of all these crops; `usual` is rank-1 as `iics evaluate` has it, where people seen by
one camera alone do not count and other people of the query's own camera do.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from iics.arrays import BoolArray, FloatArray
from iics.cli.model_file import load_model_or_run
from iics.cli.source import DataSource
from iics.crops import CropSet
from iics.evaluation.answer_estimates import answered_thresholds, rank_one
from iics.evaluation.answers import AskedPair
from iics.evaluation.drawn_pairs import PairsAcross, best_matches, draw_pairs
from iics.evaluation.ranked_features import rank_crops
from iics.model_settings import ModelSettings
from iics.models.match_thresholds import FALSE_MATCH_RATES
from iics.models.reid_model import ReidModel, create_model


def main() -> None:
    """Print a table of each model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=["random", "imagenet"], metavar="MODEL")
    parser.add_argument("--data", default="sample")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--crops", type=int, default=1500)
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--pairs", type=int, default=50)
    told = parser.parse_args()
    crops = DataSource(told.data, told.data_dir).load().to_train_on()
    chosen = np.random.default_rng(0).choice(len(crops), min(told.crops, len(crops)), replace=False)
    crops = crops.subset(np.sort(chosen))
    for name in told.models:
        print(f"\n{name}: {len(crops)} crops of {crops.name}, {told.draws} draws of {told.pairs} pairs", flush=True)
        measure(_model(name).embed(crops, batch_size=64), crops, num_draws=told.draws, num_pairs=told.pairs)


def measure(features: FloatArray, crops: CropSet, *, num_draws: int, num_pairs: int) -> None:
    """Print how draws compare with the truth."""
    people = crops.identity_ids
    if people is None:
        raise SystemExit("The truth takes crops with identities.")
    matches, _ = best_matches(features, crops.camera_ids)
    truth = float((people == people[matches]).mean())
    across = PairsAcross.of(features, crops.camera_ids)
    first, second = np.divmod(across.codes, len(across.crops))
    is_two: BoolArray = people[across.crops[first]] != people[across.crops[second]]
    drawn = [_answered(features, crops, num_pairs, seed) for seed in range(num_draws)]
    ranks = [rank_one(pairs) for pairs in drawn]
    held = sum(found.low <= truth <= found.high for found in ranks)
    low, middle, high = (float(np.mean([getattr(one, end) for one in ranks])) for end in ("low", "share", "high"))
    usual = rank_crops(features, features, crops, crops).cmc[0]
    print(
        f"| rank-1 across cameras {truth:.1%} (usual {usual:.1%}) | {held} of {num_draws} | {middle:.1%} | "
        f"{low:.1%} to {high:.1%} |"
    )
    thresholds = [answered_thresholds(pairs, across.similarity) for pairs in drawn]
    for at, rate in enumerate(FALSE_MATCH_RATES):
        known = [each[at] for each in thresholds if each[at].similarity is not None]
        rates = [float((across.similarity[is_two] > one.similarity).mean()) for one in known]
        held = sum((one.rate_low or 0) <= true <= (one.rate_high or 1) for one, true in zip(known, rates, strict=True))
        ends = (
            [float(np.mean([getattr(one, end) for one in known])) for end in ("rate_low", "rate_high")] if known else []
        )
        spread = f"{min(rates):.2%} to {max(rates):.2%}" if rates else "-"
        print(
            f"| {rate:.1%} threshold | {held} of {len(known)} | true rate {spread} | "
            f"{' to '.join(f'{end:.2%}' for end in ends) or '-'} |",
            flush=True,
        )


def _answered(features: FloatArray, crops: CropSet, num_pairs: int, seed: int) -> Sequence[AskedPair]:
    people = crops.identity_ids
    assert people is not None
    return [
        AskedPair(
            pair=number,
            answer="yes" if people[pair.first] == people[pair.second] else "no",
            first_camera="",
            first=str(pair.first),
            second_camera="",
            second=str(pair.second),
            similarity=pair.similarity,
            kind=pair.kind,
            slice=pair.slice,
            slice_size=pair.slice_size,
            answered_at="",
            first_contents="",
            second_contents="",
            model="",
        )
        for number, pair in enumerate(draw_pairs(features, crops, num_pairs=num_pairs, seed=seed), start=1)
    ]


def _model(name: str) -> ReidModel:
    if name not in ("random", "imagenet"):
        return load_model_or_run(Path(name), device="cpu")
    weights = "none" if name == "random" else "imagenet"
    torch.manual_seed(0)
    settings = ModelSettings(backbone="efficientnet_lite0", weights=weights, height=128, width=64)
    model = create_model(settings, device=torch.device("cpu"))
    model.backbone.eval()
    return model


if __name__ == "__main__":
    main()
