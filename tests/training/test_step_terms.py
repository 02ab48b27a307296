"""When the terms of steps are read, and what is told of them."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from iics.errors import TrainingError
from iics.training.step_terms import STEPS_BETWEEN_READINGS, StepTerms


@pytest.fixture
def terms_on(make_crops, make_context):
    """Make terms of a stage of 50 steps whose model says that it is on a device, and a list of what is reported."""

    def make(device):
        context, told = make_context(make_crops([4, 4])), []
        context.model.device = torch.device(device)
        context = replace(context, stage="stage 1", progress=lambda event: told.append((event.done, event.loss)))
        return StepTerms(context, 50), told

    return make


def add(seen, *losses):
    for loss in losses:
        seen.add(torch.tensor([loss, 2 * loss]), num_images=4)


def test_on_the_cpu_every_loss_is_told_with_its_step(terms_on):
    seen, told = terms_on("cpu")
    add(seen, 4.0, 3.0)
    assert told == [(1, 4.0), (2, 3.0)]
    assert seen.means() == [3.5, 7.0]


def test_on_a_gpu_losses_are_told_when_they_are_read_and_the_last_step_reads_all(terms_on):
    seen, told = terms_on("cuda")
    add(seen, *map(float, range(1, 51)))
    read = [step for step, (_, loss) in enumerate(told, start=1) if loss == step]
    assert read == [STEPS_BETWEEN_READINGS, 2 * STEPS_BETWEEN_READINGS, 50]
    assert told[0] == (1, None)
    assert told[30] == (31, 20.0)
    assert seen.means() == [25.5, 51.0]


@pytest.mark.parametrize(("device", "num_added"), [("cpu", 3), ("cuda", 20)])
def test_a_divergence_is_named_by_its_step_though_it_is_read_later(terms_on, device, num_added):
    seen, told = terms_on(device)
    with pytest.raises(TrainingError, match=r"^The loss of stage 1 is nan at step 3: training has diverged"):
        add(seen, 1.0, 1.0, math.nan, *[1.0] * 40)
    assert len(told) == num_added - 1
