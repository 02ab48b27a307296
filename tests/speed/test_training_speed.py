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

CPU = torch.device("cpu")


@pytest.fixture(scope="session")
def workload(small_workload):
    """In float32, on one thread."""
    return replace(small_workload, engine=EngineSettings(precision="float32", threads=1))


@pytest.fixture
def forms_of(workload):
    """Names of the forms of a phase that are timed."""
    return lambda phase, **settings: [
        form.form for form in measure_phase(phase, workload, device=CPU, repeats=1, **settings).forms
    ]


def test_every_option_is_timed(workload):
    speed = measure_phase("features", workload, device=CPU, repeats=1, options=("norm", "precision", "memory-format"))
    assert [form.form for form in speed.forms] == ["aibn", "bn", "aibn, bf16", "aibn, contiguous"]
    for form in speed.forms:
        assert form.crops_per_second == pytest.approx(5 / form.seconds)


@pytest.mark.parametrize("phase", ["stage1", "stage2"])
def test_without_options_a_step_is_timed_as_training_takes_it(forms_of, phase):
    assert forms_of(phase) == ["aibn"]


@pytest.mark.parametrize("compiles", [True, False])
def test_compiled_is_timed_only_where_torch_can_compile(forms_of, compiles, monkeypatch):
    choose = training_speed.choose_engine

    def pretend(settings, **where):
        return replace(choose(replace(settings, compile=False), **where), compiles=settings.compile and compiles)

    monkeypatch.setattr(training_speed, "choose_engine", pretend)
    monkeypatch.setattr(torch, "compile", lambda backbone: backbone)
    assert ("aibn, compiled" in forms_of("features", options=("compile",))) == compiles


def test_loading_counts_whole_batches(workload):
    crops = load_sample().train.subset(np.arange(0, 130, 10))  # two batches of 6, and one crop
    speed = measure_loading(crops, workload, repeats=1)
    assert speed.num_crops == 12
    (form,) = speed.forms
    assert form.form == "1 thread"
    assert form.crops_per_second == pytest.approx(12 / form.seconds)


def test_fewer_crops_than_a_batch_are_refused(workload):
    with pytest.raises(ValueError, match=r"^A batch of 6 needs as many crops, got 3\.$"):
        measure_loading(load_sample().train.subset(np.arange(3)), workload, repeats=1)


def test_speed_is_crops_over_seconds():
    speed = PhaseSpeed.from_seconds("stage1", {"slow": 4.0, "fast": 0.5}, num_crops=8)
    assert [form.crops_per_second for form in speed.forms] == [2, 16]
