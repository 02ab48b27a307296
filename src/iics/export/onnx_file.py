"""Model -> ONNX: the whole way from uint8 crops to finished features in one graph, and its comparison with torch."""

from __future__ import annotations

import json
import warnings

import numpy as np
import torch

from iics.data.pixel_source import Pixels
from iics.errors import ExportError
from iics.export.deployed_network import DeployedNetwork
from iics.export.onnx_model import HEADER, INPUT, MODEL_CARD, OUTPUT, PREPROCESSING, OnnxModel, check_packages
from iics.models.model_header import header_values
from iics.models.reid_model import ReidModel

OPSET = 20
"""ONNX operator set; with its IR version, 10, the file is read by onnxruntime 1.18 and newer."""
TOLERANCE = 1e-4
"""Most that a number of a feature may differ from torch's."""


def export_onnx(model: ReidModel, *, card: str = "") -> bytes:
    """Return an ONNX file that computes what `model.embed` does of pixels, for any number of crops.

    Args:
        model: Left as it is.
        card: Text of the model card (Markdown); goes into the metadata unless it is empty.

    Returns:
        The file. Input `images`: RGB crops of the model's size, uint8, (n, h, w, 3). Output `features`: L2-normalised
        rows, float32, (n, d).

    Raises:
        ExportError: If a package is missing.
    """
    check_packages()
    import onnx

    network = DeployedNetwork(model)
    example = torch.zeros(2, model.header.height, model.header.width, 3, dtype=torch.uint8)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of torch, about itself
        program = torch.onnx.export(
            network,
            (example,),
            dynamo=True,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes=({0: torch.export.Dim("crops", min=1)},),
            verbose=False,
        )
    if program is None:
        raise RuntimeError("torch.onnx.export returned no program.")
    proto = program.model_proto
    onnx.helper.set_model_props(proto, _metadata(model, card))
    content: bytes = proto.SerializeToString()
    return content


def check_parity(model: ReidModel, exported: OnnxModel, pixels: Pixels) -> float:
    """Return the largest difference between the features of an exported file and of its model.

    Args:
        model: What was exported.
        exported: What came out.
        pixels: Crops to compare on. Shape (n, h, w, 3).

    Raises:
        ExportError: If it is above `TOLERANCE`.
    """
    deviation = float(np.abs(exported.embed(pixels) - model.embed(pixels)).max())
    if not deviation <= TOLERANCE:
        raise ExportError(
            f"The exported graph does not compute what the model does: features differ by {deviation:.1e}, "
            f"{TOLERANCE:.0e} is allowed. Weights with infinite or huge values can be the cause."
        )
    return deviation


def drawn_crops(height: int, width: int, *, count: int = 5) -> Pixels:
    """Return pictures to compare on where there is no data: from smooth to noise. Shape (count, height, width, 3)."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[0:height, 0:width] / (height + width)
    waves = np.sin(20 * (rows[..., None] * rng.uniform(-1, 1, (count, 1, 1, 3)) + columns[..., None]))
    noise = rng.uniform(-1, 1, (count, height, width, 3))
    share = np.linspace(0, 1, count)[:, None, None, None]
    pixels: Pixels = (127.5 * (1 + (1 - share) * waves + share * noise)).astype(np.uint8)
    return pixels


def _metadata(model: ReidModel, card: str) -> dict[str, str]:
    header = model.header
    preprocessing = {
        "channels": "RGB",
        "layout": "NHWC",
        "dtype": "uint8",
        "height": header.height,
        "width": header.width,
        "resize": header.interpolation,
        "in_the_graph": {
            "mean": header.mean,
            "std": header.std,
            "mirror_averaged": True,
            "l2_normalised": True,
        },
    }
    values = {HEADER: json.dumps(header_values(header)), PREPROCESSING: json.dumps(preprocessing)}
    return values | ({MODEL_CARD: card} if card else {})
