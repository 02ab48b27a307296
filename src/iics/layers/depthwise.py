"""Depthwise convolutions on the CPU, channels last, where torch is slow: backward, and forward at uneven edges.

Backward, torch has fast kernels for 3x3, in bfloat16 only at stride 1; the rest takes it 2 to 50 times as long as ours.
Forward it is fast, but a padding that is not the same on both sides, as TensorFlow's networks have, costs a copy of the
map. Anywhere else (3x3, a GPU, torch.compile, an export, float64) the layer does what it did before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from iics.arrays import FloatArray
from iics.kernels import torch_threads
from iics.layers import depthwise_kernels
from iics.layers.depthwise_kernels import CROPS_AT_ONCE
from iics.layers.lanes import WIDTH

_SIDES, _STRIDES = (3, 5), (1, 2)  # what the benchmark has tried
_PADS_BY_SIZE = "Conv2dSame"  # timm's: as many zeros as the size of the map asks for, one more behind than in front
Padding = tuple[int, int, int, int]
"""Rows of zeros above and below, columns on the left and on the right."""


class DepthwiseConv2d(nn.Conv2d):
    """A convolution of each channel by itself, with the weights of the layer it takes the place of.

    Attributes:
        pads_by_size: Whether it pads as TensorFlow does.
        plain: What that layer does, for where ours cannot be used.
    """

    def __init__(self, source: nn.Conv2d) -> None:
        super().__init__(
            source.in_channels,
            source.out_channels,
            source.kernel_size,  # type: ignore[arg-type]
            source.stride,  # type: ignore[arg-type]
            source.padding,  # type: ignore[arg-type]
            groups=source.groups,
            bias=False,
            device="meta",  # no random number is drawn for weights that are replaced at once
        )
        self.weight = source.weight
        self.pads_by_size = type(source).__name__ == _PADS_BY_SIZE
        self.plain: Callable[[nn.Conv2d, Tensor], Tensor] = type(source).forward
        self.training = source.training

    def forward(self, x: Tensor) -> Tensor:
        """Convolve maps of shape (n, c, h, w)."""
        if not _can_compute(x, self.weight) or self._is_fast_in_torch(x.dtype):
            return self.plain(self, x)
        y: Tensor = _Depthwise.apply(x, self.weight, self.stride[0], self._padding(x))  # type: ignore[no-untyped-call]
        return y

    def _is_fast_in_torch(self, dtype: torch.dtype) -> bool:
        """Return what `benchmarks.convolutions` found, a table and not a measurement: every run computes the same."""
        is_common = self.kernel_size == (3, 3) and not self.pads_by_size
        return is_common and (self.stride == (1, 1) or dtype == torch.float32)

    def _padding(self, x: Tensor) -> Padding:
        side, stride = self.kernel_size[0], self.stride[0]
        if not self.pads_by_size:
            rows, columns = int(self.padding[0]), int(self.padding[1])
            return rows, rows, columns, columns
        rows, columns = (max(side - ((size - 1) % stride + 1), 0) for size in x.shape[2:])
        return rows // 2, rows - rows // 2, columns // 2, columns - columns // 2


def speed_up_depthwise(network: nn.Module) -> None:
    """Replace the depthwise convolutions of a network that we compute; weights and their names stay."""
    for path, module in list(network.named_modules()):
        if isinstance(module, nn.Conv2d) and is_ours(module):
            parent, _, child = path.rpartition(".")
            setattr(network.get_submodule(parent), child, DepthwiseConv2d(module))


def is_ours(conv: nn.Conv2d) -> bool:
    """Return whether a convolution is a depthwise one that the kernels here compute."""
    side, stride = conv.kernel_size[0], conv.stride[0]
    return (
        (type(conv) is nn.Conv2d or type(conv).__name__ == _PADS_BY_SIZE)
        and conv.groups == conv.in_channels == conv.out_channels
        and conv.in_channels % WIDTH == 0
        and conv.kernel_size == (side, side)
        and side in _SIDES
        and conv.stride == (stride, stride)
        and stride in _STRIDES
        and conv.dilation == (1, 1)
        and conv.bias is None
        and conv.padding_mode == "zeros"
        and not isinstance(conv.padding, str)
        and max(conv.padding) < side
    )


def _can_compute(x: Tensor, weight: Tensor) -> bool:
    """Return whether maps are dense, channels last, float32 or, by autocast, bfloat16, on the CPU, in eager mode."""
    expected = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else torch.float32
    return (
        x.device.type == "cpu"
        and x.dtype == expected
        and x.dtype in (torch.float32, torch.bfloat16)
        and weight.dtype == torch.float32
        and not torch.compiler.is_compiling()
        and x.numel() > 0
        and x.is_contiguous(memory_format=torch.channels_last)
    )


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int, padding: Padding) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding = stride, padding
        top, bottom, left, right = padding
        if top == bottom and left == right:
            return F.conv2d(x, weight.to(x.dtype), None, stride, (top, left), 1, len(weight))
        side = weight.shape[2]
        height, width = x.shape[2] + top + bottom - side, x.shape[3] + left + right - side
        y = _channels_last(x, height // stride + 1, width // stride + 1)
        with torch_threads():
            depthwise_kernels.convolve(_as_maps(x), _as_taps(weight), _as_maps(y), side, stride, top, left)
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None]:
        x, weight = ctx.saved_tensors
        grad = grads[0].to(x.dtype).contiguous(memory_format=torch.channels_last)
        grad_x = _channels_last(x, *x.shape[2:])
        shape = -(-len(x) // CROPS_AT_ONCE), len(weight) // WIDTH, weight[0].numel(), WIDTH
        sums = torch.empty(shape, dtype=weight.dtype)
        maps, taps = [_as_maps(each) for each in (grad, x, grad_x)], _as_taps(weight)
        place = weight.shape[2], ctx.stride, ctx.padding[0], ctx.padding[2]
        with torch_threads():
            depthwise_kernels.gradients(maps[0], maps[1], taps, maps[2], sums.view(-1).numpy(), *place)
        # Always added up in the order of the crops, whatever the number of threads.
        grad_weight = sums.sum(0).transpose(1, 2).reshape(weight.shape)
        return grad_x, grad_weight, None, None


def _channels_last(like: Tensor, height: int, width: int) -> Tensor:
    return torch.empty(*like.shape[:2], height, width, dtype=like.dtype, memory_format=torch.channels_last)


def _as_maps(x: Tensor) -> npt.NDArray[Any]:
    """Return the map as the kernels read it. Shape (n, h, w, c)."""
    bits = x.detach().view(torch.uint16) if x.dtype == torch.bfloat16 else x.detach()
    maps: npt.NDArray[Any] = bits.permute(0, 2, 3, 1).numpy()
    return maps


def _as_taps(weight: Tensor) -> FloatArray:
    """Return the weights by sixteen channels, then place in the kernel. Shape (c * side * side,)."""
    taps: FloatArray = weight.detach().reshape(-1, WIDTH, weight[0].numel()).transpose(1, 2).flatten().numpy()
    return taps
