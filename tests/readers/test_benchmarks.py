"""Each benchmark is read as its authors publish it, from folder and zip alike, and refused if it is another."""

from __future__ import annotations

import logging
import shutil
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

import iics
from iics.cli.source import DataName
from iics.errors import DataError
from iics.pixels.images import load_pixels
from iics.readers import benchmarks
from iics.readers.benchmarks import BENCHMARKS, LOADERS, SAMPLE_ARCHIVE, load_benchmark, load_sample
from iics.readers.published_counts import CountError, PublishedCounts, SplitCounts

SMALL_COUNTS = {
    "market1501": PublishedCounts(
        "Market-1501",
        train=SplitCounts(crops=4, identities=2, cameras=3),
        query=SplitCounts(crops=2, identities=1, cameras=2),
        gallery=SplitCounts(crops=4, identities=1, cameras=3, junk=1, distractors=1),
    ),
    "dukemtmc": PublishedCounts(
        "DukeMTMC-reID",
        train=SplitCounts(crops=3, identities=2, cameras=3),
        query=SplitCounts(crops=1, identities=1, cameras=1),
        gallery=SplitCounts(crops=2, identities=2, cameras=2),
    ),
    "msmt17": PublishedCounts(
        "MSMT17",
        train=SplitCounts(crops=4, identities=2, cameras=3),
        query=SplitCounts(crops=1, identities=1, cameras=1),
        gallery=SplitCounts(crops=2, identities=2, cameras=2),
    ),
    "cuhk03-detected": PublishedCounts(
        "CUHK03-NP (detected)",
        train=SplitCounts(crops=2, identities=1, cameras=2),
        query=SplitCounts(crops=1, identities=1, cameras=1),
        gallery=SplitCounts(crops=1, identities=1, cameras=1),
    ),
    "cuhk03-labelled": PublishedCounts(
        "CUHK03-NP (labelled)",
        train=SplitCounts(crops=3, identities=2, cameras=2),
        query=SplitCounts(crops=1, identities=1, cameras=1),
        gallery=SplitCounts(crops=1, identities=1, cameras=1),
    ),
}
SMALL_COUNTS["occluded-duke"] = replace(SMALL_COUNTS["dukemtmc"], title="Occluded-DukeMTMC")
SMALL_COUNTS["veri776"] = PublishedCounts(
    "VeRi-776",
    train=SplitCounts(crops=2, identities=1, cameras=2),
    query=SplitCounts(crops=1, identities=1, cameras=1),
    gallery=SplitCounts(crops=2, identities=2, cameras=2),
)
SMALL_COUNTS["ltcc"] = replace(SMALL_COUNTS["veri776"], title="LTCC")
SMALL_COUNTS["mars"] = PublishedCounts(
    "MARS",
    train=SplitCounts(crops=3, identities=1, cameras=2),
    query=SplitCounts(crops=2, identities=1, cameras=1),
    gallery=SplitCounts(crops=3, identities=1, cameras=2, junk=1, distractors=1),
)
CHECKED = sorted(BENCHMARKS)


def small(name):
    """The benchmark as it is read, but for its counts."""
    return replace(BENCHMARKS[name], counts=SMALL_COUNTS[name])


@pytest.fixture
def unpacked(market1501_dir, duke_dir, cuhk03_dir, make_msmt17, occluded_duke_dir, veri_dir, ltcc_dir, mars_dir):
    """The folder of each benchmark by name."""
    return {
        "market1501": market1501_dir,
        "dukemtmc": duke_dir,
        "msmt17": make_msmt17("V1"),
        "cuhk03-detected": cuhk03_dir,
        "cuhk03-labelled": cuhk03_dir,
        "occluded-duke": occluded_duke_dir,
        "veri776": veri_dir,
        "ltcc": ltcc_dir,
        "mars": mars_dir,
    }


@pytest.mark.parametrize("name", CHECKED)
@pytest.mark.parametrize("prefix", ["", "data/a b/"])
def test_zip_equals_folder(unpacked, zip_folder, name, prefix):
    root = unpacked[name]
    folder = load_benchmark(root, small(name))
    zipped = load_benchmark(zip_folder(root, f"{prefix}{root.name}/"), small(name))
    assert folder.name == zipped.name == name
    for split in ("train", "query", "gallery"):
        expected, found = getattr(folder, split), getattr(zipped, split)
        assert (found.name, found.archive) == (f"{name} {split}", root.with_suffix(".zip"))
        assert found.fingerprint() == expected.fingerprint()
        assert found.identity_fingerprint() == expected.identity_fingerprint()
        assert found.camera_names == expected.camera_names


@pytest.mark.parametrize("name", CHECKED)
def test_loaders_check_the_published_counts(unpacked, name):
    with pytest.raises(CountError) as refused:
        LOADERS[name](unpacked[name])
    published = BENCHMARKS[name].counts
    assert str(refused.value).startswith(
        f"{unpacked[name]} is not {published.title} as it was published: train: {published.train.crops:,} crops "
        f"expected, {SMALL_COUNTS[name].train.crops} found; "
    )


