"""Phases of training, measured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from iics.computing_settings import EngineSettings
from iics.readers.benchmarks import load_sample
from iics.speed import training_speed
from iics.speed.training_speed import PhaseSpeed, measure_loading, measure_phase
from iics.speed.training_work import Workload

CPU = torch.device("cpu")
SMALL = Workload(
    backbone="resnet18",
    height=32,
    width=32,
    num_cameras=2,
    crops_per_camera=2,
    clusters_per_batch=2,
    crops_per_cluster=2,
    num_extracted=3,
    engine=EngineSettings(precision="float32", threads=1),
)


def forms_of(phase, **settings):
    return [form.form for form in measure_phase(phase, SMALL, device=CPU, repeats=1, **settings).forms]


def test_every_option_is_timed():
    speed = measure_phase("features", SMALL, device=CPU, repeats=1, options=("norm", "precision", "memory-format"))
    assert [form.form for form in speed.forms] == ["aibn", "bn", "aibn, bf16", "aibn, contiguous"]
    for form in speed.forms:
        assert form.crops_per_second == pytest.approx(3 / form.seconds)


@pytest.mark.parametrize("phase", ["stage1", "stage2"])
def test_without_options_a_step_is_timed_as_training_takes_it(phase):
    assert forms_of(phase) == ["aibn"]


@pytest.mark.parametrize("compiles", [True, False])
def test_compiled_is_timed_only_where_torch_can_compile(compiles, monkeypatch):
    choose = training_speed.choose_engine

    def pretend(settings, **where):
        return replace(choose(replace(settings, compile=False), **where), compiles=settings.compile and compiles)

    monkeypatch.setattr(training_speed, "choose_engine", pretend)
    monkeypatch.setattr(torch, "compile", lambda backbone: backbone)
    assert ("aibn, compiled" in forms_of("features", options=("compile",))) == compiles


def test_loading_counts_whole_batches():
    crops = load_sample().train.subset(np.arange(0, 90, 10))  # two batches of 4, and one crop
    speed = measure_loading(crops, SMALL, repeats=1)
    assert speed.num_crops == 8
    (form,) = speed.forms
    assert form.form == "1 thread"
    assert form.crops_per_second == pytest.approx(8 / form.seconds)


def test_fewer_crops_than_a_batch_are_refused():
    with pytest.raises(ValueError, match=r"^A batch of 4 needs as many crops, got 3\.$"):
        measure_loading(load_sample().train.subset(np.arange(3)), SMALL, repeats=1)


def test_speed_is_crops_over_seconds():
    speed = PhaseSpeed.from_seconds("stage1", {"slow": 4.0, "fast": 0.5}, num_crops=8)
    assert [form.crops_per_second for form in speed.forms] == [2, 16]
