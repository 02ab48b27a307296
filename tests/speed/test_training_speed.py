"""Phases of training, measured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from iics.computing_settings import EngineSettings
from iics.readers.sample import load_sample
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


def test_every_option_is_timed_beside_the_plain_form_with_the_same_norm():
    speed = measure_phase("features", SMALL, device=CPU, repeats=1, options=("norm", "precision", "memory-format"))
    assert [form.form for form in speed.forms] == [
        "plain, aibn",
        "ours, aibn",
        "plain, bn",
        "ours, bn",
        "ours, aibn, bf16",
        "ours, aibn, contiguous",
    ]
    seconds = {form.form: form.seconds for form in speed.forms}
    for form in speed.forms:
        assert form.crops_per_second == pytest.approx(3 / form.seconds)
        plain = seconds["plain, bn" if "bn" in form.form.split(", ") else "plain, aibn"]
        assert form.times_plain == pytest.approx(plain / form.seconds)


@pytest.mark.parametrize("phase", ["stage1", "stage2"])
def test_without_options_a_step_is_timed_in_two_forms(phase):
    assert forms_of(phase) == ["plain, aibn", "ours, aibn"]


@pytest.mark.parametrize("compiles", [True, False])
def test_compiled_is_timed_only_where_torch_can_compile(compiles, monkeypatch):
    choose = training_speed.choose_engine

    def pretend(settings, **where):
        return replace(choose(replace(settings, compile=False), **where), compiles=settings.compile and compiles)

    monkeypatch.setattr(training_speed, "choose_engine", pretend)
    monkeypatch.setattr(torch, "compile", lambda backbone: backbone)
    assert ("ours, aibn, compiled" in forms_of("features", options=("compile",))) == compiles


def test_loading_counts_whole_batches():
    crops = load_sample().train.subset(np.arange(0, 90, 10))  # two batches of 4, and one crop
    speed = measure_loading(crops, SMALL, repeats=1)
    assert speed.num_crops == 8
    plain, ours = speed.forms
    assert (plain.form, ours.form) == ("plain, 1 thread", "ours, 1 thread")
    assert ours.crops_per_second == pytest.approx(8 / ours.seconds)
    assert ours.times_plain == pytest.approx(plain.seconds / ours.seconds)


def test_speed_is_crops_over_seconds():
    seconds, plain_of = {"slow": 4.0, "fast": 0.5}, {"slow": "slow", "fast": "slow"}
    speed = PhaseSpeed.from_seconds("stage1", seconds, plain_of=plain_of, num_crops=8)
    assert [(form.crops_per_second, form.times_plain) for form in speed.forms] == [(2, 1), (16, 8)]
