"""Eight bits: nearly the same features from convolutions on whole numbers."""

import json
from dataclasses import asdict

import numpy as np
import onnx
import pytest

from iics.export.input_form import TOOLS
from iics.export.int8 import quantised
from iics.export.onnx_model import OnnxModel


@pytest.fixture(scope="module")
def small(exported, pixels):
    return quantised(exported, pixels)


def test_features_point_nearly_the_same_way_but_not_exactly(small, exported, pixels):
    features = OnnxModel(small, threads=1).embed(pixels)
    cosines = (features * OnnxModel(exported, threads=1).embed(pixels)).sum(axis=1)
    assert 0.98 < cosines.min() < 0.99999999
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, atol=1e-5)


def test_every_convolution_has_weights_of_eight_bits(small):
    graph = onnx.load_from_string(small).graph
    types = {initializer.name: initializer.data_type for initializer in graph.initializer}
    sources = {node.output[0]: node for node in graph.node}
    weights = [sources[node.input[1]] for node in graph.node if node.op_type == "Conv"]
    assert len(weights) == 20
    assert {types[dequantise.input[0]] for dequantise in weights} == {onnx.TensorProto.INT8}


def test_the_file_is_about_a_quarter_as_large(small, exported):
    assert len(small) < 0.27 * len(exported)


def test_the_metadata_are_kept_and_the_card_says_what_the_file_is(small, exported):
    whole, eight_bits = (OnnxModel(file, threads=1).metadata for file in (exported, small))
    own = {"model_card": "", "contents": ""}
    assert {**eight_bits, **own} == {**whole, **own}
    assert eight_bits["contents"] != whole["contents"]
    assert eight_bits["model_card"].startswith(whole["model_card"] + "\n\nThis file is a form of the model with")


def test_thresholds_of_the_float_model_are_not_those_of_its_int8_form(exported, pixels, thresholds):
    model = onnx.load_from_string(exported)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    header = json.loads(metadata["iics"]) | {"match_thresholds": asdict(thresholds)}
    onnx.helper.set_model_props(model, metadata | {"iics": json.dumps(header)})
    found = OnnxModel(quantised(model.SerializeToString(), pixels), threads=1)
    assert found.header == json.loads(metadata["iics"])


def test_float_forms_are_calibrated_in_their_own_range(for_opencv, pixels):
    small = OnnxModel(quantised(for_opencv, pixels), threads=1)
    assert small.form == TOOLS["opencv"]
    cosines = (small.embed(pixels) * OnnxModel(for_opencv, threads=1).embed(pixels)).sum(axis=1)
    assert 0.98 < cosines.min() < 0.99999999
