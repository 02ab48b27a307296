"""The exported file computes what the model does, and says what goes into it."""

import json
import re
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from iics.errors import ExportError
from iics.export import onnx_file, onnx_model
from iics.export.input_form import TOOLS, InputForm
from iics.export.onnx_file import OPSET, TOLERANCE, check_parity, drawn_crops, export_onnx
from iics.export.onnx_model import OnnxModel
from iics.layers.normalization import AdaptiveInstanceBatchNorm2d, norm_layers
from iics.model_settings import ModelSettings
from iics.models.model_header import header_values
from iics.models.network_parts import FeatureNorm, GeneralisedMean
from iics.models.reid_model import create_model


@pytest.fixture(scope="module")
def opened(exported):
    return OnnxModel(exported, threads=1)


@pytest.mark.parametrize("count", [1, 3, 40])
def test_features_are_those_of_torch_for_any_number_of_crops(opened, aibn_model, pixels, count):
    features = opened.embed(pixels[:count])
    assert (features.shape, features.dtype) == ((count, 512), np.float32)
    np.testing.assert_allclose(features, aibn_model.embed(pixels[:count]), rtol=0, atol=TOLERANCE)


@pytest.mark.slow
def test_gem_pooling_and_the_neck_come_along(pixels):
    torch.manual_seed(0)
    settings = ModelSettings(
        backbone="test_efficientnet", weights="none", height=64, width=32, pooling="gem", neck="batchnorm"
    )
    model = create_model(settings, device=torch.device("cpu"))
    (pooling,) = (layer for layer in model.backbone.modules() if isinstance(layer, GeneralisedMean))
    pooling.p.data.fill_(2.3)
    model.backbone.train()(torch.randn(8, 3, 64, 32))  # the neck's statistics move
    (neck,) = (layer for layer in model.backbone.modules() if isinstance(layer, FeatureNorm))
    neck.norm.weight.data.uniform_(0.5, 2)
    model.backbone.eval()
    found = OnnxModel(export_onnx(model), threads=1).embed(pixels)
    np.testing.assert_allclose(found, model.embed(pixels), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize(
    ("name", "norm"),
    [
        ("test_vit", "own"),
        pytest.param("test_resnet", "aibn", marks=pytest.mark.slow),
        *(
            pytest.param(name, norm, marks=pytest.mark.slow)
            for name, norm in [("mobilenetv2_100", "aibn"), ("test_convnext", "own"), ("vit_small_patch16_224", "own")]
        ),
    ],
)
def test_transformers_and_cnns_are_exported_as_they_compute(name, norm, pixels):
    torch.manual_seed(0)
    settings = ModelSettings(backbone=name, weights="none", norm=norm, height=64, width=32)
    model = create_model(settings, device=torch.device("cpu"))
    found = OnnxModel(export_onnx(model), threads=1).embed(pixels[:5])
    np.testing.assert_allclose(found, model.embed(pixels[:5]), rtol=0, atol=TOLERANCE)


def test_features_do_not_depend_on_the_crops_beside_them(opened, pixels):
    np.testing.assert_allclose(opened.embed(pixels, batch_size=7), opened.embed(pixels), rtol=0, atol=1e-5)


def test_the_file_states_its_opset_and_uses_no_operators_of_others(exported):
    proto = onnx.load_from_string(exported)
    assert [(opset.domain, opset.version) for opset in proto.opset_import] == [("", OPSET)]
    onnx.checker.check_model(proto, full_check=True)


def test_no_reduction_is_used_that_small_runtimes_take_over_the_whole_batch(exported):
    found = {node.op_type for node in onnx.load_from_string(exported).graph.node if node.op_type.startswith("Reduce")}
    assert found == {"ReduceMean", "ReduceSum"}, "MNN 3.6 forgets the axes of ReduceL2 and others"


def test_the_file_does_not_tell_where_it_was_made(exported):
    assert str(Path(onnx_file.__file__).parent).encode() not in exported
    assert str(Path(torch.__file__).parent.parent).encode() not in exported
    assert b"stack_trace" not in exported


def test_input_and_output_have_names_and_shapes(exported):
    graph = onnx.load_from_string(exported).graph
    (taken,), (given,) = graph.input, graph.output
    sizes = [[dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in (taken, given)]
    assert (taken.name, given.name) == ("images", "features")
    assert sizes == [["crops", 64, 32, 3], ["crops", 512]]
    assert taken.type.tensor_type.elem_type == onnx.TensorProto.UINT8


def test_the_metadata_say_what_goes_in_and_what_the_model_is(opened, aibn_model):
    assert opened.header == json.loads(json.dumps(header_values(aibn_model.header)))
    preprocessing = json.loads(opened.metadata["preprocessing"])
    assert preprocessing["channels"] == "RGB"
    assert (preprocessing["height"], preprocessing["width"], preprocessing["resize"]) == (64, 32, "bicubic")
    assert preprocessing["in_the_graph"]["mean"] == list(aibn_model.header.mean)
    assert opened.metadata["model_card"] == (
        "# A card\n\n## This ONNX file\n\nInput `images`: (n, 64, 32, 3) uint8 RGB; crops resized to 64 x 32 (height x "
        "width) pixels, any number of them.\nOutput `features`: float32, rows of length 1, averaged over the crop and "
        "its mirror image.\n"
    )


def test_a_file_for_opencv_takes_float_pixels_blue_first(for_opencv, aibn_model, pixels):
    (taken,) = onnx.load_from_string(for_opencv).graph.input
    sizes = [dim.dim_param or dim.dim_value for dim in taken.type.tensor_type.shape.dim]
    assert (taken.name, sizes, taken.type.tensor_type.elem_type) == ("images", ["crops", 3, 64, 32], 1)
    opened = OnnxModel(for_opencv, threads=1)
    assert (opened.form, opened.height, opened.width) == (TOOLS["opencv"], 64, 32)
    assert opened.metadata["model_card"].startswith(
        "## This ONNX file\n\nInput `images`: (n, 3, 64, 32) float32 BGR, 0 "
    )
    for count in (1, 3, 40):
        np.testing.assert_allclose(
            opened.embed(pixels[:count]), aibn_model.embed(pixels[:count]), rtol=0, atol=TOLERANCE
        )
    assert check_parity(aibn_model, opened, pixels[:2]) < TOLERANCE


@pytest.mark.slow
def test_a_file_without_mirror_says_so_has_no_thresholds_and_is_compared_with_the_crops_alone(
    without_mirror, aibn_model, pixels
):
    opened = OnnxModel(without_mirror, threads=1)
    assert json.loads(opened.metadata["preprocessing"])["in_the_graph"]["mirror_averaged"] is False
    assert "match_thresholds" not in opened.header
    assert (
        "of the crop alone, not averaged over the crop and its mirror image as results and"
        in opened.metadata["model_card"]
    )
    assert check_parity(aibn_model, opened, pixels[:3]) < TOLERANCE


def test_the_card_of_a_normalised_input_states_the_formula(aibn_model):
    card = onnx_file._metadata(aibn_model, TOOLS["boxmot"], "", "")["model_card"]
    formula = "(pixel / 255 - mean) / std with mean (0.485, 0.456, 0.406) and std (0.229, 0.224, 0.225) of red, green"
    assert formula in card


def test_another_models_features_are_refused(opened, aibn_model, pixels):
    other = create_model(
        ModelSettings(backbone="resnet18", weights="none", height=64, width=32), device=torch.device("cpu")
    )
    assert check_parity(aibn_model, opened, pixels[:2]) < TOLERANCE
    with pytest.raises(ExportError, match=r"^The exported graph does not compute what the model does: features differ"):
        check_parity(other, opened, pixels[:2])


def test_features_that_are_no_numbers_are_refused(opened, aibn_model, pixels):
    class Broken:
        def embed(self, crops):
            return np.full((len(crops), 512), np.nan, dtype=np.float32)

    with pytest.raises(ExportError, match="features differ by nan"):
        check_parity(Broken(), opened, pixels[:2])


def test_drawn_crops_differ(aibn_model):
    crops = drawn_crops(64, 32, count=3)
    assert (crops.shape, crops.dtype) == ((3, 64, 32, 3), np.uint8)
    features = aibn_model.embed(crops)
    assert (features @ features.T)[np.triu_indices(3, 1)].max() < 0.9999


@pytest.mark.parametrize("package", onnx_model.PACKAGES)
def test_a_missing_package_is_named(aibn_model, monkeypatch, package):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == package else object())
    message = f"Exporting needs the package {package}: pip install 'iics[export]'."
    with pytest.raises(ExportError, match=f"^{re.escape(message)}$"):
        export_onnx(aibn_model)


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["bn", "in", "ibn", "aibn"])
@pytest.mark.parametrize("backbone", ["efficientnet_lite0", "resnet18", "resnet50"])
@pytest.mark.parametrize("is_fresh", [True, False])
def test_every_backbone_and_norm_is_exported_as_it_computes(backbone, norm, is_fresh, pixels):
    torch.manual_seed(0)
    settings = ModelSettings(backbone=backbone, weights="none", norm=norm, height=64, width=32)
    model = create_model(settings, device=torch.device("cpu"))
    for number, layer in enumerate(norm_layers(model.backbone) if not is_fresh else []):
        layer.running_mean.normal_().mul_(0.1)
        layer.running_var.uniform_(0.5, 2.0)
        if isinstance(layer, AdaptiveInstanceBatchNorm2d) and norm == "aibn":
            layer.mix.alpha.data.fill_(0.05 * number - 0.2)
    form = InputForm() if is_fresh else TOOLS["boxmot"]
    opened = OnnxModel(export_onnx(model, form=form), threads=1)
    for count in (1, 3, 40):
        np.testing.assert_allclose(opened.embed(pixels[:count]), model.embed(pixels[:count]), rtol=0, atol=TOLERANCE)
