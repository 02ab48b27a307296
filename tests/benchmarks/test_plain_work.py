"""What is timed of training is the same work in both forms, and it does train."""

from __future__ import annotations

import pytest
import torch

from benchmarks.plain_training import plain_backbone, plain_work
from iics.speed.training_work import our_work


@pytest.mark.parametrize("phase", ["stage1", "stage2"])
def test_both_forms_of_a_step_have_the_same_loss_and_the_next_one_is_smaller(context_of, phase):
    context = context_of(phase)
    plain, ours = plain_work(phase, context), our_work(phase, context)
    first = ours()
    assert first == pytest.approx(plain(), rel=1e-4)
    second = ours()
    assert second == pytest.approx(plain(), rel=1e-2)
    assert second < first


def test_a_step_changes_the_weights_of_its_own_form_only(context_of):
    context = context_of("stage1")
    plain = plain_work("stage1", context)
    before = {key: value.clone() for key, value in context.model.backbone.state_dict().items()}
    plain()
    after = context.model.backbone.state_dict()
    assert all(torch.equal(value, after[key]) for key, value in before.items())
    our_work("stage1", context)()
    assert not torch.equal(before["conv1.weight"], context.model.backbone.state_dict()["conv1.weight"])


def test_both_forms_extract_the_same_features(context_of):
    context = context_of("features")
    plain = plain_work("features", context)
    features = our_work("features", context)()
    assert features.shape == (5, 512)
    torch.testing.assert_close(features, plain(), atol=1e-4, rtol=1e-4)


def test_the_plain_form_is_contiguous_and_forwards_each_camera_by_itself(context_of, monkeypatch):
    seen = []

    def watched(backbone):
        plain = plain_backbone(backbone)
        plain.conv1.register_forward_pre_hook(lambda _, x: seen.append((len(x[0]), x[0].is_contiguous())))
        return plain

    monkeypatch.setattr("benchmarks.plain_training.plain_backbone", watched)
    plain_work("stage1", context_of("stage1"))()
    assert seen == [(4, True), (4, True)]
