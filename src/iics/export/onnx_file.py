"""Model -> ONNX: from crops to finished features in one graph, and its comparison with torch."""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np
import torch

from iics.arrays import Colour, FloatArray, Pixels
from iics.errors import ExportError
from iics.export.deployed_network import DeployedNetwork
from iics.export.input_form import AS_DECODED, InputForm
from iics.export.onnx_model import HEADER, INPUT, MODEL_CARD, OUTPUT, PREPROCESSING, OnnxModel, check_packages
from iics.export.own_hash import KEY, UNKNOWN, with_own_hash
from iics.models.features import l2_normalise
from iics.models.model_header import ModelHeader, header_values
from iics.models.reid_model import ReidModel
from iics.pixels.augment import normalise_pixels

OPSET = 20
"""ONNX operator set; with its IR version, 10, the file is read by onnxruntime 1.18 and newer."""
TOLERANCE = 1e-4
"""Most that a number of a feature may differ from torch's."""


def export_onnx(model: ReidModel, *, form: InputForm = AS_DECODED, card: str = "", means_file: str = "") -> bytes:
    """Return an ONNX file that computes what `model.embed` does of pixels, for any number of crops.

    Args:
        model: Left as it is.
        form: What crops come as; without its mirror, features are those of the crop alone.
        card: Text of the model card (Markdown); goes into the metadata, followed by what the file takes.
        means_file: Name of the camera means that will stand beside it; "" for none.

    Returns:
        The file. Input `images`: crops of the model's size, in that form. Output `features`: L2-normalised rows,
        float32, (n, d).

    Raises:
        ExportError: If a package is missing.
    """
    check_packages()
    import onnx

    network = DeployedNetwork(model, form)
    shape = form.shape(model.header.height, model.header.width)
    example = torch.zeros(2, *shape, dtype=torch.uint8 if form.is_uint8 else torch.float32)
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
    _remove_traces(proto)
    onnx.helper.set_model_props(proto, _metadata(model, form, card, means_file))
    return with_own_hash(proto.SerializeToString())


def _remove_traces(proto: Any) -> None:
    """Remove torch's notes on each operation: a megabyte of call stacks that name this machine's folders."""
    graph = proto.graph
    for part in (graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        del part.metadata_props[:]


def check_parity(model: ReidModel, exported: OnnxModel, pixels: Pixels) -> float:
    """Return the largest difference between the features of an exported file and of its model.

    Args:
        model: What was exported.
        exported: What came out; if it leaves out the model's mirror images, it is compared with features of the crops
            alone.
        pixels: Crops to compare on. Shape (n, h, w, 3).

    Raises:
        ExportError: If it is above `TOLERANCE`.
    """
    is_as_measured = exported.form.mirror or not model.header.mirror
    expected = model.embed(pixels) if is_as_measured else unmirrored_features(model, pixels)
    deviation = float(np.abs(exported.embed(pixels) - expected).max())
    # Not `deviation > TOLERANCE`, which would accept NaN.
    if not deviation <= TOLERANCE:
        raise ExportError(
            f"The exported graph does not compute what the model does: features differ by {deviation:.1e}, "
            f"{TOLERANCE:.0e} is allowed. Weights with infinite or huge values can be the cause."
        )
    return deviation


@torch.no_grad()
def unmirrored_features(model: ReidModel, pixels: Pixels) -> FloatArray:
    """Return what a file without mirror computes: L2-normalised features of the crops alone.

    Args:
        model: Left as it is.
        pixels: RGB crops of its size, uint8. Shape (n, h, w, 3).

    Returns:
        Features. Shape (n, d).
    """
    images = normalise_pixels(torch.tensor(pixels, device=model.device), mean=model.header.mean, std=model.header.std)
    was_training = model.backbone.training
    raw = model.backbone.eval()(images)
    model.backbone.train(was_training)
    features: FloatArray = l2_normalise(raw).cpu().numpy()
    return features


def drawn_crops(height: int, width: int, *, count: int = 5) -> Pixels:
    """Return pictures to compare on where there is no data: from smooth to noise. Shape (count, height, width, 3)."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[0:height, 0:width] / (height + width)
    waves = np.sin(20 * (rows[..., None] * rng.uniform(-1, 1, (count, 1, 1, 3)) + columns[..., None]))
    noise = rng.uniform(-1, 1, (count, height, width, 3))
    share = np.linspace(0, 1, count)[:, None, None, None]
    pixels: Pixels = (127.5 * (1 + (1 - share) * waves + share * noise)).astype(np.uint8)
    return pixels


def _metadata(model: ReidModel, form: InputForm, card: str, means_file: str) -> dict[str, str]:
    header, size = model.header, (model.header.height, model.header.width)
    preprocessing = form.metadata(*size) | {
        "resize": header.interpolation,
        "fit": "stretch" if header.letterbox is None else "letterbox",
        **({} if header.letterbox is None else {"letterbox_colour": header.letterbox}),
        "in_the_graph": {
            "mean": header.mean,
            "std": header.std,
            "mirror_averaged": form.mirror,
            "l2_normalised": True,
            "centred": False,
        },
    }
    if means_file:
        preprocessing["camera_means"] = means_file
    values = header_values(header)
    if form.mirror != header.mirror:  # thresholds were measured on mirror-averaged features
        values.pop("match_thresholds", None)
    return {
        HEADER: json.dumps(values),
        PREPROCESSING: json.dumps(preprocessing),
        MODEL_CARD: "\n\n".join(part for part in (card, _what_it_takes(form, header)) if part),
        KEY: UNKNOWN,
    }


def letterbox_text(colour: Colour) -> str:
    """Return how a program has to bring crops to the size, in a sentence."""
    rgb = ", ".join(map(str, colour))
    return (
        "Crops keep their shape: each is resized to the largest that fits, lies in the middle, and the rest is filled "
        f"with red, green, blue {rgb}. A program that stretches crops gets worse features."
    )


def _what_it_takes(form: InputForm, header: ModelHeader) -> str:
    """Return the section of the model card about this file."""
    height, width = header.height, header.width
    letterbox = "" if header.letterbox is None else f"{letterbox_text(header.letterbox)}\n"
    mean, std = form.scale
    formula = (
        f"A value is (pixel / 255 - mean) / std with mean {mean} and std {std} of red, green and blue.\n"
        if form.values == "imagenet"
        else ""
    )
    mirrored = "averaged over the crop and its mirror image"
    unmirrored = f"of the crop alone, not {mirrored} as results and thresholds above were"
    features = mirrored if form.mirror else unmirrored if header.mirror else "of the crop alone, as the model's are"
    return (
        f"## This ONNX file\n\nInput `images`: {form.describe(height, width)}; crops resized to {height} x {width} "
        f"(height x width) pixels, any number of them.\n{letterbox}{formula}"
        f"Output `features`: float32, rows of length 1, {features}.\n"
    )
