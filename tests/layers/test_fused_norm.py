"""The compiled passes compute what Eq. 12 says, forward and backward, in both memory formats and in half precision."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from iics.layers.fused_norm import activation_bounds, can_fuse, fused_statistics, scale_shift_activate
from iics.layers.norm_groups import NormGroups
from iics.layers.normalization import (
    AdaptiveInstanceBatchNorm2d,
    GroupedBatchNorm2d,
    MixingWeight,
    gathered_statistics,
    update_running_statistics,
)

FORMATS = [torch.channels_last, torch.contiguous_format]
SHAPE = (6, 20, 7, 5)  # 20 channels: no whole number of cache lines


def random_maps(shape=SHAPE, *, seed=0, dtype=torch.float32, memory_format=torch.channels_last):
    x = 3 * torch.randn(shape, generator=torch.Generator().manual_seed(seed)) + 1
    return x.to(dtype).to(memory_format=memory_format)


def layer(kind, activation, size, *, alpha=0.3):
    generator = torch.Generator().manual_seed(1)
    source = nn.BatchNorm2d(SHAPE[1])
    with torch.no_grad():
        source.weight.uniform_(0.5, 1.5, generator=generator)
        source.bias.normal_(generator=generator)
    norm = GroupedBatchNorm2d(source, activation)
    if kind == "aibn":
        norm = AdaptiveInstanceBatchNorm2d(norm, MixingWeight(torch.tensor(alpha), learned=True))
    norm.groups = NormGroups(size)
    return norm


def relative_error(value, exact):
    return ((value.double() - exact).abs().max() / exact.abs().max()).item()


@pytest.mark.parametrize("memory_format", FORMATS)
@pytest.mark.parametrize("size", [None, 2, 3])
@pytest.mark.parametrize("activation", [nn.Identity(), nn.ReLU(), nn.ReLU6()])
@pytest.mark.parametrize("kind", ["bn", "aibn"])
def test_every_gradient_agrees_with_double_precision_autograd(kind, activation, size, memory_format):
    fused = layer(kind, activation, size)
    exact = copy.deepcopy(fused).double()  # double precision takes the other route, ordinary autograd
    x = random_maps(memory_format=memory_format).requires_grad_()
    wide = x.detach().double().requires_grad_()
    assert can_fuse(x, activation)
    assert not can_fuse(wide, activation)
    y, y_exact = fused(x), exact(wide)
    weights = random_maps(seed=2)
    (y * weights).sum().backward()
    (y_exact * weights.double()).sum().backward()
    assert relative_error(y, y_exact) < 1e-6
    assert relative_error(x.grad, wide.grad) < 1e-6
    for (name, ours), theirs in zip(fused.named_parameters(), exact.parameters(), strict=True):
        assert relative_error(ours.grad, theirs.grad) < 2e-5, name
    assert relative_error(fused.running_mean, exact.running_mean) < 1e-6
    assert relative_error(fused.running_var, exact.running_var) < 1e-6
    assert y.is_contiguous(memory_format=memory_format)
    assert x.grad.is_contiguous(memory_format=memory_format)


@pytest.mark.parametrize("memory_format", FORMATS)
@pytest.mark.parametrize("kind", ["bn", "aibn"])
def test_evaluation_agrees_with_double_precision(kind, memory_format):
    fused = layer(kind, nn.ReLU(), None).eval()
    x = random_maps(memory_format=memory_format)
    with torch.no_grad():
        assert relative_error(fused(x), copy.deepcopy(fused).double()(x.double())) < 1e-6


@pytest.mark.parametrize("memory_format", FORMATS)
@pytest.mark.parametrize("kind", ["bn", "aibn"])
def test_half_precision_maps_are_normalised_in_single_precision(kind, memory_format):
    x = random_maps(dtype=torch.bfloat16, memory_format=memory_format).requires_grad_()
    wide = x.detach().float().requires_grad_()
    half, single = layer(kind, nn.ReLU6(), 3), layer(kind, nn.ReLU6(), 3)
    y, y_single = half(x), single(wide)
    assert y.dtype == x.dtype
    assert torch.equal(y.detach(), y_single.detach().bfloat16())  # rounded once, at the end
    weights = random_maps(seed=2, dtype=torch.bfloat16)
    (y * weights).sum().backward()
    (y_single * weights.float()).sum().backward()
    assert torch.equal(x.grad, wide.grad.bfloat16())
    for ours, theirs in zip(half.parameters(), single.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad)


def test_half_precision_is_rounded_as_torch_rounds():
    values = torch.tensor([1.0, 1.00390625, 1.01171875, -1e-40, 3.3895314e38, torch.nan, torch.inf, 65535.0])
    x = values.bfloat16().reshape(1, 1, 2, 4)
    y = scale_shift_activate(x, torch.tensor([1.0]), torch.tensor([0.001]), (-torch.inf, torch.inf))
    expected = (x.float() + 0.001).bfloat16()
    assert torch.equal(y.isnan(), expected.isnan())
    assert torch.equal(y.nan_to_num(), expected.nan_to_num())


@pytest.mark.parametrize("memory_format", FORMATS)
def test_a_large_mean_does_not_swallow_the_variance(memory_format):
    x = random_maps(memory_format=memory_format) + 1000
    mean, squares = fused_statistics(x)
    torch.testing.assert_close(mean.double(), x.double().mean(dim=(2, 3)), rtol=1e-6, atol=0)
    torch.testing.assert_close(squares.double() / 34, x.double().var(dim=(2, 3)), rtol=1e-4, atol=0)


@pytest.mark.parametrize("memory_format", FORMATS)
def test_nothing_depends_on_the_number_of_threads(memory_format):
    before = torch.get_num_threads()
    results = []
    try:
        for num_threads in (1, 2):
            torch.set_num_threads(num_threads)
            x = random_maps(memory_format=memory_format).requires_grad_()
            y = layer("aibn", nn.ReLU(), 2)(x)
            (y * random_maps(seed=3)).sum().backward()
            results.append((y.detach(), x.grad))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])


def test_a_gradient_in_another_memory_format_is_taken():
    x = random_maps().requires_grad_()
    norm = layer("aibn", nn.ReLU(), 2)
    norm(x).mean(dim=(2, 3)).sum().backward()  # the gradient of the mean is an expanded tensor
    expected = x.grad.clone()
    x.grad = None
    norm(x).backward(torch.full(SHAPE, 1 / 35).contiguous())
    torch.testing.assert_close(x.grad, expected)


def test_less_is_kept_for_backward_than_by_the_plain_form():
    def kept(forward, x):
        sizes = {}

        def note(tensor):
            sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            forward(x)
        return sum(sizes.values())

    def plain(x):
        mean_in, var_in = x.mean(dim=(2, 3), keepdim=True), x.var(dim=(2, 3), keepdim=True)
        mean_bn = mean_in.mean(dim=0)
        var_bn = (mean_in**2 + var_in).mean(dim=0) - mean_bn**2
        mean, var = 0.5 * (mean_bn + mean_in), 0.5 * (var_bn + var_in)
        return ((x - mean) / (var + 1e-5).sqrt()).relu()

    x = random_maps((8, 20, 16, 8)).requires_grad_()
    ours = kept(layer("aibn", nn.ReLU(), None), x)
    assert ours < 1.1 * x.untyped_storage().nbytes()
    assert kept(plain, x) > 2.5 * ours


@pytest.mark.parametrize(
    ("activation", "bounds"),
    [
        (nn.Identity(), (-torch.inf, torch.inf)),
        (nn.ReLU(inplace=True), (0.0, torch.inf)),
        (nn.ReLU6(), (0.0, 6.0)),
        (nn.SiLU(), None),
    ],
)
def test_activations_that_cut_to_an_interval_are_known(activation, bounds):
    assert activation_bounds(activation) == bounds


def test_what_the_compiled_passes_cannot_take_goes_the_other_way():
    strided = random_maps((6, 20, 14, 5))[:, :, ::2]
    assert not can_fuse(strided, nn.ReLU())
    assert not can_fuse(random_maps(dtype=torch.float16), nn.ReLU())
    assert not can_fuse(random_maps(), nn.SiLU())
    torch.testing.assert_close(layer("aibn", nn.ReLU(), 2)(strided), layer("aibn", nn.ReLU(), 2)(strided.contiguous()))


@pytest.mark.parametrize("num_pixels", [1, 2, 3, 4, 5, 7, 4096])
def test_maps_of_any_number_of_pixels_are_read_whole(num_pixels):
    x = random_maps((2, 20, num_pixels, 3))[..., :1].contiguous(memory_format=torch.channels_last)
    mean, squares = fused_statistics(x)
    np.testing.assert_allclose(mean.numpy(), x.mean(dim=(2, 3)).numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(squares.numpy(), x.var(dim=(2, 3), correction=0).numpy() * num_pixels, rtol=1e-5)


@pytest.mark.parametrize("height", [1, 2, 3])
@pytest.mark.parametrize("memory_format", FORMATS)
def test_gradients_of_maps_of_few_pixels_agree_with_double_precision(height, memory_format):
    fused = layer("aibn", nn.ReLU(), 3)
    exact = copy.deepcopy(fused).double()
    x = random_maps((6, 20, height, 1), memory_format=memory_format).requires_grad_()
    wide = x.detach().double().requires_grad_()
    weights = random_maps((6, 20, height, 1), seed=2)
    (fused(x) * weights).sum().backward()
    (exact(wide) * weights.double()).sum().backward()
    assert relative_error(x.grad, wide.grad) < 1e-5


@pytest.mark.parametrize("kind", ["bn", "aibn"])
def test_a_group_spread_over_processes_is_normalised_as_on_one(kind):
    x = random_maps()
    whole = layer(kind, nn.ReLU(), None)
    inside = x.clone(memory_format=torch.preserve_format).requires_grad_()
    weights = random_maps(seed=2)
    (whole(inside) * weights).sum().backward()
    shared = layer(kind, nn.ReLU(), None)  # the other process has the same crops: the statistics stay what they are
    shared.groups = NormGroups(None, (6, 6), 0, lambda sums: 2 * sums)
    outside = x.clone(memory_format=torch.preserve_format).requires_grad_()
    y = shared(outside)
    torch.testing.assert_close(y, whole(inside))
    (y * weights).sum().backward()
    torch.testing.assert_close(outside.grad, inside.grad, rtol=1e-4, atol=1e-5)
    for ours, theirs in zip(shared.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-4)


def test_a_part_counts_as_many_crops_as_it_has():
    x = random_maps()
    norm = layer("aibn", nn.ReLU(), None)
    with gathered_statistics(norm):
        norm(x[:4])
        norm(x[4:])
        update_running_statistics(norm)
    means = torch.stack([x[:4].mean(dim=(0, 2, 3)), x[4:].mean(dim=(0, 2, 3))])
    expected = 0.1 * (4 * means[0] + 2 * means[1]) / 6
    torch.testing.assert_close(norm.running_mean, expected)
