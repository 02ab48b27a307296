"""Grouped batch normalisation and AIBN (Eq. 12) against hand values, the slow reference and PyTorch's own layers."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from iics.layers import normalization
from iics.layers.map_passes import instance_statistics, scale_and_shift
from iics.layers.norm_groups import NormGroups
from iics.layers.normalization import (
    AdaptiveInstanceBatchNorm2d,
    GroupedBatchNorm2d,
    MixingWeight,
    gathered_statistics,
    set_norm_groups,
    update_running_statistics,
)

CHANNELS = 3


@pytest.fixture(autouse=True, params=["fused", "torch"])
def route(request, monkeypatch):
    """Every test here holds for the compiled passes and for those of any device."""
    if request.param == "torch":
        monkeypatch.setattr(normalization, "can_fuse", lambda *_: False)
    return request.param


def plain_batch_norm(channels=CHANNELS):
    """A batch norm whose weights and running statistics are not the trivial ones."""
    norm = nn.BatchNorm2d(channels)
    with torch.no_grad():
        norm.weight.copy_(torch.linspace(0.5, 1.5, channels))
        norm.bias.copy_(torch.linspace(-0.3, 0.4, channels))
        norm.running_mean.copy_(torch.linspace(0.1, 0.6, channels))
        norm.running_var.copy_(torch.linspace(0.5, 2.0, channels))
    return norm


def grouped(channels=CHANNELS, *, group_size=None):
    norm = GroupedBatchNorm2d(plain_batch_norm(channels), nn.Identity())
    norm.groups = NormGroups(group_size)
    return norm


def aibn(alpha=0.5, channels=CHANNELS, *, group_size=None, learned=True):
    mix = MixingWeight(torch.tensor(alpha), learned=learned)
    return AdaptiveInstanceBatchNorm2d(grouped(channels, group_size=group_size), mix)


def maps(n=6, channels=CHANNELS, height=4, width=3, *, seed=0):
    """Feature maps whose crops and channels differ in mean and spread."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, channels, height, width, generator=generator)
    return x * (1 + torch.rand(n, channels, 1, 1, generator=generator)) + torch.randn(
        n, channels, 1, 1, generator=generator
    )


# --- Eq. 12


def test_two_crops_of_two_pixels_give_the_value_worked_by_hand():
    # Crop 0 is (0, 2): mean 1, unbiased variance 2. Crop 1 is (4, 4): mean 4, variance 0.
    # Batch: mean 2.5; E[mean^2 + var] = ((1 + 2) + (16 + 0)) / 2 = 9.5, variance 9.5 - 2.5^2 = 3.25.
    # Half and half: crop 0 has mean 1.75, variance 2.625; crop 1 has mean 3.25, variance 1.625.
    x = torch.tensor([0.0, 2.0, 4.0, 4.0]).reshape(2, 1, 1, 2)
    norm = AdaptiveInstanceBatchNorm2d(
        GroupedBatchNorm2d(nn.BatchNorm2d(1, eps=0.0), nn.Identity()), MixingWeight(torch.tensor(0.5), learned=True)
    )
    y = norm(x).flatten().tolist()
    low, high = math.sqrt(2.625), math.sqrt(1.625)
    assert y == pytest.approx([-1.75 / low, 0.25 / low, 0.75 / high, 0.75 / high], rel=1e-6)
    assert norm.running_mean.item() == pytest.approx(0.25)  # 0.9 * 0 + 0.1 * 2.5
    assert norm.running_var.item() == pytest.approx(0.9 + 0.325)


@pytest.mark.parametrize("alpha", [-0.5, 0.0, 0.3, 0.5, 1.0, 1.7])
@pytest.mark.parametrize("group_size", [2, 3, 6])
def test_training_agrees_with_the_reference_in_every_group(reference, alpha, group_size):
    x, norm = maps(), aibn(alpha, group_size=group_size)
    weight, bias = norm.weight.detach().numpy(), norm.bias.detach().numpy()
    mean, var = norm.running_mean.numpy().copy(), norm.running_var.numpy().copy()
    expected = reference.aibn(x.numpy(), weight, bias, alpha, group_size=group_size)
    np.testing.assert_allclose(norm(x).detach().numpy(), expected, rtol=1e-4, atol=1e-5)
    new_mean, new_var = reference.running_statistics(mean, var, x.numpy(), group_size)
    np.testing.assert_allclose(norm.running_mean.numpy(), new_mean, rtol=1e-5)
    np.testing.assert_allclose(norm.running_var.numpy(), new_var, rtol=1e-5)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_evaluation_agrees_with_the_reference_and_takes_the_running_statistics(reference, alpha):
    x, norm = maps(), aibn(alpha, group_size=4).eval()  # 6 crops do not divide into groups of 4: no matter here
    mean, var = norm.running_mean.clone(), norm.running_var.clone()
    expected = reference.aibn(
        x.numpy(),
        norm.weight.detach().numpy(),
        norm.bias.detach().numpy(),
        alpha,
        running_mean=mean.numpy(),
        running_var=var.numpy(),
    )
    np.testing.assert_allclose(norm(x).detach().numpy(), expected, rtol=1e-4, atol=1e-5)
    assert torch.equal(norm.running_mean, mean)
    assert torch.equal(norm.running_var, var)