@pytest.mark.parametrize(
    ("name", "extra"),
    [
        ("market1501", "bounding_box_train/0003_c1s9_000001_00.jpg"),
        ("dukemtmc", "bounding_box_train/0001_c2_f0000001.jpg"),
        ("msmt17", "train/0001/0001_001_01_0303morning_0018_0.jpg"),
        ("cuhk03-detected", "detected/bounding_box_train/0001_c1_9.png"),
        ("cuhk03-labelled", "labeled/bounding_box_train/0001_c1_9.png"),
        ("occluded-duke", "bounding_box_train/0001_c2_f0000001.jpg"),
        ("veri776", "image_train/0001_c001_00016451_0.jpg"),
        ("ltcc", "train/000_1_c3_000111.png"),
        ("mars", "bbox_train/0001/0001C1T0001F003.jpg"),
    ],
)
def test_one_more_crop_is_refused(unpacked, make_image, name, extra):
    make_image(unpacked[name] / extra)
    if name == "msmt17":
        with (unpacked[name] / "list_val.txt").open("a") as text:
            text.write(f"{extra.removeprefix('train/')} 1\n")
    num_crops = SMALL_COUNTS[name].train.crops
    with pytest.raises(CountError) as refused:
        load_benchmark(unpacked[name], small(name))
    message = str(refused.value).removeprefix(f"{unpacked[name]} is not {SMALL_COUNTS[name].title} as it was published")
    assert message.startswith(f": train: {num_crops} crops expected, {num_crops + 1} found. Fetch and unpack it again")


def test_a_set_in_the_layout_of_market1501_is_told_its_reader(market_people):
    with pytest.raises(DataError, match=r"; other data in this layout is read as market-layout \(load_market_layout\)"):
        iics.load_market1501(market_people)
    assert len(iics.load_market_layout(market_people).train) == 54


def test_the_sample_is_no_market1501_but_has_its_layout():
    with pytest.raises(CountError, match="train: 12,936 crops expected, 3,437 found; train: 751 identities expected"):
        iics.load_market1501(SAMPLE_ARCHIVE)
    assert len(iics.load_market_layout(SAMPLE_ARCHIVE).train) == 3437


def test_duke_names_have_a_frame_and_distractors_their_own_numbers(duke_dir):
    splits = load_benchmark(duke_dir, small("dukemtmc"))
    assert splits.train.identity_ids.tolist() == [1, 1, 7140]
    assert splits.train.camera_names == ("2", "4", "5", "8")
    assert splits.gallery.identity_ids.tolist() == [5, 7139]


@pytest.mark.parametrize("load", [iics.load_dukemtmc, iics.load_occluded_duke, LOADERS["dukemtmc"]])
def test_duke_was_withdrawn_and_says_so_once(duke_dir, caplog, load):
    with caplog.at_level(logging.WARNING), pytest.raises(CountError):
        load(duke_dir)
    assert [record.getMessage() for record in caplog.records] == [benchmarks.WITHDRAWN]
    assert "withdrawn by its authors" in benchmarks.WITHDRAWN


@pytest.mark.parametrize(("boxes", "num_crops"), [("detected", 2), ("labelled", 3)])
def test_boxes_of_cuhk03_are_chosen(cuhk03_dir, boxes, num_crops):
    name = f"cuhk03-{boxes}"
    assert len(load_benchmark(cuhk03_dir, small(name)).train) == num_crops
    assert len(load_benchmark(cuhk03_dir.parent, small(name)).train) == num_crops
    with pytest.raises(CountError, match=rf"CUHK03-NP \({boxes}\)"):
        iics.load_cuhk03(cuhk03_dir, boxes=boxes)


def test_labelled_boxes_are_not_looked_for_among_the_detected(cuhk03_dir):
    assert len(load_benchmark(cuhk03_dir / "detected", small("cuhk03-detected")).train) == 2
    with pytest.raises(DataError, match=r"detected does not hold a data set\. CUHK03-NP needs .* in a folder labeled"):
        load_benchmark(cuhk03_dir / "detected", small("cuhk03-labelled"))


def test_other_boxes_are_refused(cuhk03_dir):
    with pytest.raises(ValueError, match="boxes must be 'detected' or 'labelled', got 'labeled'"):
        iics.load_cuhk03(cuhk03_dir, boxes="labeled")


@pytest.mark.parametrize(
    ("name", "wrong", "expected"),
    [
        ("market1501", "0001_c7s1_000001_00.jpg", "camera 7, but there are cameras 1 to 6"),
        ("dukemtmc", "0001_c9_f0046182.jpg", "camera 9, but there are cameras 1 to 8"),
        ("cuhk03-detected", "0001_c3_1.png", "camera 3, but there are cameras 1 to 2"),
        ("market1501", "0001_c2_f0046182.jpg", "is not named like a Market-1501 crop, e.g. 0002_c1s1_000451_03.jpg"),
        ("dukemtmc", "0002_c1s1_000451_03.jpg", "is not named like a DukeMTMC-reID crop, e.g. 0001_c2_f0046182.jpg"),
        ("cuhk03-detected", "0001_c1_f1.png", "is not named like a CUHK03-NP crop, e.g. 0001_c1_1.png (identity, c"),
    ],
)
def test_name_that_the_benchmark_cannot_have_is_refused(unpacked, name, wrong, expected):
    folder = unpacked[name] / ("detected/bounding_box_train" if name == "cuhk03-detected" else "bounding_box_train")
    (folder / wrong).write_bytes(b"x")
    with pytest.raises(DataError) as refused:
        load_benchmark(unpacked[name], small(name))
    assert str(refused.value).startswith(f"{folder / wrong}")
    assert expected in str(refused.value)


