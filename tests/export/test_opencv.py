"""OpenCV's own network module reads what is exported for it: no other runtime is needed."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from iics.export.input_form import TOOLS
from iics.export.onnx_file import TOLERANCE, export_onnx, unmirrored_features
from iics.layers.normalization import norm_layers
from iics.model_settings import ModelSettings
from iics.models.reid_model import create_model

cv2 = pytest.importorskip("cv2")


def run_by_opencv(content, pixels):
    """Return what `cv2.dnn` computes of crops that lie in memory as OpenCV reads them: blue first."""
    network = cv2.dnn.readNetFromONNX(np.frombuffer(content, dtype=np.uint8))
    _, height, width, _ = pixels.shape
    network.setInput(cv2.dnn.blobFromImages(list(pixels[..., ::-1]), size=(width, height)), "images")
    return network.forward()


@pytest.mark.parametrize("count", [1, 5])
def test_features_are_those_of_torch_mirror_images_and_aibn_included(aibn_model, for_opencv, pixels, count):
    features = run_by_opencv(for_opencv, pixels[:count])
    np.testing.assert_allclose(features, aibn_model.embed(pixels[:count]), rtol=0, atol=TOLERANCE)


def test_without_mirror_features_are_those_of_the_crops_alone(aibn_model, without_mirror, pixels):
    features = run_by_opencv(without_mirror, pixels[:3])
    np.testing.assert_allclose(features, unmirrored_features(aibn_model, pixels[:3]), rtol=0, atol=TOLERANCE)
    assert np.abs(features - aibn_model.embed(pixels[:3])).max() > 10 * TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("mirror", [True, False])
@pytest.mark.parametrize("norm", ["bn", "in", "ibn", "aibn"])
@pytest.mark.parametrize("backbone", ["efficientnet_lite0", "resnet18", "resnet50"])
def test_every_backbone_and_norm_runs_in_opencv(backbone, norm, mirror, pixels):
    torch.manual_seed(0)
    settings = ModelSettings(backbone=backbone, weights="none", norm=norm, height=64, width=32)
    model = create_model(settings, device=torch.device("cpu"))
    for layer in norm_layers(model.backbone):
        layer.running_mean.normal_().mul_(0.1)
        layer.running_var.uniform_(0.5, 2.0)
    content = export_onnx(model, form=replace(TOOLS["opencv"], mirror=mirror))
    expected = model.embed(pixels[:3]) if mirror else unmirrored_features(model, pixels[:3])
    np.testing.assert_allclose(run_by_opencv(content, pixels[:3]), expected, rtol=0, atol=TOLERANCE)