def test_in_evaluation_a_crop_does_not_depend_on_its_neighbours():
    x, norm = maps(), aibn().eval()
    torch.testing.assert_close(norm(x)[2:3], norm(x[2:3]))


def test_alpha_one_is_batch_normalisation_up_to_the_unbiased_variance():
    # Eq. 12's batch variance averages unbiased instance variances, so it exceeds BN's biased one by E[var_in] / pixels.
    x, norm = maps(), aibn(1.0, learned=False)
    var_in = x.var(dim=(2, 3)).mean(dim=0)
    biased = x.var(dim=(0, 2, 3), correction=0)
    var = biased + var_in / (x.shape[2] * x.shape[3])
    mean = x.mean(dim=(0, 2, 3))
    expected = (x - mean[:, None, None]) * (norm.weight / (var + norm.eps).sqrt())[:, None, None]
    torch.testing.assert_close(norm(x), expected + norm.bias[:, None, None])
    torch.testing.assert_close(norm.running_var, 0.9 * plain_batch_norm().running_var + 0.1 * var)


def test_alpha_one_in_evaluation_is_exactly_batch_normalisation():
    x = maps()
    torch.testing.assert_close(aibn(1.0).eval()(x), plain_batch_norm().eval()(x))


def test_alpha_zero_is_instance_normalisation_with_unbiased_variance():
    x, norm = maps(), aibn(0.0)
    normed = (x - x.mean(dim=(2, 3), keepdim=True)) / (x.var(dim=(2, 3), keepdim=True) + norm.eps).sqrt()
    torch.testing.assert_close(norm(x), normed * norm.weight[:, None, None] + norm.bias[:, None, None])


def test_alpha_may_differ_by_channel():
    x = maps()
    mixed = AdaptiveInstanceBatchNorm2d(grouped(), MixingWeight(torch.tensor([0.0, 1.0, 1.0]), learned=False))(x)
    torch.testing.assert_close(mixed[:, :1], aibn(0.0)(x)[:, :1])
    torch.testing.assert_close(mixed[:, 1:], aibn(1.0)(x)[:, 1:])


@pytest.mark.parametrize("training", [True, False])
def test_a_map_of_one_pixel_is_normalised_by_the_batch_part_alone(reference, training):
    x, norm = maps(height=1, width=1), aibn(0.2, group_size=3).train(training)
    mean, var = norm.running_mean.numpy().copy(), norm.running_var.numpy().copy()
    statistics = {"group_size": 3} if training else {"running_mean": mean, "running_var": var}
    expected = reference.aibn(x.numpy(), norm.weight.detach().numpy(), norm.bias.detach().numpy(), 1.0, **statistics)
    np.testing.assert_allclose(norm(x).detach().numpy(), expected, rtol=1e-4, atol=1e-5)
    assert norm.mix.alpha.item() == pytest.approx(0.2)


# --- alpha


def test_alpha_is_clamped_where_it_is_used_and_free_where_it_is_stored():
    for stored, used in ((-0.4, 0.0), (0.25, 0.25), (1.4, 1.0)):
        mix = MixingWeight(torch.tensor(stored), learned=True)
        assert mix().item() == pytest.approx(used)
        assert mix.alpha.item() == pytest.approx(stored)
    mix = MixingWeight(torch.tensor(0.95), learned=True)
    torch.optim.SGD(mix.parameters(), lr=1.0).zero_grad()
    mix().mul(-1).backward()
    torch.optim.SGD(mix.parameters(), lr=1.0).step()
    assert mix.alpha.item() == pytest.approx(1.95)


def test_alpha_gets_the_gradient_of_a_finite_difference():
    x, weights = maps(), maps(seed=1)

    def loss(alpha):
        return (aibn(alpha, group_size=3)(x) * weights).sum()

    norm = aibn(0.4, group_size=3)
    (norm(x) * weights).sum().backward()
    difference = (loss(0.41) - loss(0.39)) / 0.02
    assert norm.mix.alpha.grad.item() == pytest.approx(difference.item(), rel=1e-2)
    assert abs(norm.mix.alpha.grad.item()) > 0.01


