"""What a gallery costs: time to index, latency of searches, memory.

Run: python benchmarks/gallery.py [NUM_CROPS [URI]]

Features of 1,280 numbers, made up: 20 crops of each identity, identity + camera + noise. They are written as
`iics index` writes them, without the network that would make them. Without a URI the gallery is a folder in /tmp, whose
database runs within this process, so that the memory is both's.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from iics.gallery.filters import GalleryFilters
from iics.gallery.gallery import Gallery
from iics.gallery.indexing import CROPS_PER_FLUSH, CROPS_PER_WRITE
from iics.gallery.stored_values import NUMBER_FIELDS
from iics.model_settings import ModelSettings
from iics.models.reid_model import create_model

DIMENSION, CROPS_PER_IDENTITY, NUM_CAMERAS = 1280, 20, 6
NUM_SEARCHES = 50


def main() -> None:
    num_crops = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    settings = ModelSettings(backbone="efficientnet_lite0", weights="none", height=64, width=32)
    model = create_model(settings, device=torch.device("cpu"))
    features = made_up_features(num_crops)
    print("| step | s |\n|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        uri = sys.argv[2] if len(sys.argv) > 2 else str(Path(folder) / "benchmark.db")
        before = held_bytes()
        with Gallery.open_or_create(uri, model=model, collection="benchmark") as gallery:
            row(f"index {num_crops:,}", seconds(lambda: index(gallery, features)))
        started = time.perf_counter()
        with Gallery.open(uri, collection="benchmark") as gallery:
            gallery.search(features[:1])
            row("open again and search once", time.perf_counter() - started)
            for name, how in (
                ("search", {}),
                ("search, one camera of six", {"filters": GalleryFilters(cameras=("camera 2",))}),
                ("search, a hundredth of the time", {"filters": GalleryFilters(since=0, until=num_crops / 100)}),
                ("search, re-ranked", {"rerank": True}),
                ("search, by tracklet", {"group_by_tracklet": True}),
            ):
                taken = [
                    seconds(lambda k=k, how=how: gallery.search(features[k : k + 1], **how))
                    for k in range(0, num_crops, num_crops // NUM_SEARCHES)
                ]
                print(f"| {name}: median, 99th percentile | {np.median(taken):.2f}, {np.quantile(taken, 0.99):.2f} |")
            row("32 searches at once", seconds(lambda: gallery.search(features[:32])))
            row("names of the cameras", seconds(gallery.camera_names))
            gone = [f"{number:064x}" for number in range(0, num_crops, NUM_CAMERAS)]
            row(f"forget {len(gone):,}, and erase them from disk", seconds(lambda: gallery.delete(gone)))
        print(f"\nPeak memory beside {before / 1e9:.2f} GB before: {(peak_bytes() - before) / 1e9:.2f} GB")
        if len(sys.argv) <= 2:
            on_disk = sum(file.stat().st_size for file in Path(uri).rglob("*") if file.is_file())
            print(f"On disk: {on_disk / 1e9:.2f} GB; the features alone: {features.nbytes / 1e9:.2f} GB")


def index(gallery: Gallery, features: np.ndarray) -> None:
    for start in range(0, len(features), CROPS_PER_WRITE):
        stop = min(start + CROPS_PER_WRITE, len(features))
        gallery.write([made_up_row(number) for number in range(start, stop)], features[start:stop])
        if stop % CROPS_PER_FLUSH == 0:
            gallery.flush()
    gallery.flush()


def made_up_features(num_crops: int) -> np.ndarray:
    generator = np.random.default_rng(0)
    people = generator.standard_normal((num_crops // CROPS_PER_IDENTITY + 1, DIMENSION), dtype=np.float32)
    cameras = generator.standard_normal((NUM_CAMERAS, DIMENSION), dtype=np.float32)
    features = generator.standard_normal((num_crops, DIMENSION), dtype=np.float32)
    numbers = np.arange(num_crops)
    features += people[numbers // CROPS_PER_IDENTITY]
    features += cameras[numbers % NUM_CAMERAS]
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    return features


def made_up_row(number: int) -> dict[str, object]:
    known = {"camera": f"camera {number % NUM_CAMERAS}", "time": float(number), "tracklet": number // 4}
    place = {"crop_id": f"{number:064x}", "digest": f"{number:064x}", "path": f"/crops/{number}.jpg", "archive": ""}
    return {**dict.fromkeys(NUMBER_FIELDS), **place, **known}


def seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def row(name: str, taken: float) -> None:
    print(f"| {name} | {taken:.2f} |", flush=True)


def held_bytes() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return 1024 * int(line.split()[1])
    return 0


def peak_bytes() -> int:
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main()
