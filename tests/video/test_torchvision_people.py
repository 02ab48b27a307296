"""torchvision's detectors: people among what they find; refused where their operators do not load."""

import importlib

import cv2
import numpy as np
import pytest
import torch

from iics.errors import VideoError, WeightsError
from iics.models.torchvision_import import import_torchvision
from iics.video import torchvision_people
from iics.video.detectors import DETECTORS, DetectorOptions
from iics.video.torchvision_people import check_operators, people_of, torchvision_detector

NUM_CLASSES, PERSON = 91, 1
NAME = "ssdlite320_mobilenet_v3_large"
PIXELS = np.random.default_rng(0).integers(0, 255, (60, 80, 3)).astype(np.uint8)


def has_operators():
    try:
        check_operators()
    except VideoError:
        return False
    return True


needs_operators = pytest.mark.skipif(not has_operators(), reason="torchvision's compiled operators do not load")


@pytest.fixture
def plain_operators(monkeypatch):
    """Let detectors run without compiled operators: the check passes, and OpenCV suppresses boxes."""
    import_torchvision()
    boxes_module = importlib.import_module("torchvision.ops.boxes")

    def nms(boxes, scores, iou_threshold):
        sizes = torch.cat([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], dim=1)
        kept = cv2.dnn.NMSBoxes(sizes.tolist(), scores.tolist(), 0.0, iou_threshold)
        return torch.tensor(np.array(kept), dtype=torch.int64)

    monkeypatch.setattr(boxes_module, "nms", nms)
    monkeypatch.setattr(torchvision_people, "check_operators", lambda: None)


def saved(tmp_path, name=NAME):
    import_torchvision()
    torch.manual_seed(0)
    network = getattr(importlib.import_module("torchvision.models.detection"), name)(
        weights=None, weights_backbone=None
    )
    state = network.state_dict()
    for key in [key for key in state if "classification_head" in key and state[key].numel() % NUM_CLASSES == 0]:
        if key.endswith(".bias"):
            state[key].view(-1, NUM_CLASSES)[:, PERSON] = 4.0  # else no class stands out
    file = tmp_path / "weights.pth"
    torch.save(state, file)
    return file


def test_of_what_a_network_finds_people_are_kept_as_left_top_width_height():
    def network(pictures):
        (picture,) = pictures
        assert picture.shape == (3, 60, 80)
        assert float(picture.max()) <= 1
        boxes = torch.tensor([[1.0, 2, 11, 22], [3, 4, 5, 6], [10, 20, 40, 60]])
        return [{"boxes": boxes, "labels": torch.tensor([1, 18, 1]), "scores": torch.tensor([0.9, 0.8, 0.25])}]

    found = people_of(network, device="cpu")(PIXELS)
    assert found.boxes.tolist() == [[1, 2, 10, 20], [10, 20, 30, 40]]
    assert found.confidences.tolist() == [pytest.approx(0.9), 0.25]


def check_runs(tmp_path):
    detect = torchvision_detector(NAME, weights=saved(tmp_path), device="cpu")
    found, again = detect(PIXELS), detect(PIXELS)
    assert len(found) > 0
    assert found.boxes.shape == (len(found), 4)
    assert (found.boxes[:, 2:] >= 0).all()
    np.testing.assert_array_equal(found.boxes, again.boxes)


def test_a_detector_of_torchvision_runs(tmp_path, plain_operators):
    check_runs(tmp_path)


@needs_operators
def test_a_detector_of_torchvision_runs_with_its_own_operators(tmp_path):
    check_runs(tmp_path)


def test_every_detector_of_torchvision_exists_with_weights_to_download():
    import_torchvision()
    models = importlib.import_module("torchvision.models")
    for name in DETECTORS.keys() - {"hog"}:
        assert models.get_model_weights(name).DEFAULT.url.startswith("https://")
        assert models.get_model_weights(name).DEFAULT.meta["categories"][1] == "person"


@pytest.mark.skipif(has_operators(), reason="torchvision's compiled operators load here")
def test_operators_that_do_not_load_are_named():
    message = r"^The compiled operators of torchvision \S+ do not load beside torch \S+; .* or use --detector hog\.$"
    with pytest.raises(VideoError, match=message):
        DETECTORS[NAME].build(DetectorOptions(min_height=64, weights=None, device="cpu"))


def test_weights_of_another_network_and_missing_weights_are_refused(tmp_path, plain_operators):
    other = tmp_path / "other.pth"
    torch.save({"weight": torch.zeros(1)}, other)
    with pytest.raises(WeightsError, match=rf"^The weights in {other} do not fit {NAME}: .* Choose the --detector"):
        torchvision_detector(NAME, weights=other, device="cpu")
    with pytest.raises(WeightsError, match=rf"^There is no file of weights at {tmp_path}/no\.pth\.$"):
        torchvision_detector(NAME, weights=tmp_path / "no.pth", device="cpu")


def test_a_download_that_fails_says_where_the_weights_are(plain_operators, monkeypatch):
    def fail(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", fail)
    monkeypatch.setattr(importlib.import_module("torchvision.models._api"), "load_state_dict_from_url", fail)
    with pytest.raises(WeightsError, match=r"\(no network\)\. Fetch https://\S+\.pth elsewhere .*--detector-weights"):
        torchvision_detector(NAME, weights=None, device="cpu")
