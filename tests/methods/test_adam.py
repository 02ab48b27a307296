"""The schedule of rates, and Adam's groups."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from iics.errors import SettingsError
from iics.methods.adam import AdamSettings, adam, rate_factors


def test_the_rate_rises_over_the_warm_up_and_falls_by_steps_of_rounds():
    settings = AdamSettings(warmup_rounds=1.5, decay_rounds=2, decay=0.1)
    assert rate_factors(settings, round_index=0, num_steps=3) == pytest.approx(
        [0.01 + 0.99 * done / 1.5 for done in (1 / 3, 2 / 3, 1)]
    )
    assert rate_factors(settings, round_index=1, num_steps=2) == [1, 1]
    assert rate_factors(settings, round_index=2, num_steps=2) == pytest.approx([0.1, 0.1])
    assert rate_factors(settings, round_index=5, num_steps=1) == pytest.approx([0.01])


def test_no_warm_up_starts_at_the_full_rate():
    assert rate_factors(AdamSettings(warmup_rounds=0), round_index=0, num_steps=2) == [1, 1]


def test_adam_trains_what_is_to_be_learned_with_weight_decay():
    layer = nn.Linear(2, 2)
    layer.bias.requires_grad_(False)
    optimiser = adam(layer, AdamSettings(learning_rate=0.001, weight_decay=0.25))
    (group,) = optimiser.param_groups
    assert isinstance(optimiser, torch.optim.Adam)
    assert (group["lr"], group["initial_lr"], group["weight_decay"]) == (0.001, 0.001, 0.25)
    assert group["params"] == [layer.weight]


@pytest.mark.parametrize(
    ("name", "value"), [("learning_rate", 0), ("warmup_rounds", -1), ("decay", 0), ("decay_rounds", 0)]
)
def test_settings_out_of_range_are_refused(name, value):
    with pytest.raises(SettingsError, match=rf"own\.{name}"):
        AdamSettings(**{name: value})
