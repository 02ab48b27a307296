"""A run on a device: its rounds against the CPU's, and a resumed one against an unbroken one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from iics.models.reid_model import load_model
from iics.runs.rounds import resume, train

pytestmark = [pytest.mark.gpu, pytest.mark.slow, pytest.mark.filterwarnings("ignore:.*deterministic")]


@pytest.fixture
def settings(tiny_settings, device):
    return replace(tiny_settings, device=str(device), loggers=())


def test_both_stages_of_a_round_are_those_of_the_cpu(people, settings, tmp_path):
    one_round = replace(settings, rounds=1)
    here = train(people.train, settings=replace(one_round, device="cpu"), out=tmp_path / "here")
    there = train(people.train, settings=one_round, out=tmp_path / "there")
    ours, theirs = here.history[-1], there.history[-1]
    assert theirs["stage1"]["loss"] == pytest.approx(ours["stage1"]["loss"], rel=0.01)
    assert theirs["stage2"]["loss"] == pytest.approx(ours["stage2"]["loss"], rel=0.1)  # its clusters may differ
    model = load_model(tmp_path / "there" / "model.safetensors", device=settings.device)
    expected = load_model(tmp_path / "there" / "model.safetensors").embed(people.query)
    np.testing.assert_allclose(model.embed(people.query), expected, atol=1e-3)


class _StoppedError(Exception):
    pass


@pytest.mark.parametrize("phase", ["stage 1: train", "stage 2: features"])
def test_a_resumed_run_ends_where_the_unbroken_one_does(
    people, settings, tmp_path, phase, same_weights, without_seconds
):
    def stop(event):
        if event.round_number == 2 and event.phase == phase:
            raise _StoppedError

    unbroken = train(people.train, settings=settings, out=tmp_path / "unbroken")
    with pytest.raises(_StoppedError):
        train(people.train, settings=settings, out=tmp_path / "broken", progress=stop)
    resumed = resume(tmp_path / "broken", people.train)
    assert without_seconds(resumed.history) == without_seconds(unbroken.history)
    assert same_weights(tmp_path / "broken", tmp_path / "unbroken")