def test_a_fixed_alpha_gets_no_gradient():
    norm = aibn(0.5, learned=False)
    norm(maps()).sum().backward()
    assert norm.mix.alpha.grad is None


# --- groups


def test_one_group_is_pytorchs_batch_norm_with_its_running_statistics():
    x, ours, theirs = maps(), grouped(group_size=6), plain_batch_norm()
    for _ in range(3):
        torch.testing.assert_close(ours(x), theirs(x))
    torch.testing.assert_close(ours.running_mean, theirs.running_mean)
    torch.testing.assert_close(ours.running_var, theirs.running_var)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x))


def test_groups_are_separate_passes_of_pytorchs_batch_norm():
    x, weights = maps(), maps(seed=1)
    ours, input_ours, input_theirs = grouped(group_size=2), x.clone().requires_grad_(), x.clone().requires_grad_()
    y = ours(input_ours)
    each = [plain_batch_norm() for _ in range(3)]
    expected = torch.cat([norm(part) for norm, part in zip(each, input_theirs.split(2), strict=True)])
    torch.testing.assert_close(y, expected)
    (y * weights).sum().backward()
    (expected * weights).sum().backward()
    torch.testing.assert_close(input_ours.grad, input_theirs.grad, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(ours.weight.grad, sum(norm.weight.grad for norm in each))
    torch.testing.assert_close(ours.bias.grad, sum(norm.bias.grad for norm in each))
    torch.testing.assert_close(ours.running_mean, torch.stack([norm.running_mean for norm in each]).mean(dim=0))
    torch.testing.assert_close(ours.running_var, torch.stack([norm.running_var for norm in each]).mean(dim=0))


@pytest.mark.parametrize("make", [grouped, aibn])
def test_running_statistics_do_not_depend_on_the_order_of_the_groups(make):
    x = maps()
    forward, backward = make(group_size=2), make(group_size=2)
    y = forward(x)
    flipped = backward(torch.cat(x.split(2)[::-1]))
    torch.testing.assert_close(y, torch.cat(flipped.split(2)[::-1]))
    torch.testing.assert_close(forward.running_mean, backward.running_mean)
    torch.testing.assert_close(forward.running_var, backward.running_var)


@pytest.mark.parametrize("make", [grouped, aibn])
def test_a_group_does_not_see_the_other_groups(make):
    x = maps()
    other = x.clone()
    other[2:] *= 5
    torch.testing.assert_close(make(group_size=2)(x)[:2], make(group_size=2)(other)[:2])
    assert not torch.allclose(make(group_size=6)(x)[:2], make(group_size=6)(other)[:2])


@pytest.mark.parametrize("make", [grouped, aibn])
def test_a_batch_that_cuts_a_group_is_refused(make):
    with pytest.raises(ValueError, match=r"^A batch of 6 crops cuts a normalisation group of 4\.$"):
        make(group_size=4)(maps())


def test_the_groups_reach_every_layer():
    model = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Sequential(grouped(), aibn()))
    set_norm_groups(model, NormGroups(8))
    assert [layer.groups for layer in model[1]] == [NormGroups(8), NormGroups(8)]


@pytest.mark.parametrize("make", [grouped, aibn])
def test_a_step_in_parts_moves_running_statistics_as_the_whole_batch_does(make):
    x = maps()
    whole, parts = make(group_size=2), make(group_size=2)
    with gathered_statistics(parts):
        for _ in range(2):
            whole(x)
            parts(x[:2])
            parts(x[2:])
            before = parts.running_mean.clone()
            update_running_statistics(parts)
            assert not torch.equal(before, parts.running_mean)
    torch.testing.assert_close(parts.running_mean, whole.running_mean)
    torch.testing.assert_close(parts.running_var, whole.running_var)


def test_gathered_statistics_wait_for_the_end_of_the_step():
    norm = aibn()
    before = norm.running_mean.clone()
    with gathered_statistics(norm):
        norm(maps())
        assert torch.equal(norm.running_mean, before)
    norm(maps())
    assert not torch.equal(norm.running_mean, before)


# --- numbers


def test_the_variance_of_a_group_is_eq_12s(reference):
    x = maps()
    mean_in, var_in = reference.instance_statistics(x.numpy())
    mean, var = NormGroups(2).statistics(torch.tensor(mean_in), torch.tensor(var_in))
    expected_mean, expected_var = reference.grouped_statistics(x.numpy(), 2)
    np.testing.assert_allclose(mean.numpy(), np.repeat(expected_mean, 2, axis=0))
    np.testing.assert_allclose(var.numpy(), np.repeat(expected_var, 2, axis=0))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("value", [0.0, 0.1, 333.3, -1e4])
