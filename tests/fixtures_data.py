"""Small data sets made on the fly: each image differs, each folder and zip is what a user might hand us."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

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
VERI_FILES = (
    "image_train/0001_c001_00016450_0.jpg",
    "image_train/0001_c020_00016460_0.jpg",
    "image_query/0002_c002_00030600_0.jpg",
    "image_test/0002_c003_00030640_1.jpg",
    "image_test/0776_c001_00085645_0.jpg",
)
LTCC_FILES = (
    "train/000_1_c3_000110.png",
    "train/000_2_c12_000210.png",
    "query/094_1_c9_015833.png",
    "test/094_2_c10_015920.png",
    "test/005_1_c1_001234.png",
)
MARS_TEST_NAMES = (
    "00-1C1T0001F001.jpg",
    "0000C1T0001F001.jpg",
    "0002C1T0001F001.jpg",
    "0002C1T0001F002.jpg",
    "0002C2T0002F001.jpg",
)
MARS_TRACKS = ((1, 1, -1, 1), (2, 2, 0, 1), (3, 4, 2, 1), (5, 5, 2, 2))
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
def occluded_duke_dir(tmp_path: Path, make_image: MakeImage) -> Path:
    """Occluded-DukeMTMC as its script makes it of DukeMTMC-reID, but small."""
    root = tmp_path / "Occluded_Duke"
    for name in DUKE_FILES:
        make_image(root / name)
    (root / "train.list").write_text("0001_c2_f0046182.jpg\n")
    return root


@pytest.fixture
def veri_dir(tmp_path: Path, make_image: MakeImage) -> Path:
    """VeRi-776 as unpacked, but small."""
    root = tmp_path / "VeRi"
    for name in VERI_FILES:
        make_image(root / name)
    (root / "name_query.txt").write_text("0002_c002_00030600_0.jpg\n")
    (root / "train_label.xml").write_text("<TrainingImages/>")
    return root


@pytest.fixture
def ltcc_dir(tmp_path: Path, make_image: MakeImage) -> Path:
    """LTCC as unpacked, but small."""
    root = tmp_path / "LTCC_ReID"
    for name in LTCC_FILES:
        make_image(root / name)
    (root / "info").mkdir()
    (root / "info" / "cloth-change_id_train.txt").write_text("0\n")
    return root


@pytest.fixture
def mars_dir(tmp_path: Path, make_image: MakeImage) -> Path:
    """MARS with the info files of its authors beside it, but small: the third tracklet of the test is the query."""
    root = tmp_path / "MARS"
    for name in ("0001C1T0001F001.jpg", "0001C1T0001F002.jpg", "0001C6T0002F001.jpg"):
        make_image(root / "bbox_train" / name[:4] / name)
    for name in MARS_TEST_NAMES:
        make_image(root / "bbox_test" / name[:4] / name)
    (root / "info").mkdir()
    (root / "info" / "test_name.txt").write_bytes("".join(f"{name}\r\n" for name in MARS_TEST_NAMES).encode())
    savemat(root / "info" / "tracks_test_info.mat", {"track_test_info": np.array(MARS_TRACKS, dtype=np.int32)})
    savemat(root / "info" / "query_IDX.mat", {"query_IDX": np.array([[3]], dtype=np.uint16)})
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
