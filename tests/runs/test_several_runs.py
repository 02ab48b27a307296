"""Runs and model files named together."""

import json
import shutil
from pathlib import Path

import pytest

from iics.errors import RunFolderError
from iics.runs.several_runs import SeveralRuns, several_runs, trained_on

CONTENTS = "split,path,camera,identity,contents\n"


@pytest.fixture
def make_run(tmp_path):
    """Make a run folder by hand: of some pictures, at a round of two."""

    def make(name, *, pictures="ab", round_number=2):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        (folder / "settings.json").write_text('{"rounds": 2}')
        (folder / "data.json").write_text(json.dumps({"num_crops": len(pictures), "fingerprint": "f"}))
        rows = "".join(f"train,{letter}.png,door,,{letter * 64}\n" for letter in pictures)
        (folder / "crops.csv").write_text(CONTENTS + rows)
        lines = (json.dumps({"round": number}) + "\n" for number in range(round_number + 1))
        (folder / "metrics.jsonl").write_text("".join(lines))
        (folder / "model.safetensors").write_bytes(name.encode())
        return folder

    return make


@pytest.fixture
def make_seeds(make_run, tmp_path):
    """Make a folder of three seeds, some of them finished."""

    def make(finished):
        for seed in (0, 1):
            make_run(f"seeds/seed-{seed}", round_number=2 if seed in finished else 1)
        values = {"seeds": [0, 1, 2], "finished": finished, "settings": {"rounds": 2}, "source": {}, "asked": ""}
        (tmp_path / "seeds" / "seeds.json").write_text(json.dumps(values))
        return tmp_path / "seeds"

    return make


def test_runs_and_model_files_stand_in_the_order_they_are_named_in(make_run):
    first, second = make_run("a"), make_run("b")
    named = second, first / "model.safetensors"
    assert several_runs(named) == SeveralRuns(named, ())


def test_a_folder_of_seeds_stands_for_its_finished_runs_and_tells_of_the_others(make_seeds):
    folder = make_seeds([0])
    assert several_runs([folder]) == SeveralRuns(
        (folder / "seed-0",),
        (f"Seeds 1, 2 of {folder} are not finished and left out. Go on with: iics train --resume {folder}",),
    )


def test_one_unfinished_seed_is_told_of(make_seeds):
    folder = make_seeds([0, 1])
    (remark,) = several_runs([folder]).remarks
    assert remark.startswith(f"Seed 2 of {folder} is not finished and left out.")


def test_a_folder_of_seeds_without_a_finished_one_is_refused(make_seeds):
    with pytest.raises(RunFolderError, match=r"None of the seeds 0, 1, 2 in .*seeds is finished. Go on with: iics"):
        several_runs([make_seeds([])])


@pytest.mark.parametrize("again", ["a", "a/", "b/../a", "link", "a/model.safetensors"])
def test_a_run_named_twice_in_any_spelling_is_refused(make_run, tmp_path, again):
    first, second = make_run("a"), make_run("b")
    (tmp_path / "link").symlink_to(first)
    with pytest.raises(RunFolderError, match=r"One model is named twice: .*It would count double; name it once"):
        several_runs([first, second, tmp_path / again])


def test_a_seed_named_beside_its_folder_is_named_twice(make_seeds):
    folder = make_seeds([0, 1])
    with pytest.raises(RunFolderError, match=r"named twice: .*seed-1"):
        several_runs([folder, folder / "seed-1"])


def test_a_run_without_a_model_yet_is_named(make_run):
    first, second = make_run("a"), make_run("b")
    (second / "model.safetensors").unlink()
    with pytest.raises(RunFolderError, match="b has no model yet: its run was stopped before it wrote one"):
        several_runs([first, second])


def test_a_run_at_work_is_told_of(make_run):
    second = make_run("b", round_number=1)
    assert several_runs([make_run("a"), second]).remarks == (
        f"{second} is at round 1 of 2: it counts with the model it has so far.",
    )


def test_runs_trained_on_other_pictures_are_told_of(make_run):
    first, same, other = make_run("a"), make_run("b", pictures="ba"), make_run("c", pictures="ac")
    assert several_runs([first, same, other]).remarks == (
        f"Trained on other pictures than {first}: {other}. What differs between them is not chance alone.",
    )


def test_pictures_are_known_by_their_contents_in_any_order(make_run):
    assert trained_on(make_run("a")) == trained_on(make_run("b", pictures="ba") / "model.safetensors")


def test_a_model_file_alone_and_a_run_of_an_older_version_do_not_tell_their_pictures(make_run, tmp_path):
    run = make_run("a")
    alone = shutil.copy(run / "model.safetensors", tmp_path / "model.safetensors")
    (run / "crops.csv").unlink()
    assert trained_on(Path(alone)) is None
    assert trained_on(run) is None
