"""A file of others that is given as a model is called what it is, with the command that uses it."""

import io
import tarfile
import zipfile

import pytest
import torch
from safetensors.torch import save_file

from iics.errors import WeightsError
from iics.models.file_kinds import foreign_kind
from iics.models.reid_model import load_model
from iics.models.weights import read_weights

STATE = {"conv1.weight": torch.ones(2, 3)}


def checkpoint(file):
    torch.save({"state_dict": STATE}, file)


def old_checkpoint(file):
    torch.save({"state_dict": STATE}, file, _use_new_zipfile_serialization=False)


def torchscript(file):
    with zipfile.ZipFile(file, "w") as archive:
        for name in ("data.pkl", "code/__torch__/net.py", "constants.pkl", "version"):
            archive.writestr(f"net/{name}", b"")


def tar(file):
    with tarfile.open(file, "w") as archive:
        archive.addfile(tarfile.TarInfo("weights"), io.BytesIO())


def start_of(content):
    return lambda file: file.write_bytes(content)


FILES = {
    "net.pth": (checkpoint, "a PyTorch checkpoint", "iics evaluate --weights {file}"),
    "net.pt": (checkpoint, "a PyTorch checkpoint", "iics.load_foreign_weights('{file}'"),
    "model.pth.tar": (checkpoint, "a PyTorch checkpoint", "iics evaluate --weights {file}"),
    "model.pth.tar-60": (old_checkpoint, "a PyTorch checkpoint", "iics evaluate --weights {file}"),
    "pytorch_model.bin": (checkpoint, "a PyTorch checkpoint", "iics evaluate --weights {file}"),
    "last.ckpt": (old_checkpoint, "a PyTorch checkpoint", "iics evaluate --weights {file}"),
    "other.tar": (tar, "a PyTorch checkpoint", "iics evaluate --weights {file}"),
    "renamed.safetensors": (checkpoint, "a PyTorch checkpoint", "iics evaluate --weights {file}"),
    "net.torchscript": (torchscript, "a TorchScript program", "torch.jit.load(FILE).state_dict()"),
    "script.pt": (torchscript, "a TorchScript program", "torch.jit.load(FILE).state_dict()"),
    "net.onnx": (start_of(b"\x08\x09\x12\x07pytorch"), "an ONNX file", "OnnxModel(FILE)"),
    "net.engine": (start_of(b"ftrt\x00\x00\x00\x00 engine"), "a TensorRT engine", "it was made from"),
    "net.trt": (start_of(b"\x00" * 32), "a TensorRT engine", "it was made from"),
    "net.tflite": (start_of(b"\x1c\x00\x00\x00TFL3"), "a TensorFlow Lite file", "Needed is a PyTorch checkpoint"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_others_is_named_with_the_way_to_use_it(name, tmp_path):
    write, kind, way_out = FILES[name]
    write(tmp_path / name)
    with pytest.raises(WeightsError) as raised:
        load_model(tmp_path / name)
    message = str(raised.value)
    assert message.startswith(f"{tmp_path / name} is {kind}, not a model that iics saved. ")
    assert way_out.format(file=tmp_path / name) in message
    assert "damaged" not in message


def test_safetensors_of_others_are_named_with_the_way_to_use_them(tmp_path):
    save_file(STATE, tmp_path / "model.safetensors")
    with pytest.raises(WeightsError, match=r"has no iics header; .* Measure it by: iics evaluate --weights "):
        load_model(tmp_path / "model.safetensors")


@pytest.mark.parametrize("name", ["net.torchscript", "net.onnx", "net.engine"])
def test_what_holds_no_weights_by_name_is_refused_as_weights_too(name, tmp_path):
    write, kind, way_out = FILES[name]
    write(tmp_path / name)
    with pytest.raises(WeightsError, match=rf"is {kind}, which holds no weights by name\.") as raised:
        read_weights(tmp_path / name)
    assert way_out in str(raised.value)


def test_weights_of_a_renamed_checkpoint_are_read_all_the_same(tmp_path):
    checkpoint(tmp_path / "odd.bin")
    assert read_weights(tmp_path / "odd.bin").keys() == STATE.keys()


def test_noise_is_no_kind_of_file(tmp_path):
    (tmp_path / "noise").write_bytes(b"no weights at all" * 50)
    assert foreign_kind(tmp_path / "noise") is None
    assert foreign_kind(tmp_path / "missing") is None


def test_a_network_stored_whole_is_named_with_its_class_and_not_unpickled(tmp_path):
    torch.save(torch.nn.Sequential(torch.nn.Linear(2, 2)), tmp_path / "whole.pth")
    with pytest.raises(
        WeightsError, match=r"It asks for torch\.nn\.\S+Sequential\. Store its state dict alone"
    ) as raised:
        read_weights(tmp_path / "whole.pth")
    assert "torch.save(network.state_dict(), 'weights.pth')" in str(raised.value)


def test_weights_that_are_no_numbers_are_refused(tmp_path):
    torch.save({"conv1.weight": torch.tensor([1.0, float("inf")])}, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=r"w\.pth holds NaN or infinite weights \(conv1\.weight\)"):
        read_weights(tmp_path / "w.pth")
