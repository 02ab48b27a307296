"""Augmentation (Sec. 4.2): what the pixels look like afterwards, the same by the CPU's loop and by torch."""

import numpy as np
import pytest
import torch

from iics.model_settings import AugmentSettings
from iics.pixels.augment import augment, augment_in_torch, erase_mask, normalise_in_torch, normalise_pixels
from iics.pixels.augment_draws import AugmentDraws, draw_augmentation

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
    draws = draw_augmentation(*pixels.shape[:3], settings=settings, generator=generator(seed))
    return augment(pixels, draws, mean=MEAN, std=STD)


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


# --- the draws, done


def draws_of(n=1, *, is_mirrored=False, offset=(0, 0), erased=(0, 0, 0, 0)):
    """Draws that n crops share."""
    return AugmentDraws(
        torch.full((n,), is_mirrored),
        torch.tensor(offset)[:, None].expand(2, n).contiguous(),
        torch.tensor(erased)[:, None].expand(4, n).contiguous(),
    )


def by_kernel(pixels, draws):
    return augment(pixels, draws, mean=MEAN, std=STD)


def plain(pixels, draws):
    """One crop after another: mirror, pad, cut, normalise, erase."""
    n, height, width, _ = pixels.shape
    pad = int(draws.offsets.abs().max())
    images = np.empty((n, 3, height, width), np.float32)
    for i in range(n):
        crop = pixels[i].numpy()
        if draws.is_mirrored[i]:
            crop = crop[:, ::-1]
        top, left = (draws.offsets[:, i] + pad).tolist()
        padded = np.zeros((height + 2 * pad, width + 2 * pad, 3))
        padded[pad : pad + height, pad : pad + width] = crop
        normalised = (padded[top : top + height, left : left + width] / 255 - MEAN) / STD
        top, bottom, left, right = draws.erased[:, i].tolist()
        normalised[top:bottom, left:right] = 0
        images[i] = normalised.transpose(2, 0, 1)
    return torch.from_numpy(images)


