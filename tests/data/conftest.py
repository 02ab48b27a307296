"""Small data sets made on the fly: each image differs, each folder and zip is what a user might hand us."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

MakeImage = Callable[..., Path]

MARKET_FILES = (
    "bounding_box_train/0001_c10s1_000001_00.jpg",
    "bounding_box_train/0001_c2s1_000002_00.jpg",
    "bounding_box_train/0003_c1s1_000003_00.jpg.jpg",
    "bounding_box_train/0003_c2s1_000004_00.JPG",
    "query/0002_c1s1_000005_00.jpg",
    "query/0002_c2s1_000006_00.png",
    "bounding_box_test/-1_c1s1_000007_00.jpg",
    "bounding_box_test/0000_c10s1_000008_00.jpg",
    "bounding_box_test/0002_c1s2_000009_00.jpg",
    "bounding_box_test/0002_c2s2_000010_00.jpeg",
)


DUKE_FILES = (
    "bounding_box_train/0001_c2_f0046182.jpg",
    "bounding_box_train/0001_c8_f0046302.jpg",
    "bounding_box_train/7140_c4_f0175988.jpg",
    "query/0005_c2_f0046985.jpg",
    "bounding_box_test/0005_c5_f0051341.jpg",
    "bounding_box_test/7139_c2_f0160815.jpg",
)
CUHK03_FILES = (
    "detected/bounding_box_train/0001_c1_1.png",
    "detected/bounding_box_train/0001_c2_6.png",
    "detected/query/0003_c1_22.png",
    "detected/bounding_box_test/0003_c2_27.png",
    "labeled/bounding_box_train/0001_c1_1.png",
    "labeled/bounding_box_train/0001_c2_6.png",
    "labeled/bounding_box_train/0002_c1_1.png",
    "labeled/query/0003_c1_22.png",
    "labeled/bounding_box_test/0003_c2_27.png",
)
MSMT17_LISTS = {
    "list_train.txt": (
        "0001/0001_000_01_0303morning_0017_2.jpg 1",
        "0000/0000_000_01_0303morning_0015_0.jpg 0",
        "0000/0000_046_12_0303morning_0006_2_ex.jpg 0",
    ),
    "list_val.txt": ("0000/0000_013_04_0303morning_0020_2.jpg 0",),
    "list_query.txt": ("0000/0000_002_01_0303morning_0016_2.jpg 0",),
    "list_gallery.txt": (
        "0000/0000_003_15_0114afternoon_0016_2.jpg 0",
        "0253/0253_002_01_0303morning_1475_1.jpg 253",
    ),
}
MSMT17_FOLDERS = {"V1": ("train", "test"), "V2": ("mask_train_v2", "mask_test_v2")}


@pytest.fixture
def make_image() -> MakeImage:
    """Write an image of noise; each call draws other pixels."""
    rng = np.random.default_rng(0)

    def make(path: Path, *, size: tuple[int, int] = (16, 32)) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
        return path

    return make


@pytest.fixture
def market_dir(tmp_path: Path, make_image: MakeImage) -> Path:
    """A folder in the Market-1501 layout: cameras 1, 2 and 10; query has no crop of camera 10."""
    root = tmp_path / "market"
    for name in MARKET_FILES:
        make_image(root / name)
    (root / "readme.txt").write_text("about")
    (root / "query" / "Thumbs.db").write_bytes(b"x")
    (root / "query" / ".DS_Store").write_bytes(b"x")
    return root


@pytest.fixture
def market1501_dir(tmp_path: Path, make_image: MakeImage) -> Path:
    """Market-1501 as unpacked, but small: hand-drawn boxes and notes beside the crops, junk and a distractor."""
    root = tmp_path / "Market-1501-v15.09.15"
    for name in MARKET_FILES:
        make_image(root / name.replace("c10", "c6"))
    make_image(root / "gt_bbox" / "0001_c1s1_001051_00.jpg")
    (root / "gt_query").mkdir()
    (root / "gt_query" / "0001_c1s1_001051_00_good.mat").write_bytes(b"x")
    (root / "readme.txt").write_text("about")
    (root / "bounding_box_test" / "Thumbs.db").write_bytes(b"x")
    return root


@pytest.fixture
def duke_dir(tmp_path: Path, make_image: MakeImage) -> Path:
    """DukeMTMC-reID as unpacked, but small."""
    root = tmp_path / "DukeMTMC-reID"
    for name in DUKE_FILES:
        make_image(root / name)
    (root / "LICENSE_DukeMTMC-reID.txt").write_text("licence")
    return root


@pytest.fixture
def cuhk03_dir(tmp_path: Path, make_image: MakeImage) -> Path:
    """CUHK03-NP as unpacked, but small: detected has 2 crops to train on, labeled 3."""
    root = tmp_path / "cuhk03-np"
    for name in CUHK03_FILES:
        make_image(root / name)
    return root


@pytest.fixture
def make_msmt17(tmp_path: Path, make_image: MakeImage) -> Callable[[str], Path]:
    """Write a version of MSMT17 as unpacked, but small: 2 people of 3 cameras in train, 2 others in the test."""

    def make(version: str) -> Path:
        root = tmp_path / f"MSMT17_{version}"
        for name, lines in MSMT17_LISTS.items():
            folder = MSMT17_FOLDERS[version][name in ("list_query.txt", "list_gallery.txt")]
            for line in lines:
                make_image(root / folder / line.split()[0])
            (root / name).write_text("".join(f"{line}\n" for line in lines))
        return root

    return make


@pytest.fixture
def zip_folder() -> Callable[..., Path]:
    """Pack a folder into a zip beside it, under a prefix."""

    def pack(folder: Path, prefix: str = "") -> Path:
        path = folder.with_suffix(".zip")
        with zipfile.ZipFile(path, "w") as archive:
            for file in sorted(folder.rglob("*"), reverse=True):
                if file.is_file():
                    archive.write(file, prefix + file.relative_to(folder).as_posix())
        return path

    return pack
