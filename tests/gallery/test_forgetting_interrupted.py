"""Forgetting that is interrupted: at any step, after the next command no feature of the forgotten is in any file."""

import json
import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from iics.cli import run
from iics.errors import GalleryError
from iics.gallery import erasure
from iics.gallery.filters import GalleryFilters
from iics.gallery.gallery import Gallery

FORGOTTEN = ("f1", "f2", "f3")
KEPT = tuple(f"k{number}" for number in range(6))
HARNESS = Path(__file__).with_name("killed_forgetting.py")


@pytest.fixture
def features():
    drawn = np.random.default_rng(0).standard_normal((len(FORGOTTEN + KEPT), 256)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


@pytest.fixture
def folder(tmp_path, model, features, stored_row):
    """A gallery of three crops that will be forgotten and six that stay."""
    path = tmp_path / "people.db"
    with Gallery.open_or_create(str(path), model=model) as gallery:
        gallery.write([stored_row(name) for name in FORGOTTEN + KEPT], features)
        gallery.flush()
    return path


def crops_in_files(folder, features):
    """Return the crops of which any file of a folder holds the feature, or the row."""
    names, found = FORGOTTEN + KEPT, set()
    for file in folder.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            found |= {name for name, row in zip(names, features, strict=True) if row[:16].tobytes() in content}
        if file.suffix == ".parquet":
            table = parquet.read_table(file)
            if "feature" in table.column_names:
                found |= set(table["crop_id"].to_pylist()) & set(names)
    return found


def test_the_files_hold_the_features_before(folder, features):
    assert crops_in_files(folder, features) == {*FORGOTTEN, *KEPT}


STEPS = [
    "delete",
    "flush",
    "describe_collection",
    "create_collection",
    "upsert",
    "rename_collection",
    "drop_collection",
]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("when", ["before", "after"])
def test_an_interruption_is_finished_by_whoever_opens_the_gallery(folder, features, monkeypatch, caplog, step, when):
    with Gallery.open(str(folder)) as gallery:
        ask = getattr(gallery._client, step)

        def interrupted(*arguments, **options):
            if when == "after":
                ask(*arguments, **options)
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(gallery._client, step, interrupted)
            with pytest.raises(KeyboardInterrupt):
                gallery.delete(FORGOTTEN)
    with caplog.at_level(logging.WARNING), Gallery.open(str(folder)) as gallery:
        left = {crop.crop_id for crop in gallery.crops(GalleryFilters())}
    is_begun = (step, when) != ("delete", "before")
    assert left == {*KEPT} if is_begun else left == {*KEPT, *FORGOTTEN}
    assert ("was interrupted" in caplog.text) == (step != "drop_collection")  # only files that nobody reads are left
    if is_begun:
        assert crops_in_files(folder, features) == {*KEPT}


def test_the_same_command_finishes_what_was_interrupted(folder, features, monkeypatch, capsys):
    def interrupted(*_arguments, **_options):
        raise GalleryError("power")

    with Gallery.open(str(folder)) as gallery, monkeypatch.context() as patch:
        patch.setattr(erasure, "_write_anew", interrupted)
        with pytest.raises(GalleryError, match="power"):
            gallery.delete(FORGOTTEN)
    assert {*FORGOTTEN} <= crops_in_files(folder, features)
    assert run(["forget", str(folder), "--path", "/crops/f1", "--yes"]) == 0
    assert "An iics forget that was interrupted is finished" in capsys.readouterr().out
    assert crops_in_files(folder, features) == {*KEPT}


def test_a_server_tells_of_a_forgetting_that_is_not_finished(place, model, features, stored_row, monkeypatch, caplog):
    with place.create(model) as gallery, monkeypatch.context() as patch:
        gallery.write([stored_row(name) for name in FORGOTTEN + KEPT], features)
        patch.setattr(erasure, "_off_the_disk", lambda *_, **__: pytest.fail("interrupted"))
        with pytest.raises(pytest.fail.Exception):
            gallery.delete(FORGOTTEN)
    with caplog.at_level(logging.WARNING), place.open() as gallery:
        assert ("was interrupted" in caplog.text) == (not place.uri.startswith("http"))
        assert ("or were until an interruption" in caplog.text) == place.uri.startswith("http")
        assert gallery.finish_deleting() == place.uri.startswith("http")
        assert not gallery.finish_deleting()
    caplog.clear()
    with place.open() as gallery:
        assert gallery.num_crops == len(KEPT)
    assert not caplog.records


@pytest.mark.slow
def test_a_process_killed_at_any_change_of_a_file_leaves_no_feature_after_the_next_command(folder, features):
    answer = subprocess.run(
        [sys.executable, str(HARNESS), str(folder), *FORGOTTEN], capture_output=True, text=True, timeout=1500
    )
    steps = [json.loads(line) for line in answer.stdout.splitlines()]
    assert steps[-1]["killed"] == 0, answer.stderr
    assert len(steps) > 20
    assert all(step["killed"] == -9 for step in steps[:-1])
    for step in steps:
        assert set(step["next"]) == {0}, step
        assert crops_in_files(Path(step["folder"]), features) == {*KEPT}, step
