"""What a run would take: counts times measured speeds."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from iics.computing_settings import EngineSettings
from iics.data_splits import DataSplits
from iics.errors import SettingsError, TrainingError
from iics.methods.by_name import with_own_settings
from iics.runs import estimate as run_estimate
from iics.runs.estimate import estimate_run
from iics.runs.probe import Speed, _on_the_line

GIGABYTE = 10**9


def speed_of(seconds, num_crops, *, num_measured=None, first=0.0, peak=GIGABYTE):
    return Speed(seconds, first, num_crops, num_measured or num_crops, peak)


@pytest.fixture
def known_speeds(monkeypatch):
    """A machine that reads a crop in 1 s, extracts one in 2 s, and steps and clusters in 100, 1000 and 7 s."""
    phases = {
        "features": speed_of(2.0 * 64, 64),
        "stage1": speed_of(100.0, 12),
        "stage2": speed_of(1000.0, 16, first=5.0),
    }
    monkeypatch.setattr(run_estimate, "probe_reading", lambda crops, settings: speed_of(len(crops), len(crops)))
    monkeypatch.setattr(run_estimate, "probe_phase", lambda phase, *_, **__: phases[phase])
    monkeypatch.setattr(run_estimate, "probe_clustering", lambda *_, num_crops, **__: speed_of(7.0, min(num_crops, 27)))


def test_times_are_counts_times_speeds(known_speeds, people, tiny_settings):
    # 54 training crops of 3 cameras, 36 to test on; 2 rounds of 1 + 1 epochs
    estimate = estimate_run(people, tiny_settings)
    num_tested = len(people.query) + len(people.gallery)
    assert (len(people.train), num_tested) == (54, 27)
    assert {work.name: (work.count, work.seconds_each) for work in estimate.works} == {
        "reading crops": (54 + 27, 1.0),
        "features": (2 * 2 * 54, 2.0),
        "stage 1: training": (2 * (18 // 4), 100.0),
        "stage 2: training": (2 * 4, 1000.0),  # 54 crops fill 3.4 batches of 16
        "evaluation": (3 * 27, 2.0),
        "stage 1: clustering": (2, 3 * 7.0),  # three cameras of the 18 crops measured
        "stage 2: clustering": (2, 4 * 7.0),  # four times the pairs of the 27 crops measured
    }
    assert estimate.start_seconds == 5
    assert estimate.seconds == 5 + sum(work.count * work.seconds_each for work in estimate.works)


def test_rounds_without_stage_1_cost_less(known_speeds, people, tiny_settings):
    settings = replace(tiny_settings, rounds=5, stage1=replace(tiny_settings.stage1, rounds=2))
    counts = {work.name: work.count for work in estimate_run(people, settings).works}
    assert counts["features"] == (2 + 5) * 54
    assert (counts["stage 1: training"], counts["stage 2: training"]) == (2 * (18 // 4), 5 * 4)
    assert (counts["stage 1: clustering"], counts["stage 2: clustering"]) == (2, 5)


@pytest.mark.parametrize(("method", "title"), [("cluster-contrast", "contrast"), ("camera-proxies", "proxies")])
def test_methods_that_cluster_all_crops_cost_one_stage(known_speeds, people, tiny_settings, method, title):
    settings = with_own_settings(replace(tiny_settings, method=method))
    work = replace(settings.own.work, epochs=3, clusters_per_batch=4, crops_per_cluster=4)
    estimate = estimate_run(people, replace(settings, own=replace(settings.own, work=work)))
    works = {work.name: (work.count, work.seconds_each) for work in estimate.works}
    assert works["features"] == (2 * 54, 2.0)
    assert works[f"{title}: training"] == (2 * 3 * 4, 1000.0)
    assert works[f"{title}: clustering"] == (2, 4 * 7.0)
    assert not [name for name in works if name.startswith("stage")]
    assert estimate.settings == "test_efficientnet at 64x32, 2 rounds"


def test_no_estimate_is_made_of_what_is_not_known(known_speeds, people, tiny_settings):
    with pytest.raises(SettingsError, match="No estimate is made of --method supervised"):
        estimate_run(people, replace(tiny_settings, method="supervised"))


def test_one_camera_costs_stage_1_alone(known_speeds, people, tiny_settings):
    alone = people.train.subset(people.train.camera_ids == 0)
    works = {work.name: work.count for work in estimate_run(DataSplits("alone", alone), tiny_settings).works}
    assert works == {
        "reading crops": 18,
        "features": 2 * 18,
        "stage 1: training": 2 * (18 // 4),
        "stage 1: clustering": 2,
    }


def test_several_seeds_repeat_everything_but_the_reading_of_crops(known_speeds, people, tiny_settings):
    one, three = (estimate_run(people, tiny_settings, num_seeds=count) for count in (1, 3))
    of_one = {work.name: work.count for work in one.works}
    expected = {name: 3 * count for name, count in of_one.items()} | {"reading crops": of_one["reading crops"]}
    assert {work.name: work.count for work in three.works} == expected
    assert three.start_seconds == one.start_seconds
    assert three.peak_bytes == one.peak_bytes
    assert three.settings.endswith("2 rounds for each of 3 seeds")


def test_without_a_test_split_nothing_is_evaluated(known_speeds, people, tiny_settings):
    estimate = estimate_run(DataSplits("own", people.train), tiny_settings)
    assert "evaluation" not in {work.name for work in estimate.works}
    assert estimate.works[0].count == 54


def test_pixels_take_three_bytes_each(known_speeds, people, tiny_settings, tmp_path):
    settings = replace(tiny_settings, pixels=replace(tiny_settings.pixels, cache_dir=str(tmp_path / "not" / "there")))
    estimate = estimate_run(people, settings)
    assert estimate.pixel_bytes == (54 + 27) * 64 * 32 * 3
    assert estimate.free_disk_bytes > 0
    assert estimate.pixel_folder == str(tmp_path / "not" / "there")


def test_memory_of_a_step_grows_with_its_crops(monkeypatch, known_speeds, people, tiny_settings):
    grown = {
        "features": speed_of(1, 64),
        "stage1": speed_of(1, 12, num_measured=4, peak=1 * GIGABYTE),
        "stage2": speed_of(1, 16, num_measured=8, peak=3 * GIGABYTE),
    }
    monkeypatch.setattr(run_estimate, "probe_phase", lambda phase, *_, **__: grown[phase])
    monkeypatch.setattr(run_estimate, "measured", lambda work: speed_of(0, 1, peak=1 * GIGABYTE))
    estimate = estimate_run(people, tiny_settings)
    assert estimate.step_bytes == 5 * GIGABYTE  # 1 before, 2 more for half a batch
    assert estimate.peak_bytes == 5 * GIGABYTE


@pytest.mark.parametrize(
    ("size", "small", "large", "expected"),
    [
        (48, (8, 2.0), (16, 3.2), 8.0),  # 0.15 s a crop
        (16, (8, 2.0), (16, 3.2), 3.2),
        (48, (8, 3.0), (16, 2.0), 4.0),  # noise: half of 2 s grows
        (48, (8, 0.1), (16, 3.0), 9.0),  # noise: no more than in proportion
        (8, (8, 2.0), (8, 1.0), 1.0),  # one size
    ],
)
def test_seconds_lie_on_the_line_through_two_sizes(size, small, large, expected):
    assert _on_the_line(size, small, large) == pytest.approx(expected)


def test_a_probe_of_the_real_network_adds_up(people, tiny_settings):
    settings = replace(tiny_settings, engine=EngineSettings(precision="float32"))
    estimate = estimate_run(people, settings, seconds_a_phase=0.1)
    assert all(0 < work.seconds_each < 30 for work in estimate.works)
    assert estimate.engine.startswith("cpu, float32")
    assert estimate.settings == "test_efficientnet at 64x32, 2 rounds"
    assert estimate.peak_bytes > 10**8


def test_data_that_cannot_be_trained_on_is_refused_as_training_does(people, tiny_settings):
    alone = people.train.subset([0])
    with pytest.raises(TrainingError, match="No camera has 2 crops or more; stage 1 has nothing to compare"):
        estimate_run(DataSplits("alone", alone), tiny_settings)


def test_a_step_that_does_not_fit_onto_the_device_says_so(monkeypatch, known_speeds, people, tiny_settings):
    def out_of_memory(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has ...")

    monkeypatch.setattr(run_estimate, "probe_phase", out_of_memory)
    with pytest.raises(TrainingError, match=r"does not fit onto cpu: CUDA out of memory\. Train with batches in parts"):
        estimate_run(people, tiny_settings)


def test_a_camera_of_one_crop_takes_no_part_in_stage_1(known_speeds, people, tiny_settings):
    kept = [*np.flatnonzero(people.train.camera_ids < 2).tolist(), int(np.argmax(people.train.camera_ids == 2))]
    estimate = estimate_run(DataSplits("small", people.train.subset(kept)), tiny_settings)
    works = {work.name: work for work in estimate.works}
    assert works["stage 1: training"].count == 2 * (18 // 4)
    assert works["stage 1: clustering"].seconds_each == 2 * 7.0
