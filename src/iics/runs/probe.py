"""How fast this machine is, as it is now, at what a run repeats: reading crops, features, steps, clusterings.

Everything is computed as training computes it, on random weights; batches are as large as the time for probing allows.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from iics.config import ClusterSettings, Settings
from iics.crops import CropSet
from iics.labelling.labeller import Labeller, labeller_of, max_dense_crops, stage2_distance
from iics.measure import measured
from iics.models.backbone_spec import backbone_spec
from iics.pixels.images import load_pixels
from iics.similarity.cosine import CosineSimilarity
from iics.speed.synthetic import SyntheticCrops, synthetic_crops
from iics.speed.training_speed import finisher
from iics.speed.training_work import Phase, Work, Workload, our_work, training_context
from iics.training.engine import Engine

CROPS_READ, CROPS_CLUSTERED, MAX_SCORES = 256, 1500, 10_000


@dataclass(frozen=True)
class Speed:
    """What a piece of work takes.

    Attributes:
        seconds: Of the work at its full size; where it was measured smaller, on the line through two sizes.
        first_seconds: What the first time took beyond the second: loading of compiled code, start of threads.
        num_crops: Crops of the work at its full size.
        num_measured: Crops of the largest size that was measured.
        peak_bytes: Most memory the whole process held meanwhile; None where the kernel does not tell.
    """

    seconds: float
    first_seconds: float
    num_crops: int
    num_measured: int
    peak_bytes: int | None


def probe_reading(crops: CropSet, settings: Settings) -> Speed:
    """Return what decoding and resizing all crops takes, measured on at most 256 of them.

    Raises:
        DataError: If one cannot be decoded.
    """
    chosen = np.unique(np.linspace(0, len(crops) - 1, min(CROPS_READ, len(crops))).astype(np.int64))
    some, size = crops.subset(chosen), settings.model
    done = measured(
        lambda: load_pixels(
            some,
            height=size.height,
            width=size.width,
            letterbox=size.letterbox,
            num_threads=settings.pixels.workers or None,
        )
    )
    return Speed(done.seconds / len(some) * len(crops), 0.0, len(crops), len(some), done.peak_bytes)


def probe_phase(phase: Phase, settings: Settings, engine: Engine, *, num_cameras: int, seconds: float) -> Speed:
    """Return what a step of a stage takes, or features of one batch.

    Times the smallest batch there is, then the largest of which two runs fit into the time, at least twice as
    large. The shorter of two runs counts.

    Args:
        phase: Which.
        settings: Of the run.
        engine: How the network is computed.
        num_cameras: Cameras of stage 1.
        seconds: Time for it, roughly.
    """
    least, most = {
        "features": (min(8, settings.inference_batch_size), settings.inference_batch_size),
        "stage1": (1, num_cameras),
        "stage2": (2, settings.stage2.clusters_per_batch),
    }[phase]
    crops_a_unit = {
        "features": 1,
        "stage1": settings.stage1.crops_per_camera,
        "stage2": settings.stage2.crops_per_cluster,
    }[phase]
    finish = finisher(engine.device)

    def work_of(units: int) -> Work:
        workload = _workload(settings, phase, units)
        work = our_work(phase, training_context(phase, workload, norm=settings.model.norm, engine=engine))
        return lambda: (work(), finish() if finish is not None else None)

    work = work_of(least)
    first = _seconds_of(work)
    small = min(_seconds_of(work) for _ in range(2))
    units = min(most, max(2 * least, int(seconds / 2 / small) * least))
    work = work_of(units)
    runs = [measured(work) for _ in range(2)]
    large = min(run.seconds for run in runs)
    return Speed(
        seconds=_on_the_line(most, (least, small), (units, large)),
        first_seconds=max(first - small, 0.0),
        num_crops=most * crops_a_unit,
        num_measured=units * crops_a_unit,
        peak_bytes=max((run.peak_bytes for run in runs if run.peak_bytes is not None), default=None),
    )


def _on_the_line(size: int, small: tuple[int, float], large: tuple[int, float]) -> float:
    """Return the seconds of a size, on the line through two measured sizes.

    Times are noisy, so at most half of the larger one is believed not to grow with the crops, and none to grow faster.
    """
    slope = (large[1] - small[1]) / (large[0] - small[0]) if large[0] > small[0] else 0.0
    in_proportion = large[1] / large[0]
    return large[1] + min(max(slope, in_proportion / 2), in_proportion) * (size - large[0])


def probe_clustering(
    settings: Settings, clusters: ClusterSettings, *, num_crops: int, num_cameras: int, num_scores: int | None
) -> Speed:
    """Return what clustering at most 1,500 synthetic crops takes, on the route that `num_crops` crops take.

    Args:
        settings: Of the run.
        clusters: How they are clustered.
        num_crops: Crops that the run clusters at once.
        num_cameras: Cameras of them.
        num_scores: Outputs of all heads together, for Eq. 5; None compares features alone.
    """
    few = min(num_crops, CROPS_CLUSTERED)
    crops = synthetic_crops(
        few,
        num_cameras=num_cameras,
        num_scores=min(max(num_scores or 1, num_cameras), MAX_SCORES),
        num_features=backbone_spec(settings.model.backbone).num_features,
    )
    on_graph = num_crops > max_dense_crops(settings.distance)
    own = stage2_distance(settings, round_index=1) if num_cameras > 1 else settings.distance
    distance = replace(own, max_dense_crops=few - 1 if on_graph else few)
    mu = settings.stage2.mu if num_scores is not None else None
    work = _clustering(crops, labeller_of(distance, clusters), mu=mu)
    first = _seconds_of(work)
    done = measured(work)
    return Speed(done.seconds, max(first - done.seconds, 0.0), few, few, done.peak_bytes)


def _clustering(crops: SyntheticCrops, labeller: Labeller, *, mu: float | None) -> Callable[[], object]:
    if mu is None:
        return lambda: labeller.label(CosineSimilarity(crops.features))
    return lambda: labeller.label(crops.similarity(mu=mu), camera_ids=crops.camera_ids.astype(np.int64))


def _workload(settings: Settings, phase: Phase, units: int) -> Workload:
    model = settings.model
    workload = Workload(
        backbone=model.backbone,
        last_stride=model.last_stride,
        height=model.height,
        width=model.width,
        crops_per_camera=settings.stage1.crops_per_camera,
        clusters_per_batch=settings.stage2.clusters_per_batch,
        crops_per_cluster=settings.stage2.crops_per_cluster,
        engine=settings.engine,
        augment=settings.augment,
        seed=settings.seed,
        mirror=model.mirror,
    )
    if phase == "features":
        return replace(workload, num_extracted=units)
    return replace(workload, num_cameras=units) if phase == "stage1" else replace(workload, clusters_per_batch=units)


def _seconds_of(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
