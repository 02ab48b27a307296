"""The plain form of loading makes the same kind of batches as ours."""

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.plain_loading import PlainLoader, unpacked
from iics.crops import CropSet
from iics.model_settings import AugmentSettings
from iics.pixels.augment import normalise_pixels
from iics.pixels.images import load_pixels
from iics.readers.benchmarks import load_sample
from iics.speed.training_speed import MEAN, STD

SIZE = {"height": 32, "width": 16}


@pytest.fixture
def plain(people):
    def loader(seed=0, **settings):
        return PlainLoader(list(people.train.paths), **SIZE, settings=AugmentSettings(**settings), seed=seed)

    return loader


def test_the_plain_form_without_augmentation_is_ours(plain, people):
    images = plain(mirror_probability=0, pad=0, erase_probability=0).epoch([torch.arange(3, 7)])
    pixels = torch.from_numpy(load_pixels(people.train, **SIZE)[3:7])
    torch.testing.assert_close(images, normalise_pixels(pixels, mean=MEAN, std=STD), rtol=1e-5, atol=1e-5)


def test_the_plain_form_mirrors_and_erases(plain, people):
    untouched = plain(mirror_probability=0, pad=0, erase_probability=0)
    mirrored = plain(mirror_probability=1, pad=0, erase_probability=0)
    mirror = Image.open(people.train.paths[0]).resize((16, 32), Image.Resampling.BICUBIC)
    expected = torch.from_numpy(np.array(mirror)[:, ::-1].copy())[None]
    torch.testing.assert_close(mirrored[0][None], normalise_pixels(expected, mean=MEAN, std=STD), rtol=1e-5, atol=1e-5)
    erased = plain(mirror_probability=0, pad=0, erase_probability=1)[0]
    is_erased = (erased == 0).all(dim=0)
    assert 0.01 < is_erased.float().mean() < 0.45
    assert torch.equal(erased[:, ~is_erased], untouched[0][:, ~is_erased])


def test_the_plain_form_pads_with_black_and_cuts(plain):
    image = plain(mirror_probability=0, pad=10, erase_probability=0, seed=3)[0]
    black = torch.tensor([-mean / std for mean, std in zip(MEAN, STD, strict=True)])[:, None, None]
    assert image.shape == (3, 32, 16)
    assert torch.isclose(image, black).all(dim=0).any()


def test_crops_of_an_archive_are_loaded_as_those_of_files(people, tmp_path):
    sample = load_sample().train.subset(np.arange(0, 400, 20))
    assert all(path.exists() for path in unpacked(sample, tmp_path))
    assert unpacked(people.train, tmp_path) == list(people.train.paths)


def test_the_plain_form_loads_boxes_as_crops_of_their_own(people, tmp_path):
    train = people.train.subset(np.arange(8))
    boxed = CropSet((train.paths[0],) * 8, [0] * 8, ("door",), boxes=[[at, at, 20, 40] for at in range(8)])
    with Image.open(unpacked(boxed, tmp_path)[3]) as cut, Image.open(train.paths[0]) as frame:
        np.testing.assert_array_equal(np.asarray(cut), np.asarray(frame.convert("RGB"))[3:43, 3:23])
