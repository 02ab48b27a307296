"""Pixels where the network is: held there, or sent."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch

from iics.pixels import held_pixels
from iics.pixels.held_pixels import HeldPixels, held_if_they_fit, pixels_on
from iics.pixels.pixel_source import Reordered

CPU = torch.device("cpu")


@pytest.fixture
def pixels():
    made = np.random.default_rng(0).integers(0, 256, (30, 4, 2, 3), dtype=np.uint8)
    made.flags.writeable = False  # as a file that is mapped into memory
    return made


@pytest.fixture(params=["sent", "held"])
def source(request, pixels, monkeypatch):
    monkeypatch.setattr(held_pixels, "_SENT_AT_ONCE", 8)  # 30 crops in four pieces
    reordered = Reordered(pixels, np.arange(30)[::-1])
    return reordered if request.param == "sent" else HeldPixels(reordered, CPU)


def test_crops_come_in_the_order_asked_for(source, pixels):
    backwards = torch.from_numpy(pixels[::-1].copy())
    assert torch.equal(pixels_on(CPU, source, slice(3, 11)), backwards[3:11])
    chosen = torch.tensor([29, 0, 7, 7])
    assert torch.equal(pixels_on(CPU, source, chosen), backwards[chosen])


def test_what_is_held_is_still_indexed_like_its_source(source, pixels):
    assert source.shape == pixels.shape
    assert len(source) == 30
    np.testing.assert_array_equal(source[np.array([2, 5])], pixels[::-1][[2, 5]])


@pytest.mark.parametrize(("free", "is_held"), [(2 * 720 + 100, True), (2 * 720 + 99, False)])
def test_a_gpu_holds_crops_that_take_half_of_what_training_leaves_free(monkeypatch, pixels, free, is_held, caplog):
    monkeypatch.setattr(held_pixels, "free_on", lambda device: free)
    monkeypatch.setattr(held_pixels, "HeldPixels", lambda source, device: ("held", device))
    gpu = torch.device("cuda:1")
    with caplog.at_level(logging.INFO):
        found = held_if_they_fit(pixels, gpu, leaving=100)
    assert found == ("held", gpu) if is_held else found is pixels
    where = "stay on cuda:1." if is_held else "are sent to cuda:1 batch by batch."
    assert caplog.messages == [f"30 crops (0.0 GB) {where}"]


def test_on_the_cpu_pixels_stay_where_they_are(pixels):
    assert held_if_they_fit(pixels, CPU, leaving=0) is pixels
