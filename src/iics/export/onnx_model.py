"""Runs an exported file by onnxruntime: crops in, features out."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from iics.arrays import FloatArray, Pixels
from iics.errors import ExportError
from iics.export.input_form import InputForm
from iics.export.own_hash import check_own_hash
from iics.models.images_to_embed import resize_picture
from iics.models.pixel_arrays import picture_of
from iics.regular_file import open_regular

PACKAGES = ("onnx", "onnxscript", "onnxruntime")
INPUT, OUTPUT = "images", "features"
HEADER, PREPROCESSING, MODEL_CARD = "iics", "preprocessing", "model_card"
"""Keys of the metadata."""


class OnnxModel:
    """An exported file, opened.

    Args:
        file: What `iics export` wrote, or its bytes.
        threads: Threads of the CPU; 0 for as many as there are cores.

    Attributes:
        height: Height of the crops it takes, in pixels.
        width: Width of the crops it takes, in pixels.
        num_features: Length of a feature vector.
        form: What the file takes; `embed` turns crops into it.
        metadata: What is written in the file, by key: `iics` (the header of the model file) and `preprocessing`, both
            JSON, and `model_card` (Markdown): that of the model if it had one, and what this file takes.

    Raises:
        ExportError: If onnxruntime is not installed, or the file is missing, damaged, or not written by `iics export`.
    """

    def __init__(self, file: Path | str | bytes, *, threads: int = 0) -> None:
        self._session = _open(file, threads)
        self.metadata: dict[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)
        if HEADER not in self.metadata or PREPROCESSING not in self.metadata:
            raise ExportError(f"{_name(file)} was not written by iics export: it does not say how crops go into it.")
        try:
            self.form = InputForm.from_metadata(json.loads(self.metadata[PREPROCESSING]))
            self.height, self.width = self.form.size(tuple(self._session.get_inputs()[0].shape[1:]))
            self.num_features: int = self._session.get_outputs()[0].shape[1]
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise ExportError(f"{_name(file)} is damaged: it does not say how crops go into it ({error}).") from error

    @property
    def header(self) -> dict[str, Any]:
        """The header of the model that was exported, as in the model file but for format and versions."""
        header: dict[str, Any] = json.loads(self.metadata[HEADER])
        return header

    def embed(
        self,
        images: Pixels | Sequence[Image.Image],
        *,
        batch_size: int = 128,
        progress: Callable[[int], None] | None = None,
    ) -> FloatArray:
        """Return the features of person crops, as `ReidModel.embed` does, whatever form the file takes them in.

        Args:
            images: RGB pixels of the model's input size as uint8 (n, h, w, 3), or pictures and arrays of any size.
            batch_size: Crops computed at once.
            progress: Called after each batch with the number of crops in it.

        Returns:
            L2-normalised features. Shape (n, d).

        Raises:
            ValueError: If there are no images, or pixels are not of the model's input size.
        """
        if len(images) == 0:
            raise ValueError("Pass at least one crop.")
        if isinstance(images, np.ndarray):
            pixels = images
        else:
            letterbox = self.header.get("letterbox")
            pixels = np.stack(
                [
                    resize_picture(
                        picture_of(image),
                        self.height,
                        self.width,
                        interpolation=self.header.get("interpolation", "bicubic"),
                        letterbox=letterbox,
                    )
                    for image in images
                ]
            )
        if pixels.dtype != np.uint8 or pixels.shape[1:] != (self.height, self.width, 3):
            raise ValueError(
                f"Pixels must be uint8 of shape (n, {self.height}, {self.width}, 3), got {pixels.dtype} "
                f"{pixels.shape}; pass pictures to have them resized."
            )
        rows = []
        for start in range(0, len(pixels), batch_size):
            batch = self.form.given(pixels[start : start + batch_size])
            rows.append(self._session.run([OUTPUT], {INPUT: batch})[0])
            if progress is not None:
                progress(len(batch))
        return np.concatenate(rows)


def check_packages() -> None:
    """Refuse if a package that exporting needs is not installed.

    Raises:
        ExportError: If one is not.
    """
    for package in PACKAGES:
        if importlib.util.find_spec(package) is None:
            raise ExportError(f"Exporting needs the package {package}: pip install 'iics[export]'.")


def _open(file: Path | str | bytes, threads: int) -> Any:
    """Return an onnxruntime session on the CPU."""
    if importlib.util.find_spec("onnxruntime") is None:
        raise ExportError("Running an exported file needs the package onnxruntime: pip install 'iics[export]'.")
    content = file if isinstance(file, bytes) else _read(file)
    check_own_hash(content, name=_name(file))
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # errors: its warnings are about its own choice of kernels
    # Threads that wait for work must not take cores from whoever prepares the next crops.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own errors share no parent but this
        reason = " ".join(str(error).split())
        raise ExportError(f"{_name(file)} is no ONNX file or is damaged: {reason}") from error


def _read(file: Path | str) -> bytes:
    try:
        with open_regular(file) as opened:
            return opened.read()
    except FileNotFoundError as error:
        raise ExportError(f"There is no file {file}; iics export writes one.") from error
    except OSError as error:
        raise ExportError(f"{file} cannot be read: {error.strerror or error}.") from error


def _name(file: Path | str | bytes) -> str:
    return "The exported model" if isinstance(file, bytes) else str(file)