@pytest.mark.parametrize(("height", "width", "pad"), [(8, 5, 3), (1, 1, 1), (33, 17, 10), (5, 4, 9), (16, 16, 0)])
def test_both_forms_agree_with_a_plain_loop(height, width, pad):
    pixels = crops(60, height, width)
    settings = AugmentSettings(pad=pad)
    draws = draw_augmentation(60, height, width, settings=settings, generator=generator())
    expected = plain(pixels, draws)
    torch.testing.assert_close(by_kernel(pixels, draws), expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(augment_in_torch(pixels, draws, mean=MEAN, std=STD), expected, rtol=0, atol=1e-6)


def test_the_cpus_loop_gives_what_torch_gives_for_the_same_generator():
    pixels = crops(64, 64, 32)
    images = transform(pixels, seed=5)
    draws = draw_augmentation(64, 64, 32, settings=PAPER, generator=generator(5))
    expected = augment_in_torch(pixels, draws, mean=MEAN, std=STD)
    torch.testing.assert_close(images, expected, rtol=0, atol=1e-6)
    assert images.stride() == expected.stride()
    torch.testing.assert_close(
        normalise_pixels(pixels, mean=MEAN, std=STD), normalise_in_torch(pixels, mean=MEAN, std=STD), rtol=0, atol=1e-6
    )


@pytest.mark.parametrize("form", ["kernel", "torch"])
@pytest.mark.parametrize(
    ("options", "rows", "columns"),
    [
        ({}, [1, 2, 3, 4], [1, 2, 3]),
        ({"is_mirrored": True}, [1, 2, 3, 4], [3, 2, 1]),
        ({"offset": (1, -1)}, [2, 3, 4, 0], [0, 1, 2]),
        ({"offset": (-2, 2)}, [0, 0, 1, 2], [3, 0, 0]),
        ({"offset": (0, 1), "is_mirrored": True}, [1, 2, 3, 4], [2, 1, 0]),
        ({"offset": (0, -2), "is_mirrored": True}, [1, 2, 3, 4], [0, 0, 3]),
        ({"offset": (4, 0)}, [0, 0, 0, 0], [0, 0, 0]),
        ({"offset": (0, 3)}, [0, 0, 0, 0], [0, 0, 0]),
        ({"offset": (-7, -9)}, [0, 0, 0, 0], [0, 0, 0]),
    ],
)
def test_rows_and_columns_come_from_where_it_was_drawn(form, options, rows, columns):
    pixels = with_coordinates(1, 4, 3).contiguous()
    work = {"kernel": lambda draws: by_kernel(pixels, draws)}
    work["torch"] = lambda draws: augment_in_torch(pixels, draws, mean=MEAN, std=STD)
    image = work[form](draws_of(**options))[0]
    values = (image * torch.tensor(STD)[:, None, None] + torch.tensor(MEAN)[:, None, None]) * 255
    found = values.round().int()
    assert found[0].max(dim=1).values.tolist() == rows
    assert found[1].max(dim=0).values.tolist() == columns
    is_inside = (torch.tensor(rows) > 0)[:, None] & (torch.tensor(columns) > 0)
    assert torch.equal(found[2] == 255, is_inside)
    assert (found[:, ~is_inside] == 0).all()  # what comes from outside is black


@pytest.mark.parametrize("rectangle", [(0, 2, 1, 3), (3, 8, 0, 5), (7, 8, 4, 5), (0, 8, 0, 5), (0, 0, 0, 0)])
def test_erased_pixels_show_the_mean_and_the_others_are_untouched(rectangle):
    pixels = crops()
    plain_images = by_kernel(pixels, draws_of(6))
    erased = by_kernel(pixels, draws_of(6, erased=rectangle))
    top, bottom, left, right = rectangle
    plain_images[:, :, top:bottom, left:right] = 0
    assert torch.equal(erased, plain_images)


def test_the_mask_of_a_rectangle_is_the_rectangle():
    mask = erase_mask(torch.tensor([[1, 0], [3, 0], [0, 0], [2, 0]]), 4, 3)
    assert mask[0].int().tolist() == [[0, 0, 0], [1, 1, 0], [1, 1, 0], [0, 0, 0]]
    assert not mask[1].any()


def test_pixels_need_not_lie_one_after_another():
    pixels = crops(4, 16, 10)[:, ::2, ::2]
    assert not pixels.is_contiguous()
    assert torch.equal(transform(pixels), transform(pixels.contiguous()))
    normalised = normalise_pixels(pixels, mean=MEAN, std=STD)
    assert torch.equal(normalised, normalise_pixels(pixels.contiguous(), mean=MEAN, std=STD))


def test_the_result_does_not_depend_on_the_number_of_threads():
    pixels = crops(33, 16, 8)
    one = transform(pixels), normalise_pixels(pixels, mean=MEAN, std=STD)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        two = transform(pixels), normalise_pixels(pixels, mean=MEAN, std=STD)
    finally:
        torch.set_num_threads(before)
    assert torch.equal(one[0], two[0])
    assert torch.equal(one[1], two[1])


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
    first, second = (draw_augmentation(6, 8, 5, settings=PAPER, generator=draws) for _ in range(2))
    assert not torch.equal(first.offsets, second.offsets)
    assert not torch.equal(first.erased, second.erased)


def test_some_rows_of_the_draws_augment_as_they_do_in_the_whole_batch():
    pixels = crops()
    draws = draw_augmentation(6, 8, 5, settings=PAPER, generator=generator())
    rows = slice(2, 5)
    whole = augment(pixels, draws, mean=MEAN, std=STD)
    assert torch.equal(augment(pixels[rows], draws.rows(rows), mean=MEAN, std=STD), whole[rows])


def test_the_pixels_that_went_in_are_not_changed():
    pixels = crops()
    before = pixels.clone()
    for settings in (PAPER, OFF):
        transform(pixels, settings)
    assert torch.equal(pixels, before)
