"""`--centre off|on|auto`, as users type it: evaluate, embed, index, search, export."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from iics.models.reid_model import load_model


@pytest.fixture(scope="module")
def model_file(trained):
    return trained[0] / "model.safetensors"


@pytest.fixture(scope="module")
def cameras(folder_people, tmp_path_factory):
    """Camera folders door and hall, which training did not see, of 26 and 6 crops."""
    root = tmp_path_factory.mktemp("crops") / "cameras"
    for name, count in (("door", 26), ("hall", 6)):
        (root / name).mkdir(parents=True)
        files = sorted((folder_people / name).iterdir())
        for number in range(count):
            shutil.copy(files[number % len(files)], root / name / f"{number:02d}.png")
    return root


@pytest.fixture(scope="module")
def gallery(iics, model_file, cameras):
    place = cameras.parent / "people.db"
    finished = iics("index", place, cameras, "--model", model_file)
    assert finished.code == 0, finished.stderr
    return place


def centred_by_hand(features, names, means):
    """Return features less the mean of door's own crops, and of all training cameras for hall, which has too few."""
    names = np.array(names)
    centres = {"door": features[names == "door"].mean(axis=0), "hall": means.of_all}
    moved = features - np.array([centres[name] for name in names])
    return moved / np.linalg.norm(moved, axis=1, keepdims=True)


def embedded(iics, out, *arguments):
    finished = iics("embed", *arguments, "--out", out)
    assert finished.code == 0, finished.stderr
    return np.load(out)


def told(caplog, words):
    """Return how often a message with these words was logged; the log is on standard error."""
    return sum(words in message for message in caplog.messages)


def test_embed_centres_by_folder_and_tells_of_unseen_cameras(iics, model_file, cameras, tmp_path, caplog):
    plain = embedded(iics, tmp_path / "plain.npz", model_file, cameras)
    found = embedded(iics, tmp_path / "centred.npz", model_file, cameras, "--centre", "on")
    assert list(plain) == ["features", "paths"]
    assert found["is_centred"]
    assert list(found["cameras"]) == ["door"] * 26 + ["hall"] * 6
    expected = centred_by_hand(plain["features"], found["cameras"], load_model(model_file).camera_means)
    np.testing.assert_allclose(found["features"], expected, atol=1e-5)
    assert told(caplog, "Training saw fewer than 25 crops of camera door") == 1
    assert told(caplog, "Training saw fewer than 25 crops of camera hall (6 here), too few for a mean") == 1


def test_embed_needs_to_know_the_camera(iics, refusal, model_file, cameras, tmp_path):
    out = ("--out", tmp_path / "x.npz")
    message = refusal("embed", model_file, cameras / "door", *out, "--centre", "on")
    assert message.startswith("Which camera took ")
    assert message.endswith("--centre needs it: name a folder of camera folders, or --camera NAME.")
    found = embedded(iics, tmp_path / "x.npz", model_file, cameras / "hall", "--centre", "on", "--camera", "hall")
    assert set(found["cameras"]) == {"hall"}
    assert refusal("embed", model_file, cameras, *out, "--camera", "hall") == (
        "--camera says what --centre takes off; add it, or leave it out."
    )


def test_search_ranks_a_gallery_by_centred_features_without_thresholds(iics, model_file, cameras, gallery, caplog):
    model = load_model(model_file)
    finished = iics(
        "search", gallery, cameras / "door" / "03.png", "--centre", "on", "--query-camera", "door", "--json"
    )
    assert finished.code == 0, finished.stderr
    found = json.loads(finished.stdout)
    files = sorted(cameras.glob("*/*.png"))
    features, names = model.embed(files), [file.parent.name for file in files]
    moved = centred_by_hand(features, names, model.camera_means)
    similarity = np.sort(moved @ moved[files.index(cameras / "door" / "03.png")])[::-1]
    np.testing.assert_allclose([match["similarity"] for match in found["matches"]], similarity[:10], atol=1e-4)
    assert found["thresholds"] is None
    assert found["thresholds_note"].startswith("Features are centred by camera")
    assert found["centre"]["is_centred"]
    assert told(caplog, "Training saw fewer than 25 crops of camera door") == 1
    table = iics("search", gallery, cameras / "door" / "03.png", "--centre", "on")
    assert "not calibrated" not in table.stdout
    assert "Features are centred by camera, and thresholds are measured on plain ones" in " ".join(table.stdout.split())
    assert told(caplog, "The query's camera is not known") == 1
    plain = json.loads(iics("search", gallery, cameras / "door" / "03.png", "--json").stdout)
    assert "centre" not in plain


