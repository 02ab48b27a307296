"""What augmentation draws (Sec. 4.2), how often, and that each crop draws for itself."""

import math

import pytest
import torch

from iics.model_settings import AugmentSettings
from iics.pixels.augment_draws import draw_augmentation, draw_rectangles

PAPER = AugmentSettings()


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def draw(n=4000, height=64, width=32, *, seed=0, **settings):
    return draw_augmentation(n, height, width, settings=AugmentSettings(**settings), generator=generator(seed))


def sides(rectangles):
    top, bottom, left, right = rectangles
    return bottom - top, right - left


def rectangles(n=4000, height=64, width=32, *, probability=1.0, area=(0.02, 0.4), min_aspect=0.3, seed=0):
    return draw_rectangles(
        n, height, width, probability=probability, area=area, min_aspect=min_aspect, generator=generator(seed)
    )


# --- mirror


def test_half_of_the_crops_are_mirrored():
    assert draw().is_mirrored.float().mean().item() == pytest.approx(0.5, abs=0.03)  # four standard deviations


@pytest.mark.parametrize(("probability", "share"), [(0.0, 0.0), (1.0, 1.0)])
def test_probabilities_0_and_1_are_never_and_always(probability, share):
    assert draw(mirror_probability=probability).is_mirrored.float().mean().item() == share
    tall, _ = sides(draw(erase_probability=probability).erased)
    assert (tall > 0).float().mean().item() == share


# --- where each crop is cut


@pytest.mark.parametrize("pad", [0, 2, 10])
def test_offsets_are_uniform_from_minus_pad_to_pad_in_both_directions(pad):
    n, places = 40_000, 2 * pad + 1
    rows, columns = draw(n, pad=pad).offsets + pad
    pairs = torch.bincount(rows * places + columns, minlength=places**2)
    assert len(pairs) == places**2  # none lies outside
    expected = n / places**2
    assert ((pairs - expected).abs() < 5 * expected**0.5).all()  # rows and columns are independent, too


# --- random erasing


def test_rectangles_lie_inside_the_crop():
    top, bottom, left, right = rectangles()
    assert (top >= 0).all()
    assert (left >= 0).all()
    assert (bottom <= 64).all()
    assert (right <= 32).all()
    assert (top < bottom).all()
    assert (left < right).all()


@pytest.mark.parametrize("probability", [0.0, 0.25, 0.5, 1.0])
def test_crops_are_erased_with_the_probability_that_was_set(probability):
    drawn = rectangles(probability=probability)
    is_erased = sides(drawn)[0] > 0
    assert is_erased.float().mean().item() == pytest.approx(probability, abs=4 * (0.25 / 4000) ** 0.5)
    assert (drawn[:, ~is_erased] == 0).all()


def test_the_erased_share_lies_between_2_and_40_percent():
    tall, wide = sides(rectangles())
    share = tall * wide / (64 * 32)
    assert 0.015 < share.min() < 0.03  # sides are whole pixels
    assert 0.37 < share.max() < 0.42


def test_in_a_square_crop_the_erased_share_is_uniform():
    # With an aspect of 1 nothing has to be cut: as many rectangles in each tenth of the range.
    tall, wide = sides(rectangles(n=20_000, height=1000, width=1000, min_aspect=1.0))
    share = tall * wide / 1000**2
    tenths = torch.histc(share, bins=10, min=0.02, max=0.4)
    assert ((tenths - 2000).abs() < 5 * 2000**0.5).all()


def test_the_aspect_is_log_uniform_between_0_3_and_its_inverse():
    tall, wide = sides(rectangles(n=20_000, height=2000, width=2000, area=(0.1, 0.15)))  # so that nothing is cut
    log_aspect = (tall / wide).log()
    limit = -math.log(0.3)
    assert log_aspect.abs().max() < limit + 0.01
    tenths = torch.histc(log_aspect, bins=10, min=-limit, max=limit)
    assert ((tenths - 2000).abs() < 5 * 2000**0.5).all()  # as many tall as wide, too


def test_share_and_aspect_are_drawn_apart():
    tall, wide = sides(rectangles(n=20_000, height=2000, width=2000, area=(0.1, 0.15)))
    pair = torch.stack([(tall * wide).float(), (tall / wide).log()])
    assert torch.corrcoef(pair)[0, 1].abs() < 4 / 20_000**0.5


def test_a_rectangle_may_lie_anywhere_in_the_crop():
    top, bottom, left, right = rectangles(n=20_000, height=16, width=8, area=(0.02, 0.03))
    row, column = torch.arange(16)[:, None], torch.arange(8)[:, None]
    in_rows, in_columns = (row >= top) & (row < bottom), (column >= left) & (column < right)
    share = (in_rows.float() @ in_columns.float().T) / 20_000
    assert (share > 0).all()
    assert (share.flip(0, 1) - share).abs().max() < 0.01  # no side is favoured


# --- all together


def test_each_crop_draws_for_itself():
    draws = draw(n=64)
    each = torch.cat([draws.is_mirrored[None], draws.offsets, draws.erased])
    assert len(torch.unique(each, dim=1).T) > 60  # two that are not erased may meet at one of the 2 * 21 * 21 places


def test_neighbouring_crops_and_different_draws_know_nothing_of_each_other():
    draws = draw(n=20_000)
    columns = torch.stack([draws.is_mirrored.float(), *draws.offsets.float(), (draws.erased[1] > 0).float()])
    following = torch.cat([columns[:, :-1], columns[:, 1:]])
    correlation = torch.corrcoef(following) - torch.eye(len(following))
    assert correlation.abs().max() < 5 / 20_000**0.5


def test_the_same_generator_state_gives_the_same_draws():
    one, same, other = draw(seed=3), draw(seed=3), draw(seed=4)
    for name in ("is_mirrored", "offsets", "erased"):
        assert torch.equal(getattr(one, name), getattr(same, name))
        assert not torch.equal(getattr(one, name), getattr(other, name))


def test_the_next_batch_draws_anew():
    source = generator()
    first, second = (draw_augmentation(64, 8, 5, settings=PAPER, generator=source) for _ in range(2))
    assert not torch.equal(first.offsets, second.offsets)
