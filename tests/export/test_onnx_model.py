"""Opening exported files, and what is refused."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image

from iics.errors import ExportError
from iics.export.onnx_model import OnnxModel


@pytest.fixture(scope="module")
def opened(exported, tmp_path_factory):
    file = tmp_path_factory.mktemp("onnx") / "modèle 1.onnx"
    file.write_bytes(exported)
    return OnnxModel(file, threads=1)


def test_size_and_length_come_from_the_file(opened):
    assert (opened.height, opened.width, opened.num_features) == (64, 32, 512)


def test_pictures_are_resized_as_the_model_does(opened, aibn_model, pixels):
    pictures = [Image.fromarray(crop).resize((50, 90)) for crop in pixels[:3]]
    np.testing.assert_allclose(opened.embed(pictures), aibn_model.embed(pictures), rtol=0, atol=1e-4)


def test_progress_counts_crops(opened, pixels):
    counts = []
    opened.embed(pixels[:5], batch_size=2, progress=counts.append)
    assert counts == [2, 2, 1]


def test_no_crops_are_refused(opened, pixels):
    with pytest.raises(ValueError, match=r"^Pass at least one crop\.$"):
        opened.embed(pixels[:0])


@pytest.mark.parametrize("wrong", [np.zeros((2, 32, 64, 3), np.uint8), np.zeros((2, 64, 32, 3), np.float32)])
def test_pixels_of_another_size_or_type_are_refused(opened, wrong):
    with pytest.raises(ValueError, match=r"^Pixels must be uint8 of shape \(n, 64, 32, 3\), got "):
        opened.embed(wrong)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ExportError, match=r"^There is no file .*gone\.onnx; iics export writes one\.$"):
        OnnxModel(tmp_path / "gone.onnx")


@pytest.mark.parametrize("length", [0, 1000, -20])
def test_a_damaged_file_is_named(exported, tmp_path, length):
    file = tmp_path / "torn.onnx"
    file.write_bytes(exported[:length])
    with pytest.raises(ExportError, match=r"torn\.onnx is (no ONNX file or is damaged: |not as iics export wrote)"):
        OnnxModel(file)


@pytest.mark.parametrize("place", [0.01, 0.3, 0.6, 0.9, 0.99])
def test_a_flipped_bit_is_noticed(exported, tmp_path, place):
    content = bytearray(exported)
    content[int(place * len(content))] ^= 4
    (tmp_path / "flipped.onnx").write_bytes(content)
    with pytest.raises(ExportError, match=r"flipped\.onnx is not as iics export wrote it: "):
        OnnxModel(tmp_path / "flipped.onnx")


@pytest.mark.parametrize("key", ["preprocessing", "iics", "contents"])
def test_metadata_that_was_changed_is_noticed(exported, key):
    model = onnx.load_from_string(exported)
    entry = next(entry for entry in model.metadata_props if entry.key == key)
    entry.value = f"{entry.value[:-1]}{'0' if entry.value[-1] != '0' else '1'}"
    with pytest.raises(ExportError, match="The exported model is not as iics export wrote it"):
        OnnxModel(model.SerializeToString())


def test_a_file_without_a_hash_of_an_older_version_or_another_program_is_read_as_far_as_it_can_be(exported):
    model = onnx.load_from_string(exported)
    kept = {entry.key: entry.value for entry in model.metadata_props if entry.key != "contents"}
    helper.set_model_props(model, kept)
    assert OnnxModel(model.SerializeToString()).num_features == 512
    helper.set_model_props(model, {**kept, "preprocessing": kept["preprocessing"][:-9]})
    with pytest.raises(ExportError, match="The exported model is damaged: it does not say how crops go into it"):
        OnnxModel(model.SerializeToString())


def test_a_folder_in_place_of_a_file_is_named(tmp_path):
    with pytest.raises(ExportError, match=r"cannot be read: it is a folder, no regular file\.$"):
        OnnxModel(tmp_path)


def test_a_file_of_another_program_is_refused(tmp_path):
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "g",
        [value],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])],
    )
    file = tmp_path / "theirs.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), file)
    with pytest.raises(ExportError, match=r"theirs\.onnx was not written by iics export"):
        OnnxModel(file)


def test_without_onnxruntime_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ExportError, match=r"needs the package onnxruntime: pip install 'iics\[export\]'\.$"):
        OnnxModel(b"")


def test_models_in_a_trackers_program_ask_for_no_other_machine(exported, aibn_model, watched_process, tmp_path):
    (tmp_path / "model.onnx").write_bytes(exported)
    aibn_model.save(tmp_path / "model.safetensors")
    script = (
        "from types import SimpleNamespace as Detections\n"
        "import numpy as np\n"
        "import iics\n"
        "from iics.export.onnx_model import OnnxModel\n"
        "frame, boxes = np.zeros((90, 90, 3), np.uint8), Detections(xyxy=np.array([[0, 0, 20, 40]]))\n"
        "for model in (OnnxModel('model.onnx'), iics.load_model('model.safetensors')):\n"
        "    assert iics.embed_detections(model, frame, boxes, channels='bgr').shape == (1, 512)\n"
    )
    done = watched_process.watch(["-c", script], tmp_path)
    assert (done.code, done.lookups, done.connections, done.left_at_home) == (0, [], [], set()), done.stderr
