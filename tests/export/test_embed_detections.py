"""Boxes of a frame get features in their order; what has no area is refused."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import supervision
from PIL import Image

import iics
from iics.errors import DataError
from iics.export.embed_detections import embed_detections
from iics.export.onnx_model import OnnxModel


@pytest.fixture(scope="module")
def frame():
    """An RGB frame of 200 x 120 pixels, no two places alike."""
    return np.random.default_rng(0).integers(0, 256, (120, 200, 3), dtype=np.uint8)


def detections(*corners):
    return supervision.Detections(xyxy=np.array(corners, dtype=np.float32).reshape(-1, 4))


def test_features_are_those_of_the_crops_in_the_order_of_the_detections(aibn_model, frame):
    found = detections((100, 20, 140, 100), (10, 5, 42, 69))
    features = embed_detections(aibn_model, frame, found, channels="rgb")
    picture = Image.fromarray(frame)
    crops = [picture.crop((100, 20, 140, 100)), picture.crop((10, 5, 42, 69))]
    np.testing.assert_array_equal(features, aibn_model.embed(crops))


def test_bgr_frames_give_the_same_features_if_they_are_called_so(aibn_model, frame):
    found = detections((10, 5, 42, 69))
    rgb = embed_detections(aibn_model, frame, found, channels="rgb")
    np.testing.assert_array_equal(embed_detections(aibn_model, frame[..., ::-1], found, channels="bgr"), rgb)
    assert np.abs(embed_detections(aibn_model, frame, found, channels="bgr") - rgb).max() > 1e-4


def test_the_channels_must_be_said(aibn_model, frame):
    with pytest.raises(TypeError, match="channels"):
        embed_detections(aibn_model, frame, detections())
    with pytest.raises(ValueError, match=r"^channels must be 'bgr' or 'rgb', got 'BGR'\.$"):
        embed_detections(aibn_model, frame, detections(), channels="BGR")


def test_boxes_are_cut_off_at_the_frame(aibn_model, frame):
    outside = embed_detections(aibn_model, frame, detections((-30, -10, 42.3, 300)), channels="rgb")
    inside = embed_detections(aibn_model, frame, detections((0, 0, 42, 120)), channels="rgb")
    np.testing.assert_array_equal(outside, inside)


def test_an_exported_model_serves_as_well(aibn_model, exported, frame):
    found = detections((100, 20, 140, 100), (10, 5, 42, 69))
    expected = embed_detections(aibn_model, frame, found, channels="bgr")
    features = embed_detections(OnnxModel(exported, threads=1), frame, found, channels="bgr")
    np.testing.assert_allclose(features, expected, rtol=0, atol=1e-4)


def test_no_detections_have_no_features(aibn_model, frame):
    features = embed_detections(aibn_model, frame, supervision.Detections.empty(), channels="bgr")
    assert (features.shape, features.dtype) == ((0, 512), np.float32)


@pytest.mark.parametrize(
    "box",
    [(250, 5, 300, 69), (10, 5, 10.2, 69), (42, 5, 10, 69), (-20, -20, -1, -1), (np.nan, 5, 42, 69), (0, 0, np.inf, 9)],
)
def test_a_box_without_area_in_the_frame_is_named(aibn_model, frame, box):
    text = ", ".join(f"{value:g}" for value in box)
    with pytest.raises(DataError) as caught:
        # supervision.Detections of some versions takes no such numbers itself
        embed_detections(aibn_model, frame, SimpleNamespace(xyxy=np.array([(10, 5, 42, 69), box])), channels="bgr")
    assert str(caught.value) == (
        f"Detection 1 (left, top, right, bottom {text}) has no area within the frame of 200 x 120 pixels. Leave such "
        "detections out before features are computed."
    )


def test_of_many_boxes_without_area_the_first_is_named_and_the_others_counted(aibn_model, frame):
    with pytest.raises(DataError, match=r"^Detection 0 .* pixels, nor have 2 others\."):
        embed_detections(aibn_model, frame, detections(*[(250, 5, 300, 69)] * 3), channels="bgr")


@pytest.mark.parametrize(
    "wrong", [np.zeros((120, 200), np.uint8), np.zeros((120, 200, 3)), np.zeros((1, 9, 9, 3), np.uint8)]
)
def test_what_is_no_frame_is_refused(aibn_model, wrong):
    with pytest.raises(ValueError, match=r"^A frame must be uint8 of shape \(h, w, 3\), got "):
        embed_detections(aibn_model, wrong, detections((1, 1, 5, 5)), channels="bgr")


def test_boxes_of_another_shape_are_refused(aibn_model, frame):
    with pytest.raises(
        ValueError, match=r"^Boxes must be left, top, right, bottom, of shape \(n, 4\), got \(2, 5\)\.$"
    ):
        embed_detections(aibn_model, frame, SimpleNamespace(xyxy=np.zeros((2, 5))), channels="bgr")


def test_it_is_a_public_name():
    assert iics.embed_detections is embed_detections
