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