def test_index_decides_how_its_gallery_is_searched(iics, model_file, cameras, tmp_path, caplog):
    place = tmp_path / "decided.db"
    index = ["index", place, cameras, "--model", model_file]
    search = ["search", place, cameras / "hall" / "01.png", "--json"]
    assert iics(*index, "--centre", "on").code == 0
    assert json.loads(iics(*search).stdout)["centre"]["is_centred"]
    assert "centre" not in json.loads(iics(*search, "--centre", "off").stdout)
    assert iics(*index).code == 0
    assert json.loads(iics(*search).stdout)["centre"]["is_centred"], "indexing again changes nothing that was said"
    assert iics(*index, "--centre", "auto").code == 0
    assert told(caplog, "both have to rise") == 1
    decided = json.loads(iics(*search).stdout)["centre"]
    assert decided["centre"] == "auto"
    assert 0 <= decided["partners"] <= 1
    assert iics(*index, "--centre", "off").code == 0
    assert "centre" not in json.loads(iics(*search).stdout)


def test_a_model_without_means_cannot_centre(iics, refusal, model_file, cameras, market_people, gallery, tmp_path):
    old = tmp_path / "old.safetensors"
    model = load_model(model_file)
    model.camera_means = None
    model.save(old)
    words = "This model has no camera means, so its features cannot be centred"
    data = ("market-layout", "--data-dir", market_people)
    assert refusal("evaluate", old, *data, "--centre", "on").startswith(words)
    assert refusal("embed", old, cameras, "--out", tmp_path / "x.npz", "--centre", "on").startswith(words)
    assert refusal("index", tmp_path / "x.db", cameras, "--model", old, "--centre", "on").startswith(words)
    picture = cameras / "hall" / "01.png"
    assert refusal("search", gallery, picture, "--model", old, "--centre", "on").startswith(words)
    assert refusal("export", old, "--centre", "on").startswith(words)
    finished = iics("evaluate", old, *data, "--centre", "auto", "--json")
    assert finished.code == 0, finished.stderr
    assert json.loads(finished.stdout)["centre"]["reason"] == (
        "Features are not centred: the model has no camera means."
    )


def test_evaluate_says_what_auto_chose(iics, trained, market_people):
    data = ("market-layout", "--data-dir", market_people, "--json")
    plain, on, auto = (
        json.loads(iics("evaluate", trained[0], *data, "--centre", centre).stdout) for centre in ("off", "on", "auto")
    )
    assert on["mean_ap"] != plain["mean_ap"]
    assert auto["mean_ap"] == (on if auto["centre"]["is_centred"] else plain)["mean_ap"]
    assert "both have to rise" in auto["centre"]["reason"]


def test_thresholds_are_not_measured_on_centred_features(refusal, trained, market_people):
    data = ("market-layout", "--data-dir", market_people)
    assert refusal("evaluate", trained[0], *data, "--calibrate", "--centre", "auto") == (
        "--calibrate measures similarities of plain features, --centre auto asks for others. Leave one out."
    )


def test_export_writes_means_beside_the_file(iics, refusal, model_file, tmp_path, monkeypatch):
    from iics.export import onnx_file

    asked = []
    monkeypatch.setattr(onnx_file, "check_parity", lambda *_: 0.0)
    monkeypatch.setattr("iics.export.onnx_model.OnnxModel", lambda content: None)
    monkeypatch.setattr(onnx_file, "export_onnx", lambda model, **how: asked.append(how["means_file"]) or b"")
    out = tmp_path / "door.onnx"
    finished = iics("export", model_file, "--out", out, "--centre", "on")
    assert finished.code == 0, finished.stderr
    means, stored = load_model(model_file).camera_means, np.load(tmp_path / "door.cameras.npz")
    assert tuple(stored["names"]) == means.names
    assert tuple(stored["num_crops"]) == means.num_crops
    assert np.array_equal(stored["means"], means.means)
    assert np.array_equal(stored["mean_of_all"], means.of_all)
    assert iics("export", model_file, "--out", tmp_path / "plain.onnx").code == 0
    assert not (tmp_path / "plain.cameras.npz").exists()
    assert asked == ["door.cameras.npz", ""]
    assert "--no-mirror makes others" in refusal("export", model_file, "--centre", "on", "--no-mirror")
