"""Sixteen neighbouring numbers as one value within a compiled kernel: an LLVM vector, whatever the processor.

What a loop over channels becomes is up to the compiler, and with many arrays in it, it gives up; with these the sums
of a convolution stay in registers. Maps may be stored in float32, in bfloat16 seen as uint16 (computed in float32) or
in float64. numba does not notice a change of this file: who changes it deletes the __pycache__ folders (`make clean`).
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, models, register_model

WIDTH = 16


class _Lanes(types.Type):  # type: ignore[misc]
    """Type of sixteen numbers in numba's eyes."""

    def __init__(self, number: types.Float) -> None:
        self.number = number
        super().__init__(name=f"Lanes({number})")


@register_model(_Lanes)
class _LanesModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, lanes: _Lanes) -> None:
        super().__init__(manager, lanes, _vector(ir.DoubleType() if lanes.number == types.float64 else ir.FloatType()))


@intrinsic  # type: ignore[untyped-decorator]
def zeros(typing_context: Any, like: Any) -> Any:  # noqa: ARG001
    """Return sixteen zeros of the precision in which an array is computed."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        return ir.Constant(context.get_value_type(signature.return_type), None)

    return _lanes_of(like)(like), generate


@intrinsic  # type: ignore[untyped-decorator]
def load(typing_context: Any, array: Any, index: Any) -> Any:  # noqa: ARG001
    """Return the sixteen numbers that begin at an index of a dense array."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _pointer(context, builder, signature, arguments)
        if signature.args[0].dtype != types.uint16:
            return builder.load(pointer, align=4)
        words = builder.zext(builder.load(pointer, align=2), _vector(ir.IntType(32)))
        return builder.bitcast(builder.shl(words, _word(16)), _vector(ir.FloatType()))

    return _lanes_of(array)(array, types.intp), generate


@intrinsic  # type: ignore[untyped-decorator]
def store(typing_context: Any, array: Any, index: Any, lanes: Any) -> Any:  # noqa: ARG001
    """Write sixteen numbers from an index of a dense array on; to bfloat16 rounded to nearest, ties to even."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer, value = _pointer(context, builder, signature, arguments), arguments[2]
        if signature.args[0].dtype == types.uint16:
            bits = builder.bitcast(value, _vector(ir.IntType(32)))
            last = builder.and_(builder.lshr(bits, _word(16)), _word(1))
            rounded = builder.add(bits, builder.add(last, _word(0x7FFF)))
            kept = builder.select(builder.fcmp_unordered("uno", value, value), _word(0x7FC00000), rounded)
            value = builder.trunc(builder.lshr(kept, _word(16)), _vector(ir.IntType(16)))
        builder.store(value, pointer, align=2)
        return context.get_dummy_value()

    return types.void(array, types.intp, lanes), generate


@intrinsic  # type: ignore[untyped-decorator]
def multiply_add(typing_context: Any, a: Any, b: Any, total: Any) -> Any:  # noqa: ARG001
    """Return a * b + total, rounded once where the processor can."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        product = builder.fmul(arguments[0], arguments[1], flags=("contract",))
        return builder.fadd(product, arguments[2], flags=("contract",))

    return total(a, b, total), generate


def _lanes_of(array: Any) -> _Lanes:
    return _Lanes(types.float64 if array.dtype == types.float64 else types.float32)


def _vector(number: ir.Type) -> ir.VectorType:
    return ir.VectorType(number, WIDTH)


def _word(value: int) -> ir.Constant:
    return ir.Constant(_vector(ir.IntType(32)), [value] * WIDTH)


def _pointer(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    kind = signature.args[0]
    start = context.make_array(kind)(context, builder, arguments[0]).data
    number = context.get_data_type(kind.dtype)
    return builder.bitcast(builder.gep(start, [arguments[1]]), _vector(number).as_pointer())
