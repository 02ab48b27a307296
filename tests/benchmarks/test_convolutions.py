"""Depthwise convolutions, timed beside torch's."""

from __future__ import annotations

import pytest
import torch

from benchmarks.convolutions import compare, depthwise_places


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "is_ours"), [(torch.float32, False), (torch.bfloat16, True)])
def test_every_layer_is_timed_in_both_ways_and_it_is_said_which_is_taken(dtype, is_ours):
    places = depthwise_places("mobilenetv2_050", height=64, width=32)
    assert sum(count for _, count in places) == 17
    strided = next(place for place, _ in places if place.stride == 2)
    assert str(strided) == "48 x 32 x 16, 3x3, stride 2"
    times = compare(strided, dtype=dtype, crops=2, repeats=1)
    assert times.is_ours == is_ours
    assert all(milliseconds > 0 for milliseconds in times.ours + times.torchs)
    again = strided.layer._is_fast_in_torch(dtype)
    assert again != is_ours  # what was patched for the time is back
