"""Augmentation (Sec. 4.2): what is drawn, how often, and what the pixels look like afterwards."""

import dataclasses

import numpy as np
import pytest
import torch

from iics.config import AugmentSettings
from iics.data.augment import augment, erase_mask, mirror_and_shift, normalise_pixels

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PAPER = AugmentSettings()
OFF = AugmentSettings(mirror_probability=0.0, pad=0, erase_probability=0.0)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def crops(n=6, height=8, width=5, *, seed=0):
    """Pixels from 1 to 255: the black of the border does not occur."""
    return torch.randint(1, 256, (n, height, width, 3), generator=generator(seed), dtype=torch.uint8)


def copies(n, height=8, width=5):
    return crops(1, height, width).expand(n, -1, -1, -1)


def transform(pixels, settings=PAPER, *, seed=0):
    return augment(pixels, settings=settings, mean=MEAN, std=STD, generator=generator(seed))


def with_coordinates(n, height, width):
    """Crops whose pixels tell where they came from: (row + 1, column + 1, 255)."""
    rows, columns = torch.meshgrid(torch.arange(height) + 1, torch.arange(width) + 1, indexing="ij")
    pixels = torch.stack([rows, columns, torch.full_like(rows, 255)], dim=-1).to(torch.uint8)
    return pixels.expand(n, -1, -1, -1)


# --- normalisation


def test_normalised_pixels_are_the_value_worked_by_hand():
    pixels = torch.tensor([[[[255, 0, 51]]]], dtype=torch.uint8)
    y = normalise_pixels(pixels, mean=(0.5, 0.25, 0.0), std=(0.5, 0.5, 0.1))
    torch.testing.assert_close(y.flatten(), torch.tensor([1.0, -0.5, 2.0]))


def test_with_everything_off_the_plain_normalised_pixels_are_left():
    pixels = crops()
    images = transform(pixels, OFF)
    expected = (pixels.permute(0, 3, 1, 2) / 255 - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]
    torch.testing.assert_close(images, expected, rtol=1e-5, atol=1e-5)
    assert images.dtype == torch.float32
    assert images.is_contiguous(memory_format=torch.channels_last)


# --- mirror and shift


def test_mirror_and_shift_agrees_with_a_plain_loop():
    pixels, pad = with_coordinates(40, 8, 5).clone(), 3
    pixels[..., 2] = torch.arange(40)[:, None, None] + 100  # which crop it is
    moved = mirror_and_shift(pixels, pad=pad, mirror_probability=0.5, generator=generator())
    draws = generator()  # the same draws again: first who is mirrored, then rows, then columns
    is_mirrored = (torch.rand(40, generator=draws) < 0.5).tolist()
    tops, lefts = torch.randint(0, 2 * pad + 1, (2, 40), generator=draws).tolist()
    for i in range(40):
        crop = pixels[i].numpy()[:, ::-1] if is_mirrored[i] else pixels[i].numpy()
        padded = np.zeros((8 + 2 * pad, 5 + 2 * pad, 3), dtype=np.uint8)
        padded[pad : pad + 8, pad : pad + 5] = crop
        np.testing.assert_array_equal(moved[i].numpy(), padded[tops[i] : tops[i] + 8, lefts[i] : lefts[i] + 5])


def test_half_of_the_crops_are_mirrored():
    moved = mirror_and_shift(copies(4000), pad=0, mirror_probability=0.5, generator=generator())
    is_mirrored = (moved == copies(4000).flip(2)).flatten(1).all(dim=1)
    is_plain = (moved == copies(4000)).flatten(1).all(dim=1)
    assert (is_mirrored ^ is_plain).all()
    assert is_mirrored.float().mean().item() == pytest.approx(0.5, abs=0.03)  # four standard deviations


@pytest.mark.parametrize(("probability", "share"), [(0.0, 0.0), (1.0, 1.0)])
def test_probabilities_0_and_1_are_never_and_always(probability, share):
    moved = mirror_and_shift(copies(200), pad=0, mirror_probability=probability, generator=generator())
    assert (moved == copies(200).flip(2)).flatten(1).all(dim=1).float().mean().item() == share


