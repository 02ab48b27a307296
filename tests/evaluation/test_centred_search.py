"""`evaluate(..., centre=)` ranks by centred features, as plain numpy does."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from iics.crops import CropSet
from iics.errors import WeightsError
from iics.evaluation.centred_search import centre_search
from iics.evaluation.evaluate import evaluate
from iics.evaluation.ranked_features import rank_crops
from iics.models.camera_means import CameraMeans

NAMES = ("absent", "hall", "yard", "gate", "shed")
"""Training saw hall and yard; gate has 30 crops in the gallery, shed 26 in the query and 10 in the gallery."""
SIZES = {"query": (0, 20, 20, 5, 26), "gallery": (0, 40, 40, 30, 10)}


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def data():
    generator = np.random.default_rng(0)
    faces, pushes = generator.standard_normal((10, 24)), 2 * generator.standard_normal((5, 24))
    crops, features = {}, {}
    for split, sizes in SIZES.items():
        cameras = np.repeat(np.arange(5), sizes)
        identities = 1 + np.arange(len(cameras)) % 10
        paths = tuple(Path(f"{split}/{number}.png") for number in range(len(cameras)))
        crops[split] = CropSet(paths, cameras, NAMES, identities, name=split)
        noise = generator.standard_normal((len(cameras), 24))
        features[split] = unit(faces[identities - 1] + noise + pushes[cameras])
    trained = unit(pushes[[1, 2]] + 0.1) * 0.6
    return crops, features, CameraMeans(("hall", "yard"), (500, 500), trained, trained.mean(axis=0))


def reference(crops, features, means):
    """Centre plainly: training's mean, else 25 gallery crops', else 25 query crops', else that of all."""
    moved = {}
    for split in ("query", "gallery"):
        centres = []
        for camera in crops[split].camera_ids:
            name = NAMES[camera]
            own = [features[s][crops[s].camera_ids == camera] for s in ("gallery", "query")]
            if name in means.names:
                centres.append(means.means[means.names.index(name)])
            else:
                enough = [rows.mean(axis=0) for rows in own if len(rows) >= 25]
                centres.append(enough[0] if enough else means.of_all)
        moved[split] = unit(features[split] - np.array(centres))
    return moved


def model_of(data, means):
    crops, features, _ = data
    by_name = {id(crops[split]): features[split] for split in crops}
    return SimpleNamespace(embed=lambda asked, progress=None: by_name[id(asked)], camera_means=means, num_features=24)


def test_query_and_gallery_are_centred_as_plain_numpy_does(data):
    crops, features, means = data
    found = centre_search(
        features["query"], features["gallery"], crops["query"], crops["gallery"], means=means, centre="on"
    )
    expected = reference(crops, features, means)
    np.testing.assert_allclose(found.query_features, expected["query"], atol=1e-6)
    np.testing.assert_allclose(found.gallery_features, expected["gallery"], atol=1e-6)
    assert found.choice.notes == (
        "Training saw fewer than 25 crops of cameras gate, shed: centred by the mean of the crops that are here.",
    )


def test_evaluate_measures_centred_features_and_off_by_default(data):
    crops, features, means = data
    model, expected = model_of(data, means), reference(crops, features, means)
    centred = evaluate(model, crops["query"], crops["gallery"], centre="on")
    by_hand = rank_crops(expected["query"], expected["gallery"], crops["query"], crops["gallery"])
    assert centred.mean_ap == pytest.approx(by_hand.mean_ap)
    plain = evaluate(model, crops["query"], crops["gallery"])
    by_hand = rank_crops(features["query"], features["gallery"], crops["query"], crops["gallery"])
    assert plain.mean_ap == pytest.approx(by_hand.mean_ap)
    assert centred.mean_ap > plain.mean_ap + 0.1, "cameras push hard here"


def test_auto_takes_the_better_here_and_tells(data, caplog):
    crops, _, means = data
    with caplog.at_level("INFO"):
        found = evaluate(model_of(data, means), crops["query"], crops["gallery"], centre="auto")
    assert found.mean_ap == evaluate(model_of(data, means), crops["query"], crops["gallery"], centre="on").mean_ap
    assert any("both have to rise" in record.getMessage() for record in caplog.records)


def test_on_without_means_is_refused_and_auto_is_plain(data):
    crops, _, _ = data
    model = model_of(data, None)
    with pytest.raises(WeightsError, match="has no camera means"):
        evaluate(model, crops["query"], crops["gallery"], centre="on")
    plain = evaluate(model, crops["query"], crops["gallery"])
    assert evaluate(model, crops["query"], crops["gallery"], centre="auto").mean_ap == plain.mean_ap
