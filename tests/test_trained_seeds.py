"""Several trainings that differ in their seed alone: whole runs, read once, stopped and gone on with."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

import iics
from iics.errors import RunFolderError, SettingsError, TrainingError
from iics.runs import same_pictures
from iics.runs.seed_runs import SeedRuns
from iics.trained_seeds import resume_seeds_on


class Stopped(BaseException):
    """Nothing catches it, as nothing catches a killed process."""


@pytest.fixture(scope="module")
def settings(tiny_settings):
    return replace(tiny_settings, stages="stage1", rounds=1, seed=3, loggers=())


@pytest.fixture(scope="module")
def train(people, settings):
    """Train seeds 3 and 4."""

    def call(out, **changes):
        arguments = {"settings": settings, "seeds": 2, "query": people.query, "gallery": people.gallery, **changes}
        return iics.train_seeds(people.train, out=out, **arguments)

    return call


@pytest.fixture(scope="module")
def pictures_read():
    """The names of the crops whose pictures `unbroken` read, in the order of their reading."""
    return []


@pytest.fixture(scope="module")
def unbroken(train, pictures_read, tmp_path_factory):
    hashed = same_pictures.file_digests

    def counted(crops, **how):
        pictures_read.append(crops.name)
        return hashed(crops, **how)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(same_pictures, "file_digests", counted)
        return train(tmp_path_factory.mktemp("seeds") / "both")


@pytest.fixture(scope="module")
def as_stopped(train, tmp_path_factory):
    """The same seeds, stopped in the second; not to be changed."""
    out = tmp_path_factory.mktemp("stopped") / "both"
    events = []

    def stop(event):
        events.append(event)
        if (out / "seed-4" / "settings.json").exists() and event.phase == "stage 1: train":
            raise Stopped

    with pytest.raises(Stopped):
        train(out, progress=stop)
    assert {event.runs_left for event in events} == {1, 0}
    return out


@pytest.fixture
def stopped(as_stopped, tmp_path):
    """A copy of `as_stopped` to go on with."""
    return shutil.copytree(as_stopped, tmp_path / "both")


def test_each_seed_is_the_run_that_it_would_be_alone(unbroken, people, settings, same_weights, tmp_path):
    alone = replace(settings, seed=4)
    run = iics.train(people.train, settings=alone, out=tmp_path / "run", query=people.query, gallery=people.gallery)
    assert same_weights(run.folder, unbroken.folder / "seed-4")
    assert not same_weights(run.folder, unbroken.folder / "seed-3")
    assert (unbroken.folder / "seed-4" / "report.html").is_file()
    assert (unbroken.folder / "seed-4" / "model.md").is_file()


def test_the_scores_of_all_seeds_have_a_mean_and_the_deviation_of_a_sample(unbroken, read_metrics):
    last = [read_metrics(unbroken.folder / f"seed-{seed}")[-1]["evaluation"]["mean_ap"] for seed in (3, 4)]
    spread = unbroken.spread("mean_ap")
    assert spread.values == tuple(last)
    assert spread.mean == pytest.approx(sum(last) / 2)
    assert spread.deviation == pytest.approx(abs(last[0] - last[1]) / 2**0.5)
    rows = str(unbroken).splitlines()
    assert rows[0].split() == ["seed", "mAP", "rank-1", "rank-5", "rank-10", "mINP"]
    assert [row.split("  ")[0] for row in rows[1:]] == ["3", "4", "mean", "standard deviation", "minimum", "maximum"]
    assert rows[1].split()[1] == f"{100 * last[0]:.1f}"


def test_all_seeds_together_read_each_picture_once(unbroken, pictures_read):
    assert sorted(pictures_read) == ["people gallery", "people query", "people train"]


def test_a_stopped_second_seed_goes_on_and_the_finished_one_is_not_trained_again(
    train, stopped, unbroken, same_weights
):
    first = stopped / "seed-3" / "model.safetensors"
    before = first.stat().st_mtime_ns
    assert [run.state for run in SeedRuns.read(stopped).runs] == ["finished", "started"]
    assert "stopped after round 0" in str(SeedRuns.read(stopped))
    phases = set()
    runs = train(stopped, progress=lambda event: phases.add(event.runs_left))
    assert phases == {0}
    assert first.stat().st_mtime_ns == before
    assert same_weights(stopped / "seed-4", unbroken.folder / "seed-4")
    assert str(runs) == str(unbroken)


def test_what_is_finished_stays_finished_without_its_checkpoints(train, unbroken, tmp_path):
    out = shutil.copytree(unbroken.folder, tmp_path / "copy")
    shutil.rmtree(out / "seed-3" / "checkpoints")
    assert str(train(out, progress=lambda event: pytest.fail(f"{event} is trained again"))) == str(unbroken)


def test_seeds_that_have_not_begun_are_not_trained_on_other_pictures(people, stopped):
    shutil.rmtree(stopped / "seed-4")
    fewer = replace(people, train=people.train.subset(range(50)))
    with pytest.raises(RunFolderError, match="Of 54, 4 are missing or changed"):
        resume_seeds_on(stopped, fewer)
    assert not (stopped / "seed-4").exists()


@pytest.mark.slow
def test_pictures_in_another_order_are_put_into_that_of_the_first_seed(people, stopped, unbroken, same_weights):
    shutil.rmtree(stopped / "seed-4")
    turned = replace(people, train=people.train.subset(range(53, -1, -1)), query=people.query.subset(range(8, -1, -1)))
    runs = resume_seeds_on(stopped, turned)
    assert same_weights(stopped / "seed-4", unbroken.folder / "seed-4")
    assert str(runs) == str(unbroken)


@pytest.mark.parametrize(
    ("changes", "differ"),
    [
        ({"seeds": 3}, "their seeds are not what is asked for now"),
        ({"evaluate": "end"}, "their data is not what is asked for now"),
        ({"settings": "other"}, "their settings are not what is asked for now"),
    ],
)
def test_other_seeds_settings_or_data_are_refused_in_a_folder_that_has_begun(
    train, unbroken, settings, changes, differ
):
    if "settings" in changes:
        changes = {"settings": replace(settings, rounds=2)}
    with pytest.raises(RunFolderError, match=differ):
        train(unbroken.folder, **changes)


def test_a_folder_in_which_nothing_has_begun_may_be_started_anew(train, people, settings, tmp_path):
    one_of_each_camera = people.train.subset(np.unique(people.train.camera_ids, return_index=True)[1])
    with pytest.raises(TrainingError, match="No camera has 2 crops or more"):
        iics.train_seeds(one_of_each_camera, settings=settings, seeds=2, out=tmp_path / "both")
    assert len(train(tmp_path / "both", seeds=1).finished) == 1


@pytest.mark.parametrize("seeds", [0, -1, 101, 2.5, True])
def test_a_number_of_seeds_that_cannot_be_is_refused(train, tmp_path, seeds):
    with pytest.raises(SettingsError, match="seeds must be a whole number from 1 to 100; got"):
        train(tmp_path / "both", seeds=seeds)
    assert not (tmp_path / "both").exists()


def test_a_last_seed_beyond_all_seeds_is_refused_before_the_first_is_trained(train, settings, tmp_path):
    with pytest.raises(SettingsError, match="seed must be a whole number from 0 to 4,294,967,295"):
        train(tmp_path / "both", settings=replace(settings, seed=2**32 - 2), seeds=3)
    assert not (tmp_path / "both").exists()


def test_the_folder_of_a_single_run_takes_no_seeds_and_holds_its_own(train, unbroken):
    with pytest.raises(RunFolderError, match="exists already; nothing is overwritten"):
        train(unbroken.folder / "seed-3")


def test_a_folder_of_seeds_is_no_run(people, settings, unbroken):
    with pytest.raises(RunFolderError, match=r"holds the runs of several seeds\. Name one of them, e\.g\. .*seed-3"):
        iics.resume(unbroken.folder, people.train)
    with pytest.raises(RunFolderError, match=r"exists already; .* iics train --resume"):
        iics.train(people.train, settings=settings, out=unbroken.folder)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seeds", []),
        ("seeds", [1, 1]),
        ("seeds", 3),
        ("finished", [9]),
        ("source", {"data": 1}),
        ("settings", None),
        ("asked", 1),
    ],
)
def test_a_damaged_list_of_seeds_is_named(unbroken, tmp_path, name, value):
    values = json.loads((unbroken.folder / "seeds.json").read_text())
    (tmp_path / "seeds.json").write_text(json.dumps({**values, "finished": [], name: value}))
    with pytest.raises(RunFolderError, match=f"seeds.json is damaged: {name} is not what was written there"):
        SeedRuns.read(tmp_path)


def test_a_finished_seed_whose_run_went_away_is_named(unbroken, tmp_path):
    out = shutil.copytree(unbroken.folder, tmp_path / "copy")
    shutil.rmtree(out / "seed-4")
    with pytest.raises(RunFolderError, match=r"says that seed 4 is finished, but .*seed-4 does not hold its 1 rounds"):
        _ = SeedRuns.read(out).runs
