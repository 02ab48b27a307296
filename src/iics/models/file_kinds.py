"""Files that are no model of ours: what they are, told by their first bytes, and the way to use them."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

from iics.regular_file import open_regular
from iics.zip_member import ZIP_FAULTS

_PICKLE, _GZIP, _TENSORRT = b"\x80", b"\x1f\x8b", b"ftrt"
_MEASURE = "iics evaluate --weights {file} --backbone resnet50 DATA"
_CONVERT = (
    "python -c \"import iics; iics.load_foreign_weights({file!r}, backbone='resnet50').save('model.safetensors')\""
)


@dataclass(frozen=True)
class ForeignKind:
    """A kind of file.

    Attributes:
        name: In words, with its article.
        has_tensors: Whether it holds weights by name, which --weights reads.
        advice: What to do with it, if it does not.
    """

    name: str
    has_tensors: bool
    advice: str = ""

    def way_out(self, file: Path) -> str:
        """Return how the file can be used instead of as a model of ours."""
        if not self.has_tensors:
            return self.advice
        measure, convert = _MEASURE.format(file=file), _CONVERT.format(file=str(file))
        return f"Measure it by: {measure}. Make a model of it, for every other command, by: {convert}"


_CHECKPOINT = ForeignKind("a PyTorch checkpoint", True)
SAFETENSORS = ForeignKind("a safetensors file of others", True)
_SCRIPT = ForeignKind(
    "a TorchScript program",
    False,
    "Store its state dict alone, in PyTorch: torch.save(torch.jit.load(FILE).state_dict(), 'weights.pth').",
)
_ONNX = ForeignKind(
    "an ONNX file",
    False,
    "Needed is the model it was exported from. What iics export wrote runs from Python: "
    "iics.export.onnx_model.OnnxModel(FILE).embed(crops).",
)
_ENGINE = ForeignKind(
    "a TensorRT engine", False, "It is built for one kind of GPU; needed is the model or checkpoint it was made from."
)
_OTHERS = {
    ".onnx": _ONNX,
    ".engine": _ENGINE,
    ".trt": _ENGINE,
    ".plan": _ENGINE,
    ".torchscript": _SCRIPT,
    ".tflite": ForeignKind("a TensorFlow Lite file", False, "Needed is a PyTorch checkpoint of the same network."),
    ".h5": ForeignKind("a Keras file", False, "Needed is a PyTorch checkpoint of the same network."),
    ".pb": ForeignKind("a TensorFlow graph", False, "Needed is a PyTorch checkpoint of the same network."),
    ".mlpackage": ForeignKind("a Core ML file", False, "Needed is a PyTorch checkpoint of the same network."),
}


def foreign_kind(file: Path) -> ForeignKind | None:
    """Return what a file of others is, by its contents and, where these do not tell, by its name; None if unknown.

    Whether it is one of ours, a safetensors file with our header, is not looked at.
    """
    try:
        with open_regular(file) as opened:
            start = opened.read(16)
    except OSError:
        return None
    if zipfile.is_zipfile(file):
        return _kind_of_archive(file)
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") < 1 << 27:
        return SAFETENSORS
    if start.startswith(_TENSORRT):
        return _ENGINE
    if file.suffix.lower() in _OTHERS:
        return _OTHERS[file.suffix.lower()]
    is_tar = file.suffix.lower() == ".tar" or start.startswith(_GZIP)
    return _CHECKPOINT if start.startswith(_PICKLE) or (is_tar and start) else None


def _kind_of_archive(file: Path) -> ForeignKind | None:
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
    except ZIP_FAULTS:
        return None
    if any(name.endswith("/constants.pkl") for name in names):
        return _SCRIPT
    return _CHECKPOINT if any(name.endswith("data.pkl") for name in names) else None
