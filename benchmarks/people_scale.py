"""What people cost at scale: all at once, a rerun without anything new, a rerun with new crops.

Run: python benchmarks/people_scale.py FOLDER [NUM_CROPS [NUM_NEW]]

Features of 1,280 numbers, made up: person + camera + tracklet + noise, tracklets of 4 crops, 20 crops of each person,
12 cameras, a week. They are written as `iics index` writes them, without the network that would make them. FOLDER, a
gallery that is made where there is none, keeps them.
"""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path

import numpy as np
import torch

from iics.arrays import FloatArray
from iics.gallery.gallery import Gallery
from iics.gallery.stored_values import NUMBER_FIELDS
from iics.model_settings import ModelSettings
from iics.models.reid_model import ReidModel, create_model

DIMENSION, CROPS_PER_TRACKLET, CROPS_PER_PERSON, NUM_CAMERAS = 1280, 4, 20, 12
PERSON_NUMBERS = 48
"""Numbers that tell people apart: with few of them, some people look alike."""
CROPS_PER_WRITE = 256
WEEK = 7 * 86400
START = 1_760_000_000.0


def main() -> None:
    folder = Path(sys.argv[1])
    num_crops, num_new = (int(sys.argv[k]) if len(sys.argv) > k else n for k, n in ((2, 100_000), (3, 1_000)))
    torch.manual_seed(0)
    settings = ModelSettings(backbone="efficientnet_lite0", weights="none", height=64, width=32)
    model = create_model(settings, device=torch.device("cpu"))
    with Gallery.open_or_create(str(folder), model=model) as gallery:
        have = gallery.num_crops
        timed(f"index {num_crops - have:,} more crops", lambda: index(gallery, have, num_crops, num_crops))
    update_thrice(str(folder), model, num_crops, num_new)


def update_thrice(uri: str, model: ReidModel, num_crops: int, num_new: int) -> None:
    """Time people of all, of nothing new, of some new crops."""
    from iics.people.update import update_people

    for what, new in (("all at once", 0), ("nothing new", 0), (f"{num_new:,} new crops", num_new)):
        with Gallery.open(uri) as gallery:
            if new:
                index(gallery, num_crops, num_crops + new, num_crops)
        with timed(f"{what}: open", lambda: Gallery.open(uri)) as gallery:
            print(timed(what, lambda gallery=gallery: update_people(gallery, model)))


def timed(what: str, action):
    """Print how long something takes: by the clock, and on the processors, whatever else runs on them."""
    started, cpu = time.perf_counter(), time.process_time()
    result = action()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    clock, cpu = time.perf_counter() - started, time.process_time() - cpu
    print(f"| {what} | {clock:.1f} s | {cpu:.1f} s of processors | {peak:.2f} GB at most so far |", flush=True)
    return result


def index(gallery: Gallery, start: int, stop: int, num_crops: int) -> None:
    """Write some of the crops."""
    for begin in range(start, stop, CROPS_PER_WRITE):
        indices = np.arange(begin, min(begin + CROPS_PER_WRITE, stop))
        tracklets = indices // CROPS_PER_TRACKLET
        cameras = cameras_of(tracklets)
        gallery.write(
            [
                dict.fromkeys(NUMBER_FIELDS)
                | {
                    "crop_id": f"{index:064x}",
                    "digest": f"{index:064x}",
                    "path": f"/crops/{index}.jpg",
                    "archive": "",
                    "camera": f"camera {camera}",
                    "time": START + float(times_of(np.array([tracklet]))[0]) + index % CROPS_PER_TRACKLET,
                    "tracklet": int(tracklet) + 1,
                    "identity": int(persons_of(np.array([tracklet]), num_crops)[0]),
                }
                for index, tracklet, camera in zip(indices.tolist(), tracklets.tolist(), cameras.tolist(), strict=True)
            ],
            made_up(indices, num_crops),
        )
        if begin // CROPS_PER_WRITE % 16 == 15:
            gallery.flush()
    gallery.flush()


def persons_of(tracklets: np.ndarray, num_crops: int) -> np.ndarray:
    """Return the person of each tracklet, as if drawn by lot."""
    return tracklets * 7919 % (num_crops // CROPS_PER_PERSON)


def cameras_of(tracklets: np.ndarray) -> np.ndarray:
    return tracklets * 104729 // 7 % NUM_CAMERAS


def times_of(tracklets: np.ndarray) -> np.ndarray:
    return tracklets * 15485863 % WEEK


def made_up(indices: np.ndarray, num_crops: int) -> FloatArray:
    """Return features of some crops, the same each time. Shape (n, 1280)."""
    tracklets = indices // CROPS_PER_TRACKLET
    people = np.zeros((len(indices), DIMENSION))
    people[:, :PERSON_NUMBERS] = np.stack([part(0, each, PERSON_NUMBERS) for each in persons_of(tracklets, num_crops)])
    features = (
        people
        + 0.4 * np.stack([part(1, each) for each in cameras_of(tracklets)])
        + 0.6 * np.stack([part(2, each) for each in tracklets])
        + 0.4 * np.stack([part(3, each) for each in indices])
    )
    return (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)


def part(kind: int, number: int, dimension: int = DIMENSION) -> np.ndarray:
    """Return a direction drawn for a thing. Shape (dimension,)."""
    drawn = np.random.default_rng([kind, int(number)]).standard_normal(dimension)
    return drawn / np.linalg.norm(drawn)


if __name__ == "__main__":
    main()
