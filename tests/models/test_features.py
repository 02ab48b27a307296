"""Features from any source of pixels."""

import numpy as np
import pytest
import torch

from iics.models.features import extract_features
from iics.pixels.images import load_pixels
from iics.pixels.pixel_cache import open_pixels
from iics.pixels.pixel_source import Reordered
from iics.readers.benchmarks import load_market_layout

SIZE = {"height": 16, "width": 8}


@pytest.fixture
def extract():
    """Extract features with a network that takes the mean of each channel over the left third."""

    def features(pixels):
        return extract_features(
            LeftThird(), pixels, mean=(0, 0, 0), std=(1, 1, 1), batch_size=5, device=torch.device("cpu")
        )

    return features


class LeftThird(torch.nn.Module):
    def forward(self, images):
        return images[..., : images.shape[3] // 3].mean(dim=(2, 3))


def test_feature_is_the_mean_over_crop_and_mirror_image_worked_by_hand(extract):
    pixels = np.zeros((1, 2, 3, 3), np.uint8)
    pixels[0, :, 0], pixels[0, :, 2] = (255, 0, 51), (0, 0, 102)
    torch.testing.assert_close(extract(pixels), torch.tensor([[0.5, 0.0, 0.3]]))


def test_every_source_gives_the_same_features(extract, market_people, tmp_path):
    crops = load_market_layout(market_people).train
    expected = extract(load_pixels(crops, **SIZE))
    for source in ("cache", "decode"):
        pixels = open_pixels(crops, **SIZE, source=source, cache_dir=str(tmp_path))
        assert torch.equal(extract(pixels), expected)
        order = np.random.default_rng(0).permutation(len(crops))
        assert torch.equal(extract(Reordered(pixels, order)), expected[order])
