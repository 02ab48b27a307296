"""Crops of the sample, through every kind of reader, are the same training set."""

import csv
import shutil
from collections import defaultdict
from pathlib import Path

import numpy as np
import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest
from PIL import Image

from iics.pixels.crop_reader import CropReader
from iics.pixels.images import load_pixels
from iics.pixels.pixel_cache import open_pixels
from iics.pixels.pixel_decoder import PixelDecoder
from iics.readers.benchmarks import load_market_layout, load_sample
from iics.readers.csv_table import load_csv
from iics.readers.folders import load_folder
from iics.readers.parquet_table import load_parquet
from iics.readers.patterns import load_pattern

SIZE = {"height": 64, "width": 32}
MARKET = "{split}/{identity:d}_c{camera:d}s{}_{frame:d}_{}.jpg"
FRAME_SIZE = 400


@pytest.fixture(scope="module")
def sample():
    """Four people of the sample, with a query and a gallery of as many others."""
    splits = load_sample()
    few = lambda crops: crops.subset(np.isin(crops.identity_ids, np.unique(crops.identity_ids)[:4]))  # noqa: E731
    return {"train": few(splits.train), "query": few(splits.query), "gallery": few(splits.gallery)}


@pytest.fixture(scope="module")
def files(sample):
    """The encoded crops by split and name."""
    found = defaultdict(dict)
    for split, crops in sample.items():
        with CropReader(crops) as reader:
            for index, path in enumerate(crops.paths):
                found[split][path.name] = reader.read(index)
    return found


@pytest.fixture
def rows(sample):
    """What is known of each crop, in an order that is not the reader's."""
    found = [
        {
            "path": f"{split}/{path.name}",
            "camera": crops.camera_names[camera],
            "identity": int(identity),
            "split": split,
        }
        for split, crops in sample.items()
        for path, camera, identity in zip(crops.paths, crops.camera_ids, crops.identity_ids, strict=True)
    ]
    return [found[at] for at in np.random.default_rng(0).permutation(len(found))]


def write(root, files, name_of=lambda split, name: f"{split}/{name}"):
    for split, contents in files.items():
        for name, data in contents.items():
            path = root / name_of(split, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    return root


def write_csv(path, rows):
    with path.open("w", newline="") as opened:
        table = csv.DictWriter(opened, fieldnames=rows[0].keys())
        table.writeheader()
        table.writerows(rows)
    return path


def market_zip(tmp_path, files, _rows):
    folders = {"train": "bounding_box_train", "query": "query", "gallery": "bounding_box_test"}
    root = write(tmp_path / "market", files, lambda split, name: f"{folders[split]}/{name}")
    return load_market_layout(shutil.make_archive(str(root), "zip", root), name="market")


def folder_per_camera(tmp_path, files, _rows):
    only_train = {"train": files["train"]}
    return load_folder(write(tmp_path / "f", only_train, lambda _, name: f"{name.split('_c')[1][0]}/{name}"))


def pattern(tmp_path, files, _rows):
    return load_pattern(write(tmp_path / "p", files), MARKET)


def csv_table(tmp_path, files, rows):
    return load_csv(write_csv(write(tmp_path, files) / "crops.csv", rows))


def parquet_table(tmp_path, files, rows):
    write(tmp_path, files)
    parquet.write_table(arrow.Table.from_pylist(rows), tmp_path / "crops.parquet")
    return load_parquet(tmp_path / "crops.parquet")


def boxes(tmp_path, files, rows):
    """Nine crops a frame, in PNG frames of a camera; the rows of a frame are far apart."""
    per_camera, boxed = defaultdict(list), []
    for row in rows:
        per_camera[row["split"], row["camera"]].append(row)
    for (split, camera), some in per_camera.items():
        for number in range(0, len(some), 9):
            frame, path = Image.new("RGB", (FRAME_SIZE, FRAME_SIZE), "red"), f"{split}-{camera}-{number}.png"
            for place, row in enumerate(some[number : number + 9]):
                name = Path(row["path"]).name
                (tmp_path / "one.jpg").write_bytes(files[split][name])
                with Image.open(tmp_path / "one.jpg") as crop:
                    left, top = 5 + 130 * (place % 3), 3 + 130 * (place // 3)
                    frame.paste(crop, (left, top))
                    box = {"left": left, "top": top, "width": crop.width, "height": crop.height}
                boxed.append(row | {"path": path} | box)
            frame.save(tmp_path / path, compress_level=0)
    shuffled = [boxed[at] for at in np.random.default_rng(1).permutation(len(boxed))]
    return load_csv(write_csv(tmp_path / "boxes.csv", shuffled))


KINDS = [market_zip, folder_per_camera, pattern, csv_table, parquet_table, boxes]


def content(crops, pixels=None):
    """What training sees, in an order of its own: camera, identity and pixels of each crop."""
    pixels = load_pixels(crops, **SIZE) if pixels is None else pixels
    cameras = [crops.camera_names[camera] for camera in crops.camera_ids]
    identities = [0] * len(crops) if crops.identity_ids is None else crops.identity_ids.tolist()
    return sorted(zip(cameras, identities, (crop.tobytes() for crop in pixels), strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_reader_gives_the_same_training_set(kind, tmp_path, sample, files, rows):
    splits = kind(tmp_path, files, rows)
    expected = sample["train"]
    assert splits.train.camera_names == expected.camera_names == ("1", "2", "3", "4", "5", "6")
    if kind is folder_per_camera:
        expected = expected.without_identities()
    assert content(splits.train) == content(expected)


@pytest.mark.parametrize("kind", [pattern, csv_table, parquet_table, boxes])
def test_query_and_gallery_come_with_it(kind, tmp_path, sample, files, rows):
    splits = kind(tmp_path, files, rows)
    assert content(splits.query) == content(sample["query"])
    assert content(splits.gallery) == content(sample["gallery"])


def test_the_order_of_crops_is_that_of_the_market_reader(tmp_path, sample, files, rows):
    splits = csv_table(tmp_path, files, rows)
    assert [path.name for path in splits.train.paths] == [path.name for path in sample["train"].paths]


def test_boxes_have_the_same_pixels_from_the_cache_and_from_the_decoder(tmp_path, sample, files, rows):
    crops = boxes(tmp_path, files, rows).train
    expected = content(sample["train"])
    cached = open_pixels(crops, **SIZE, source="cache", cache_dir=str(tmp_path / "cache"), num_threads=2)
    assert content(crops, cached) == expected
    decoder = PixelDecoder(crops, **SIZE, num_threads=3)
    shuffled = np.random.default_rng(0).permutation(len(crops))
    assert content(crops.subset(shuffled), decoder[shuffled]) == expected


def test_the_order_of_crops_is_that_of_their_paths_whoever_reads(tmp_path, make_image):
    for camera, name in (("cam10", "a"), ("cam2", "b"), ("cam2", "a")):
        make_image(tmp_path / "cameras" / camera / f"{name}.png")
    by_folder = load_folder(tmp_path / "cameras").train
    by_pattern = load_pattern(tmp_path / "cameras", "{camera}/{}.png").train
    assert [path.parent.name for path in by_folder.paths] == ["cam10", "cam2", "cam2"]
    assert by_folder.camera_names == ("cam2", "cam10")
    assert by_pattern.fingerprint() == by_folder.fingerprint()
