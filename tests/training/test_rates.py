"""Schedules of the learning rates."""

import pytest
import torch

from iics.training.rates import rate_factors, scale_rates


def test_constant_rates_never_fall():
    assert rate_factors("constant", 3) == [1.0, 1.0, 1.0]


def test_cosine_rates_start_at_the_base_and_end_near_0():
    assert rate_factors("cosine", 4) == pytest.approx([1.0, 0.853553, 0.5, 0.146447], abs=1e-6)


def test_each_group_keeps_its_own_base():
    groups = [{"params": [torch.zeros(1)], "lr": rate, "initial_lr": rate} for rate in (1.0, 10.0)]
    optimiser = torch.optim.SGD(groups, lr=1.0)
    for factor in (0.5, 0.25):  # of the base, not of the rate before
        scale_rates(optimiser, factor)
        assert [group["lr"] for group in optimiser.param_groups] == [factor, 10 * factor]
