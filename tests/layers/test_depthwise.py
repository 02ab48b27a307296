"""Depthwise convolutions of ours compute what torch's do, forward and backward, and leave the rest to torch."""

import copy

import pytest
import torch
from torch import nn

from iics.layers import depthwise
from iics.layers.depthwise import DepthwiseConv2d, is_ours, speed_up_depthwise
from iics.models.backbone import build_network
from iics.models.timm_networks import create_network

C = 48


def maps(height, width, *, seed=0, crops=10, channels=C, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(crops, channels, height, width, generator=generator).to(dtype)
    return x.contiguous(memory_format=torch.channels_last)


def convolution(side, stride, *, pads_by_size=False, channels=C, **options):
    kind = type("Conv2dSame", (nn.Conv2d,), {"forward": _padded_by_size}) if pads_by_size else nn.Conv2d
    padding = 0 if pads_by_size else side // 2
    return kind(
        channels, channels, side, **{"stride": stride, "padding": padding, "groups": channels, "bias": False} | options
    )


def _padded_by_size(self, x):
    """Pad as TensorFlow says: ceil(size / stride) outputs, what is odd comes behind."""
    amounts = []
    for size in (x.shape[3], x.shape[2]):
        stride, side = self.stride[0], self.kernel_size[0]
        total = max((-(-size // stride) - 1) * stride + side - size, 0)
        amounts += [total // 2, total - total // 2]
    return nn.functional.conv2d(nn.functional.pad(x, amounts), self.weight, None, self.stride, 0, 1, self.groups)


def seen(layer, x, *, half=False):
    """Return output, gradient of the input, gradient of the weights."""
    x = x.detach().requires_grad_()
    layer.weight.grad = None
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        y = layer(x)
    weights = torch.randn(y.shape, generator=torch.Generator().manual_seed(3)).to(y.dtype)
    y.backward(weights.to(memory_format=torch.channels_last))
    return y.detach(), x.grad, layer.weight.grad


def error(ours, exact):
    return ((ours.double() - exact).abs().max() / exact.abs().max()).item()


@pytest.fixture
def everywhere(monkeypatch):
    """Let ours compute what torch would be left, too."""
    monkeypatch.setattr(DepthwiseConv2d, "_is_fast_in_torch", lambda *_: False)


@pytest.mark.parametrize("size", [(8, 4), (7, 5), (1, 3), (2, 1), (9, 12)])
@pytest.mark.parametrize("pads_by_size", [False, True])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("side", [3, 5])
@pytest.mark.usefixtures("everywhere")
def test_output_and_both_gradients_agree_with_torch(side, stride, pads_by_size, size):
    source = convolution(side, stride, pads_by_size=pads_by_size)
    ours, x = DepthwiseConv2d(source), maps(*size)
    for found, exact in zip(seen(ours, x), seen(copy.deepcopy(source).double(), x.double()), strict=True):
        assert error(found, exact) < 1e-6
        assert found.dtype == torch.float32
        assert found.shape == exact.shape


@pytest.mark.parametrize("padding", [0, 1, (2, 0), (4, 3)])
@pytest.mark.parametrize("stride", [1, 2])
def test_any_padding_below_the_side_agrees_with_torch(stride, padding):
    source, x = convolution(5, stride, padding=padding), maps(7, 6)
    for found, exact in zip(
        seen(DepthwiseConv2d(source), x), seen(copy.deepcopy(source).double(), x.double()), strict=True
    ):
        assert error(found, exact) < 1e-6


@pytest.mark.parametrize("pads_by_size", [False, True])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("side", [3, 5])
@pytest.mark.usefixtures("everywhere")
def test_bf16_maps_are_computed_in_float32_and_rounded_once(side, stride, pads_by_size):
    source = convolution(side, stride, pads_by_size=pads_by_size)
    ours, x = DepthwiseConv2d(source), maps(7, 6, dtype=torch.bfloat16)
    exact = seen(copy.deepcopy(source).double(), x.double())
    y, grad_x, grad_weight = seen(ours, x, half=True)
    assert y.dtype == grad_x.dtype == torch.bfloat16
    assert error(y, exact[0]) < 2**-7  # torch's forward pass rounds the weights, too
    weights = torch.randn(y.shape, generator=torch.Generator().manual_seed(3)).bfloat16()
    wide = x.double().requires_grad_()
    double = copy.deepcopy(source).double()
    double(wide).backward(weights.double())
    torch.testing.assert_close(grad_x.double(), wide.grad, rtol=2**-8, atol=1e-5)  # half a unit in the last place
    assert error(grad_weight, double.weight.grad) < 1e-6
    assert grad_weight.dtype == torch.float32


@pytest.mark.parametrize(("side", "padding"), [(3, (0, 1, 0, 1)), (5, (1, 2, 2, 1))])
def test_gradients_are_those_of_finite_differences_in_double_precision(side, padding):
    x = maps(4, 3, crops=2, channels=16).double().requires_grad_()
    weight = torch.randn(16, 1, side, side, generator=torch.Generator().manual_seed(1)).double().requires_grad_()
    assert torch.autograd.gradcheck(
        lambda *given: depthwise._Depthwise.apply(*given, 2, padding), (x, weight), fast_mode=True
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_nothing_depends_on_the_number_of_threads(dtype):
    layer, x = DepthwiseConv2d(convolution(5, 2, pads_by_size=True)), maps(9, 6, crops=19, dtype=dtype)
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(seen(layer, x, half=dtype == torch.bfloat16))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(a, b) for other in found[1:] for a, b in zip(found[0], other, strict=True))


@pytest.mark.parametrize(
    "conv",
    [
        nn.Conv2d(32, 32, 3, padding=1, bias=False),
        nn.Conv2d(32, 32, 3, padding=1, groups=2, bias=False),
        nn.Conv2d(32, 64, 3, padding=1, groups=32, bias=False),
        convolution(3, 1, channels=40),
        convolution(7, 1),
        convolution(3, 3),
        convolution(3, 1, dilation=2),
        convolution(3, 1, bias=True),
        convolution(3, 1, padding="same"),
        convolution(3, 1, padding_mode="reflect"),
        nn.Conv2d(C, C, (3, 5), padding=1, groups=C, bias=False),
        convolution(3, (1, 2), padding=1),
        convolution(3, 1, padding=3),
    ],
    ids=str,
)
def test_other_convolutions_stay_what_they_are(conv):
    assert not is_ours(conv)
    network = nn.Sequential(conv)
    speed_up_depthwise(network)
    assert network[0] is conv


@pytest.fixture
def no_kernel(monkeypatch):
    """Fail where ours computes."""

    def refuse(*_):
        raise AssertionError("ours was called")

    monkeypatch.setattr(depthwise._Depthwise, "apply", refuse)


@pytest.mark.usefixtures("no_kernel")
def test_torch_computes_what_is_not_dense_channels_last_single_precision():
    layer, x = DepthwiseConv2d(convolution(5, 1)), maps(6, 5)
    with pytest.raises(AssertionError, match="ours was called"):
        layer(x)
    layer(x.contiguous())
    layer(maps(6, 5, crops=4)[:, :, ::2])
    layer(x[:0])
    copy.deepcopy(layer).double()(x.double())
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(x).dtype == torch.bfloat16  # as autocast has it: maps in float32 are rounded first
    for common in (convolution(3, 1), convolution(3, 2)):
        DepthwiseConv2d(common)(x)
    copy.deepcopy(layer).to("meta")(x.to("meta"))


@pytest.mark.usefixtures("no_kernel")
def test_export_sees_torchs_operators():
    layer = DepthwiseConv2d(convolution(5, 2)).eval()
    program = torch.export.export(layer, (maps(6, 5),))
    assert [str(node.target) for node in program.graph.nodes if node.op == "call_function"] == ["aten.conv2d.default"]


def test_a_network_keeps_weights_keys_and_results():
    torch.manual_seed(0)
    plain = create_network("tf_efficientnet_lite0").eval()
    names, state = list(plain.state_dict()), torch.random.get_rng_state()
    ours = copy.deepcopy(plain)
    speed_up_depthwise(ours)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert list(ours.state_dict()) == names
    replaced = [module for module in ours.modules() if isinstance(module, DepthwiseConv2d)]
    assert len(replaced) == 16
    plain, ours = (network.to(memory_format=torch.channels_last) for network in (plain, ours))
    x = maps(64, 32, crops=2, channels=3)
    with torch.no_grad():
        torch.testing.assert_close(ours(x), plain(x), rtol=1e-4, atol=1e-4 * plain(x).abs().max().item())


def test_backbones_are_sped_up_and_keep_no_weight_in_shapes_alone():
    backbone = build_network("efficientnet_lite0", norm="aibn")
    replaced = [module for module in backbone.modules() if isinstance(module, DepthwiseConv2d)]
    assert len(replaced) == 16
    assert not any(parameter.is_meta for parameter in backbone.parameters())


@pytest.mark.usefixtures("no_kernel")
def test_a_compiled_network_is_one_graph_of_torchs_operators():
    layer, x = DepthwiseConv2d(convolution(5, 2, pads_by_size=True)), maps(6, 5)
    compiled = torch.compile(layer, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(x), layer.plain(layer, x))
