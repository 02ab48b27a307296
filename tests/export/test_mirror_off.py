"""A model that looks at no mirror images and letterboxes its crops, as a file."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from iics.export.deployed_network import DeployedNetwork
from iics.export.input_form import InputForm
from iics.export.onnx_file import _metadata, check_parity, export_onnx
from iics.export.onnx_model import HEADER, MODEL_CARD, PREPROCESSING, OnnxModel
from iics.models.reid_model import ReidModel

ALONE = InputForm(mirror=False)


@pytest.fixture
def model(aibn_model, thresholds):
    header = replace(aibn_model.header, mirror=False, letterbox=(1, 2, 3), match_thresholds=thresholds)
    return ReidModel(aibn_model.backbone, header, device=aibn_model.device)


def test_the_deployed_network_computes_the_models_features(model, pixels):
    features = DeployedNetwork(model, ALONE)(torch.from_numpy(pixels[:3])).numpy()
    np.testing.assert_allclose(features, model.embed(pixels[:3]), atol=1e-5)


def test_the_file_keeps_thresholds_and_says_how_crops_come_to_their_size(model):
    metadata = _metadata(model, ALONE, "", "")
    assert "match_thresholds" in json.loads(metadata[HEADER])
    how = json.loads(metadata[PREPROCESSING])
    assert (how["fit"], how["letterbox_colour"], how["in_the_graph"]["mirror_averaged"]) == (
        "letterbox",
        [1, 2, 3],
        False,
    )
    assert "filled with red, green, blue 1, 2, 3." in metadata[MODEL_CARD]
    assert "of the crop alone, as the model's are" in metadata[MODEL_CARD]


@pytest.mark.slow
def test_the_file_takes_pictures_into_its_letterbox(model, pixels):
    exported = OnnxModel(export_onnx(model, form=ALONE))
    assert check_parity(model, exported, pixels[:4]) < 1e-4
    pictures = [picture[:40, :30] for picture in pixels[:3]]
    np.testing.assert_allclose(exported.embed(pictures), model.embed(pictures), atol=1e-4)
