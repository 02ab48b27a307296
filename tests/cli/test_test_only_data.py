"""Measuring and searching need no crops to train on; commands that train say what is missing."""

import json
import shutil

import pytest

import iics as package
from iics.errors import DataError


@pytest.fixture(scope="module")
def tested(people, tmp_path_factory):
    """Query and gallery as a table, as folders, and a table of the gallery alone."""
    root = tmp_path_factory.mktemp("tested")
    rows = {"query": [], "gallery": []}
    for split, folder in (("query", "query"), ("gallery", "bounding_box_test")):
        crops = getattr(people, split)
        (root / folder).mkdir()
        for at, path in enumerate(crops.paths):
            shutil.copy(path, root / folder)
            camera = crops.camera_names[crops.camera_ids[at]]
            rows[split].append(f"{folder}/{path.name},{camera},{crops.identity_ids[at]},{split}")
    for name, splits in (("test.csv", ("query", "gallery")), ("gallery.csv", ("gallery",))):
        lines = [row for split in splits for row in rows[split]]
        (root / name).write_text("\n".join(["path,camera,identity,split", *lines]) + "\n")
    return root


@pytest.fixture(scope="module")
def model(aibn_model, tmp_path_factory):
    file = tmp_path_factory.mktemp("model") / "model.safetensors"
    aibn_model.save(file)
    return file


@pytest.mark.parametrize("source", ["table", "folders", "pattern"])
def test_query_and_gallery_alone_are_measured_as_beside_training_crops(iics, market_people, tested, model, source):
    names = "{split:query=query,bounding_box_test=gallery}/{identity:d}_c{camera:d}s{}_{frame:d}_{}.png"
    words = {
        "table": ("csv", "--data-dir", tested / "test.csv"),
        "folders": ("market-layout", "--data-dir", tested),
        "pattern": ("pattern", "--data-dir", tested, "--pattern", names),
    }[source]
    whole = iics("evaluate", model, "market-layout", "--data-dir", market_people, "--json")
    found = iics("evaluate", model, *words, "--json")
    assert found.code == 0, found.stderr
    assert json.loads(found.stdout)["mean_ap"] == pytest.approx(json.loads(whole.stdout)["mean_ap"], abs=1e-6)


def test_a_gallery_alone_is_looked_at_without_labels(iics, tested, model):
    found = iics("evaluate", model, "csv", "--data-dir", tested / "gallery.csv")
    assert found.code == 0, found.stderr
    assert "mAP" in found.stdout  # its own crops against each other


def test_checking_needs_no_training_crops(iics, tested, tmp_path):
    found = iics("check-data", "csv", "--data-dir", tested / "test.csv", "--contact-sheet", tmp_path / "sheet.png")
    assert found.code == 0, found.stdout + found.stderr
    assert (tmp_path / "sheet.png").is_file()
    assert "train" not in found.stdout.split("camera")[0].split("split")[1]


@pytest.mark.parametrize(
    "words", [("train", "--weights=none"), ("check-data", "--estimate"), ("benchmark", "training")]
)
def test_commands_that_train_say_what_is_missing(refusal, tested, words):
    options = [word for word in words if word.startswith("--")]
    command = [word for word in words if not word.startswith("--")]
    told = refusal(*command, "csv", "--data-dir", tested / "test.csv", *options)
    assert told.startswith("test has no crop to train on: it holds ")


def test_python_says_so_too(tested, tiny_settings, tmp_path):
    crops = package.load_csv(tested / "gallery.csv")
    assert (crops.train, crops.query) == (None, None)
    with pytest.raises(DataError, match=r"^There are no crops to train on \(None\)"):
        package.train(crops.train, settings=tiny_settings, out=tmp_path / "run")
    with pytest.raises(DataError, match=r"^There are no crops to train on \(None\)"):
        package.resume(tmp_path / "run", crops.train)
