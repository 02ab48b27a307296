"""Networks built for their shapes, or to be filled from a file: what only makes numbers is left out.

Weights that are drawn and then overwritten cost as much as reading them; those that nobody fills or reads take no
memory. torch's meta device, which is meant for shapes, is slower: most layers are Python there, which imports torch's
compiler and an algebra system.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

_DRAWN_INTO = (Tensor.normal_, Tensor.uniform_, Tensor.erfinv_)
_KEEP_SHAPES = (F.batch_norm, F.relu6, F.hardtanh)


class WithoutNumbers(TorchFunctionMode):
    """Within it nothing is drawn, so weights hold anything, and the usual layers give maps of the right shape alone."""

    def __torch_function__(
        self,
        function: Callable[..., Any],
        kinds: Any,
        given: tuple[Any, ...] = (),
        named: dict[str, Any] | None = None,
    ) -> Any:
        named = named or {}
        if function in _DRAWN_INTO or getattr(function, "__module__", None) == nn.init.__name__:
            return named["tensor"] if "tensor" in named else given[0]
        if function in _KEEP_SHAPES:
            return given[0] if named.get("inplace") else given[0].new_empty(given[0].shape)
        if function is F.conv2d and not named and all(isinstance(numbers, tuple) for numbers in given[3:6]):
            return _convolved(given[0], given[1], *given[3:6])
        if function is F.linear:
            x, weight = (*given, *(named[name] for name in ("input", "weight") if name in named))[:2]
            return x.new_empty(*x.shape[:-1], len(weight))
        if function is F.scaled_dot_product_attention:
            return given[0].new_empty(*given[0].shape[:-1], given[2].shape[-1])
        return function(*given, **named)


def _convolved(
    x: Tensor, weight: Tensor, stride: tuple[int, int], padding: tuple[int, int], dilation: tuple[int, int]
) -> Tensor:
    sides = [
        (side + 2 * border - gap * (kernel - 1) - 1) // step + 1
        for side, kernel, step, border, gap in zip(
            x.shape[2:], weight.shape[2:], stride, padding, dilation, strict=True
        )
    ]
    return x.new_empty(len(x), len(weight), *sides)
