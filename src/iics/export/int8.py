"""ONNX file -> ONNX file with convolutions in eight bits, by onnxruntime's static quantisation (QDQ).

Weights have one scale per channel, maps one scale each, found by running crops through the network.
"""

from __future__ import annotations

import importlib
import json
import tempfile
from pathlib import Path
from typing import Any

from iics.arrays import Pixels
from iics.export.input_form import InputForm
from iics.export.onnx_model import HEADER, INPUT, MODEL_CARD, PREPROCESSING, check_packages
from iics.export.own_hash import KEY, UNKNOWN, with_own_hash

_CROPS_AT_ONCE = 16
_CARD_NOTE = (
    "\n\nThis file is a form of the model with convolutions in eight bits. Results and thresholds above were measured "
    "with the float32 model; measure them anew.\n"
)


def quantised(exported: bytes, pixels: Pixels) -> bytes:
    """Return an exported file with convolutions in eight bits.

    Everything else stays in float32: the arithmetic of norms, pooling, and what makes a feature of two raw ones.

    Args:
        exported: What `export_onnx` returned; its metadata is kept but for thresholds.
        pixels: Crops as the model will see them; a few hundred. Shape (n, h, w, 3).

    Raises:
        ExportError: If a package is missing.
    """
    check_packages()
    import onnx

    metadata = _metadata_of(onnx.load_from_string(exported))
    form = InputForm.from_metadata(json.loads(metadata[PREPROCESSING]))
    quantization: Any = importlib.import_module("onnxruntime.quantization")
    with tempfile.TemporaryDirectory() as folder:
        source, prepared, out = (Path(folder) / name for name in ("source.onnx", "prepared.onnx", "int8.onnx"))
        source.write_bytes(exported)
        quantization.quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        quantization.quantize_static(
            str(prepared),
            str(out),
            _CropReader(pixels, form),
            quant_format=quantization.QuantFormat.QDQ,
            # With the activations: otherwise the 256 levels of a convolution also cover what ReLU6 cuts off above 6.
            op_types_to_quantize=["Conv", "Clip", "Relu"],
            per_channel=True,
            # With int8 maps it ran at 47 crops a second instead of 172 (docs/export.md).
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
        )
        result = onnx.load(str(out))
    onnx.helper.set_model_props(result, metadata)
    return with_own_hash(result.SerializeToString())


def _metadata_of(exported: Any) -> dict[str, str]:
    """Return the metadata of a float32 file without thresholds, which hold for its features only; the card says so."""
    metadata = {entry.key: entry.value for entry in exported.metadata_props}
    header = {key: value for key, value in json.loads(metadata[HEADER]).items() if key != "match_thresholds"}
    card = metadata.get(MODEL_CARD, "") + _CARD_NOTE
    return {**metadata, HEADER: json.dumps(header), MODEL_CARD: card, KEY: UNKNOWN}


class _CropReader:
    """Hands crops to onnxruntime's calibration, a batch at a time."""

    def __init__(self, pixels: Pixels, form: InputForm) -> None:
        self._batches = (form.given(pixels[at : at + _CROPS_AT_ONCE]) for at in range(0, len(pixels), _CROPS_AT_ONCE))

    def get_next(self) -> dict[str, Any] | None:
        """Return the next input, None after the last."""
        batch = next(self._batches, None)
        return None if batch is None else {INPUT: batch}
