"""Norms, timed and weighed."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from benchmarks.norms import compare_norms, kept_for_backward, norm_forms, norms_in_step
from iics.layers import fused_norm

SHAPE = (4, 8, 16, 8)
MAP_BYTES = 4 * 4 * 8 * 16 * 8


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["channels_last", "contiguous"])
def test_ours_keeps_one_map_for_backward_and_the_plain_form_more(layout):
    found = compare_norms(SHAPE, layout=layout, repeats=1)
    batch_norm, plain, ours = found.forms
    assert [form.form for form in found.forms] == ["nn.BatchNorm2d", "plain AIBN", "AIBN"]
    assert MAP_BYTES <= batch_norm.kept_bytes < 1.2 * MAP_BYTES
    assert MAP_BYTES <= ours.kept_bytes < 1.2 * MAP_BYTES
    assert plain.kept_bytes > 2.5 * MAP_BYTES
    assert all(form.seconds > 0 for form in found.forms)


def test_with_an_activation_ours_still_keeps_one_map():
    batch_norm, _, ours = compare_norms(SHAPE, has_relu=True, repeats=1).forms
    assert batch_norm.kept_bytes > 1.9 * MAP_BYTES
    assert ours.kept_bytes < 1.2 * MAP_BYTES


def test_memory_that_is_shared_counts_once():
    x = torch.ones(10, 10, requires_grad=True)
    assert kept_for_backward(nn.ReLU(), x) == 400
    assert kept_for_backward(nn.Sequential(nn.Flatten(0), nn.Unflatten(0, (10, 10)), nn.ReLU()), x) == 400
    assert kept_for_backward(nn.Identity(), x) == 0


def test_forms_of_aibn_agree_and_share_no_weights():
    forms = norm_forms(8, has_relu=False)
    x = torch.randn(SHAPE, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(forms["AIBN"](x), forms["plain AIBN"](x), atol=1e-5, rtol=1e-5)
    assert not torch.allclose(forms["AIBN"](x), forms["nn.BatchNorm2d"](x), atol=1e-2)
    weights = [parameter.data_ptr() for form in forms.values() for parameter in form.parameters()]
    assert len(weights) == len(set(weights)) == 8  # alpha is a parameter of both forms of AIBN


@pytest.mark.slow
@pytest.mark.parametrize("phase", ["stage1", "stage2"])
def test_norms_take_a_part_of_a_step_and_are_as_before_afterwards(small_workload, phase):
    backward = fused_norm._FusedNorm.backward
    step = norms_in_step(phase, small_workload, repeats=1)
    assert 0 < step.norm_seconds < step.seconds
    assert step.share == step.norm_seconds / step.seconds
    assert fused_norm._FusedNorm.backward is backward