@pytest.mark.parametrize("name", ["dukemtmc", "cuhk03-labelled"])
def test_missing_split_is_named(unpacked, name):
    root = unpacked[name] / ("labeled" if name == "cuhk03-labelled" else "")
    shutil.rmtree(root / "query")
    with pytest.raises(DataError, match=r"has no folder query\. (DukeMTMC-reID|CUHK03-NP) needs the folders"):
        load_benchmark(unpacked[name], small(name))


def test_every_loader_is_known_to_the_commands():
    assert set(LOADERS) == set(BENCHMARKS) | {"market-layout", "pytorch-folders"}
    assert set(LOADERS) < set(get_args(DataName))


@pytest.mark.parametrize("name", sorted(set(CHECKED) - {"msmt17"}))
def test_a_benchmark_without_its_training_crops_can_be_measured_on(unpacked, name):
    place = unpacked[name] / {"cuhk03-detected": "detected", "cuhk03-labelled": "labeled"}.get(name, "")
    train = next(
        place / folder
        for folder in ("bounding_box_train", "image_train", "train", "bbox_train")
        if (place / folder).is_dir()
    )
    whole = load_benchmark(unpacked[name], small(name))
    shutil.rmtree(train)
    splits = load_benchmark(unpacked[name], small(name))
    assert splits.train is None
    assert (splits.query.paths, splits.gallery.paths) == (whole.query.paths, whole.gallery.paths)
    with pytest.raises(DataError, match=rf"^{name} has no crop to train on: it holds {len(whole.query)} of query and"):
        splits.to_train_on()


def test_vehicles_have_cameras_of_three_digits(veri_dir):
    splits = load_benchmark(veri_dir, small("veri776"))
    assert splits.train.camera_names == ("1", "2", "3", "20")
    assert splits.gallery.identity_ids.tolist() == [2, 776]


def test_the_person_0_of_ltcc_is_somebody_and_no_distractor(ltcc_dir):
    splits = load_benchmark(ltcc_dir, small("ltcc"))
    assert splits.train.identity_ids.tolist() == [1, 1]
    assert splits.query.identity_ids.tolist() == [95]
    assert splits.gallery.identity_ids.tolist() == [6, 95]
    assert splits.query.camera_names == ("1", "3", "9", "10", "12")


DOCS = Path(__file__).parents[2] / "docs" / "sample.md"


@pytest.fixture(scope="module")
def sample():
    return load_sample()


def test_the_sample_has_150_people_on_each_side_and_six_cameras(sample):
    train, test = set(sample.train.identity_ids.tolist()), set(sample.gallery.identity_ids.tolist()) - {-1, 0}
    assert (len(train), len(test), len(train & test)) == (150, 150, 0)
    assert set(sample.query.identity_ids.tolist()) == test
    assert sample.train.camera_names == ("1", "2", "3", "4", "5", "6")
    assert sample.train.archive == SAMPLE_ARCHIVE


def test_the_documented_table_is_true(sample):
    text = DOCS.read_text()
    for split in ("train", "query", "gallery"):
        crops = getattr(sample, split)
        people = len(set(crops.identity_ids.tolist()) - {-1, 0})
        junk, distractors = int((crops.identity_ids == -1).sum()), int((crops.identity_ids == 0).sum())
        cells = [split, len(crops), people, crops.num_cameras, junk, distractors, "64 x 128"]
        assert "| " + " | ".join(map(str, cells)) + " |" in text
    for camera, name in enumerate(sample.train.camera_names):
        counts = [int((crops.camera_ids == camera).sum()) for crops in (sample.train, sample.query, sample.gallery)]
        assert "| " + " | ".join(map(str, [name, *counts])) + " |" in text


def test_the_sample_has_the_tracklets_and_times_that_its_names_tell(sample):
    train = sample.train
    assert len(np.unique(train.tracklet_ids)) == 1003
    names = [path.name.split("_") for path in train.paths]
    assert len({(name[0], name[1], tracklet) for name, tracklet in zip(names, train.tracklet_ids, strict=True)}) == 1003
    assert train.times.tolist() == [int(name[2]) / 25 for name in names]
    # Junk and distractors are many under one name: nobody followed them.
    assert (sample.gallery.tracklet_ids[sample.gallery.identity_ids <= 0] == -1).all()


def test_crops_of_the_sample_decode_to_pixels_that_differ(sample):
    pixels = load_pixels(sample.train.subset(np.arange(0, len(sample.train), 50)), height=128, width=64)
    assert pixels.shape == (69, 128, 64, 3)
    assert len({image.tobytes() for image in pixels}) == 69
