"""What is timed of training is what training does."""

from __future__ import annotations

import pytest
import torch

from iics.speed.training_work import our_work


@pytest.mark.parametrize("phase", ["stage1", "stage2"])
def test_a_step_trains(context_of, phase):
    context = context_of(phase)
    before = {key: value.clone() for key, value in context.model.backbone.state_dict().items()}
    step = our_work(phase, context)
    assert step() > step()
    assert not torch.equal(before["conv1.weight"], context.model.backbone.state_dict()["conv1.weight"])


def test_it_is_computed_by_the_engine(context_of):
    seen = []
    context = context_of("stage2", memory_format=torch.contiguous_format)
    conv = context.model.backbone.conv1
    conv.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].is_contiguous()))
    our_work("stage2", context)()
    assert seen == [True]
    assert conv.weight.is_contiguous()