def test_the_variance_of_constant_maps_is_not_negative(value, dtype):
    norm = aibn()
    y = norm(torch.full((4, CHANNELS, 3, 5), value, dtype=dtype))
    assert torch.isfinite(y).all()
    assert (norm.running_var >= 0.9 * plain_batch_norm().running_var).all()  # 0 was mixed in, not less


@pytest.mark.parametrize("mean", [100.0, 1000.0])
def test_a_large_mean_does_not_swallow_the_variance(mean):
    x = maps() + mean
    mean_in, squares = instance_statistics(x)
    wide = x.double()
    torch.testing.assert_close(mean_in.double(), wide.mean(dim=(2, 3)), rtol=1e-6, atol=0)
    torch.testing.assert_close(squares.double() / 11, wide.var(dim=(2, 3)), rtol=1e-4, atol=0)
    _, var = NormGroups(3).statistics(mean_in, squares / 11)
    within = torch.stack([part.var(dim=(2, 3)).mean(dim=0) for part in wide.split(3)])
    between = torch.stack([part.mean(dim=(2, 3)).var(dim=0, correction=0) for part in wide.split(3)])
    torch.testing.assert_close(var[::3].double(), within + between, rtol=1e-4, atol=0)


def test_half_precision_maps_get_single_precision_statistics():
    x = (maps() + 50).bfloat16()
    mean, squares = instance_statistics(x)
    assert mean.dtype == squares.dtype == torch.float32
    torch.testing.assert_close(mean, x.float().mean(dim=(2, 3)))
    torch.testing.assert_close(squares / 11, x.float().var(dim=(2, 3)))
    norm = aibn(group_size=3)
    assert norm(x).dtype == torch.bfloat16
    assert norm.running_mean.dtype == torch.float32


def test_half_precision_stays_close_to_single_precision():
    x = maps().bfloat16()
    torch.testing.assert_close(aibn(group_size=3)(x).float(), aibn(group_size=3)(x.float()), rtol=0.02, atol=0.03)


def test_the_gradient_of_the_moments_is_right():
    x = maps(3, 2, 3, 2).double().requires_grad_()
    assert torch.autograd.gradcheck(instance_statistics, (x,))


def test_the_gradient_of_scale_and_shift_is_right():
    x = maps(3, 2, 3, 2).double().requires_grad_()
    scale = torch.linspace(-1, 2, 6, dtype=torch.float64).reshape(3, 2).requires_grad_()
    shift = torch.linspace(1, -2, 6, dtype=torch.float64).reshape(3, 2).requires_grad_()
    assert torch.autograd.gradcheck(scale_and_shift, (x, scale, shift))


@pytest.mark.parametrize("make", [grouped, aibn])
def test_the_gradient_of_the_whole_layer_is_right(make):
    norm = make(group_size=2).double()
    x = maps(4, CHANNELS, 2, 2).double().requires_grad_()
    assert torch.autograd.gradcheck(norm, (x,))


@pytest.mark.parametrize("make", [grouped, aibn])
@pytest.mark.parametrize("training", [True, False])
def test_channels_last_memory_is_kept_and_changes_no_value(make, training):
    x = maps(8, 4, 4, 6)
    last = x.to(memory_format=torch.channels_last).requires_grad_()
    y = make(channels=4, group_size=2).train(training)(last)
    assert y.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(y, make(channels=4, group_size=2).train(training)(x))
    y.square().sum().backward()
    assert last.grad.is_contiguous(memory_format=torch.channels_last)


def test_the_input_is_not_changed():
    x = maps()
    before = x.clone()
    aibn(group_size=2)(x)
    assert torch.equal(x, before)


def test_the_activation_of_the_replaced_layer_is_applied():
    x = maps()
    plain = aibn()(x)
    active = AdaptiveInstanceBatchNorm2d(
        GroupedBatchNorm2d(plain_batch_norm(), nn.ReLU()), MixingWeight(torch.tensor(0.5), learned=True)
    )
    torch.testing.assert_close(active(x), plain.relu())


def test_a_batch_norm_without_running_statistics_cannot_be_replaced():
    for plain in (nn.BatchNorm2d(3, track_running_stats=False), nn.BatchNorm2d(3, affine=False)):
        with pytest.raises(ValueError, match=r"^Only affine batch norms with running statistics can be replaced\.$"):
            GroupedBatchNorm2d(plain, nn.Identity())
