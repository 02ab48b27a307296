"""Both ways of loading make the same kind of batches; what they take is measured."""

import numpy as np
import pytest
import torch
from PIL import Image

from iics.config import AugmentSettings
from iics.crops import CropSet
from iics.pixels.augment import normalise_pixels
from iics.pixels.images import load_pixels
from iics.readers.sample import load_sample
from iics.speed.loading_speed import MEAN, STD, PlainLoader, _unpacked, compare_loading

SIZE = {"height": 32, "width": 16}


@pytest.fixture
def plain(people):
    def loader(seed=0, **settings):
        return PlainLoader(list(people.train.paths), **SIZE, settings=AugmentSettings(**settings), seed=seed)

    return loader


def test_both_ways_are_timed_on_plain_files_and_on_an_archive(people):
    sample = load_sample().train.subset(np.arange(0, 400, 20))
    for crops in (people.train, sample):
        speed = compare_loading(crops, **SIZE, batch_size=8, repeats=2)
        assert speed.ours > 0
        assert speed.plain > 0
        assert speed.ratio == speed.ours / speed.plain


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


def test_fewer_crops_than_a_batch_are_refused(people):
    with pytest.raises(ValueError, match=r"^A batch of 99 needs as many crops, got 54\.$"):
        compare_loading(people.train, **SIZE, batch_size=99)


def test_the_plain_form_loads_boxes_as_crops_of_their_own(people, tmp_path):
    train = people.train.subset(np.arange(8))
    boxed = CropSet((train.paths[0],) * 8, [0] * 8, ("door",), boxes=[[at, at, 20, 40] for at in range(8)])
    assert compare_loading(boxed, **SIZE, batch_size=4, repeats=1).plain > 0
    with Image.open(_unpacked(boxed, tmp_path)[3]) as cut, Image.open(train.paths[0]) as frame:
        np.testing.assert_array_equal(np.asarray(cut), np.asarray(frame.convert("RGB"))[3:43, 3:23])
