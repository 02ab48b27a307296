"""BN-neck heads and the scores they give (Eq. 7, 10)."""

import pytest
import torch

from iics.models.heads import BNNeckHead, classifier_scores


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def head(num_features=16, num_classes=5, *, seed=0):
    return BNNeckHead(num_features, num_classes, generator=generator(seed))


def features(n=12, d=16):
    return torch.randn(n, d, generator=generator(1)) * 3 + 1


def test_the_offset_of_the_neck_is_zero_and_stays_zero():
    neck = head()
    optimiser = torch.optim.SGD([p for p in neck.parameters() if p.requires_grad], lr=1.0, weight_decay=0.1)
    neck(features()).square().sum().backward()
    optimiser.step()
    assert neck.norm.bias.tolist() == [0.0] * 16
    assert not neck.norm.bias.requires_grad
    assert neck.norm.weight.requires_grad


def test_the_classifier_has_no_bias():
    neck = head().eval()
    assert {name for name, parameter in neck.named_parameters() if parameter.requires_grad} == {"weight", "norm.weight"}
    assert neck(torch.zeros(1, 16)).tolist() == [[0.0] * 5]  # running mean 0, no offset, no bias


def test_weights_start_normal_with_deviation_0_001():
    weight = head(512, 400).weight
    assert weight.shape == (400, 512)
    assert weight.mean().item() == pytest.approx(0, abs=1e-5)
    assert weight.std().item() == pytest.approx(0.001, rel=0.02)
    assert weight.abs().max().item() > 0.003  # not cut off, as a uniform draw would be


def test_the_same_generator_state_gives_the_same_head():
    assert torch.equal(head(seed=3).weight, head(seed=3).weight)
    assert not torch.equal(head(seed=3).weight, head(seed=4).weight)


def test_making_a_head_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    head()
    assert torch.equal(torch.get_rng_state(), before)


def test_logits_are_the_normalised_features_times_the_weights():
    x, neck = features(), head()
    normed = (x - x.mean(dim=0)) / (x.var(dim=0, correction=0) + neck.norm.eps).sqrt()
    torch.testing.assert_close(neck(x), normed @ neck.weight.T)


def test_scores_are_the_softmax_outputs_side_by_side():
    heads = [head(num_classes=3), head(num_classes=4, seed=1), head(num_classes=2, seed=2)]
    with torch.no_grad():
        for neck in heads:
            neck.weight.mul_(1000)  # far from uniform
    scores = classifier_scores(features(), heads)
    assert scores.shape == (12, 9)
    assert (scores >= 0).all()
    torch.testing.assert_close(scores.sum(dim=1), torch.full((12,), 3.0))  # C = 3 heads
    for columns, neck in zip(scores.split([3, 4, 2], dim=1), heads, strict=True):
        torch.testing.assert_close(columns.sum(dim=1), torch.ones(12))
        assert torch.equal(columns, neck.eval()(features()).softmax(dim=1).detach())
    assert scores.is_contiguous()


def test_scores_are_taken_in_evaluation_mode():
    neck = head().train()
    with torch.no_grad():
        neck.weight.mul_(1000)
    mean, var = neck.norm.running_mean.clone(), neck.norm.running_var.clone()
    scores = classifier_scores(features(), [neck])
    assert torch.equal(neck.norm.running_mean, mean)
    assert torch.equal(neck.norm.running_var, var)
    torch.testing.assert_close(classifier_scores(features()[:1], [neck]), scores[:1])  # neighbours do not matter
    assert not scores.requires_grad


def test_scores_keep_the_dtype_of_the_features_and_leave_them_alone():
    x = features().double()
    scores = classifier_scores(x, [head().double(), head(num_classes=3).double()])
    assert scores.dtype == torch.float64
    torch.testing.assert_close(scores.sum(dim=1), torch.full((12,), 2.0, dtype=torch.float64), rtol=0, atol=1e-12)
    assert torch.equal(x, features().double())


def test_no_crops_have_no_scores():
    assert classifier_scores(features(0), [head(), head(num_classes=3)]).shape == (0, 8)


def test_a_score_of_one_camera_is_still_a_row_that_sums_to_one():
    torch.testing.assert_close(classifier_scores(features(), [head()]).sum(dim=1), torch.ones(12))