def test_offsets_are_uniform_from_minus_pad_to_pad_in_both_directions():
    pad, height, width, n = 2, 9, 7, 5000
    moved = mirror_and_shift(with_coordinates(n, height, width), pad=pad, mirror_probability=0.0, generator=generator())
    centre = moved[:, height // 2, width // 2].int()  # never border
    rows = (centre[:, 0] - (height // 2 + 1)).tolist()
    columns = (centre[:, 1] - (width // 2 + 1)).tolist()
    pairs = torch.zeros(2 * pad + 1, 2 * pad + 1)
    for row, column in zip(rows, columns, strict=True):
        pairs[row + pad, column + pad] += 1
    assert pairs.sum() == n
    expected = n / (2 * pad + 1) ** 2
    assert ((pairs - expected).abs() < 5 * expected**0.5).all()  # rows and columns are independent, too


def test_what_comes_from_outside_is_black():
    pad, n = 2, 300
    moved = mirror_and_shift(with_coordinates(n, 8, 5), pad=pad, mirror_probability=0.0, generator=generator())
    offsets = moved[:, 4, 2, :2].int() - torch.tensor([5, 3])
    rows = torch.arange(8) + offsets[:, 0, None]
    columns = torch.arange(5) + offsets[:, 1, None]
    is_inside = ((rows >= 0) & (rows < 8))[:, :, None] & ((columns >= 0) & (columns < 5))[:, None, :]
    assert torch.equal((moved == 0).all(dim=-1), ~is_inside)
    assert torch.equal((moved[..., 2] == 255), is_inside)
    black = transform(torch.full((1, 4, 4, 3), 255, dtype=torch.uint8), dataclasses.replace(OFF, pad=50))
    assert black[0, :, 0, 0].tolist() == pytest.approx([-m / s for m, s in zip(MEAN, STD, strict=True)])


# --- random erasing


def masks(n=3000, height=64, width=32, *, probability=1.0, area=(0.02, 0.4), min_aspect=0.3, seed=0):
    return erase_mask(
        n, height, width, probability=probability, area=area, min_aspect=min_aspect, generator=generator(seed)
    )


def test_what_is_erased_is_one_full_rectangle():
    mask = masks(300)
    tall, wide = mask.any(dim=2).sum(dim=1), mask.any(dim=1).sum(dim=1)
    assert torch.equal(mask.sum(dim=(1, 2)), tall * wide)
    rows = mask.any(dim=2).int()
    assert ((rows.diff(dim=1) == 1).sum(dim=1) + rows[:, 0] == 1).all()  # one run of rows


def test_the_erased_share_lies_between_2_and_40_percent():
    share = masks().float().mean(dim=(1, 2))
    assert share.min() > 0.015  # sides are whole pixels
    assert share.max() < 0.42
    assert share.min() < 0.03
    assert share.max() > 0.37


def test_in_a_square_crop_the_erased_share_is_uniform():
    # With an aspect of 1 nothing has to be cut: the mean is the middle of the range, a quarter lies below its quarter.
    share = masks(height=100, width=100, min_aspect=1.0).float().mean(dim=(1, 2))
    assert share.mean().item() == pytest.approx(0.21, abs=0.01)
    assert (share < 0.115).float().mean().item() == pytest.approx(0.25, abs=0.03)


def test_the_aspect_is_log_uniform_between_0_3_and_its_inverse():
    mask = masks(height=200, width=200, area=(0.1, 0.15))  # small enough that nothing is cut
    aspect = mask.any(dim=2).sum(dim=1) / mask.any(dim=1).sum(dim=1)
    assert 0.29 < aspect.min() < 0.31
    assert 3.2 < aspect.max() < 3.45
    assert (aspect > 1).float().mean().item() == pytest.approx(0.5, abs=0.04)  # as many tall as wide
    assert (aspect > 0.3**-0.5).float().mean().item() == pytest.approx(0.25, abs=0.04)


def test_a_rectangle_may_lie_anywhere_in_the_crop():
    hit = masks(height=16, width=8, area=(0.02, 0.03)).any(dim=0)
    assert hit.all()
    share = masks(height=16, width=8, area=(0.02, 0.03)).float().mean(dim=0)
    assert share.flip(0, 1).sub(share).abs().max() < 0.03  # no side is favoured


@pytest.mark.parametrize("probability", [0.0, 0.5, 1.0])
def test_crops_are_erased_with_the_probability_that_was_set(probability):
    share = masks(probability=probability).any(dim=2).any(dim=1).float().mean().item()
    assert share == pytest.approx(probability, abs=0.04 if probability == 0.5 else 0)


def test_erased_pixels_show_the_mean_and_the_others_are_untouched():
    pixels = crops(50, 32, 16)
    settings = dataclasses.replace(OFF, erase_probability=1.0)
    plain, erased = transform(pixels, OFF), transform(pixels, settings)
    is_erased = (erased == 0).all(dim=1)
    assert is_erased.flatten(1).any(dim=1).all()
    assert torch.equal(erased, plain.masked_fill(is_erased[:, None], 0.0))


# --- all together


def test_each_crop_draws_for_itself():
    images = transform(copies(64, 32, 16))
    different = torch.unique(images.flatten(1), dim=0)
    assert len(different) > 60  # two that are not erased may meet at one of the 2 * 21 * 21 places


def test_the_same_generator_state_gives_the_same_images():
    pixels = crops()
    assert torch.equal(transform(pixels, seed=3), transform(pixels, seed=3))
    assert not torch.equal(transform(pixels, seed=3), transform(pixels, seed=4))


def test_the_next_batch_draws_anew():
    draws = generator()
    first, second = (augment(crops(), settings=PAPER, mean=MEAN, std=STD, generator=draws) for _ in range(2))
    assert not torch.equal(first, second)


def test_the_pixels_that_went_in_are_not_changed():
    pixels = crops()
    before = pixels.clone()
    for settings in (PAPER, OFF):
        transform(pixels, settings)
    assert torch.equal(pixels, before)
