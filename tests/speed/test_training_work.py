"""What is timed of training is what training does."""

from __future__ import annotations

import pytest
import torch

from iics.config import AugmentSettings
from iics.speed.training_work import Workload, our_work, training_context
from iics.training.engine import Engine

SMALL = Workload(
    backbone="resnet18",
    height=64,
    width=32,
    num_cameras=2,
    crops_per_camera=4,
    clusters_per_batch=3,
    crops_per_cluster=2,
    num_extracted=5,
    augment=AugmentSettings(mirror_probability=0, pad=0, erase_probability=0),
)


def context_of(phase, **settings):
    return training_context(phase, SMALL, norm="aibn", engine=Engine(**settings))


@pytest.mark.parametrize("phase", ["stage1", "stage2"])
def test_a_step_trains(phase):
    context = context_of(phase)
    before = {key: value.clone() for key, value in context.model.backbone.state_dict().items()}
    step = our_work(phase, context)
    assert step() > step()
    assert not torch.equal(before["conv1.weight"], context.model.backbone.state_dict()["conv1.weight"])


def test_it_is_computed_by_the_engine():
    seen = []
    context = context_of("stage2", memory_format=torch.contiguous_format)
    conv = context.model.backbone.conv1
    conv.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].is_contiguous()))
    our_work("stage2", context)()
    assert seen == [True]
    assert conv.weight.is_contiguous()
