"""The rendered people that ship with the package are what docs/sample.md says."""

from pathlib import Path

import numpy as np
import pytest

from iics.pixels.images import load_pixels
from iics.readers.sample import SAMPLE_ARCHIVE, load_sample

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


def test_crops_of_the_sample_decode_to_pixels_that_differ(sample):
    pixels = load_pixels(sample.train.subset(np.arange(0, len(sample.train), 50)), height=128, width=64)
    assert pixels.shape == (69, 128, 64, 3)
    assert len({image.tobytes() for image in pixels}) == 69
